// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "yonder/codec.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/detail/task_name.hpp"

namespace yonder {

// An exception type that comes back as itself from remote calls. Declare it once, at namespace scope, beside
// the type:
//
//   inline constexpr yonder::exception<out_of_paper> out_of_paper_travels;
//
// Type: derived from std::exception; serializable and default-constructible, or constructible from its
// what(). A Name must be stated for templates and for types in anonymous namespaces. The types of <stdexcept>
// are registered already.
template <class Type, detail::fixed_string Name = "">
class exception;

namespace detail {

enum class exception_defect { none, not_exception, name, bad_name, state };

template <class Type, fixed_string Name>
consteval exception_defect find_exception_defect() {
  constexpr auto name = type_name<Type, Name>();
  if (!std::is_base_of_v<std::exception, Type>) return exception_defect::not_exception;
  if (Name.view().empty() && !is_portable(name)) return exception_defect::name;
  if (!is_acceptable(name)) return exception_defect::bad_name;
  if (!is_travelling<Type> && !std::is_constructible_v<Type, std::string const&>)
    return exception_defect::state;
  return exception_defect::none;
}

// The defect in words: one error. Its return type is deduced, so that naming a call is enough.
template <class Type, exception_defect Found>
auto tell_exception() {
  static_assert(Found != exception_defect::not_exception,
                "yonder: an exception that travels is derived from std::exception");
  static_assert(
      Found != exception_defect::name,
      "yonder: compilers spell this exception's name differently; state one: yonder::exception<E, \"name\">");
  static_assert(Found != exception_defect::bad_name,
                "yonder: an exception's name is 1 to 200 printable ASCII characters without spaces");
  static_assert(
      Found != exception_defect::state,
      "yonder: an exception that travels is serializable and default-constructible, or constructible "
      "from its what()");
}

// what(), which may be null.
inline char const* text_of(std::exception const& thrown) noexcept {
  auto const* const text = thrown.what();
  return text != nullptr ? text : "";
}

template <class Type, fixed_string Name>
struct exception_record {
  static constexpr bool serializes = is_travelling<Type>;

  static bool encode(std::exception const& thrown, encoded& state) {
    if (typeid(thrown) != typeid(Type)) return false;
    if constexpr (serializes)
      encode_inline(state, static_cast<Type const&>(thrown));
    else
      encode_inline(state, std::string(text_of(thrown)));
    return true;
  }

  static void raise(std::span<std::byte const> state) {
    std::optional<Type> thrown;
    try {
      if constexpr (serializes)
        thrown.emplace(decode<Type>(state, {}));
      else
        thrown.emplace(decode<std::string>(state, {}));
    } catch (...) {
      return;
    }
    throw Type(*std::move(thrown));
  }

  static constinit inline exception_entry entry{exception<Type, Name>::name, &encode, &raise,
                                                Name.view().empty() ? &typeid(Type) : nullptr};
  static inline registration const registered{entry};
};

}  // namespace detail

template <class Type, detail::fixed_string Name>
class exception {
  static constexpr auto found = detail::find_exception_defect<Type, Name>();
  using told = decltype(detail::tell_exception<Type, found>());

 public:
  static constexpr std::string_view name = detail::type_name<Type, Name>();

  constexpr exception() noexcept {
    if constexpr (found == detail::exception_defect::none)
      (void)&detail::exception_record<Type, Name>::registered;
  }
};

}  // namespace yonder
