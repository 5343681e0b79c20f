// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "yonder/error.hpp"

namespace yonder {

// What makes an expected of an error: `return unexpected(error)`.
template <class E>
class unexpected {
 public:
  constexpr explicit unexpected(E error) : error_(std::move(error)) {}
  constexpr E const& error() const& noexcept { return error_; }    // the error
  constexpr E&& error() && noexcept { return std::move(error_); }  // the error, to be moved from

 private:
  E error_;
};

namespace detail {
struct void_value {};  // in place of a value of type void
}  // namespace detail

// A value or the reason why there is none: what C++23's std::expected offers, of that the part that is used
// here. Never an alias of it: a C++20 library and its C++23 user would disagree about the type.
template <class T, class E>
class [[nodiscard]] expected {
  using stored = std::conditional_t<std::is_void_v<T>, detail::void_value, T>;

 public:
  using value_type = T;
  using error_type = E;

  template <class U = stored>
  requires(!std::is_void_v<T> && std::is_constructible_v<stored, U> &&
           !std::is_same_v<std::remove_cvref_t<U>, expected>) explicit(!std::is_convertible_v<U, stored>)
      // NOLINTNEXTLINE(bugprone-forwarding-reference-overload): the constraint leaves copies and moves alone
      expected(U&& value)
      : value_(std::in_place, std::forward<U>(value)) {}
  expected(unexpected<E> failure) : error_(std::move(failure).error()) {}
  expected() requires std::is_void_v<T> : value_(std::in_place) {}

  bool has_value() const noexcept { return value_.has_value(); }  // as bool
  explicit operator bool() const noexcept { return has_value(); }

  // The value; throws the error where there is none: of a call, what remote() would have thrown.
  std::add_lvalue_reference_t<stored> value() & { return checked(*this); }
  // The same of a const one.
  std::add_lvalue_reference_t<stored const> value() const& { return checked(*this); }
  // The same, to be moved from.
  stored&& value() && { return std::move(checked(*this)); }

  // The value. Undefined where there is none.
  stored& operator*() & noexcept { return *value_; }
  stored const& operator*() const& noexcept { return *value_; }
  stored&& operator*() && noexcept { return std::move(*value_); }
  stored* operator->() noexcept { return value_.operator->(); }
  stored const* operator->() const noexcept { return value_.operator->(); }

  // The value, or `other` where there is none.
  template <class U>
  stored value_or(U&& other) const& {
    return has_value() ? **this : static_cast<stored>(std::forward<U>(other));
  }
  // The same, moved from where there is one.
  template <class U>
  stored value_or(U&& other) && {
    return has_value() ? std::move(**this) : static_cast<stored>(std::forward<U>(other));
  }

  // The error. Undefined where there is a value.
  E const& error() const noexcept { return *error_; }

 private:
  template <class Self>
  static auto& checked(Self& self) {
    if (self.has_value()) return *self;
    if constexpr (std::is_same_v<E, yonder::error>)
      self.error().rethrow();
    else
      throw E(self.error());
  }

  // Two instead of a variant, which the compiler needs longer for.
  std::optional<stored> value_;
  std::optional<E> error_;
};

}  // namespace yonder
