// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/task.hpp"

namespace yonder::detail {

// The template arguments of a task object's type.
template <class Task>
struct task_parts;
template <auto Function, fixed_string Name>
struct task_parts<task<Function, Name> const> {
  using type = task<Function, Name>;
  using parameters = typename signature_of<std::remove_cv_t<decltype(Function)>>::parameters;
  static constexpr auto function = Function;
};

}  // namespace yonder::detail

#define YONDER_DETAIL_TASK_ARGUMENTS(object)                    \
  ::yonder::detail::task_parts<decltype(object)>::type,         \
      ::yonder::detail::task_parts<decltype(object)>::function, \
      ::yonder::detail::task_parts<decltype(object)>::parameters

// For a header with many tasks: what a task is made of (its registration, how it is called and run) is then
// compiled in one unit of the program instead of in every unit that includes the header. Both macros stand at
// global scope, outside of every namespace, and end in a semicolon. Not for an unnamed lambda, which is
// another one in every unit.
//
//   // tasks.hpp
//   namespace shop { inline constexpr yonder::task<get_price> price; }
//   YONDER_EXTERN_TASK(shop::price);
//
//   // tasks.cpp, whose object file is linked into the program although nothing may refer to it
//   YONDER_INSTANTIATE_TASK(shop::price);
#define YONDER_EXTERN_TASK(object)                                                            \
  extern template struct ::yonder::detail::task_record<YONDER_DETAIL_TASK_ARGUMENTS(object)>; \
  extern template class ::yonder::detail::verbs<YONDER_DETAIL_TASK_ARGUMENTS(object)>
#define YONDER_INSTANTIATE_TASK(object)                                                \
  template struct ::yonder::detail::task_record<YONDER_DETAIL_TASK_ARGUMENTS(object)>; \
  template class ::yonder::detail::verbs<YONDER_DETAIL_TASK_ARGUMENTS(object)>
