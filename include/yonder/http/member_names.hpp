// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

#include "yonder/detail/aggregate.hpp"

// The names of a plain aggregate's members, as the compiler spells pointers to them. After Boost.PFR.
namespace yonder::http::detail {

template <class T>
struct never_made {
  T value;
};
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
template <class T>
extern never_made<T> const never_made_object;

template <class M>
struct pointer_to_member {
  M const* at;
};

template <auto Pointer>
consteval std::string_view spelled() {
  return __PRETTY_FUNCTION__;
}

// GCC: "… [with auto Pointer = …{(& never_made_object<S>.never_made<S>::value.S::label)}; …]"; Clang:
// "… [Pointer = …{&never_made_object.value.label}]".
consteval std::string_view last_name(std::string_view pretty) {
  auto const end = pretty.find_last_of('}');
  auto name = pretty.substr(0, end);
  while (name.ends_with(')')) name.remove_suffix(1);
  return name.substr(name.find_last_of(".:") + 1);
}

// Not a variable, which would be there when the program runs, and refer to what is not.
template <class T>
consteval auto pointers_to_members() {
  return yonder::detail::visit_members<yonder::detail::count_members<T>()>(
      never_made_object<T>.value, []<class... M>(M const&... member) {
        return std::tuple<pointer_to_member<M>...>(pointer_to_member<M>{&member}...);
      });
}

template <class T, std::size_t... I>
consteval auto find_member_names(std::index_sequence<I...>) {
  return std::array<std::string_view, sizeof...(I)>{
      last_name(spelled<std::get<I>(pointers_to_members<T>())>())...};
}

// In the order of declaration.
template <class T>
inline constexpr auto member_names =
    find_member_names<T>(std::make_index_sequence<yonder::detail::count_members<T>()>());
#ifdef __clang__
#pragma clang diagnostic pop
#endif

}  // namespace yonder::http::detail
