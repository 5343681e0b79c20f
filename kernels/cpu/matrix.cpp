// SPDX-License-Identifier: Apache-2.0
#include "cpu/matrix.hpp"

#include <algorithm>

namespace yonder::kernels::cpu {
namespace {

// A block of a panel stays in the first-level cache (256 * 48 floats: 48 KiB at most) while the rows of a
// block of `a` (128 * 256 floats: 128 KiB) pass over it from the second.
constexpr std::size_t depth_block = 256;
constexpr std::size_t row_block = 128;
constexpr std::size_t largest_tile = std::size_t{8} * 48;

constexpr std::size_t panels(std::size_t columns, std::size_t width) noexcept {
  return (columns + width - 1) / width;
}

// Sums of each depth block are added up block by block, which also keeps rounding errors small.
void add_tile(float const* tile, std::size_t tile_stride, std::size_t rows, std::size_t columns, bool first,
              float const* bias, float* c, std::size_t c_stride) noexcept {
  for (std::size_t r = 0; r < rows; ++r, tile += tile_stride, c += c_stride) {
    if (!first) {
      for (std::size_t j = 0; j < columns; ++j) c[j] += tile[j];
    } else if (bias == nullptr) {
      std::copy_n(tile, columns, c);
    } else {
      for (std::size_t j = 0; j < columns; ++j) c[j] = tile[j] + bias[j];
    }
  }
}

}  // namespace

packed_matrix::packed_matrix(kernel_set const& kernels, std::size_t depth, std::size_t columns,
                             std::function<void(std::size_t column, float* row)> const& read_row) {
  resize(kernels, depth, columns);
  std::vector<float> row(depth);
  for (std::size_t column = 0; column < columns; ++column) {
    read_row(column, row.data());
    float* to = data_.data() + column / width_ * depth * width_ + column % width_;
    for (std::size_t k = 0; k < depth; ++k, to += width_) *to = row[k];
  }
}

void packed_matrix::resize(kernel_set const& kernels, std::size_t depth, std::size_t columns) {
  depth_ = depth;
  columns_ = columns;
  width_ = kernels.panel_width;
  data_.assign(panels(columns, width_) * depth * width_, 0.0F);
}

void packed_matrix::assign_transposed(kernel_set const& kernels, float const* rows, std::size_t stride,
                                      std::size_t depth, std::size_t columns) {
  resize(kernels, depth, columns);
  for (std::size_t column = 0; column < columns; ++column) {
    float const* const row = rows + column * stride;
    float* to = data_.data() + column / width_ * depth * width_ + column % width_;
    for (std::size_t k = 0; k < depth; ++k, to += width_) *to = row[k];
  }
}

void packed_matrix::assign(kernel_set const& kernels, float const* rows, std::size_t stride,
                           std::size_t depth, std::size_t columns) {
  resize(kernels, depth, columns);
  for (std::size_t begin = 0; begin < columns; begin += width_) {
    float* to = data_.data() + begin * depth;
    std::size_t const width = std::min(width_, columns - begin);
    for (std::size_t k = 0; k < depth; ++k, to += width_) std::copy_n(rows + k * stride + begin, width, to);
  }
}

void multiply(kernel_set const& kernels, float const* a, std::size_t a_stride, std::size_t rows,
              packed_matrix const& b, float const* bias, float* c, std::size_t c_stride) noexcept {
  std::size_t const width = kernels.panel_width;
  alignas(64) float tile[largest_tile];
  for (std::size_t row_begin = 0; row_begin < rows; row_begin += row_block) {
    std::size_t const row_end = std::min(rows, row_begin + row_block);
    for (std::size_t column = 0; column < b.columns(); column += width) {
      std::size_t const columns = std::min(width, b.columns() - column);
      float const* const panel = b.panel(column / width);
      for (std::size_t k = 0; k < b.depth(); k += depth_block) {
        std::size_t const depth = std::min(depth_block, b.depth() - k);
        for (std::size_t row = row_begin; row < row_end; row += kernels.tile_rows) {
          std::size_t const count = std::min(kernels.tile_rows, row_end - row);
          kernels.tile(a + row * a_stride + k, a_stride, count, panel + k * width, depth, tile);
          add_tile(tile, width, count, columns, k == 0, bias == nullptr ? nullptr : bias + column,
                   c + row * c_stride + column, c_stride);
        }
      }
    }
  }
}

}  // namespace yonder::kernels::cpu
