// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/signature.hpp"
#include "yonder/detail/task_name.hpp"

// What a task may be: the first thing that is wrong gives one error, in words, and nothing else is looked at.
namespace yonder::detail {

enum class defect : std::uint8_t { none, not_callable, generic, captures, name, bad_name, parameter, result };

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

template <class R>
consteval bool result_travels() {
  if constexpr (std::is_void_v<R>)
    return true;
  else
    return is_travelling<R>;
}

template <class... P>
consteval bool parameters_travel(type_list<P...>) {
  return (is_travelling<wire_type_t<P>> && ...);
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

template <auto Function, defect Found>
struct must_be_task {
  static_assert(Found != defect::not_callable,
                "yonder: a task is a function, the address of a named lambda, or a lambda without captures");
  static_assert(Found != defect::captures,
                "yonder: what a lambda captures stays behind; pass it as an argument, so that it travels");
  static_assert(Found != defect::generic,
                "yonder: a task needs one call operator that is const: no auto parameters, not mutable; name "
                "the types");
  static_assert(
      Found != defect::name,
      "yonder: compilers spell the name of a template, a lambda or an anonymous namespace differently; "
      "state one: yonder::task<f, \"name\">");
  static_assert(Found != defect::bad_name,
                "yonder: a task's name is 1 to 200 printable ASCII characters without spaces");
};

// The codec's own words, for the first of T… that does not travel.
template <class... T>
consteval bool explain(type_list<T...>) {
  return check_travels<wire_type_t<T>...>();
}

template <auto Function, defect Found>
consteval bool tell() {
  using signature = signature_of<std::remove_cv_t<decltype(Function)>>;
  if constexpr (Found == defect::parameter)
    return explain(typename signature::parameters{});
  else if constexpr (Found == defect::result)
    return check_travels<typename signature::declared_result>();
  else
    return sizeof(must_be_task<Function, Found>) != 0;
}

// Stands in for the verbs of a task that was refused, so that its uses add no errors of their own.
struct refused {
  struct anything {
    template <class T>
    operator T() const;
  };
  using result = anything;
  static constexpr void register_task() noexcept {}
  anything local(auto&&...) const;
  anything remote(auto&&...) const;
  anything try_remote(auto&&...) const;
  anything spawn(auto&&...) const;
  anything map(auto&&...) const;
  anything operator()(auto&&...) const;
};

}  // namespace yonder::detail
