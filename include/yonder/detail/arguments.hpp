// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <typeinfo>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/detail/signature.hpp"

namespace yonder::detail {

template <std::size_t Position, class T>
struct one_argument {
  T value{};
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
      rethrow_as_codec_error(ar.offset(), typeid(void (*)(T...)));
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
