// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>
#include <utility>

#include "yonder/detail/codec_travels.hpp"

namespace yonder::detail {

template <class... T>
struct type_list {};

// How remote() and its kin take a parameter T: braces work, nothing is copied.
template <class T>
using passed_t =
    std::conditional_t<is_view<std::remove_cvref_t<T>> || std::is_scalar_v<std::remove_cvref_t<T>>,
                       std::remove_cvref_t<T>, std::remove_cvref_t<T> const&>;

// What stands for parameter Q when A is passed: itself, or what it converts to.
template <class Q, class A>
constexpr decltype(auto) accepted(A&& a) {
  using wire = wire_type_t<Q>;
  if constexpr (std::is_same_v<std::remove_cvref_t<A>, wire>)
    return std::forward<A>(a);
  else
    return std::remove_cvref_t<passed_t<Q>>(std::forward<A>(a));
}

template <class Result, class... Parameter>
struct signature {
  using result = std::remove_cv_t<Result>;
  using declared_result = Result;
  using parameters = type_list<Parameter...>;
};

// The signature of a function pointer, of a pointer to a function object, or of a stateless function object:
// those with one call operator, that is const. Nothing for others.
template <class F>
struct signature_of {};
template <class F>
requires requires { &F::operator(); }
struct signature_of<F> : signature_of<decltype(&F::operator())> {};
template <class F>
requires std::is_class_v<F>
struct signature_of<F*> : signature_of<F> {
};
template <class R, class... P>
struct signature_of<R (*)(P...)> : signature<R, P...> {};
template <class R, class... P>
struct signature_of<R (*)(P...) noexcept> : signature<R, P...> {};
template <class R, class C, class... P>
struct signature_of<R (C::*)(P...) const> : signature<R, P...> {};
template <class R, class C, class... P>
struct signature_of<R (C::*)(P...) const noexcept> : signature<R, P...> {};

}  // namespace yonder::detail
