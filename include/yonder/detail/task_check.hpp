// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/signature.hpp"
#include "yonder/detail/task_name.hpp"
#include "yonder/stream.hpp"

// What a task may be: the first thing that is wrong gives one error, in words, and nothing else is looked at.
namespace yonder::detail {

// Always satisfied: its name is what compilers print where a task is named by several overloads.
template <class F>
concept one_function_choose_an_overload_by_static_cast = true;

enum class defect { none, not_callable, generic, captures, name, bad_name, parameter, result };

template <class F>
consteval bool captures_something() {
  if constexpr (std::is_pointer_v<F>)
    return std::is_class_v<std::remove_pointer_t<F>> && !std::is_empty_v<std::remove_pointer_t<F>>;
  else
    return std::is_class_v<F> && !std::is_empty_v<F>;
}

template <class F>
consteval bool is_callable_shape() {
  using pointee = std::remove_pointer_t<F>;
  return std::is_function_v<pointee> || std::is_class_v<pointee>;
}

template <class F>
consteval bool has_known_signature() {
  return requires { typename signature_of<F>::result; };
}

// What has to travel of a result, or for a parameter: of a stream its items.
template <class R>
struct travelling_result {
  using type = std::remove_cv_t<R>;
};
template <is_stream R>
struct travelling_result<R> {
  using type = stream_item_t<R>;
};
template <class P>
struct travelling_parameter {
  using type = wire_type_t<P>;
};
template <class P>
requires is_input_stream<std::remove_cvref_t<P>>
struct travelling_parameter<P> {
  using type = typename std::remove_cvref_t<P>::value_type;
};
template <class P>
using travelling_parameter_t = typename travelling_parameter<P>::type;

template <class R>
consteval bool result_travels() {
  if constexpr (std::is_void_v<R>)
    return true;
  else
    return is_travelling<typename travelling_result<R>::type>;
}

template <class... P>
consteval bool parameters_travel(type_list<P...>) {
  return (is_travelling<travelling_parameter_t<P>> && ...);
}

template <auto Function, fixed_string Name>
consteval defect find_defect() {
  using f = std::remove_cv_t<decltype(Function)>;
  if constexpr (!is_callable_shape<f>()) {
    return defect::not_callable;
  } else if constexpr (captures_something<f>()) {
    return defect::captures;
  } else if constexpr (!has_known_signature<f>()) {
    return defect::generic;
  } else if constexpr (Name.view().empty() && !is_portable(task_name<Function, Name>())) {
    return defect::name;
  } else if constexpr (!is_acceptable(task_name<Function, Name>())) {
    return defect::bad_name;
  } else if constexpr (!parameters_travel(typename signature_of<f>::parameters{})) {
    return defect::parameter;
  } else if constexpr (!result_travels<typename signature_of<f>::declared_result>()) {
    return defect::result;
  } else {
    return defect::none;
  }
}

// The codec's own words, for the first of T… that does not travel.
template <class First, class... Rest>
auto explain(type_list<First, Rest...>) {
  if constexpr (is_travelling<travelling_parameter_t<First>>)
    return explain(type_list<Rest...>{});
  else
    return must_travel<travelling_parameter_t<First>, true>::value;
}

// The defect in words: one error. Its return type is deduced, so that naming a call is enough.
template <auto Function, defect Found>
auto tell() {
  using signature = signature_of<std::remove_cv_t<decltype(Function)>>;
  if constexpr (Found == defect::parameter) {
    return explain(typename signature::parameters{});
  } else if constexpr (Found == defect::result) {
    return must_travel<typename travelling_result<typename signature::declared_result>::type, true>::value;
  } else {
    static_assert(
        Found != defect::not_callable,
        "yonder: a task is a function, the address of a named lambda, or a lambda without captures");
    static_assert(Found != defect::captures,
                  "yonder: what a lambda captures stays behind; pass it as an argument, so that it travels");
    static_assert(
        Found != defect::generic,
        "yonder: a task needs one call operator that is const: no auto parameters, not mutable; name "
        "the types");
    static_assert(
        Found != defect::name,
        "yonder: compilers spell the name of a template, a lambda or an anonymous namespace differently; "
        "state one: yonder::task<f, \"name\">");
    static_assert(Found != defect::bad_name,
                  "yonder: a task's name is 1 to 200 printable ASCII characters without spaces");
  }
}

// Two tasks of one name in one translation unit define one function twice: its name is the error's text. (The
// runtime refuses those of several units when it starts.)
template <fixed_string Name>
struct task_named {};
template <class Task, fixed_string Name>
struct sole_task_named {
  friend constexpr void two_tasks_of_one_name_state_another_for_one(task_named<Name>) {}
};

}  // namespace yonder::detail
