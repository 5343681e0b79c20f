// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace yonder::core {

template <std::integral Integer>
constexpr Integer swapped_on_big_endian(Integer value) noexcept {
  if constexpr (std::endian::native == std::endian::little || sizeof(Integer) == 1) {
    return value;
  } else if constexpr (sizeof(Integer) == 2) {
    return static_cast<Integer>(__builtin_bswap16(value));
  } else if constexpr (sizeof(Integer) == 4) {
    return static_cast<Integer>(__builtin_bswap32(value));
  } else {
    return static_cast<Integer>(__builtin_bswap64(value));
  }
}

template <std::integral Integer>
void store_le(std::byte* to, Integer value) noexcept {
  value = swapped_on_big_endian(value);
  std::memcpy(to, &value, sizeof value);
}

template <std::integral Integer>
Integer load_le(std::byte const* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return swapped_on_big_endian(value);
}

}  // namespace yonder::core
