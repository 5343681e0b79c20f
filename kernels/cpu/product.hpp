// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace yonder::kernels::cpu {

// Cache lines that will be wanted soon: a kernel asks for `lines` of them at each of its steps, from `from`
// on.
struct ahead {
  std::byte const* from = nullptr;
  std::size_t lines = 0;
};

// Rows of the left operand of a product, as a kernel's encode() wrote them.
struct encoded_rows {
  std::byte const* data;
  std::size_t stride;  // in bytes
  std::size_t count;
};

// A panel, for the tiles that use it one after the other.
struct panel_view {
  std::byte const* data;
  std::byte* scratch;  // of scratch_bytes(); what the first tile leaves there is for the others
  bool first;
  bool last;
  std::size_t tiles = 1;  // that use it
};

// A matrix product for one format of its operands, compiled for one instruction set. The right operand, the
// weights, is cut into panels of `width` columns. A row's result depends neither on the other rows nor on
// their number.
struct product_kernel {
  char const* name;
  std::size_t width;      // at most 48
  std::size_t tile_rows;  // rows that tile() takes at once, at most 32; all of them may be read
  std::size_t step;       // the depth of a step
  bool whole_rows;        // encode() takes whole rows only: it depends on their largest value

  std::size_t (*row_bytes)(std::size_t depth) noexcept;
  std::size_t (*panel_bytes)(std::size_t depth) noexcept;
  std::size_t (*scratch_bytes)(std::size_t depth) noexcept;  // for one panel in use

  // weights[columns][depth] to a panel of zeros.
  void (*pack)(float const* weights, std::size_t columns, std::size_t depth, std::byte* panel) noexcept;
  // x[count] to the elements from `begin` on of a row. What is past the row's depth must be zeros and stays
  // so.
  void (*encode)(float const* x, std::size_t begin, std::size_t count, std::size_t depth,
                 std::byte* row) noexcept;
  // Before and after the tiles of a panel, on their thread.
  void (*begin)() noexcept;
  void (*end)() noexcept;
  // out[rows][width] = rows * panel, rows.count of 1 to tile_rows.
  void (*tile)(encoded_rows const& rows, panel_view const& panel, std::size_t depth, ahead& next,
               float* out) noexcept;
};

inline constexpr std::size_t largest_width = 48;
inline constexpr std::size_t largest_tile_rows = 32;
inline constexpr std::size_t largest_tile = std::size_t{32} * 48;

// Those of each instruction set; call only what this_machine() has.
namespace baseline {
extern product_kernel const fp32;
extern product_kernel const bf16;
extern product_kernel const int8;
}  // namespace baseline
#if defined(__x86_64__)
namespace avx2 {
extern product_kernel const fp32;
extern product_kernel const fp32_of_bf16;  // weights that are bf16 are kept so: the same bits as fp32's
extern product_kernel const fp32_of_f16;   // the same with fp16
extern product_kernel const bf16;          // emulated: operands are rounded, products are those of fp32
extern product_kernel const int8;
extern product_kernel const int8_vnni;  // for machines with AVX-VNNI
}  // namespace avx2
namespace avx512 {
extern product_kernel const fp32;
extern product_kernel const fp32_of_bf16;  // as avx2's
extern product_kernel const fp32_of_f16;
extern product_kernel const narrow_fp32;  // for attention, whose matrices are as wide as a head
extern product_kernel const bf16;
extern product_kernel const bf16_by_fp32;  // as avx2's, for machines without AVX512_BF16
extern product_kernel const int8;
}  // namespace avx512
namespace amx {
extern product_kernel const fp32;  // from bf16 tiles: each operand in three parts, the six largest products
extern product_kernel const bf16;
extern product_kernel const int8;
}  // namespace amx
#endif
#if defined(__AARCH64EL__)
namespace neon {
extern product_kernel const fp32;
extern product_kernel const fp32_of_bf16;  // as avx2's
extern product_kernel const fp32_of_f16;
extern product_kernel const bf16;          // for machines with FEAT_BF16
extern product_kernel const bf16_by_fp32;  // as avx2's, for those without
extern product_kernel const int8;
extern product_kernel const int8_dot;       // for machines with FEAT_DotProd
extern product_kernel const int8_matrices;  // for machines with FEAT_I8MM
}  // namespace neon
#endif

}  // namespace yonder::kernels::cpu
