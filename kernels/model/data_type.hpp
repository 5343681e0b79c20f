// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace yonder::kernels {

// The element types of safetensors 0.8 (safetensors/src/tensor.rs, `Dtype`). Only the four with arithmetic
// here are named; of the others only the size matters.
enum class data_type : std::uint8_t { other, f16, bf16, f32, f64 };

struct data_type_entry {
  std::string_view name;
  data_type type;
  unsigned bits;
};

std::optional<data_type_entry> find_data_type(std::string_view name) noexcept;

constexpr std::size_t size_of(data_type type) noexcept {
  switch (type) {
    case data_type::f16:
    case data_type::bf16: return 2;
    case data_type::f32: return 4;
    case data_type::f64: return 8;
    case data_type::other: break;
  }
  return 0;
}

// IEEE 754 binary16, every value exactly. Branch-free: the magic product scales the exponent, subnormals
// included.
inline float float_from_f16(std::uint16_t half) noexcept {
  std::uint32_t const sign = (half & 0x8000u) << 16;
  std::uint32_t const magnitude = half & 0x7fffu;
  float const scaled = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000u);  // 2^112
  std::uint32_t const special = magnitude >= 0x7c00u ? 0x7f800000u | (magnitude << 13) : 0u;
  return std::bit_cast<float>(sign | (special != 0 ? special : std::bit_cast<std::uint32_t>(scaled)));
}

inline float float_from_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

// `count` elements from `from`, which needs no alignment, little-endian. Precondition: type is not `other`.
void convert_to_float(data_type type, std::byte const* from, std::size_t count, float* to) noexcept;

}  // namespace yonder::kernels
