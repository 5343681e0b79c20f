// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/detail/export.hpp"
#include "yonder/schema.hpp"

namespace yonder {

template <class T>
class ref;

namespace detail {

// One value by reference, as this process knows it. Thread-safe.
class value_handle;
using value_ref = std::shared_ptr<value_handle>;

// A value as references to it travel. `size`: bytes as it is encoded; `checksum`: their CRC32C.
struct value_link {
  std::uint64_t owner = 0;
  std::uint64_t number = 0;  // 0: of none
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;
};

// What put() keeps of the values that it encodes: the references among them. Between the two nothing else is
// encoded on this thread.
YONDER_API void begin_value();
YONDER_API value_ref keep_value(engine_ref const& where, encoded&& content);
// The value's bytes, which are brought here unless they are; valid as long as `keeps`.
struct value_bytes {
  std::span<std::byte const> head;
  std::span<buffer const> buffers;
  decode_limits limits;
  std::shared_ptr<void const> keeps;
};
YONDER_API value_bytes bytes_of_value(value_ref const& value);
// As it travels in what this thread encodes next; and what came.
YONDER_API value_link link_of(value_ref const& value);
YONDER_API value_ref value_of(value_link const& link);
YONDER_API value_link peek(value_ref const& value) noexcept;
// In place of an argument of the call.
YONDER_API void put_value(outgoing& call, value_ref const& value);

struct ref_access {
  template <class T>
  static ref<T> make(value_ref value) {
    return ref<T>(std::move(value));
  }
  template <class T>
  static value_ref const& of(ref<T> const& one) noexcept {
    return one.value_;
  }
};

template <class T>
inline constexpr bool is_ref = false;
template <class T>
inline constexpr bool is_ref<ref<T>> = true;

template <class T>
struct value_of_ref {};
template <class T>
struct value_of_ref<ref<T>> {
  using type = T;
};

}  // namespace detail

// A value that stays in the process that made it, put() or a task that returned it, and goes from there to
// whoever asks for it, once to each process. Copies refer to the same value. It is there as long as anybody
// has one of them, and that process lives.
//
// Where a task expects a T, a ref<T> may stand: its worker brings the value before the task is called. A
// parameter, or a part of one, that is a ref<T> itself is brought when it is asked for.
template <class T>
class ref {
 public:
  using value_type = T;

  ref() = default;  // to nothing

  // The value; blocks while it is brought here, if it is not. Decodes it anew each time. Throws value_gone
  // where the process that made it has ended or has it no more, too_large past what runtime_options allow to
  // be decoded, usage_error (already_read) of a reference to nothing, and what calls throw that reach no hub.
  T get() const {
    auto const here = detail::bytes_of_value(value_);
    return detail::decode<T>(here.head, here.buffers, here.limits);
  }

  // How many bytes it takes, as it travels.
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(detail::peek(value_).size);
  }

  explicit operator bool() const noexcept { return value_ != nullptr; }
  // Whether both refer to the same value, as it was put once.
  friend bool operator==(ref const& a, ref const& b) noexcept {
    auto const left = detail::peek(a.value_), right = detail::peek(b.value_);
    return left.owner == right.owner && left.number == right.number;
  }

  // What travels is the link: who has the value, its number there, its size and checksum.
  template <class Archive>
  void save(Archive& archive) const {
    auto const link = detail::link_of(value_);
    archive(link.owner, link.number, link.size, link.checksum);
  }
  // Of a link; the value itself is fetched when it is asked for.
  template <class Archive>
  void load(Archive& archive) {
    detail::value_link link;
    archive(link.owner, link.number, link.size, link.checksum);
    value_ = detail::value_of(link);
  }

 private:
  friend struct detail::ref_access;
  explicit ref(detail::value_ref value) noexcept : value_(std::move(value)) {}

  detail::value_ref value_;
};

// Its structure is that of a link to a T.
template <class T>
struct schema<ref<T>> {
  static constexpr std::string_view name = "yonder.ref/1";  // of the link's form
  using parts = std::tuple<T>;                              // what is linked to
};

namespace detail {

template <class T>
ref<std::remove_cvref_t<T>> put_in(engine_ref const& where, T&& value) {
  begin_value();
  encoded content;
  encode_owned(content, std::forward<T>(value));
  return ref_access::make<std::remove_cvref_t<T>>(keep_value(where, std::move(content)));
}

}  // namespace detail

// Keeps `value` in this process, to be passed by reference to what is called through the same runtime: the
// current one, or `where`. An rvalue is moved in, with what is large in it. In a task it is the worker's, and
// there as long as that lives. Throws usage_error (no_runtime), and error (disconnected) where the runtime
// has ended.
template <class T>
[[nodiscard]] ref<std::remove_cvref_t<T>> put(T&& value) {
  return detail::put_in(detail::current_engine(), std::forward<T>(value));
}
template <class T, class Runtime>
requires requires(Runtime const& where) { where.engine(); }
[[nodiscard]] ref<std::remove_cvref_t<T>> put(T&& value, Runtime const& where) {
  return detail::put_in(where.engine(), std::forward<T>(value));
}

}  // namespace yonder
