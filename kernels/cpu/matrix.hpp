// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "cpu/kernel_set.hpp"

namespace yonder::kernels::cpu {

// A matrix [depth][columns] as the right side of a product, cut into panels: [panel][depth][panel_width], the
// columns past the last filled with zeros. It fits one kernel_set.
class packed_matrix {
 public:
  packed_matrix() = default;

  // From its transpose, row by row, as PyTorch keeps the weight of a Linear: read_row(column, float[depth]).
  packed_matrix(kernel_set const& kernels, std::size_t depth, std::size_t columns,
                std::function<void(std::size_t column, float* row)> const& read_row);

  // In place, for operands that change: `rows` is [columns][depth], or [depth][columns] for assign().
  void assign_transposed(kernel_set const& kernels, float const* rows, std::size_t stride, std::size_t depth,
                         std::size_t columns);
  void assign(kernel_set const& kernels, float const* rows, std::size_t stride, std::size_t depth,
              std::size_t columns);

  std::size_t depth() const noexcept { return depth_; }
  std::size_t columns() const noexcept { return columns_; }
  float const* panel(std::size_t index) const noexcept { return data_.data() + index * depth_ * width_; }

 private:
  void resize(kernel_set const& kernels, std::size_t depth, std::size_t columns);

  std::vector<float> data_;
  std::size_t depth_ = 0;
  std::size_t columns_ = 0;
  std::size_t width_ = 0;
};

// c[rows][b.columns()] = a[rows][b.depth()] * b + bias, strides in floats; `bias` of b.columns() floats, or
// null for none. Each row's bits are the same whatever the other rows. Reference: reference::multiply.
void multiply(kernel_set const& kernels, float const* a, std::size_t a_stride, std::size_t rows,
              packed_matrix const& b, float const* bias, float* c, std::size_t c_stride) noexcept;

}  // namespace yonder::kernels::cpu
