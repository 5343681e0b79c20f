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

// Relative error below 1 ulp on [-87, 88]; arguments outside are taken for the nearest end.
YONDER_ALWAYS_INLINE float exp(float x) noexcept {
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
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

// Absolute error below 2^-23.
YONDER_ALWAYS_INLINE float erf(float x) noexcept {
  float const a = __builtin_fabsf(x);
  float const s = x * x;
  float near = 7.87587487e-05F;
  near = near * s - 0.00080168643F;
  near = near * s + 0.00518908724F;
  near = near * s - 0.0268542115F;
  near = near * s + 0.112835944F;
  near = near * s - 0.37612626F;
  near = near * s + 0.128379166F;
  near = x + x * near;

  float const t = (a > 4.0F ? 4.0F : a) - 1.0F;
  float far = -1.6371514e-06F;
  far = far * t + 3.29608301e-05F;
  far = far * t - 0.000320239575F;
  far = far * t + 0.00205430086F;
  far = far * t - 0.0100778081F;
  far = far * t + 0.041575741F;
  far = far * t + 0.84310472F;
  far = far * t + 2.63896775F;
  far = far * t + 1.84960556F;
  far = __builtin_copysignf(1.0F - exp(-far), x);
  return a < 1.0F ? near : far;
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
