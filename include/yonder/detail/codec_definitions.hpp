// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the headers of the codec declare; see YONDER_FUNCTION.
#include <cxxabi.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "yonder/detail/byte_buffer_definitions.hpp"
#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_rare.hpp"
#include "yonder/detail/codec_reader.hpp"
#include "yonder/detail/codec_writer.hpp"
#include "yonder/detail/demangle.hpp"
#include "yonder/detail/structure.hpp"

namespace yonder {
namespace detail {

inline std::string at(std::size_t offset) { return " (at byte " + std::to_string(offset) + ")"; }

inline errc code_of(codec_fault fault) {
  switch (fault) {
    case codec_fault::over_budget: return errc::too_large;
    case codec_fault::unstable_structure: return errc::bad_configuration;
    default: return errc::undecodable;
  }
}

}  // namespace detail

YONDER_FUNCTION codec_error::codec_error(codec_fault what_fault, std::size_t where, std::string const& words)
    : error({.code = detail::code_of(what_fault), .message = words}), fault(what_fault), offset(where) {}

YONDER_FUNCTION codec_error::~codec_error() = default;

namespace detail {

YONDER_FUNCTION void throw_truncated(std::size_t offset, std::uint64_t needed, std::size_t left) {
  throw codec_error(codec_fault::truncated, offset,
                    "the bytes end too early: " + std::to_string(needed) + " more are needed, " +
                        std::to_string(left) + " are left" + at(offset));
}

YONDER_FUNCTION void throw_trailing(std::size_t offset, std::size_t bytes, std::size_t buffers) {
  throw codec_error(codec_fault::trailing, offset,
                    "the value is complete, but " + std::to_string(bytes) + " bytes and " +
                        std::to_string(buffers) + " buffers are left" + at(offset));
}

YONDER_FUNCTION void throw_too_deep(std::size_t offset, unsigned limit) {
  throw codec_error(codec_fault::too_deep, offset,
                    "objects are nested deeper than " + std::to_string(limit) +
                        "; send a long chain as a std::vector" + at(offset));
}

YONDER_FUNCTION void throw_over_budget(std::size_t offset, std::uint64_t count, std::size_t each,
                                       std::size_t left) {
  throw codec_error(
      codec_fault::over_budget, offset,
      std::to_string(count) + " elements of " + std::to_string(each) +
          " bytes of memory exceed what is left of the decoding budget, " + std::to_string(left) +
          " bytes; runtime_options::max_decoded_bytes of whoever decodes raises it" + at(offset));
}

YONDER_FUNCTION void throw_bad_bool(std::size_t offset, unsigned found) {
  throw codec_error(codec_fault::bad_bool, offset,
                    "a bool must be 0 or 1, not " + std::to_string(found) + at(offset));
}

YONDER_FUNCTION void throw_bad_index(std::size_t offset, std::uint64_t found, std::uint64_t last) {
  throw codec_error(codec_fault::bad_value, offset,
                    "alternative " + std::to_string(found) + " of a variant whose last is " +
                        std::to_string(last) + at(offset));
}

YONDER_FUNCTION void throw_bad_version(std::size_t offset, std::type_info const& type, std::uint32_t found,
                                       std::uint32_t newest) {
  throw codec_error(codec_fault::bad_value, offset,
                    "version " + std::to_string(found) + " of " + demangled(type) +
                        ", of which this program knows " + std::to_string(newest) + " at most" + at(offset));
}

YONDER_FUNCTION void throw_bad_block(std::size_t offset, std::size_t found, std::size_t expected) {
  throw codec_error(codec_fault::bad_value, offset,
                    "a block of " + std::to_string(expected) + " bytes travels in a buffer of " +
                        std::to_string(found) + at(offset));
}

YONDER_FUNCTION void throw_lost_deferment(std::size_t offset) {
  throw codec_error(codec_fault::bad_value, offset,
                    "a class used cereal::defer, but nothing called serializeDeferments()" + at(offset));
}

YONDER_FUNCTION void throw_not_constructed() {
  throw codec_error(codec_fault::rejected, 0, "load_and_construct returned without a call of construct(...)");
}

YONDER_FUNCTION void rethrow_as_codec_error(std::size_t offset, std::type_info const& type) {
  try {
    throw;
  } catch (codec_error const&) {
    throw;
  } catch (std::bad_alloc const&) {
    throw;
  } catch (std::exception const& error) {
    throw codec_error(codec_fault::rejected, offset,
                      "while loading " + demangled(type) + ": " + error.what() + at(offset));
  } catch (abi::__forced_unwind const&) {  // the thread is being cancelled
    throw;
  } catch (...) {
    throw codec_error(codec_fault::rejected, offset,
                      "while loading " + demangled(type) +
                          ": it threw what is not derived from std::exception" + at(offset));
  }
}

// --- rare_state

struct rare_state::parts {
  struct version {
    std::type_info const* type;
    std::uint32_t number;
  };
  struct base {
    std::type_info const* type;
    void const* address;
    unsigned depth;
  };

  std::vector<version> versions;
  std::vector<base> bases;
  std::vector<deferment> deferments;
};

YONDER_FUNCTION rare_state::parts& rare_state::make() {
  if (parts_ == nullptr) parts_ = new parts;
  return *parts_;
}

YONDER_FUNCTION void rare_state::release() { delete parts_; }

YONDER_FUNCTION std::uint32_t const* rare_state::version_of(std::type_info const& type) const {
  if (parts_ == nullptr) return nullptr;
  for (auto const& known : parts_->versions)
    if (*known.type == type) return &known.number;
  return nullptr;
}

YONDER_FUNCTION void rare_state::remember_version(std::type_info const& type, std::uint32_t number) {
  make().versions.push_back({&type, number});
}

YONDER_FUNCTION bool rare_state::enter_base(std::type_info const& type, void const* address, unsigned depth) {
  for (auto const& known : make().bases)
    if (known.address == address && *known.type == type) return false;
  parts_->bases.push_back({&type, address, depth});
  return true;
}

YONDER_FUNCTION void rare_state::forget_bases(unsigned depth) {
  auto& bases = parts_->bases;
  while (!bases.empty() && bases.back().depth >= depth) bases.pop_back();
}

YONDER_FUNCTION void rare_state::defer(deferment later) { make().deferments.push_back(later); }

YONDER_FUNCTION bool rare_state::has_deferments() const {
  return parts_ != nullptr && !parts_->deferments.empty();
}

YONDER_FUNCTION void rare_state::run_deferments() {
  if (parts_ == nullptr) return;
  for (auto const& each : std::exchange(parts_->deferments, {})) each.run(each.archive, each.object);
}

// --- structure

inline constexpr std::size_t longest_text = std::size_t{1} << 20;

// FNV-1a, 64 bits (draft-eastlake-fnv).
inline std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037u;
  for (char const c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

[[noreturn]] inline void throw_unstable(std::type_info const* type, std::string const& how) {
  auto const name = type != nullptr ? demangled(*type) : std::string("this type");
  throw codec_error(
      codec_fault::unstable_structure, 0,
      name + " " + how + ": specialize yonder::schema<" + name + ">, to state its structure by a name");
}

YONDER_FUNCTION structure_record::structure_record() = default;
YONDER_FUNCTION structure_record::structure_record(structure_record const& other) = default;
YONDER_FUNCTION structure_record::~structure_record() = default;

YONDER_FUNCTION void structure_record::note(std::string_view word) {
  if (word.empty()) return;
  if (text_.size() + word.size() > longest_text)
    throw codec_error(codec_fault::unstable_structure, 0,
                      "the structure takes more than a megabyte to describe");
  bool const opened = text_.empty() || std::string_view("([{<?").find(text_.back()) != std::string_view::npos;
  bool const closes = std::string_view(")]}>:").find(word.front()) != std::string_view::npos;
  if (!opened && !closes) text_ += ' ';
  text_ += word;
}

YONDER_FUNCTION void structure_record::note(std::string_view word, std::size_t number) {
  note(std::string(word) + std::to_string(number));
}

YONDER_FUNCTION bool structure_record::enter_class(std::type_info const& type) {
  auto const known =
      std::find_if(classes_.begin(), classes_.end(), [&](met const& m) { return *m.type == type; });
  if (known != classes_.end()) {
    note("^", static_cast<std::size_t>(known - classes_.begin()));
    return false;
  }
  note("{");
  classes_.push_back({&type, text_.size(), 0});
  return true;
}

YONDER_FUNCTION void structure_record::leave_class() {
  note("}");
  auto const open = std::find_if(classes_.rbegin(), classes_.rend(), [](met const& m) { return m.end == 0; });
  open->end = text_.size();
}

YONDER_FUNCTION std::type_info const* structure_record::class_at(std::size_t at) const {
  std::type_info const* innermost = nullptr;
  for (auto const& m : classes_)
    if (m.begin <= at && (m.end == 0 || at < m.end)) innermost = m.type;
  return innermost;
}

YONDER_FUNCTION void structure_reader::get_text(std::string& text) {
  text.assign(ones_, '1');
  record_.note("str8");
}

YONDER_FUNCTION structure compare_structures(structure_record const& zeros, structure_record const& ones) {
  auto const& text = zeros.text();
  if (text != ones.text()) {
    auto const shorter = (std::min)(text.size(), ones.text().size());
    auto const differ =
        std::mismatch(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(shorter), ones.text().begin());
    throw_unstable(zeros.class_at(static_cast<std::size_t>(differ.first - text.begin())),
                   "reads different things for different values");
  }
  return {text, hash_of(text), nullptr};
}

YONDER_FUNCTION structure const& find_structure(void (*visit)(structure_reader&)) {
  bool always = true;
  auto const record = [&](bool ones) {
    structure_reader ar(ones);
    try {
      visit(ar);
      ar.serializeDeferments();
    } catch (std::bad_alloc const&) {
      always = false;
      rethrow_unstable(ar.record());
    } catch (...) {
      rethrow_unstable(ar.record());
    }
    return ar.record();
  };
  try {
    return *new structure(compare_structures(record(false), record(true)));
  } catch (codec_error const& error) {
    if (!always) throw;
    return *new structure{{}, 0, std::make_unique<codec_error const>(error)};
  }
}

YONDER_FUNCTION structure const& checked(structure const& found) {
  if (found.unstable) throw codec_error(*found.unstable);
  return found;
}

YONDER_FUNCTION void rethrow_unstable(structure_record const& record) {
  std::string what = "it threw what is not derived from std::exception";
  try {
    throw;
  } catch (codec_error const& error) {
    if (error.fault == codec_fault::unstable_structure) throw;
    what = error.details().message;
  } catch (std::exception const& error) {
    what = error.what();
  } catch (abi::__forced_unwind const&) {  // the thread is being cancelled
    throw;
  } catch (...) {
  }
  throw_unstable(record.class_at(record.text().size()), "cannot load zeros or ones: " + what);
}

// --- writer and reader

// What an owner counts: the object is behind it, in the same piece of memory.
struct kept_object {
  kept_object() = default;
  kept_object(kept_object const&) = delete;
  kept_object& operator=(kept_object const&) = delete;
  ~kept_object() {
    if (destroy != nullptr) destroy(place);
  }

  void* place = nullptr;
  void (*destroy)(void*) = nullptr;
};

// Allocates `room` bytes more, and says where they are.
template <class T>
struct roomy_allocator {
  using value_type = T;

  roomy_allocator(std::size_t bytes, void*& said) noexcept : room(bytes), where(&said) {}
  template <class Other>
  roomy_allocator(roomy_allocator<Other> const& other) noexcept : room(other.room), where(other.where) {}

  T* allocate(std::size_t count) {
    auto* const memory = static_cast<std::byte*>(::operator new(count * sizeof(T) + room));
    *where = memory + count * sizeof(T);
    return reinterpret_cast<T*>(memory);
  }
  void deallocate(T* gone, std::size_t) noexcept { ::operator delete(gone); }
  friend bool operator==(roomy_allocator const&, roomy_allocator const&) noexcept { return true; }

  std::size_t room;
  void** where;  // until the memory is there
};

YONDER_FUNCTION kept_memory::~kept_memory() = default;

YONDER_FUNCTION kept_memory keep(std::size_t size, std::size_t alignment) {
  auto room = size + alignment - 1;
  void* place = nullptr;
  auto kept = std::allocate_shared<kept_object>(roomy_allocator<kept_object>(room, place));
  kept->place = std::align(alignment, size, place, room);
  auto* const object = kept.get();
  return {std::move(kept), object->place, &object->destroy};
}

YONDER_FUNCTION void writer::put_large_block(void const* data, std::size_t size, bool stable) {
  bool const apart = size >= policy_.out_of_band_size;
  *out_.head.extend(1) = static_cast<std::byte>(apart);
  if (!apart) {
    out_.head.append(data, size);
    return;
  }
  auto const* const bytes = static_cast<std::byte const*>(data);
  if (stable && policy_.borrow) {
    out_.buffers.push_back(
        {bytes, size, policy_.holder != nullptr ? *policy_.holder : std::shared_ptr<void const>()});
  } else {
    out_.buffers.push_back(owned_copy({bytes, size}));
  }
}

inline std::size_t default_budget(std::size_t head, std::span<buffer const> buffers) {
  std::size_t input = head;
  for (auto const& each : buffers) input += each.size;
  return (std::size_t{64} << 20) + 16 * input;
}

YONDER_FUNCTION reader::reader(std::span<std::byte const> head, std::span<buffer const> buffers,
                               decode_limits limits)
    : begin_(head.data()),
      at_(head.data()),
      end_(head.data() + head.size()),
      buffers_(buffers),
      budget_(limits.bytes != 0 ? limits.bytes : default_budget(head.size(), buffers)),
      limits_(limits) {}

YONDER_FUNCTION void reader::get_text(std::string& to) {
  auto const size = get_count(1, 0);
  to.assign(reinterpret_cast<char const*>(get_block(size)), size);
}

YONDER_FUNCTION std::byte const* reader::get_large_block(std::size_t size) {
  bool apart = false;
  get(apart);
  if (!apart) return take(size);
  if (buffers_.empty()) throw_bad_block(offset() - 1, 0, size);
  auto const& next = buffers_.front();
  if (next.size != size) throw_bad_block(offset() - 1, next.size, size);
  buffers_ = buffers_.subspan(1);
  return next.data;
}

}  // namespace detail
}  // namespace yonder
