// SPDX-License-Identifier: Apache-2.0
//
// Tiles of 16 rows of 64 bytes, four of them as sums: 32 rows by 32 columns. Panels hold the tiles in the
// order in which they are read, [depth / of a tile][2 halves of 16 columns][16 groups][16 columns][group],
// where a group are as many elements of the depth as fill four bytes.
//
// fp32 comes from bf16 tiles: x = high + middle + low, each the nearest bf16 of what is left (24 bits in
// all). Of the nine products of two such numbers the six largest are summed; those left out are below 2^-25
// of the whole.
#if defined(__x86_64__)
#include <algorithm>

#include "cpu/product_support.hpp"
#include "cpu/target.hpp"

namespace yonder::kernels::cpu {
namespace {

using support::bf16_from_float;
using support::float_of_bf16;
using support::round_up;
using support::row_scale;
using support::row_stride;

constexpr std::size_t width = 32;
constexpr std::size_t tile_rows = 32;
constexpr std::size_t tile_bytes = 1024;
constexpr std::size_t half_rows = 16;

struct alignas(64) tile_config {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(tile_config) == 64);

YONDER_AMX void configure() noexcept {
  static constexpr tile_config config;
  _tile_loadconfig(&config);
}

YONDER_AMX void release() noexcept { _tile_release(); }

// ---- bf16 ----

constexpr std::size_t bf16_depth = 32;  // of one tile

std::size_t bf16_row_bytes(std::size_t depth) noexcept {
  return row_stride(round_up(depth, bf16_depth) * sizeof(std::uint16_t));
}

std::size_t bf16_panel_bytes(std::size_t depth) noexcept {
  return round_up(depth, bf16_depth) / bf16_depth * 2 * tile_bytes;
}

// Of the element (k, column) of a panel of tiles with groups of two.
constexpr std::size_t pair_index(std::size_t k, std::size_t column) noexcept {
  std::size_t const tile = k / bf16_depth * 2 + column / 16;
  return tile * (bf16_depth * 16) + (k % bf16_depth / 2 * 16 + column % 16) * 2 + k % 2;
}

void pack_bf16(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const to = reinterpret_cast<std::uint16_t*>(panel);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    for (std::size_t k = 0; k < depth; ++k) to[pair_index(k, column)] = bf16_from_float(weights[k]);
  }
}

YONDER_AVX512 void encode_bf16(float const* x, std::size_t begin, std::size_t count, std::size_t,
                               std::byte* row) noexcept {
  auto* const to = reinterpret_cast<std::uint16_t*>(row) + begin;
  for (std::size_t i = 0; i < count; ++i) to[i] = bf16_from_float(x[i]);
}

YONDER_AMX void store_sums(float* out, bool both) noexcept {
  constexpr std::size_t stride = width * sizeof(float);
  _tile_stored(0, out, stride);
  _tile_stored(1, out + 16, stride);
  if (both) {
    _tile_stored(2, out + half_rows * width, stride);
    _tile_stored(3, out + half_rows * width + 16, stride);
  }
}

YONDER_AMX void clear_sums() noexcept {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

YONDER_AMX void tile_bf16(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
                          float* out) noexcept {
  std::byte const* const a = rows.data;
  std::byte const* const lower = a + half_rows * rows.stride;
  std::byte const* b = panel.data;
  bool const both = rows.count > half_rows;
  clear_sums();
  for (std::size_t k = 0; k < depth; k += bf16_depth, b += 2 * tile_bytes) {
    std::size_t const at = k * sizeof(std::uint16_t);
    support::ask_for(next);
    _tile_loadd(4, a + at, rows.stride);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + tile_bytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (both) {
      _tile_loadd(5, lower + at, rows.stride);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  store_sums(out, both);
}

// ---- fp32 ----

constexpr std::size_t parts = 3;

std::size_t plane_bytes(std::size_t depth) noexcept {
  return round_up(depth, bf16_depth) * sizeof(std::uint16_t);
}

std::size_t fp32_row_bytes(std::size_t depth) noexcept { return row_stride(parts * plane_bytes(depth)); }

std::size_t fp32_panel_bytes(std::size_t depth) noexcept {
  return round_up(depth, bf16_depth) * width * sizeof(float);
}

std::size_t fp32_scratch_bytes(std::size_t depth) noexcept {
  return round_up(depth, bf16_depth) / bf16_depth * 2 * parts * tile_bytes;
}

void pack_fp32(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const to = reinterpret_cast<float*>(panel);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    for (std::size_t k = 0; k < depth; ++k) to[pair_index(k, column)] = weights[k];
  }
}

YONDER_AVX512 void encode_fp32(float const* x, std::size_t begin, std::size_t count, std::size_t depth,
                               std::byte* row) noexcept {
  auto* const high = reinterpret_cast<std::uint16_t*>(row) + begin;
  auto* const middle = reinterpret_cast<std::uint16_t*>(row + plane_bytes(depth)) + begin;
  auto* const low = reinterpret_cast<std::uint16_t*>(row + 2 * plane_bytes(depth)) + begin;
  for (std::size_t i = 0; i < count; ++i) {
    high[i] = bf16_from_float(x[i]);
    float const rest = x[i] - float_of_bf16(high[i]);
    middle[i] = bf16_from_float(rest);
    low[i] = bf16_from_float(rest - float_of_bf16(middle[i]));
  }
}

// The nearest bf16 of finite values, ties away from zero, as a float.
YONDER_AVX512_BF16 [[gnu::always_inline]] inline __m512 nearest_bf16(__m512 x) noexcept {
  __m512i const raised = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
  return _mm512_castsi512_ps(_mm512_and_si512(raised, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
}

// Two vectors of numbers that are bf16, to one of their upper halves.
YONDER_AVX512_BF16 [[gnu::always_inline]] inline void store_halves(std::byte* to, __m512 first,
                                                                   __m512 second) noexcept {
  _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

// Two tiles of floats, in the order of tiles, to tiles of their three parts.
YONDER_AVX512_BF16 void split(float const* tiles, std::byte* to) noexcept {
  for (std::size_t at = 0; at < 2 * tile_bytes; at += 64, tiles += 32) {
    __m512 const left = _mm512_load_ps(tiles);
    __m512 const right = _mm512_load_ps(tiles + 16);
    __m512 const left_high = nearest_bf16(left);
    __m512 const right_high = nearest_bf16(right);
    __m512 const left_rest = _mm512_sub_ps(left, left_high);
    __m512 const right_rest = _mm512_sub_ps(right, right_high);
    __m512 const left_middle = nearest_bf16(left_rest);
    __m512 const right_middle = nearest_bf16(right_rest);
    store_halves(to + at, left_high, right_high);
    store_halves(to + 2 * tile_bytes + at, left_middle, right_middle);
    store_halves(to + 4 * tile_bytes + at, _mm512_sub_ps(left_rest, left_middle),
                 _mm512_sub_ps(right_rest, right_middle));
  }
}

// The six products of one step of the depth; small ones first. Sums 0 to 3; rows in 4 and 5, columns in 6
// and 7.
YONDER_AMX [[gnu::always_inline]] inline void multiply_both(std::byte const* a, std::size_t stride,
                                                            std::size_t plane, std::byte const* b) noexcept {
  std::byte const* const lower = a + half_rows * stride;
#define YONDER_LOAD_ROWS(part)              \
  _tile_loadd(4, a + (part)*plane, stride); \
  _tile_loadd(5, lower + (part)*plane, stride)
#define YONDER_LOAD_COLUMNS(part)                             \
  _tile_loadd(6, b + std::size_t{2} * (part)*tile_bytes, 64); \
  _tile_loadd(7, b + std::size_t{2} * (part)*tile_bytes + tile_bytes, 64)
#define YONDER_MULTIPLY    \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7)
  YONDER_LOAD_ROWS(0);
  YONDER_LOAD_COLUMNS(2);
  YONDER_MULTIPLY;
  YONDER_LOAD_COLUMNS(1);
  YONDER_MULTIPLY;
  YONDER_LOAD_ROWS(1);
  YONDER_MULTIPLY;
  YONDER_LOAD_COLUMNS(0);
  YONDER_MULTIPLY;
  YONDER_LOAD_ROWS(2);
  YONDER_MULTIPLY;
  YONDER_LOAD_ROWS(0);
  YONDER_MULTIPLY;
#undef YONDER_LOAD_ROWS
#undef YONDER_LOAD_COLUMNS
#undef YONDER_MULTIPLY
}

// The same for 16 rows: its tiles are all loaded at once.
YONDER_AMX [[gnu::always_inline]] inline void multiply_upper(std::byte const* a, std::size_t stride,
                                                             std::size_t plane, std::byte const* b) noexcept {
  _tile_loadd(4, a, stride);
  _tile_loadd(5, a + plane, stride);
  _tile_loadd(6, b + 4 * tile_bytes, 64);
  _tile_loadd(7, b + 5 * tile_bytes, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(6, b + 2 * tile_bytes, 64);
  _tile_loadd(7, b + 3 * tile_bytes, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(0, 5, 6);
  _tile_dpbf16ps(1, 5, 7);
  _tile_loadd(6, b, 64);
  _tile_loadd(7, b + tile_bytes, 64);
  _tile_dpbf16ps(0, 5, 6);
  _tile_dpbf16ps(1, 5, 7);
  _tile_loadd(5, a + 2 * plane, stride);
  _tile_dpbf16ps(0, 5, 6);
  _tile_dpbf16ps(1, 5, 7);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
}

// The first tile splits the panel as it goes: a step ahead, so that the tiles' unit need not wait. What no
// other tile wants stays in the first-level cache.
class split_panel {
 public:
  explicit split_panel(panel_view const& panel) noexcept
      : from_(reinterpret_cast<float const*>(panel.data)),
        scratch_(panel.scratch),
        first_(panel.first),
        kept_(!panel.first || !panel.last) {}

  void prepare(std::size_t step) const noexcept {
    if (first_) split(from_ + step * bf16_depth * width, at(step));
  }
  std::byte* at(std::size_t step) const noexcept {
    return scratch_ + (kept_ ? step : step % 2) * 2 * parts * tile_bytes;
  }

 private:
  float const* from_;
  std::byte* scratch_;
  bool first_;
  bool kept_;
};

YONDER_AMX void tile_fp32(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
                          float* out) noexcept {
  std::size_t const plane = plane_bytes(depth);
  std::size_t const steps = plane_bytes(depth) / 64;
  bool const both = rows.count > half_rows;
  split_panel const columns(panel);
  clear_sums();
  columns.prepare(0);
  for (std::size_t step = 0; step < steps; ++step) {
    std::byte const* const a = rows.data + step * 64;
    support::ask_for(next);
    if (both)
      multiply_both(a, rows.stride, plane, columns.at(step));
    else
      multiply_upper(a, rows.stride, plane, columns.at(step));
    if (step + 1 < steps) columns.prepare(step + 1);
  }
  store_sums(out, both);
}

// ---- int8 ----

constexpr std::size_t int8_depth = 64;
constexpr std::size_t int8_header = width * sizeof(float);

std::size_t int8_values(std::size_t depth) noexcept { return round_up(depth, int8_depth); }

std::size_t int8_row_bytes(std::size_t depth) noexcept {
  return row_stride(int8_values(depth) + sizeof(row_scale));
}

std::size_t int8_panel_bytes(std::size_t depth) noexcept {
  return int8_header + int8_values(depth) / int8_depth * 2 * tile_bytes;
}

void pack_int8(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept {
  auto* const scales = reinterpret_cast<float*>(panel);
  auto* const to = reinterpret_cast<std::int8_t*>(panel + int8_header);
  for (std::size_t column = 0; column < columns; ++column, weights += depth) {
    float const scale = support::scale_of(weights, depth);
    float const inverse = scale > 1e-30F ? 1.0F / scale : 0.0F;
    scales[column] = scale;
    for (std::size_t k = 0; k < depth; ++k) {
      std::size_t const tile = k / int8_depth * 2 + column / 16;
      std::size_t const inside = (k % int8_depth / 4 * 16 + column % 16) * 4 + k % 4;
      to[tile * tile_bytes + inside] = static_cast<std::int8_t>(support::quantized(weights[k], inverse));
    }
  }
}

YONDER_AVX512 void encode_int8(float const* x, std::size_t, std::size_t, std::size_t depth,
                               std::byte* row) noexcept {
  row_scale const scale = support::quantize(x, depth, reinterpret_cast<std::int8_t*>(row));
  std::memcpy(row + int8_values(depth), &scale, sizeof scale);
}

// Whole numbers to floats in place, times the scales of row and column.
YONDER_AVX512 void apply_scales(encoded_rows const& rows, std::size_t depth, float const* scales,
                                float* out) noexcept {
  for (std::size_t r = 0; r < rows.count; ++r, out += width) {
    __m512 const scale =
        _mm512_set1_ps(support::scale_behind(rows.data + r * rows.stride, int8_values(depth)).scale);
    for (std::size_t at = 0; at < width; at += 16) {
      __m512 const both = _mm512_mul_ps(scale, _mm512_load_ps(scales + at));
      __m512 const sum = _mm512_cvtepi32_ps(_mm512_load_si512(out + at));
      _mm512_store_ps(out + at, _mm512_mul_ps(sum, both));
    }
  }
}

YONDER_AMX void tile_int8(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
                          float* out) noexcept {
  std::byte const* const lower = rows.data + half_rows * rows.stride;
  std::byte const* b = panel.data + int8_header;
  bool const both = rows.count > half_rows;
  clear_sums();
  for (std::size_t k = 0; k < depth; k += int8_depth, b += 2 * tile_bytes) {
    support::ask_for(next);
    _tile_loadd(4, rows.data + k, rows.stride);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + tile_bytes, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    if (both) {
      _tile_loadd(5, lower + k, rows.stride);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
  }
  store_sums(out, both);
  apply_scales(rows, depth, reinterpret_cast<float const*>(panel.data), out);
}

}  // namespace

constexpr product_kernel amx::fp32 = {
    "fp32 by bf16, AMX", width,     tile_rows,   bf16_depth, false,   fp32_row_bytes, fp32_panel_bytes,
    fp32_scratch_bytes,  pack_fp32, encode_fp32, configure,  release, tile_fp32};
constexpr product_kernel amx::bf16 = {
    "bf16, AMX",         width,     tile_rows,   bf16_depth, false,   bf16_row_bytes, bf16_panel_bytes,
    support::no_scratch, pack_bf16, encode_bf16, configure,  release, tile_bf16};
constexpr product_kernel amx::int8 = {
    "int8, AMX",         width,     tile_rows,   int8_depth, true,    int8_row_bytes, int8_panel_bytes,
    support::no_scratch, pack_int8, encode_int8, configure,  release, tile_int8};

}  // namespace yonder::kernels::cpu
#endif
