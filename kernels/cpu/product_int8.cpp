// SPDX-License-Identifier: Apache-2.0
//
// Weights are int8 with a scale for each column, rows int8 with a scale for each row; sums are exact in 32
// bits, so that every instruction set gives the same. A panel begins with the scales of its columns; groups
// of `Group` elements of the depth lie beside each other: [depth / Group][width][Group].
#include <algorithm>

#include "cpu/arm_tile.hpp"
#include "cpu/product_support.hpp"
#include "cpu/target.hpp"
#include "cpu/wide_tile.hpp"

namespace yonder::kernels::cpu {
namespace {

using support::round_up;
using support::row_scale;
using support::row_stride;

template <std::size_t Width>
constexpr std::size_t header_bytes = round_up(Width * sizeof(float), support::cache_line);

template <class Format>
std::size_t row_values(std::size_t depth) noexcept {
  return round_up(depth, Format::group) * sizeof(typename Format::row_element);
}

template <class Format>
std::size_t row_bytes(std::size_t depth) noexcept {
  return row_stride(round_up(row_values<Format>(depth), sizeof(row_scale)) + sizeof(row_scale));
}

template <class Format>
std::size_t panel_bytes(std::size_t depth) noexcept {
  return header_bytes<Format::width> +
         round_up(round_up(depth, Format::group) * Format::width, support::cache_line);
}

template <class Format>
void pack(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const scales = reinterpret_cast<float*>(panel);
  auto* const to = reinterpret_cast<std::uint8_t*>(panel + header_bytes<Format::width>);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    float const scale = support::scale_of(weights, depth);
    float const inverse = scale > 1e-30F ? 1.0F / scale : 0.0F;
    scales[column] = scale;
    for (std::size_t k = 0; k < depth; ++k) {
      std::int32_t const value = support::quantized(weights[k], inverse) + Format::offset;
      to[(k / Format::group * Format::width + column) * Format::group + k % Format::group] =
          static_cast<std::uint8_t>(value);
    }
  }
}

template <class Format>
row_scale const& scale_of_row(encoded_rows const& rows, std::size_t row, std::size_t depth) noexcept {
  return support::scale_behind(rows.data + row * rows.stride,
                               round_up(row_values<Format>(depth), sizeof(row_scale)));
}

template <class Format>
YONDER_ALWAYS_INLINE void encode_row(float const* x, std::size_t depth, std::byte* row) noexcept {
  auto* const to = reinterpret_cast<typename Format::row_element*>(row);
  row_scale const scale = support::quantize(x, depth, to);
  std::memcpy(row + round_up(row_values<Format>(depth), sizeof(row_scale)), &scale, sizeof scale);
}

template <class Instructions, std::size_t Rows = Instructions::rows>
void tile(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
          float* out) noexcept {
  if (rows.count == Rows) return Instructions::template multiply<Rows>(rows, panel.data, depth, next, out);
  if constexpr (Rows > 1) tile<Instructions, Rows - 1>(rows, panel, depth, next, out);
}

template <class Instructions>
constexpr product_kernel kernel_of(char const* name) noexcept {
  return {name,
          Instructions::width,
          Instructions::rows,
          Instructions::depth_step,
          true,
          row_bytes<Instructions>,
          panel_bytes<Instructions>,
          support::no_scratch,
          pack<Instructions>,
          Instructions::encode,
          support::nothing,
          support::nothing,
          tile<Instructions>};
}

struct plain {
  static constexpr std::size_t width = 8;
  static constexpr std::size_t rows = 4;
  static constexpr std::size_t group = 1;
  static constexpr std::size_t depth_step = 4;
  static constexpr std::int32_t offset = 0;
  using row_element = std::int8_t;

  static void encode(float const* x, std::size_t, std::size_t, std::size_t depth, std::byte* row) noexcept {
    encode_row<plain>(x, depth, row);
  }

  template <std::size_t Rows>
  static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth, ahead&,
                       float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    auto const* weights = reinterpret_cast<std::int8_t const*>(panel + header_bytes<width>);
    std::int32_t sums[Rows][width] = {};
    for (std::size_t k = 0; k < depth; ++k, weights += width) {
      for (std::size_t r = 0; r < Rows; ++r) {
        auto const factor = reinterpret_cast<std::int8_t const*>(a.data + r * a.stride)[k];
        for (std::size_t j = 0; j < width; ++j) sums[r][j] += factor * weights[j];
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      float const scale = scale_of_row<plain>(a, r, depth).scale;
      for (std::size_t j = 0; j < width; ++j)
        out[r * width + j] = static_cast<float>(sums[r][j]) * (scale * scales[j]);
    }
  }
};

#if defined(__x86_64__)

struct with_avx2 {
  static constexpr std::size_t width = 16;
  static constexpr std::size_t rows = 6;
  static constexpr std::size_t group = 2;
  static constexpr std::size_t depth_step = 4;
  static constexpr std::int32_t offset = 0;
  using row_element = std::int16_t;

  YONDER_AVX2 static void encode(float const* x, std::size_t, std::size_t, std::size_t depth,
                                 std::byte* row) noexcept {
    encode_row<with_avx2>(x, depth, row);
  }

  template <std::size_t Rows>
  YONDER_AVX2 static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth,
                                   ahead& next, float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    auto const* weights = reinterpret_cast<__m128i const*>(panel + header_bytes<width>);
    __m256i sums[Rows][2];
    for (auto& row : sums) row[0] = row[1] = _mm256_setzero_si256();
    for (std::size_t k = 0; k < depth; k += group, weights += 2) {
      if (k % depth_step == 0) support::ask_for(next);
      __m256i const left = _mm256_cvtepi8_epi16(_mm_load_si128(weights));
      __m256i const right = _mm256_cvtepi8_epi16(_mm_load_si128(weights + 1));
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t pair;
        std::memcpy(&pair, a.data + r * a.stride + k * sizeof(row_element), sizeof pair);
        __m256i const factor = _mm256_set1_epi32(pair);
        sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(factor, left));
        sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(factor, right));
      }
    }
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      __m256 const scale = _mm256_set1_ps(scale_of_row<with_avx2>(a, r, depth).scale);
      for (std::size_t part = 0; part < 2; ++part) {
        __m256 const both = _mm256_mul_ps(scale, _mm256_load_ps(scales + part * 8));
        _mm256_store_ps(out + part * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(sums[r][part]), both));
      }
    }
  }
};

// The instruction multiplies unsigned by signed bytes: weights are stored 128 higher.
struct with_avx_vnni {
  static constexpr std::size_t width = 16;
  static constexpr std::size_t rows = 6;  // 12 sums, two of the panel, one factor: 15 of 16 registers
  static constexpr std::size_t group = 4;
  static constexpr std::size_t depth_step = 4;
  static constexpr std::int32_t offset = 128;
  using row_element = std::int8_t;

  YONDER_AVX2 static void encode(float const* x, std::size_t, std::size_t, std::size_t depth,
                                 std::byte* row) noexcept {
    encode_row<with_avx_vnni>(x, depth, row);
  }

  template <std::size_t Rows>
  YONDER_AVX_VNNI static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth,
                                       ahead& next, float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    auto const* weights = reinterpret_cast<__m256i const*>(panel + header_bytes<width>);
    __m256i sums[Rows][2];
    for (auto& row : sums) row[0] = row[1] = _mm256_setzero_si256();
    for (std::size_t k = 0; k < depth; k += group, weights += 2) {
      support::ask_for(next);
      __m256i const left = _mm256_load_si256(weights);
      __m256i const right = _mm256_load_si256(weights + 1);
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t four;
        std::memcpy(&four, a.data + r * a.stride + k, sizeof four);
        __m256i const factor = _mm256_set1_epi32(four);
        sums[r][0] = _mm256_dpbusd_avx_epi32(sums[r][0], left, factor);
        sums[r][1] = _mm256_dpbusd_avx_epi32(sums[r][1], right, factor);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      row_scale const row = scale_of_row<with_avx_vnni>(a, r, depth);
      __m256i const surplus = _mm256_set1_epi32(offset * row.sum);
      for (std::size_t part = 0; part < 2; ++part) {
        __m256 const both = _mm256_mul_ps(_mm256_set1_ps(row.scale), _mm256_load_ps(scales + part * 8));
        __m256i const exact = _mm256_sub_epi32(sums[r][part], surplus);
        _mm256_store_ps(out + part * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(exact), both));
      }
    }
  }
};

// As that, in 512 bits.
struct with_avx512_vnni {
  static constexpr std::size_t width = wide::width;
  static constexpr std::size_t rows = wide::rows;
  static constexpr std::size_t group = 4;
  static constexpr std::size_t depth_step = group * wide::steps_at_once;
  static constexpr std::int32_t offset = 128;
  using row_element = std::int8_t;

  YONDER_AVX512 static void encode(float const* x, std::size_t, std::size_t, std::size_t depth,
                                   std::byte* row) noexcept {
    encode_row<with_avx512_vnni>(x, depth, row);
  }

  template <std::size_t Rows>
  YONDER_AVX512_VNNI static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth,
                                          ahead& next, float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    __m512 sums[Rows][wide::vectors];
    wide::multiply<wide::plain_panel<wide::bytes>>(wide::left_rows(a.data, a.stride),
                                                   panel + header_bytes<width>,
                                                   round_up(depth, group) / group, next, sums);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      row_scale const row = scale_of_row<with_avx512_vnni>(a, r, depth);
      __m512i const surplus = _mm512_set1_epi32(offset * row.sum);
#pragma GCC unroll 3
      for (std::size_t part = 0; part < wide::vectors; ++part) {
        __m512 const both = _mm512_mul_ps(_mm512_set1_ps(row.scale), _mm512_load_ps(scales + part * 16));
        __m512i const exact = _mm512_sub_epi32(_mm512_castps_si512(sums[r][part]), surplus);
        _mm512_store_ps(out + part * 16, _mm512_mul_ps(_mm512_cvtepi32_ps(exact), both));
      }
    }
  }
};

#endif

#if defined(__AARCH64EL__)

// Four columns of a row.
YONDER_ALWAYS_INLINE void store_scaled(float* out, int32x4_t sums, float row, float const* columns) noexcept {
  vst1q_f32(out, vmulq_f32(vcvtq_f32_s32(sums), vmulq_n_f32(vld1q_f32(columns), row)));
}

struct with_neon {
  static constexpr std::size_t width = 16;
  static constexpr std::size_t rows = 6;  // 24 sums, two of the panel, one factor: 27 of 32 registers
  static constexpr std::size_t group = 1;
  static constexpr std::size_t depth_step = 4;
  static constexpr std::int32_t offset = 0;
  using row_element = std::int16_t;

  static void encode(float const* x, std::size_t, std::size_t, std::size_t depth, std::byte* row) noexcept {
    encode_row<with_neon>(x, depth, row);
  }

  template <std::size_t Rows>
  static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth, ahead& next,
                       float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    auto const* weights = reinterpret_cast<std::int8_t const*>(panel + header_bytes<width>);
    int32x4_t sums[Rows][4];
    for (auto& row : sums) row[0] = row[1] = row[2] = row[3] = vdupq_n_s32(0);
    for (std::size_t k = 0; k < depth; ++k, weights += width) {
      if (k % depth_step == 0) support::ask_for(next);
      int8x16_t const bytes = vld1q_s8(weights);
      int16x8_t const left = vmovl_s8(vget_low_s8(bytes));
      int16x8_t const right = vmovl_high_s8(bytes);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) {
        row_element const factor = reinterpret_cast<row_element const*>(a.data + r * a.stride)[k];
        sums[r][0] = vmlal_n_s16(sums[r][0], vget_low_s16(left), factor);
        sums[r][1] = vmlal_high_n_s16(sums[r][1], left, factor);
        sums[r][2] = vmlal_n_s16(sums[r][2], vget_low_s16(right), factor);
        sums[r][3] = vmlal_high_n_s16(sums[r][3], right, factor);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      float const scale = scale_of_row<with_neon>(a, r, depth).scale;
      for (std::size_t part = 0; part < 4; ++part)
        store_scaled(out + 4 * part, sums[r][part], scale, scales + 4 * part);
    }
  }
};

struct with_sdot {
  static constexpr std::size_t width = 16;
  static constexpr std::size_t rows = 6;  // 24 sums, four of the panel, one factor: 29 of 32 registers
  static constexpr std::size_t group = 4;
  static constexpr std::size_t depth_step = 4;
  static constexpr std::int32_t offset = 0;
  using row_element = std::int8_t;

  static void encode(float const* x, std::size_t, std::size_t, std::size_t depth, std::byte* row) noexcept {
    encode_row<with_sdot>(x, depth, row);
  }

  template <std::size_t Rows>
  YONDER_DOT_PRODUCT static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth,
                                          ahead& next, float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    std::byte const* weights = panel + header_bytes<width>;
    int32x4_t sums[Rows][4];
#pragma GCC unroll 6
    for (auto& row : sums) row[0] = row[1] = row[2] = row[3] = vdupq_n_s32(0);
    for (std::size_t k = 0; k < depth; k += group) {
      support::ask_for(next);
      uint8x16_t parts[4];
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part, weights += arm_tile::line)
        parts[part] = arm_tile::load_line(weights);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) {
        uint8x16_t const factor = arm_tile::repeat_four(a.data + r * a.stride + k);
#pragma GCC unroll 4
        for (std::size_t part = 0; part < 4; ++part) arm_tile::add_dots(parts[part], factor, sums[r][part]);
      }
    }
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      float const scale = scale_of_row<with_sdot>(a, r, depth).scale;
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part)
        store_scaled(out + 4 * part, sums[r][part], scale, scales + 4 * part);
    }
  }
};

struct with_smmla {
  static constexpr std::size_t width = arm_tile::width;
  static constexpr std::size_t rows = arm_tile::rows;
  static constexpr std::size_t group = arm_tile::row_step;
  static constexpr std::size_t depth_step = group;
  static constexpr std::int32_t offset = 0;
  using row_element = std::int8_t;

  static void encode(float const* x, std::size_t, std::size_t, std::size_t depth, std::byte* row) noexcept {
    encode_row<with_smmla>(x, depth, row);
  }

  template <std::size_t Rows>
  YONDER_I8MM static void multiply(encoded_rows const& a, std::byte const* panel, std::size_t depth,
                                   ahead& next, float* out) noexcept {
    auto const* const scales = reinterpret_cast<float const*>(panel);
    arm_tile::sums<Rows> sums;
    arm_tile::multiply<arm_tile::int8>(a, panel + header_bytes<width>, round_up(depth, group) / group, next,
                                       sums);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r, out += width) {
      float const scale = scale_of_row<with_smmla>(a, r, depth).scale;
#pragma GCC unroll 3
      for (std::size_t part = 0; part < width / 4; ++part)
        store_scaled(out + 4 * part, vreinterpretq_s32_u32(sums.of_row(r, part)), scale, scales + 4 * part);
    }
  }
};

#endif

}  // namespace

constexpr product_kernel baseline::int8 = kernel_of<plain>("int8, plain");
#if defined(__x86_64__)
constexpr product_kernel avx2::int8 = kernel_of<with_avx2>("int8, AVX2");
constexpr product_kernel avx2::int8_vnni = kernel_of<with_avx_vnni>("int8, AVX-VNNI");
constexpr product_kernel avx512::int8 = kernel_of<with_avx512_vnni>("int8, AVX512_VNNI");
#endif
#if defined(__AARCH64EL__)
constexpr product_kernel neon::int8 = kernel_of<with_neon>("int8, NEON");
constexpr product_kernel neon::int8_dot = kernel_of<with_sdot>("int8, SDOT");
constexpr product_kernel neon::int8_matrices = kernel_of<with_smmla>("int8, SMMLA");
#endif

}  // namespace yonder::kernels::cpu
