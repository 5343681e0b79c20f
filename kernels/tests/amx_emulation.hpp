// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tiles of AMX in plain C++, for machines without them: included ahead of what uses the intrinsics, whose
// names it takes. Semantics: Intel's Software Developer's Manual, volume 2 (LDTILECFG, TILELOADD, TDPBF16PS,
// TDPBSSD), for tiles of 16 rows of 64 bytes.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace yonder::testing {

// Of one thread. A tile that is used without a configuration, and a thread that ends with one, end the
// program.
class amx_tiles {
 public:
  static amx_tiles& of_this_thread() noexcept {
    static thread_local amx_tiles tiles;
    return tiles;
  }
  ~amx_tiles() {
    if (configured_) fail("a thread ends with its tiles configured");
  }

  void configure(void const* config) noexcept {
    auto const* const bytes = static_cast<std::uint8_t const*>(config);
    if (bytes[0] != 1) fail("palette 1 was expected");
    for (std::size_t tile = 0; tile < count; ++tile)
      if (bytes[48 + tile] != rows || bytes[16 + 2 * tile] != row_bytes)
        fail("tiles of 16 rows of 64 bytes were expected");
    std::memset(data_, 0, sizeof data_);
    configured_ = true;
  }
  void release() noexcept { configured_ = false; }
  void zero(std::size_t tile) noexcept { std::memset(at(tile), 0, sizeof data_[0]); }
  void load(std::size_t tile, void const* from, std::size_t stride) noexcept {
    for (std::size_t row = 0; row < rows; ++row)
      std::memcpy(at(tile) + row * row_bytes, static_cast<std::byte const*>(from) + row * stride, row_bytes);
  }
  void store(std::size_t tile, void* to, std::size_t stride) noexcept {
    for (std::size_t row = 0; row < rows; ++row)
      std::memcpy(static_cast<std::byte*>(to) + row * stride, at(tile) + row * row_bytes, row_bytes);
  }
  void multiply_bf16(std::size_t to, std::size_t left, std::size_t right) noexcept {
    multiply<float, std::uint16_t>(to, left, right, [](std::uint16_t bits) {
      std::uint32_t const wide = std::uint32_t{bits} << 16;
      float value = 0;
      std::memcpy(&value, &wide, sizeof value);
      return value;
    });
  }
  void multiply_int8(std::size_t to, std::size_t left, std::size_t right) noexcept {
    multiply<std::int32_t, std::int8_t>(to, left, right,
                                        [](std::int8_t value) { return std::int32_t{value}; });
  }

 private:
  static constexpr std::size_t count = 8, rows = 16, row_bytes = 64, columns = 16;

  [[noreturn]] static void fail(char const* what) noexcept {
    std::fprintf(stderr, "emulated AMX: %s\n", what);
    std::abort();
  }
  std::byte* at(std::size_t tile) noexcept {
    if (!configured_) fail("a tile is used without a configuration");
    return data_[tile];
  }
  // Groups of four bytes of the depth: a row of `left` has 16, and so many rows has `right`, of a group for
  // each column.
  template <class Sum, class Element, class Value>
  void multiply(std::size_t to, std::size_t left, std::size_t right, Value const& value) noexcept {
    constexpr std::size_t group = 4 / sizeof(Element);
    auto* const sums = reinterpret_cast<Sum*>(at(to));
    auto const* const a = reinterpret_cast<Element const*>(at(left));
    auto const* const b = reinterpret_cast<Element const*>(at(right));
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t k = 0; k < row_bytes / 4; ++k)
        for (std::size_t column = 0; column < columns; ++column)
          for (std::size_t i = 0; i < group; ++i)
            sums[row * columns + column] +=
                value(a[(row * columns + k) * group + i]) * value(b[(k * columns + column) * group + i]);
  }

  alignas(64) std::byte data_[count][rows * row_bytes]{};
  bool configured_ = false;
};

}  // namespace yonder::testing

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_dpbssd
#define _tile_loadconfig(config) ::yonder::testing::amx_tiles::of_this_thread().configure(config)
#define _tile_release() ::yonder::testing::amx_tiles::of_this_thread().release()
#define _tile_zero(tile) ::yonder::testing::amx_tiles::of_this_thread().zero(tile)
#define _tile_loadd(tile, from, stride) \
  ::yonder::testing::amx_tiles::of_this_thread().load(tile, from, stride)
#define _tile_stored(tile, to, stride) ::yonder::testing::amx_tiles::of_this_thread().store(tile, to, stride)
#define _tile_dpbf16ps(to, left, right) \
  ::yonder::testing::amx_tiles::of_this_thread().multiply_bf16(to, left, right)
#define _tile_dpbssd(to, left, right) \
  ::yonder::testing::amx_tiles::of_this_thread().multiply_int8(to, left, right)
