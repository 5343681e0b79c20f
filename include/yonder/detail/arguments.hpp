// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/detail/signature.hpp"

namespace yonder::detail {

template <std::size_t Position, class T>
struct one_argument {
  T value{};
};

// What a parameter P of a task is decoded to: what travels, or, where that is a block and P a view, a view of
// it.
template <class P>
struct argument_type {
  using type = wire_type_t<P>;
};
template <class P>
requires(is_view<std::remove_cvref_t<P>>&& block_element<typename std::remove_cvref_t<P>::value_type> &&
         !std::is_same_v<typename std::remove_cvref_t<P>::value_type, bool>) struct argument_type<P> {
  using type = block_view<wire_type_t<P>>;
};
template <class P>
using argument_type_t = typename argument_type<P>::type;

// As errors name it.
template <class T>
struct decoded_type {
  using type = T;
};
template <class Owned>
struct decoded_type<block_view<Owned>> {
  using type = Owned;
};

template <class Positions, class... T>
struct arguments_at;
template <std::size_t... I, class... T>
struct arguments_at<std::index_sequence<I...>, T...> : one_argument<I, T>... {
  // Reads exactly these. Throws codec_error.
  arguments_at(std::span<std::byte const> bytes, std::span<buffer const> buffers, decode_limits limits) {
    reader ar(bytes, buffers, limits);
    try {
      ar(one_argument<I, T>::value...);
      ar.finish();
    } catch (...) {
      rethrow_as_codec_error(ar.offset(), typeid(void (*)(typename decoded_type<T>::type...)));
    }
  }
};

// A call's arguments, as they came: what std::tuple would hold, in less of the compiler's time.
template <class... T>
using call_arguments = arguments_at<std::index_sequence_for<T...>, T...>;

template <std::size_t I, class T>
T& value_at(one_argument<I, T>& from) noexcept {
  return from.value;
}

}  // namespace yonder::detail
