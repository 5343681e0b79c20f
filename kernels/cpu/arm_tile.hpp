// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__AARCH64EL__)
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/product_support.hpp"
#include "cpu/target.hpp"

// What the kernels for arm64's later products share. Assembler, because not every compiler has the intrinsics
// in a function that has the instructions, and volatile, because the loads stay where they are written: moved
// ahead of the products they would take registers that sums are in.
namespace yonder::kernels::cpu::arm_tile {

// Sixteen bytes; eight of each of two rows; four, four times.
YONDER_ALWAYS_INLINE uint8x16_t load_line(std::byte const* from) noexcept {
  uint8x16_t line;
  asm volatile("ldr %q[line], %[from]"
               : [line] "=w"(line)
               : [from] "m"(*reinterpret_cast<uint8x16_t const*>(from)));
  return line;
}
YONDER_ALWAYS_INLINE uint8x16_t load_two(std::byte const* first, std::byte const* second) noexcept {
  auto const& low = *reinterpret_cast<uint8x8_t const*>(first);
  auto const& high = *reinterpret_cast<uint8x8_t const*>(second);
  uint8x16_t both;
  asm volatile("ldr %d[both], %[low]\n\tld1 {%[both].d}[1], %[high]"
               : [both] "=&w"(both)
               : [low] "m"(low), [high] "Q"(high));
  return both;
}
YONDER_ALWAYS_INLINE uint8x16_t repeat_four(std::byte const* from) noexcept {
  uint8x16_t four;
  asm volatile("ld1r {%[four].4s}, %[from]"
               : [four] "=w"(four)
               : [from] "Q"(*reinterpret_cast<std::uint32_t const*>(from)));
  return four;
}

// sums += four bytes of one by four of the other.
YONDER_ALWAYS_INLINE void add_dots(uint8x16_t first, uint8x16_t second, int32x4_t& sums) noexcept {
  asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(first), "w"(second));
}

// The tile of small matrices: 8 rows by 12 columns, 24 registers of sums, of two rows by two columns each,
// four of the rows, one of a panel. A step takes eight bytes of each row, and for each pair of columns
// sixteen of a panel, whatever numbers they hold.
inline constexpr std::size_t rows = 8;
inline constexpr std::size_t width = 12;
inline constexpr std::size_t row_step = 8;  // bytes
inline constexpr std::size_t line = 16;     // bytes

// sums += two rows times two columns: of four bf16 each, or of eight bytes.
struct bf16 {
  YONDER_ALWAYS_INLINE static void add(uint8x16_t two_rows, uint8x16_t two_columns,
                                       uint32x4_t& sums) noexcept {
    asm volatile("bfmmla %0.4s, %1.8h, %2.8h" : "+w"(sums) : "w"(two_rows), "w"(two_columns));
  }
};
struct int8 {
  YONDER_ALWAYS_INLINE static void add(uint8x16_t two_rows, uint8x16_t two_columns,
                                       uint32x4_t& sums) noexcept {
    asm volatile("smmla %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(two_rows), "w"(two_columns));
  }
};

// Of so many rows; of an odd number the last one stands twice.
template <std::size_t Rows>
struct sums {
  static constexpr std::size_t row_pairs = (Rows + 1) / 2;

  uint32x4_t of[row_pairs][width / 2];

  // Columns 4 * part to 4 * part + 3.
  YONDER_ALWAYS_INLINE uint32x4_t of_row(std::size_t row, std::size_t part) const noexcept {
    uint64x2_t const left = vreinterpretq_u64_u32(of[row / 2][2 * part]);
    uint64x2_t const right = vreinterpretq_u64_u32(of[row / 2][2 * part + 1]);
    return vreinterpretq_u32_u64(row % 2 == 0 ? vzip1q_u64(left, right) : vzip2q_u64(left, right));
  }
};

// to = rows * panel, over `steps` steps.
template <class Instruction, std::size_t Rows>
YONDER_ALWAYS_INLINE void multiply(encoded_rows const& left, std::byte const* panel, std::size_t steps,
                                   ahead& next, sums<Rows>& to) noexcept {
  constexpr std::size_t row_pairs = sums<Rows>::row_pairs;
#pragma GCC unroll 4
  for (auto& pair : to.of) {
#pragma GCC unroll 6
    for (auto& sum : pair) sum = vdupq_n_u32(0);
  }
  ahead coming = next;
  std::byte const* from = left.data;
  for (; steps > 0; --steps, from += row_step) {
    support::ask_for(coming);
    uint8x16_t two_rows[row_pairs];
#pragma GCC unroll 4
    for (std::size_t pair = 0; pair < row_pairs; ++pair) {
      std::size_t const second = std::min(2 * pair + 1, Rows - 1);
      two_rows[pair] = load_two(from + 2 * pair * left.stride, from + second * left.stride);
    }
#pragma GCC unroll 6
    for (std::size_t i = 0; i < width / 2; ++i, panel += line) {
      uint8x16_t const two_columns = load_line(panel);
#pragma GCC unroll 4
      for (std::size_t pair = 0; pair < row_pairs; ++pair)
        Instruction::add(two_rows[pair], two_columns, to.of[pair][i]);
    }
  }
  next = coming;
}

}  // namespace yonder::kernels::cpu::arm_tile
#endif
