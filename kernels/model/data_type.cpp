// SPDX-License-Identifier: Apache-2.0
#include "model/data_type.hpp"

#include <cstring>

namespace yonder::kernels {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors is little-endian; so is every target here");

constexpr data_type_entry entries[] = {
    {"F32", data_type::f32, 32},      {"F16", data_type::f16, 16},
    {"BF16", data_type::bf16, 16},    {"F64", data_type::f64, 64},
    {"BOOL", data_type::other, 8},    {"U8", data_type::other, 8},
    {"I8", data_type::other, 8},      {"U16", data_type::other, 16},
    {"I16", data_type::other, 16},    {"U32", data_type::other, 32},
    {"I32", data_type::other, 32},    {"U64", data_type::other, 64},
    {"I64", data_type::other, 64},    {"C64", data_type::other, 64},
    {"F8_E4M3", data_type::other, 8}, {"F8_E5M2", data_type::other, 8},
    {"F8_E8M0", data_type::other, 8}, {"F8_E4M3FNUZ", data_type::other, 8},
    {"F4", data_type::other, 4},      {"F8_E5M2FNUZ", data_type::other, 8},
    {"F6_E2M3", data_type::other, 6}, {"F6_E3M2", data_type::other, 6},
};

template <class T, class Convert>
void convert(std::byte const* from, std::size_t count, float* to, Convert const& convert_one) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = convert_one(value);
  }
}

}  // namespace

std::optional<data_type_entry> find_data_type(std::string_view name) noexcept {
  for (auto const& entry : entries) {
    if (entry.name == name) return entry;
  }
  return std::nullopt;
}

void convert_to_float(data_type type, std::byte const* from, std::size_t count, float* to) noexcept {
  if (count == 0) return;
  switch (type) {
    case data_type::f32: std::memcpy(to, from, count * sizeof(float)); break;
    case data_type::f16: convert<std::uint16_t>(from, count, to, float_from_f16); break;
    case data_type::bf16: convert<std::uint16_t>(from, count, to, float_from_bf16); break;
    case data_type::f64:
      convert<double>(from, count, to, [](double v) { return static_cast<float>(v); });
      break;
    case data_type::other: break;
  }
}

}  // namespace yonder::kernels
