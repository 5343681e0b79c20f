// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <exception>
#include <type_traits>

#include "yonder/call.hpp"
#include "yonder/detail/signature.hpp"
#include "yonder/ref.hpp"

// What the verbs of a task can be passed: one error for all else, which names the parameter.
namespace yonder::detail {

// Whether A can be passed where P is asked for: as itself, or, where calls and references stand for their
// values, as one of these.
template <class P, class A, bool Composes>
concept is_argument_for =
    std::is_convertible_v<A, P> ||
    (Composes&& std::is_same_v<typename value_of_call<std::remove_cvref_t<A>>::type, wire_type_t<P>>) ||
    (Composes && std::is_same_v<typename value_of_ref<std::remove_cvref_t<A>>::type, wire_type_t<P>>);

// Never defined: where an argument is wrong, the compiler's error is this name.
template <std::size_t Number>
struct parameter {
  template <class P>
  struct takes {
    template <class A>
    struct but_was_passed;
  };
};
template <std::size_t Count>
struct task_of_parameters {
  template <std::size_t Passed>
  struct but_was_passed;
};

// The first of A… that is wrong. P: as they are passed. Composes: whether a call may stand for its value.
template <bool Composes, std::size_t Number, class P, class... RestP, class A, class... RestA>
void tell_argument(type_list<P, RestP...>, type_list<A, RestA...>) {
  if constexpr (is_argument_for<P, A, Composes>)
    tell_argument<Composes, Number + 1>(type_list<RestP...>(), type_list<RestA...>());
  else
    (void)sizeof(typename parameter<Number>::template takes<P>::template but_was_passed<A>);
}
template <bool Composes, class... P, class... A>
void tell_arguments(type_list<P...> parameters, type_list<A...> arguments) {
  if constexpr (sizeof...(P) == sizeof...(A))
    tell_argument<Composes, 1>(parameters, arguments);
  else
    (void)sizeof(typename task_of_parameters<sizeof...(P)>::template but_was_passed<sizeof...(A)>);
}

// In place of what a call returns whose arguments A…, none of them a call, are wrong.
template <class R, class... P, class... A>
[[noreturn]] R refused_arguments(type_list<P...> parameters, type_list<A...> arguments) {
  tell_arguments<false>(parameters, arguments);
  std::terminate();
}

template <bool Composes, class Parameters, class... A>
inline constexpr bool fit = false;
template <bool Composes, class... P, class... A>
requires(sizeof...(P) == sizeof...(A)) inline constexpr bool fit<Composes, type_list<P...>, A...> =
    (is_argument_for<P, A, Composes> && ...);

}  // namespace yonder::detail
