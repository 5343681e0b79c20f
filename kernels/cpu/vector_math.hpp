// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

// Scalar functions without branches or calls, written so that a compiler turns loops over them into vector
// code. They are always inlined: the code takes on the instruction set of the function that calls it.
namespace yonder::kernels::vector_math {

#define YONDER_ALWAYS_INLINE [[gnu::always_inline]] inline

// Coefficients by tools/fit_vector_math.py, which states the errors.

// Relative error below 1 ulp. Precondition: x in [-87, 88], or NaN.
YONDER_ALWAYS_INLINE float exp_within(float x) noexcept {
  constexpr float shift =
      12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number, kept in the low bits
  float const shifted = x * 1.44269504F + shift;
  float const octaves = shifted - shift;
  float const r =
      (x - octaves * 0.693359375F) + octaves * 2.12194440e-4F;  // log 2 in two parts (Cody and Waite)
  float tail = 0.00139269268F;
  tail = tail * r + 0.00836377405F;
  tail = tail * r + 0.0416665487F;
  tail = tail * r + 0.166665733F;
  tail = tail * r + 0.5F;
  float const mantissa = 1.0F + (r + r * r * tail);
  auto const exponent = (std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(shift) + 127)
                        << 23;
  return mantissa * std::bit_cast<float>(exponent);
}

// Arguments outside are taken for the nearest end.
YONDER_ALWAYS_INLINE float exp(float x) noexcept {
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  return exp_within(x);
}

// Absolute error below 2^-23.
YONDER_ALWAYS_INLINE float erf(float x) noexcept {
  float const a = __builtin_fabsf(x);
  float const t = a > 4.0F ? 4.0F : a;
  float p = -1.01397724e-07F;
  p = p * t + 2.55876512e-06F;
  p = p * t - 2.87435814e-05F;
  p = p * t + 0.000188092177F;
  p = p * t - 0.000771879742F;
  p = p * t + 0.00182303076F;
  p = p * t - 0.000258150394F;
  p = p * t - 0.0191213861F;
  p = p * t + 0.102773361F;
  p = p * t + 0.636619568F;
  p = p * t + 1.12837923F;
  return __builtin_copysignf(1.0F - exp_within(-t * p), x);
}

inline constexpr std::size_t lanes = 16;

// combine() over x[0..count), in sixteen partial results: neither the order nor the result depends on the
// machine's vector width.
template <class Combine, class Value>
YONDER_ALWAYS_INLINE float reduce(float initial, std::size_t count, Combine combine, Value value) noexcept {
  float partial[lanes];
  for (float& lane : partial) lane = initial;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
#pragma GCC unroll 1
    for (std::size_t lane = 0; lane < lanes; ++lane) partial[lane] = combine(partial[lane], value(i + lane));
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) partial[lane] = combine(partial[lane], value(i));
#pragma GCC unroll 4
  for (std::size_t width = lanes / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane)
      partial[lane] = combine(partial[lane], partial[lane + width]);
  }
  return partial[0];
}

template <class Value>
YONDER_ALWAYS_INLINE float sum(std::size_t count, Value value) noexcept {
  return reduce(
      0.0F, count, [](float a, float b) { return a + b; }, value);
}

}  // namespace yonder::kernels::vector_math
