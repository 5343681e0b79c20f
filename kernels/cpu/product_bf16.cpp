// SPDX-License-Identifier: Apache-2.0
//
// Both operands are rounded to bf16, sums are kept in fp32. Where the processor has no products of bf16, rows
// hold the rounded values as floats, and panels ([depth][width]) are widened as they are read. With AVX-512,
// panels hold pairs: [depth / 2][width][2]; with BFMMLA fours: [depth / 4][width][4].
#include <algorithm>

#include "cpu/arm_tile.hpp"
#include "cpu/product_support.hpp"
#include "cpu/target.hpp"
#include "cpu/wide_tile.hpp"

namespace yonder::kernels::cpu {
namespace {

using support::bf16_from_float;
using support::float_of_bf16;
using support::round_up;
using support::row_stride;

constexpr std::size_t depth_step = 4;

template <class Instructions, std::size_t Rows = Instructions::rows>
void tile(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
          float* out) noexcept {
  if (rows.count == Rows) {
    return Instructions::template multiply<Rows>(rows, reinterpret_cast<std::uint16_t const*>(panel.data),
                                                 depth, next, out);
  }
  if constexpr (Rows > 1) tile<Instructions, Rows - 1>(rows, panel, depth, next, out);
}

// ---- emulated ----

std::size_t row_bytes(std::size_t depth) noexcept { return row_stride(depth * sizeof(float)); }

template <std::size_t Width>
std::size_t panel_bytes(std::size_t depth) noexcept {
  return depth * Width * sizeof(std::uint16_t);
}

template <std::size_t Width>
void pack(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const to = reinterpret_cast<std::uint16_t*>(panel);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    for (std::size_t k = 0; k < depth; ++k) to[k * Width + column] = bf16_from_float(weights[k]);
  }
}

void encode(float const* x, std::size_t begin, std::size_t count, std::size_t, std::byte* row) noexcept {
  auto* const to = reinterpret_cast<float*>(row) + begin;
  for (std::size_t i = 0; i < count; ++i) to[i] = float_of_bf16(bf16_from_float(x[i]));
}

template <class Instructions>
constexpr product_kernel emulated(char const* name) noexcept {
  return {name,
          Instructions::width,
          Instructions::rows,
          depth_step,
          false,
          row_bytes,
          panel_bytes<Instructions::width>,
          support::no_scratch,
          pack<Instructions::width>,
          encode,
          support::nothing,
          support::nothing,
          tile<Instructions>};
}

struct plain {
  static constexpr std::size_t width = 8;
  static constexpr std::size_t rows = 4;

  template <std::size_t Rows>
  static void multiply(encoded_rows const& rows_of_a, std::uint16_t const* panel, std::size_t depth, ahead&,
                       float* out) noexcept {
    auto const* const a = reinterpret_cast<float const*>(rows_of_a.data);
    std::size_t const stride = rows_of_a.stride / sizeof(float);
    float sums[Rows][width] = {};
    for (std::size_t k = 0; k < depth; ++k, panel += width) {
      for (std::size_t r = 0; r < Rows; ++r) {
        for (std::size_t j = 0; j < width; ++j) sums[r][j] += a[r * stride + k] * float_of_bf16(panel[j]);
      }
    }
    std::memcpy(out, sums, sizeof sums);
  }
};

#if defined(__x86_64__)

struct with_avx2 {
  static constexpr std::size_t width = 16;
  static constexpr std::size_t rows = 6;

  template <std::size_t Rows>
  YONDER_AVX2 static void multiply(encoded_rows const& rows_of_a, std::uint16_t const* panel,
                                   std::size_t depth, ahead& next, float* out) noexcept {
    auto const* const a = reinterpret_cast<float const*>(rows_of_a.data);
    std::size_t const stride = rows_of_a.stride / sizeof(float);
    __m256 sums[Rows][2];
    for (auto& row : sums) row[0] = row[1] = _mm256_setzero_ps();
    for (std::size_t k = 0; k < depth; ++k, panel += width) {
      if (k % depth_step == 0) support::ask_for(next);
      __m256 parts[2];
      for (std::size_t part = 0; part < 2; ++part) {
        auto const* const at = reinterpret_cast<__m128i const*>(panel + 8 * part);
        __m256i const wide = _mm256_cvtepu16_epi32(_mm_load_si128(at));
        parts[part] = _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
      }
      for (std::size_t r = 0; r < Rows; ++r) {
        __m256 const factor = _mm256_broadcast_ss(a + r * stride + k);
        sums[r][0] = _mm256_fmadd_ps(factor, parts[0], sums[r][0]);
        sums[r][1] = _mm256_fmadd_ps(factor, parts[1], sums[r][1]);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      _mm256_store_ps(out, sums[r][0]);
      _mm256_store_ps(out + 8, sums[r][1]);
    }
  }
};

// ---- AVX-512 ----

constexpr std::size_t pair_width = wide::width;

std::size_t pair_row_bytes(std::size_t depth) noexcept {
  return row_stride(round_up(depth, 2) * sizeof(std::uint16_t));
}

std::size_t pair_panel_bytes(std::size_t depth) noexcept {
  return round_up(depth, 2) * pair_width * sizeof(std::uint16_t);
}

void pack_pairs(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const to = reinterpret_cast<std::uint16_t*>(panel);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    for (std::size_t k = 0; k < depth; ++k)
      to[(k / 2 * pair_width + column) * 2 + k % 2] = bf16_from_float(weights[k]);
  }
}

struct with_avx512 {
  static constexpr std::size_t rows = wide::rows;

  static std::size_t row_bytes(std::size_t depth) noexcept {
    return row_stride(round_up(depth, 2) * sizeof(float));
  }

  YONDER_AVX512 static void encode(float const* x, std::size_t begin, std::size_t count, std::size_t,
                                   std::byte* row) noexcept {
    auto* const to = reinterpret_cast<float*>(row) + begin;
    for (std::size_t i = 0; i < count; ++i) to[i] = float_of_bf16(bf16_from_float(x[i]));
  }

  template <std::size_t Rows>
  YONDER_AVX512 static void multiply(encoded_rows const& rows_of_a, std::uint16_t const* panel,
                                     std::size_t depth, ahead& next, float* out) noexcept {
    __m512 sums[Rows][wide::vectors];
    wide::multiply<wide::bf16_panel>(wide::left_rows(rows_of_a.data, rows_of_a.stride),
                                     reinterpret_cast<std::byte const*>(panel), round_up(depth, 2) / 2, next,
                                     sums);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r, out += wide::width) {
#pragma GCC unroll 3
      for (std::size_t part = 0; part < wide::vectors; ++part)
        _mm512_store_ps(out + part * 16, sums[r][part]);
    }
  }
};

// ---- AVX512_BF16 ----

YONDER_AVX512 void encode_pairs(float const* x, std::size_t begin, std::size_t count, std::size_t,
                                std::byte* row) noexcept {
  auto* const to = reinterpret_cast<std::uint16_t*>(row) + begin;
  for (std::size_t i = 0; i < count; ++i) to[i] = bf16_from_float(x[i]);
}

struct with_avx512_bf16 {
  static constexpr std::size_t width = pair_width;
  static constexpr std::size_t rows = 8;

  template <std::size_t Rows>
  YONDER_AVX512_BF16 static void multiply(encoded_rows const& rows_of_a, std::uint16_t const* panel,
                                          std::size_t depth, ahead& next, float* out) noexcept {
    __m512 sums[Rows][3];
    for (auto& row : sums) row[0] = row[1] = row[2] = _mm512_setzero_ps();
    for (std::size_t k = 0; k < depth; k += 2, panel += 2 * width) {
      if (k % depth_step == 0) support::ask_for(next);
      __m512i const first = _mm512_load_si512(panel);
      __m512i const second = _mm512_load_si512(panel + 32);
      __m512i const third = _mm512_load_si512(panel + 64);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t pair;
        std::memcpy(&pair, rows_of_a.data + r * rows_of_a.stride + k * sizeof(std::uint16_t), sizeof pair);
        auto const factor = (__m512bh)_mm512_set1_epi32(pair);
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], factor, (__m512bh)first);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], factor, (__m512bh)second);
        sums[r][2] = _mm512_dpbf16_ps(sums[r][2], factor, (__m512bh)third);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      for (std::size_t part = 0; part < 3; ++part) _mm512_store_ps(out + part * 16, sums[r][part]);
    }
  }
};

#endif

#if defined(__AARCH64EL__)

struct with_bfmmla {
  static constexpr std::size_t width = arm_tile::width;
  static constexpr std::size_t rows = arm_tile::rows;
  static constexpr std::size_t group = arm_tile::row_step / sizeof(std::uint16_t);

  static std::size_t row_bytes(std::size_t depth) noexcept {
    return row_stride(round_up(depth, group) * sizeof(std::uint16_t));
  }

  static std::size_t panel_bytes(std::size_t depth) noexcept {
    return round_up(round_up(depth, group) * width * sizeof(std::uint16_t), support::cache_line);
  }

  static void pack(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
    auto* const to = reinterpret_cast<std::uint16_t*>(panel);
    for (std::size_t column = 0; column < columns; ++column, weights += depth) {
      for (std::size_t k = 0; k < depth; ++k)
        to[(k / group * width + column) * group + k % group] = bf16_from_float(weights[k]);
    }
  }

  static void encode(float const* x, std::size_t begin, std::size_t count, std::size_t,
                     std::byte* row) noexcept {
    auto* const to = reinterpret_cast<std::uint16_t*>(row) + begin;
    for (std::size_t i = 0; i < count; ++i) to[i] = bf16_from_float(x[i]);
  }

  template <std::size_t Rows>
  YONDER_BF16 static void multiply(encoded_rows const& rows_of_a, std::uint16_t const* panel,
                                   std::size_t depth, ahead& next, float* out) noexcept {
    arm_tile::sums<Rows> sums;
    arm_tile::multiply<arm_tile::bf16>(rows_of_a, reinterpret_cast<std::byte const*>(panel),
                                       round_up(depth, group) / group, next, sums);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
#pragma GCC unroll 3
      for (std::size_t part = 0; part < width / 4; ++part)
        vst1q_f32(out + 4 * part, vreinterpretq_f32_u32(sums.of_row(r, part)));
    }
  }
};

#endif

}  // namespace

constexpr product_kernel baseline::bf16 = emulated<plain>("bf16 by fp32, plain");
#if defined(__x86_64__)
constexpr product_kernel avx2::bf16 = emulated<with_avx2>("bf16 by fp32, AVX2");
constexpr product_kernel avx512::bf16_by_fp32 = {"bf16 by fp32, AVX-512",
                                                 wide::width,
                                                 with_avx512::rows,
                                                 2 * wide::steps_at_once,
                                                 false,
                                                 with_avx512::row_bytes,
                                                 pair_panel_bytes,
                                                 support::no_scratch,
                                                 pack_pairs,
                                                 with_avx512::encode,
                                                 support::nothing,
                                                 support::nothing,
                                                 tile<with_avx512>};
constexpr product_kernel avx512::bf16 = {
    "bf16, AVX512_BF16", pair_width,       with_avx512_bf16::rows, depth_step, false,
    pair_row_bytes,      pair_panel_bytes, support::no_scratch,    pack_pairs, encode_pairs,
    support::nothing,    support::nothing, tile<with_avx512_bf16>};
#endif
#if defined(__AARCH64EL__)
constexpr product_kernel neon::bf16 = {"bf16, BFMMLA",
                                       with_bfmmla::width,
                                       with_bfmmla::rows,
                                       with_bfmmla::group,
                                       false,
                                       with_bfmmla::row_bytes,
                                       with_bfmmla::panel_bytes,
                                       support::no_scratch,
                                       with_bfmmla::pack,
                                       with_bfmmla::encode,
                                       support::nothing,
                                       support::nothing,
                                       tile<with_bfmmla>};
#endif

}  // namespace yonder::kernels::cpu
