// SPDX-License-Identifier: Apache-2.0
//
// Rows and panels are floats: a panel is [depth][width]. Sums run over at most `depth_block` elements before
// they are added up, which keeps rounding errors small.
#include <algorithm>

#include "cpu/product_support.hpp"
#include "cpu/target.hpp"
#include "cpu/wide_tile.hpp"

namespace yonder::kernels::cpu {
namespace {

using support::row_stride;

constexpr std::size_t depth_block = 384;
constexpr std::size_t depth_step = 4;

std::size_t row_bytes(std::size_t depth) noexcept { return row_stride(depth * sizeof(float)); }

template <std::size_t Width>
std::size_t panel_bytes(std::size_t depth) noexcept {
  return depth * Width * sizeof(float);
}

template <std::size_t Width>
void pack(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const to = reinterpret_cast<float*>(panel);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    for (std::size_t k = 0; k < depth; ++k) to[k * Width + column] = weights[k];
  }
}

void encode(float const* x, std::size_t begin, std::size_t count, std::size_t, std::byte* row) noexcept {
  std::memcpy(row + begin * sizeof(float), x, count * sizeof(float));
}

// One instruction set's tile<Rows>(): multiplies Rows rows by a block of a panel and adds to `out`, or begins
// it.
struct block {
  float const* a;
  std::size_t stride;
  float const* panel;
  std::size_t depth;
  bool first;
  float* out;
};

template <class Instructions, std::size_t Rows>
void tile_rows(encoded_rows const& rows, float const* panel, std::size_t depth, ahead& next,
               float* out) noexcept {
  auto const* const a = reinterpret_cast<float const*>(rows.data);
  for (std::size_t k = 0; k < depth; k += depth_block) {
    block const each{a + k,
                     rows.stride / sizeof(float),
                     panel + k * Instructions::width,
                     std::min(depth_block, depth - k),
                     k == 0,
                     out};
    Instructions::template multiply<Rows>(each, next);
  }
}

template <class Instructions, std::size_t Rows = Instructions::rows>
void tile(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
          float* out) noexcept {
  if (rows.count == Rows) {
    return tile_rows<Instructions, Rows>(rows, reinterpret_cast<float const*>(panel.data), depth, next, out);
  }
  if constexpr (Rows > 1) tile<Instructions, Rows - 1>(rows, panel, depth, next, out);
}

template <class Instructions>
constexpr product_kernel kernel_of(char const* name) noexcept {
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
  static void multiply(block const& each, ahead&) noexcept {
    float sums[Rows][width] = {};
    for (std::size_t k = 0; k < each.depth; ++k) {
      for (std::size_t r = 0; r < Rows; ++r) {
        for (std::size_t j = 0; j < width; ++j)
          sums[r][j] += each.a[r * each.stride + k] * each.panel[k * width + j];
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      float* const out = each.out + r * width;
      for (std::size_t j = 0; j < width; ++j) out[j] = each.first ? sums[r][j] : out[j] + sums[r][j];
    }
  }
};

#if defined(__x86_64__)

struct with_avx2 {
  static constexpr std::size_t width = 16;
  static constexpr std::size_t rows = 6;  // 12 sums, two of the panel, one factor: 15 of 16 registers

  template <std::size_t Rows>
  YONDER_AVX2 static void multiply(block const& each, ahead& next) noexcept {
    __m256 sums[Rows][2];
    for (auto& row : sums) row[0] = row[1] = _mm256_setzero_ps();
    float const* panel = each.panel;
    for (std::size_t k = 0; k < each.depth; ++k, panel += width) {
      if (k % depth_step == 0) support::ask_for(next);
      __m256 const left = _mm256_load_ps(panel);
      __m256 const right = _mm256_load_ps(panel + 8);
      for (std::size_t r = 0; r < Rows; ++r) {
        __m256 const factor = _mm256_broadcast_ss(each.a + r * each.stride + k);
        sums[r][0] = _mm256_fmadd_ps(factor, left, sums[r][0]);
        sums[r][1] = _mm256_fmadd_ps(factor, right, sums[r][1]);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      for (std::size_t part = 0; part < 2; ++part) {
        float* const out = each.out + r * width + part * 8;
        __m256 const sum = sums[r][part];
        _mm256_store_ps(out, each.first ? sum : _mm256_add_ps(_mm256_load_ps(out), sum));
      }
    }
  }
};

template <std::size_t Vectors>
struct with_avx512 {
  static constexpr std::size_t width = Vectors * wide::lanes;
  static constexpr std::size_t rows = wide::rows;

  template <std::size_t Rows>
  YONDER_AVX512 static void multiply(block const& each, ahead& next) noexcept {
    __m512 sums[Rows][Vectors];
    wide::left_rows const left(reinterpret_cast<std::byte const*>(each.a), each.stride * sizeof(float));
    wide::multiply<wide::plain_panel<wide::floats>>(left, reinterpret_cast<std::byte const*>(each.panel),
                                                    each.depth, next, sums);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 3
      for (std::size_t part = 0; part < Vectors; ++part) {
        float* const out = each.out + r * width + part * 16;
        __m512 const sum = sums[r][part];
        _mm512_store_ps(out, each.first ? sum : _mm512_add_ps(_mm512_load_ps(out), sum));
      }
    }
  }
};

#endif

}  // namespace

constexpr product_kernel baseline::fp32 = kernel_of<plain>("fp32, plain");
#if defined(__x86_64__)
constexpr product_kernel avx2::fp32 = kernel_of<with_avx2>("fp32, AVX2");
constexpr product_kernel avx512::fp32 = kernel_of<with_avx512<3>>("fp32, AVX-512");
constexpr product_kernel avx512::narrow_fp32 = kernel_of<with_avx512<2>>("fp32, AVX-512, 32 columns");
#endif

}  // namespace yonder::kernels::cpu
