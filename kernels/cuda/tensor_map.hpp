// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>

#include <cstdint>

namespace yonder::kernels::cuda {

// A matrix of 16-bit elements, dense and row-major, that kernels copy in boxes.
struct boxed_matrix {
  void const* base;  // aligned to 16 bytes, as are the rows
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t box_rows;
  std::uint32_t box_columns;  // 32 or 64: rows of 64 or 128 bytes, swizzled as those are
};

// What the tensor memory accelerator needs to know of it. The driver's function is looked up at run time, so
// that nothing links with the driver. Throws ml::gpu_error.
CUtensorMap tensor_map_of(boxed_matrix const& matrix);

// False for drivers that have no such function.
bool has_tensor_maps() noexcept;

}  // namespace yonder::kernels::cuda
