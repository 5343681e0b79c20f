// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__x86_64__)
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "cpu/product_support.hpp"
#include "cpu/target.hpp"

// The tile of all AVX-512 kernels: 8 rows by 48 columns, 24 registers of sums, three of a panel, one factor;
// or by 32 columns. A step takes four bytes of each row and a line of each vector of a panel, whatever
// numbers they hold. Compilers compute the addresses of the rows again and again, which costs a tenth of the
// time: hence the assembler.
namespace yonder::kernels::cpu::wide {

inline constexpr std::size_t rows = 8;
inline constexpr std::size_t lanes = 16;
inline constexpr std::size_t vectors = 3;  // where nothing else is said
inline constexpr std::size_t width = vectors * lanes;
inline constexpr std::size_t row_step = 4;  // bytes
inline constexpr std::size_t line = 64;     // bytes
inline constexpr std::size_t steps_at_once = 4;

#define YONDER_INLINE_AVX512 YONDER_AVX512 [[gnu::always_inline]] static inline

// The addresses of the rows: an odd number of strides times a power of two from one stride before the first.
class left_rows {
 public:
  explicit left_rows(std::byte const* first, std::size_t stride) noexcept
      : before_(reinterpret_cast<std::uintptr_t>(first) - stride),
        strides_{stride, 3 * stride, 5 * stride, 7 * stride} {}

  void advance(std::size_t bytes) noexcept { before_ += bytes; }
  std::uintptr_t before() const noexcept { return before_; }
  template <std::size_t Row>
  std::size_t index() const noexcept {
    return strides_[((Row + 1) >> std::countr_zero(Row + 1)) / 2];
  }
  template <std::size_t Row>
  static constexpr int scale = 1 << std::countr_zero(Row + 1);

 private:
  std::uintptr_t before_;
  std::size_t strides_[4];
};

// sums += four bytes, for all lanes, times the lanes of a panel
#define YONDER_MULTIPLIER(NAME, INSTRUCTION)                                                               \
  struct NAME {                                                                                            \
    template <int Offset, int Scale>                                                                       \
    YONDER_INLINE_AVX512 void add(std::uintptr_t base, std::size_t index, __m512 const (&panel)[3],        \
                                  __m512 (&sums)[3]) noexcept {                                            \
      __m512 factor;                                                                                       \
      asm volatile(                                                                                        \
          "vbroadcastss %c[offset](%[base],%[index],%c[scale]), %[factor]\n\t" INSTRUCTION                 \
          " %[factor], %[first], %[sum0]\n\t" INSTRUCTION " %[factor], %[second], %[sum1]\n\t" INSTRUCTION \
          " %[factor], %[third], %[sum2]"                                                                  \
          : [sum0] "+v"(sums[0]), [sum1] "+v"(sums[1]), [sum2] "+v"(sums[2]), [factor] "=&v"(factor)       \
          : [first] "v"(panel[0]), [second] "v"(panel[1]), [third] "v"(panel[2]), [base] "r"(base),        \
            [index] "r"(index), [offset] "i"(Offset), [scale] "i"(Scale)                                   \
          : "memory");                                                                                     \
    }                                                                                                      \
    template <int Offset, int Scale>                                                                       \
    YONDER_INLINE_AVX512 void add(std::uintptr_t base, std::size_t index, __m512 const (&panel)[2],        \
                                  __m512 (&sums)[2]) noexcept {                                            \
      __m512 factor;                                                                                       \
      asm volatile("vbroadcastss %c[offset](%[base],%[index],%c[scale]), %[factor]\n\t" INSTRUCTION        \
                   " %[factor], %[first], %[sum0]\n\t" INSTRUCTION " %[factor], %[second], %[sum1]"        \
                   : [sum0] "+v"(sums[0]), [sum1] "+v"(sums[1]), [factor] "=&v"(factor)                    \
                   : [first] "v"(panel[0]), [second] "v"(panel[1]), [base] "r"(base), [index] "r"(index),  \
                     [offset] "i"(Offset), [scale] "i"(Scale)                                              \
                   : "memory");                                                                            \
    }                                                                                                      \
  }
YONDER_MULTIPLIER(floats, "vfmadd231ps");
YONDER_MULTIPLIER(bytes, "vpdpbusd");  // unsigned ones of the panel by signed ones of the rows
#undef YONDER_MULTIPLIER

template <class Multiplier, int Offset, std::size_t Vectors, std::size_t... Row>
YONDER_INLINE_AVX512 void add_rows(left_rows const& left, __m512 const (&panel)[Vectors],
                                   __m512 (&sums)[sizeof...(Row)][Vectors],
                                   std::index_sequence<Row...>) noexcept {
  (Multiplier::template add<Offset, left_rows::scale<Row>>(left.before(), left.index<Row>(), panel,
                                                           sums[Row]),
   ...);
}

// What a kernel does with the bytes of a panel: as they are.
template <class Of>
struct plain_panel {
  using multiplier = Of;
  static constexpr std::size_t row_steps = 1;  // of the rows for one of the panel

  template <int Offset, std::size_t Rows, std::size_t Vectors>
  YONDER_INLINE_AVX512 void step(left_rows const& left, std::byte const* panel,
                                 __m512 (&sums)[Rows][Vectors]) noexcept {
    __m512 from[Vectors];
#pragma GCC unroll 3
    for (std::size_t i = 0; i < Vectors; ++i) from[i] = _mm512_load_ps(panel + line * i);
    add_rows<multiplier, Offset>(left, from, sums, std::make_index_sequence<Rows>());
  }
};

// A line of two rows of a panel, as floats.
struct two_rows {
  __m512 first;
  __m512 second;
};

// Pairs of bf16, which are the upper halves of floats.
struct pairs_of_bf16 {
  YONDER_INLINE_AVX512 two_rows widen(std::byte const* from) noexcept {
    __m512i const pairs = _mm512_load_si512(from);
    __m512i const upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(pairs, upper))};
  }
};

// fp16, one row behind the other.
struct rows_of_f16 {
  YONDER_INLINE_AVX512 two_rows widen(std::byte const* from) noexcept {
    auto const* const halves = reinterpret_cast<__m256i const*>(from);
    return {_mm512_cvtph_ps(_mm256_load_si256(halves)), _mm512_cvtph_ps(_mm256_load_si256(halves + 1))};
  }
};

// Two rows of 16-bit numbers in each line.
template <class Lines>
struct narrow_panel {
  static constexpr std::size_t row_steps = 2;

  template <int Offset, std::size_t Rows, std::size_t Vectors>
  YONDER_INLINE_AVX512 void step(left_rows const& left, std::byte const* panel,
                                 __m512 (&sums)[Rows][Vectors]) noexcept {
    __m512 first[Vectors];
    __m512 second[Vectors];
#pragma GCC unroll 3
    for (std::size_t i = 0; i < Vectors; ++i) {
      two_rows const both = Lines::widen(panel + line * i);
      first[i] = both.first;
      second[i] = both.second;
    }
    add_rows<floats, Offset>(left, first, sums, std::make_index_sequence<Rows>());
    add_rows<floats, Offset + static_cast<int>(row_step)>(left, second, sums,
                                                          std::make_index_sequence<Rows>());
  }
};
using bf16_panel = narrow_panel<pairs_of_bf16>;

// Into the first-level cache what comes `steps_ahead` after a step.
template <std::size_t Vectors>
YONDER_INLINE_AVX512 void ask_for_step(std::byte const* panel) noexcept {
  constexpr std::size_t steps_ahead = 16;
#pragma GCC unroll 3
  for (std::size_t i = 0; i < Vectors; ++i)
    __builtin_prefetch(panel + (steps_ahead * Vectors + i) * line, 0, 3);
}

template <class Panel, std::size_t Rows, std::size_t Vectors, std::size_t... Step>
YONDER_INLINE_AVX512 void add_steps(left_rows const& left, std::byte const* panel,
                                    __m512 (&sums)[Rows][Vectors], std::index_sequence<Step...>) noexcept {
  ((ask_for_step<Vectors>(panel + Step * Vectors * line),
    Panel::template step<static_cast<int>(Step * Panel::row_steps * row_step)>(
        left, panel + Step * Vectors * line, sums)),
   ...);
}

// sums = rows * panel, over `steps` steps of the panel.
template <class Panel, std::size_t Rows, std::size_t Vectors>
YONDER_INLINE_AVX512 void multiply(left_rows left, std::byte const* panel, std::size_t steps, ahead& next,
                                   __m512 (&sums)[Rows][Vectors]) noexcept {
#pragma GCC unroll 8
  for (auto& row : sums) {
#pragma GCC unroll 3
    for (auto& sum : row) sum = _mm512_setzero_ps();
  }
  ahead coming = next;
  for (; steps >= steps_at_once; steps -= steps_at_once) {
    support::ask_for(coming);
    add_steps<Panel>(left, panel, sums, std::make_index_sequence<steps_at_once>());
    left.advance(steps_at_once * Panel::row_steps * row_step);
    panel += steps_at_once * Vectors * line;
  }
  for (; steps > 0; --steps) {
    add_steps<Panel>(left, panel, sums, std::make_index_sequence<1>());
    left.advance(Panel::row_steps * row_step);
    panel += Vectors * line;
  }
  next = coming;
}

}  // namespace yonder::kernels::cpu::wide
#endif
