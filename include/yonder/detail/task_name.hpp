// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace yonder::detail {

// A string literal as a template argument.
template <std::size_t N>
struct fixed_string {
  char text[N]{};
  constexpr fixed_string(char const (&literal)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = literal[i];
  }
  // N - 1 characters.
  constexpr explicit fixed_string(std::string_view characters) { characters.copy(text, N - 1); }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

template <auto Function>
constexpr std::string_view pretty_name() {
  return __PRETTY_FUNCTION__;
}

template <class Type>
constexpr std::string_view pretty_type() {
  return __PRETTY_FUNCTION__;
}

// Where the name begins, which is the same for all.
inline constexpr std::size_t function_begins = pretty_name<nullptr>().find("Function = ") + 11;
inline constexpr std::size_t type_begins = pretty_type<int>().find("Type = ") + 7;

// "… Function = (& ns::f); …" under GCC and "… Function = &ns::f]" under Clang become "ns::f".
constexpr std::string_view bare_name(std::string_view pretty, std::size_t begin) {
  auto end = begin;
  while (end < pretty.size() && pretty[end] != ';' && pretty[end] != ']') ++end;
  auto name = pretty.substr(begin, end - begin);
  if (name.starts_with('(') && name.ends_with(')')) name = name.substr(1, name.size() - 2);
  while (name.starts_with('&') || name.starts_with(' ')) name.remove_prefix(1);
  return name;
}

// Templates, lambdas, anonymous namespaces and types in a name are spelled differently by each compiler.
constexpr bool is_portable(std::string_view name) {
  for (char const c : name) {
    switch (c) {  // a search for one of these would cost compilers several times as much
      case '<':
      case '>':
      case '(':
      case ')':
      case '{':
      case '}':
      case '[':
      case ']':
      case '*':
      case '&':
      case '\'':
      case ' ': return false;
      default: break;
    }
  }
  return !name.empty();
}

// A stated name may be anything that prints well.
constexpr bool is_acceptable(std::string_view name) {
  for (char const c : name)
    if (c < '!' || c > '~') return false;
  return !name.empty() && name.size() <= 200;
}

template <auto Function, fixed_string Stated>
constexpr std::string_view task_name() {
  if constexpr (Stated.view().empty())
    return bare_name(pretty_name<Function>(), function_begins);
  else
    return Stated.view();
}

template <auto Function, fixed_string Stated>
consteval auto fixed_name() {
  return fixed_string<task_name<Function, Stated>().size() + 1>(task_name<Function, Stated>());
}

template <class Type, fixed_string Stated>
constexpr std::string_view type_name() {
  if constexpr (Stated.view().empty())
    return bare_name(pretty_type<Type>(), type_begins);
  else
    return Stated.view();
}

}  // namespace yonder::detail
