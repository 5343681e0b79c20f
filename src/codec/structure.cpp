// SPDX-License-Identifier: Apache-2.0
#include "yonder/detail/structure.hpp"

#include <cxxabi.h>

#include <algorithm>

#include "src/codec/type_name.hpp"

namespace yonder::detail {
namespace {

constexpr std::size_t longest_text = std::size_t{1} << 20;

// FNV-1a, 64 bits (draft-eastlake-fnv).
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037u;
  for (char const c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

[[noreturn]] void throw_unstable(std::type_info const* type, std::string const& how) {
  auto const name = type != nullptr ? type_name(*type) : std::string("this type");
  throw codec_error(
      codec_fault::unstable_structure, 0,
      name + " " + how + ": specialize yonder::schema<" + name + ">, to state its structure by a name");
}

}  // namespace

void structure_record::note(std::string_view word) {
  if (word.empty()) return;
  if (text_.size() + word.size() > longest_text)
    throw codec_error(codec_fault::unstable_structure, 0,
                      "the structure takes more than a megabyte to describe");
  bool const opened = text_.empty() || std::string_view("([{<?").find(text_.back()) != std::string_view::npos;
  bool const closes = std::string_view(")]}>:").find(word.front()) != std::string_view::npos;
  if (!opened && !closes) text_ += ' ';
  text_ += word;
}

void structure_record::note(std::string_view word, std::size_t number) {
  note(std::string(word) + std::to_string(number));
}

bool structure_record::enter_class(std::type_info const& type) {
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

void structure_record::leave_class() {
  note("}");
  auto const open = std::find_if(classes_.rbegin(), classes_.rend(), [](met const& m) { return m.end == 0; });
  open->end = text_.size();
}

std::type_info const* structure_record::class_at(std::size_t at) const {
  std::type_info const* innermost = nullptr;
  for (auto const& m : classes_)
    if (m.begin <= at && (m.end == 0 || at < m.end)) innermost = m.type;
  return innermost;
}

structure compare_structures(structure_record const& zeros, structure_record const& ones) {
  auto const& text = zeros.text();
  if (text != ones.text()) {
    auto const shorter = std::min(text.size(), ones.text().size());
    auto const differ =
        std::mismatch(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(shorter), ones.text().begin());
    throw_unstable(zeros.class_at(static_cast<std::size_t>(differ.first - text.begin())),
                   "reads different things for different values");
  }
  return {text, hash_of(text)};
}

void rethrow_unstable(structure_record const& record) {
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

}  // namespace yonder::detail
