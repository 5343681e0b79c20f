// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu/product.hpp"
#include "cpu/vector_math.hpp"

// What the product kernels of all instruction sets share.
namespace yonder::kernels::cpu::support {

constexpr std::size_t cache_line = 64;

constexpr std::size_t round_up(std::size_t value, std::size_t multiple) noexcept {
  return (value + multiple - 1) / multiple * multiple;
}

// An odd number of cache lines, so that the rows of a tile do not fall into the same sets of the cache.
constexpr std::size_t row_stride(std::size_t bytes) noexcept {
  return round_up(bytes, cache_line) | cache_line;
}

inline std::size_t no_scratch(std::size_t) noexcept { return 0; }
inline void nothing() noexcept {}

// Into the second-level cache.
YONDER_ALWAYS_INLINE void ask_for(ahead& next) noexcept {
  for (std::size_t i = 0; i < next.lines; ++i, next.from += cache_line) __builtin_prefetch(next.from, 0, 2);
}

// To the nearest bf16, ties to even; a NaN stays one.
YONDER_ALWAYS_INLINE std::uint16_t bf16_from_float(float x) noexcept {
  auto const bits = std::bit_cast<std::uint32_t>(x);
  std::uint32_t const rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
  std::uint32_t const quiet = bits >> 16 | 0x40U;
  return static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
}

YONDER_ALWAYS_INLINE float float_of_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

// ---- int8: weights by the column, rows of activations by the token, both with symmetric scales ----

// What follows the values of an encoded row.
struct row_scale {
  float scale;
  std::int32_t sum;  // of the row's values
};

// NaN, which spoils every sum, where a value is no finite number.
YONDER_ALWAYS_INLINE float scale_of(float const* x, std::size_t count) noexcept {
  std::uint32_t largest = 0;  // of the magnitudes, which are ordered as their bits are
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t const magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffU;
    largest = magnitude > largest ? magnitude : largest;
  }
  bool const finite = largest < 0x7f800000U;
  return finite ? std::bit_cast<float>(largest) / 127.0F : std::bit_cast<float>(0x7fc00000U);
}

// Adding it rounds to a whole number (ties to even), kept in the low bits.
inline constexpr float rounding_shift = 12582912.0F;

YONDER_ALWAYS_INLINE std::int32_t quantized(float x, float inverse) noexcept {
  return std::bit_cast<std::int32_t>(x * inverse + rounding_shift) -
         std::bit_cast<std::int32_t>(rounding_shift);
}

template <class Element>
YONDER_ALWAYS_INLINE row_scale quantize(float const* x, std::size_t count, Element* to) noexcept {
  float const scale = scale_of(x, count);
  float const inverse = scale > 1e-30F ? 1.0F / scale : 0.0F;
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto const value = static_cast<std::int8_t>(quantized(x[i], inverse));
    to[i] = value;
    sum += value;
  }
  return {scale, sum};
}

YONDER_ALWAYS_INLINE row_scale const& scale_behind(std::byte const* row, std::size_t values) noexcept {
  return *reinterpret_cast<row_scale const*>(row + values);
}

}  // namespace yonder::kernels::cpu::support
