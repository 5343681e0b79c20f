// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "yonder/detail/codec_travels.hpp"

namespace yonder::detail {

template <class... T>
struct type_list {};

// How remote() and its kin take a parameter T: braces work, nothing is copied.
template <class T>
using passed_t =
    std::conditional_t<is_view<std::remove_cvref_t<T>> || std::is_scalar_v<std::remove_cvref_t<T>>,
                       std::remove_cvref_t<T>, std::remove_cvref_t<T> const&>;

template <class Result, class... Parameter>
struct signature {
  using result = std::remove_cv_t<Result>;
  using declared_result = Result;
  using parameters = type_list<Parameter...>;
};

// The signature of a function pointer, of a pointer to a function object, or of a stateless function object.
template <class F>
struct signature_of : signature_of<decltype(&F::operator())> {};
template <class F>
requires std::is_class_v<F>
struct signature_of<F*> : signature_of<decltype(&F::operator())> {
};
template <class R, class... P>
struct signature_of<R (*)(P...)> : signature<R, P...> {};
template <class R, class... P>
struct signature_of<R (*)(P...) noexcept> : signature<R, P...> {};
template <class R, class C, class... P>
struct signature_of<R (C::*)(P...) const> : signature<R, P...> {};
template <class R, class C, class... P>
struct signature_of<R (C::*)(P...) const noexcept> : signature<R, P...> {};

// A class with exactly one call operator, that is const: a lambda, not a generic or mutable one.
template <class F>
concept const_callable = requires {
  typename signature_of<F>::result;
};

}  // namespace yonder::detail
