// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define YONDER_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define YONDER_HOST_DEVICE inline
#endif

// The two 16-bit formats of the tensor cores, as bits, so that kernels and host code share them without the
// toolkit's headers. All arithmetic is in float; rounding is to nearest, ties to even.
namespace yonder::kernels::cuda {

struct bf16 {
  std::uint16_t bits;
};

struct f16 {
  std::uint16_t bits;
};

struct float_pair {
  float low;
  float high;
};

namespace detail {

YONDER_HOST_DEVICE std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

YONDER_HOST_DEVICE float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint16_t round_to(bf16, float value) {
  std::uint32_t const bits = bits_of(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

inline std::uint16_t round_to(f16, float value) {
  std::uint32_t const sign = bits_of(value) >> 16 & 0x8000U;
  std::uint32_t const magnitude = bits_of(value) & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (magnitude < 0x38800000U) {  // subnormal: float's own rounding, at the unit of 0.5
    return static_cast<std::uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5F) - 0x3f000000U));
  }
  std::uint32_t const rounded = magnitude + 0xfffU + (magnitude >> 13 & 1U);
  return static_cast<std::uint16_t>(sign | (rounded - 0x38000000U) >> 13);
}

inline float widen(bf16 value) { return float_of(std::uint32_t{value.bits} << 16); }

inline float widen(f16 value) {
  std::uint32_t const sign = (value.bits & 0x8000U) << 16;
  std::uint32_t const magnitude = value.bits & 0x7fffU;
  float const scaled = float_of(magnitude << 13) * float_of(0x77800000U);  // 2^112
  return float_of(sign | (magnitude >= 0x7c00U ? 0x7f800000U | magnitude << 13 : bits_of(scaled)));
}

}  // namespace detail

// Two neighbours in memory, as one register of the tensor cores holds them.
template <class T>
YONDER_HOST_DEVICE std::uint32_t pack(float low, float high);

template <>
YONDER_HOST_DEVICE std::uint32_t pack<bf16>(float low, float high) {
#if defined(__CUDA_ARCH__)
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return detail::round_to(bf16{}, low) | static_cast<std::uint32_t>(detail::round_to(bf16{}, high)) << 16;
#endif
}

template <>
YONDER_HOST_DEVICE std::uint32_t pack<f16>(float low, float high) {
#if defined(__CUDA_ARCH__)
  std::uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return detail::round_to(f16{}, low) | static_cast<std::uint32_t>(detail::round_to(f16{}, high)) << 16;
#endif
}

template <class T>
YONDER_HOST_DEVICE float_pair unpack(std::uint32_t packed);

template <>
YONDER_HOST_DEVICE float_pair unpack<bf16>(std::uint32_t packed) {
  return {detail::float_of(packed << 16), detail::float_of(packed & 0xffff0000U)};
}

template <>
YONDER_HOST_DEVICE float_pair unpack<f16>(std::uint32_t packed) {
#if defined(__CUDA_ARCH__)
  float_pair pair;
  asm("{ .reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high; }"
      : "=f"(pair.low), "=f"(pair.high)
      : "r"(packed));
  return pair;
#else
  return {detail::widen(f16{static_cast<std::uint16_t>(packed)}),
          detail::widen(f16{static_cast<std::uint16_t>(packed >> 16)})};
#endif
}

template <class T>
YONDER_HOST_DEVICE T from_float(float value) {
  return {static_cast<std::uint16_t>(pack<T>(value, 0.0F))};
}

template <class T>
YONDER_HOST_DEVICE float to_float(T value) {
  return unpack<T>(value.bits).low;
}

}  // namespace yonder::kernels::cuda
