// SPDX-License-Identifier: Apache-2.0
//
// Rows and panels are floats: a panel is [depth][width]. Sums run over at most `depth_block` elements before
// they are added up, which keeps rounding errors small. Weights that are 16-bit numbers may stay so in the
// panels, and are widened as they are read: the products and their order are the same.
#include <algorithm>

#include "cpu/product_support.hpp"
#include "cpu/target.hpp"
#include "cpu/wide_tile.hpp"

namespace yonder::kernels::cpu {
namespace {

using support::bf16_from_float;
using support::round_up;
using support::row_stride;

constexpr std::size_t depth_block = 384;
constexpr std::size_t depth_step = 4;

// Of whole steps of the panel, which may take two elements of the depth.
template <class Instructions>
std::size_t row_bytes(std::size_t depth) noexcept {
  return row_stride(round_up(depth, Instructions::row_steps) * sizeof(float));
}

template <class Instructions>
std::size_t panel_bytes(std::size_t depth) noexcept {
  return round_up(depth, Instructions::row_steps) * Instructions::width *
         sizeof(typename Instructions::weight);
}

template <class Instructions>
void pack(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const to = reinterpret_cast<typename Instructions::weight*>(panel);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    for (std::size_t k = 0; k < depth; ++k)
      to[Instructions::place(k, column)] = Instructions::weight_of(weights[k]);
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
  std::byte const* panel;
  std::size_t depth;
  bool first;
  float* out;
};

template <class Instructions, std::size_t Rows>
void tile_rows(encoded_rows const& rows, std::byte const* panel, std::size_t depth, ahead& next,
               float* out) noexcept {
  auto const* const a = reinterpret_cast<float const*>(rows.data);
  for (std::size_t k = 0; k < depth; k += depth_block) {
    block const each{a + k,
                     rows.stride / sizeof(float),
                     panel + k * Instructions::width * sizeof(typename Instructions::weight),
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
    return tile_rows<Instructions, Rows>(rows, panel.data, depth, next, out);
  }
  if constexpr (Rows > 1) tile<Instructions, Rows - 1>(rows, panel, depth, next, out);
}

template <class Instructions>
constexpr product_kernel kernel_of(char const* name) noexcept {
  return {name,
          Instructions::width,
          Instructions::rows,
          depth_step * Instructions::row_steps,
          false,
          row_bytes<Instructions>,
          panel_bytes<Instructions>,
          support::no_scratch,
          pack<Instructions>,
          encode,
          support::nothing,
          support::nothing,
          tile<Instructions>};
}

// Of fp16: a panel that many tiles take is widened for the first one, as `Wide` has it. To widen bf16 costs
// nothing beside the products.
template <class Narrow, class Wide>
void tile_of_f16(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
                 float* out) noexcept {
  constexpr std::size_t many = 5;
  if (panel.tiles < many) return tile<Narrow>(rows, panel, depth, next, out);
  if (panel.first) Narrow::widen(panel.data, depth, reinterpret_cast<float*>(panel.scratch));
  tile<Wide>(rows, {panel.scratch, nullptr, false, panel.last}, depth, next, out);
}

template <class Narrow, class Wide>
std::size_t widened_bytes(std::size_t depth) noexcept {
  return panel_bytes<Wide>(round_up(depth, Narrow::row_steps));
}

template <class Narrow, class Wide>
constexpr product_kernel f16_kernel_of(char const* name) noexcept {
  static_assert(Narrow::width == Wide::width && Narrow::rows == Wide::rows);
  auto kernel = kernel_of<Narrow>(name);
  kernel.scratch_bytes = widened_bytes<Narrow, Wide>;
  kernel.tile = tile_of_f16<Narrow, Wide>;
  return kernel;
}

// Panels [depth][width] of floats.
template <std::size_t Width>
struct of_floats {
  using weight = float;
  static constexpr std::size_t width = Width;
  static constexpr std::size_t row_steps = 1;

  static constexpr std::size_t place(std::size_t k, std::size_t column) noexcept {
    return k * Width + column;
  }
  static constexpr float weight_of(float x) noexcept { return x; }
};

struct plain : of_floats<8> {
  static constexpr std::size_t rows = 4;

  template <std::size_t Rows>
  static void multiply(block const& each, ahead&) noexcept {
    auto const* const panel = reinterpret_cast<float const*>(each.panel);
    float sums[Rows][width] = {};
    for (std::size_t k = 0; k < each.depth; ++k) {
      for (std::size_t r = 0; r < Rows; ++r) {
        for (std::size_t j = 0; j < width; ++j)
          sums[r][j] += each.a[r * each.stride + k] * panel[k * width + j];
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      float* const out = each.out + r * width;
      for (std::size_t j = 0; j < width; ++j) out[j] = each.first ? sums[r][j] : out[j] + sums[r][j];
    }
  }
};

#if defined(__x86_64__)

// A panel's weights, eight at a time, and how one is packed.
struct floats_by_eight : of_floats<16> {
  YONDER_AVX2 static __m256 load(float const* from) noexcept { return _mm256_load_ps(from); }
};

struct bf16_by_eight {
  using weight = std::uint16_t;
  static constexpr std::size_t width = 16;
  static constexpr std::size_t row_steps = 1;

  static constexpr std::size_t place(std::size_t k, std::size_t column) noexcept {
    return k * width + column;
  }
  static weight weight_of(float x) noexcept { return bf16_from_float(x); }
  YONDER_AVX2 static __m256 load(weight const* from) noexcept {
    __m256i const wide = _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<__m128i const*>(from)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
};

struct halves_by_eight : bf16_by_eight {
  YONDER_AVX2 static weight weight_of(float x) noexcept {
    return static_cast<weight>(_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT), 0));
  }
  YONDER_AVX2 static __m256 load(weight const* from) noexcept {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<__m128i const*>(from)));
  }
};

template <class Weights>
struct with_avx2 : Weights {
  using typename Weights::weight;
  using Weights::width;
  static constexpr std::size_t rows = 6;  // 12 sums, two of the panel, one factor: 15 of 16 registers

  YONDER_AVX2 static void widen(std::byte const* panel, std::size_t depth, float* to) noexcept {
    auto const* const from = reinterpret_cast<weight const*>(panel);
    for (std::size_t i = 0; i < depth * width; i += 8) _mm256_store_ps(to + i, Weights::load(from + i));
  }

  template <std::size_t Rows>
  YONDER_AVX2 static void multiply(block const& each, ahead& next) noexcept {
    __m256 sums[Rows][2];
    for (auto& row : sums) row[0] = row[1] = _mm256_setzero_ps();
    auto const* panel = reinterpret_cast<weight const*>(each.panel);
    for (std::size_t k = 0; k < each.depth; ++k, panel += width) {
      if (k % depth_step == 0) support::ask_for(next);
      __m256 const left = Weights::load(panel);
      __m256 const right = Weights::load(panel + 8);
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
struct lines_of_floats : of_floats<Vectors * wide::lanes> {
  using panel = wide::plain_panel<wide::floats>;
};

// Pairs for each lane.
template <std::size_t Vectors>
struct lines_of_bf16 {
  using weight = std::uint16_t;
  using lines = wide::pairs_of_bf16;
  using panel = wide::narrow_panel<lines>;
  static constexpr std::size_t width = Vectors * wide::lanes;
  static constexpr std::size_t row_steps = panel::row_steps;

  static constexpr std::size_t place(std::size_t k, std::size_t column) noexcept {
    return (k / 2 * width + column) * 2 + k % 2;
  }
  static weight weight_of(float x) noexcept { return bf16_from_float(x); }
};

template <std::size_t Vectors>
struct lines_of_halves {
  using weight = std::uint16_t;
  using lines = wide::rows_of_f16;
  using panel = wide::narrow_panel<lines>;
  static constexpr std::size_t width = Vectors * wide::lanes;
  static constexpr std::size_t row_steps = panel::row_steps;

  static constexpr std::size_t place(std::size_t k, std::size_t column) noexcept {
    std::size_t const line = k / 2 * Vectors + column / wide::lanes;
    return (line * 2 + k % 2) * wide::lanes + column % wide::lanes;
  }
  static weight weight_of(float x) noexcept { return halves_by_eight::weight_of(x); }
};

template <std::size_t Vectors, class Lines = lines_of_floats<Vectors>>
struct with_avx512 : Lines {
  using Lines::row_steps;
  using Lines::width;
  static constexpr std::size_t rows = wide::rows;

  YONDER_AVX512 static void widen(std::byte const* panel, std::size_t depth, float* to) noexcept {
    for (std::size_t k = 0; k < depth; k += row_steps, to += row_steps * width) {
      for (std::size_t i = 0; i < Vectors; ++i, panel += wide::line) {
        auto const both = Lines::lines::widen(panel);
        _mm512_store_ps(to + i * wide::lanes, both.first);
        _mm512_store_ps(to + width + i * wide::lanes, both.second);
      }
    }
  }

  template <std::size_t Rows>
  YONDER_AVX512 static void multiply(block const& each, ahead& next) noexcept {
    __m512 sums[Rows][Vectors];
    wide::left_rows const left(reinterpret_cast<std::byte const*>(each.a), each.stride * sizeof(float));
    std::size_t const steps = (each.depth + row_steps - 1) / row_steps;
    wide::multiply<typename Lines::panel>(left, each.panel, steps, next, sums);
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

#if defined(__AARCH64EL__)

// A panel's weights, four at a time.
struct floats_by_four : of_floats<16> {
  static float32x4_t load(float const* from) noexcept { return vld1q_f32(from); }
};

struct bf16_by_four {
  using weight = std::uint16_t;
  static constexpr std::size_t width = 16;
  static constexpr std::size_t row_steps = 1;

  static constexpr std::size_t place(std::size_t k, std::size_t column) noexcept {
    return k * width + column;
  }
  static weight weight_of(float x) noexcept { return bf16_from_float(x); }
  static float32x4_t load(weight const* from) noexcept {
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(from)), 16));
  }
};

struct halves_by_four : bf16_by_four {
  static weight weight_of(float x) noexcept {
    return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(x))), 0);
  }
  static float32x4_t load(weight const* from) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
  }
};

template <class Weights>
struct with_neon : Weights {
  using typename Weights::weight;
  using Weights::width;
  static constexpr std::size_t rows = 6;  // 24 sums, four of the panel, one factor: 29 of 32 registers
  static constexpr std::size_t vectors = width / 4;

  static void widen(std::byte const* panel, std::size_t depth, float* to) noexcept {
    auto const* const from = reinterpret_cast<weight const*>(panel);
    for (std::size_t i = 0; i < depth * width; i += 4) vst1q_f32(to + i, Weights::load(from + i));
  }

  template <std::size_t Rows>
  static void multiply(block const& each, ahead& next) noexcept {
    float32x4_t sums[Rows][vectors];
    for (auto& row : sums) {
      for (auto& sum : row) sum = vdupq_n_f32(0.0F);
    }
    auto const* panel = reinterpret_cast<weight const*>(each.panel);
    for (std::size_t k = 0; k < each.depth; ++k, panel += width) {
      if (k % depth_step == 0) support::ask_for(next);
      float32x4_t parts[vectors];
#pragma GCC unroll 4
      for (std::size_t part = 0; part < vectors; ++part) parts[part] = Weights::load(panel + 4 * part);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) {
        float const factor = each.a[r * each.stride + k];
#pragma GCC unroll 4
        for (std::size_t part = 0; part < vectors; ++part)
          sums[r][part] = vfmaq_n_f32(sums[r][part], parts[part], factor);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      for (std::size_t part = 0; part < vectors; ++part) {
        float* const out = each.out + r * width + part * 4;
        float32x4_t const sum = sums[r][part];
        vst1q_f32(out, each.first ? sum : vaddq_f32(vld1q_f32(out), sum));
      }
    }
  }
};

void encode_rounded(float const* x, std::size_t begin, std::size_t count, std::size_t,
                    std::byte* row) noexcept {
  auto* const to = reinterpret_cast<float*>(row) + begin;
  for (std::size_t i = 0; i < count; ++i) to[i] = support::float_of_bf16(bf16_from_float(x[i]));
}

#endif

}  // namespace

constexpr product_kernel baseline::fp32 = kernel_of<plain>("fp32, plain");
#if defined(__x86_64__)
constexpr product_kernel avx2::fp32 = kernel_of<with_avx2<floats_by_eight>>("fp32, AVX2");
constexpr product_kernel avx2::fp32_of_bf16 =
    kernel_of<with_avx2<bf16_by_eight>>("fp32 of bf16 weights, AVX2");
constexpr product_kernel avx2::fp32_of_f16 =
    f16_kernel_of<with_avx2<halves_by_eight>, with_avx2<floats_by_eight>>("fp32 of fp16 weights, AVX2");
constexpr product_kernel avx512::fp32 = kernel_of<with_avx512<3>>("fp32, AVX-512");
constexpr product_kernel avx512::fp32_of_bf16 =
    kernel_of<with_avx512<3, lines_of_bf16<3>>>("fp32 of bf16 weights, AVX-512");
constexpr product_kernel avx512::fp32_of_f16 =
    f16_kernel_of<with_avx512<3, lines_of_halves<3>>, with_avx512<3>>("fp32 of fp16 weights, AVX-512");
constexpr product_kernel avx512::narrow_fp32 = kernel_of<with_avx512<2>>("fp32, AVX-512, 32 columns");
#endif
#if defined(__AARCH64EL__)
constexpr product_kernel neon::fp32 = kernel_of<with_neon<floats_by_four>>("fp32, NEON");
constexpr product_kernel neon::fp32_of_bf16 =
    kernel_of<with_neon<bf16_by_four>>("fp32 of bf16 weights, NEON");
constexpr product_kernel neon::fp32_of_f16 =
    f16_kernel_of<with_neon<halves_by_four>, with_neon<floats_by_four>>("fp32 of fp16 weights, NEON");
constexpr product_kernel neon::bf16_by_fp32 = [] {
  auto kernel = kernel_of<with_neon<bf16_by_four>>("bf16 by fp32, NEON");
  kernel.encode = encode_rounded;
  return kernel;
}();
#endif

}  // namespace yonder::kernels::cpu
