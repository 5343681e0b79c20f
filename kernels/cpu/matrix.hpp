// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include "cpu/aligned_buffer.hpp"
#include "cpu/kernel_set.hpp"
#include "cpu/thread_pool.hpp"

namespace yonder::kernels::cpu {

// Rows that pass over a panel at once, fewer where so many would not stay in the second-level cache
// meanwhile, and how long they are at most in the middle of a feed-forward network.
inline constexpr std::size_t most_rows = 256;
inline constexpr std::size_t cached_row_bytes = std::size_t{5} << 10;
// How many rows that is, tiles of the kernel, at least one, beside panels in a cache of so many bytes.
std::size_t rows_in_cache(product_kernel const& kernel, std::size_t depth, std::size_t cache) noexcept;

// Who works on a loop: the caller and others, `width` threads at most.
struct crew {
  thread_pool& pool;
  std::size_t width;
};

// A matrix [depth][columns] as the right side of a product, cut into one kernel's panels.
class packed_matrix {
 public:
  packed_matrix() = default;

  // From its transpose, row by row, as PyTorch keeps the weight of a Linear: read_row(column, float[depth]).
  packed_matrix(product_kernel const& kernel, std::size_t depth, std::size_t columns,
                std::function<void(std::size_t column, float* row)> const& read_row);

  // Two matrices of one shape, column by column beside each other: of their product with a row, the first
  // half is activated and multiplied by the second one. read_row() gets the columns of the first, and behind
  // them those of the second.
  static packed_matrix gated(product_kernel const& kernel, std::size_t depth, std::size_t columns,
                             std::function<void(std::size_t column, float* row)> const& read_row);

  product_kernel const& kernel() const noexcept { return *kernel_; }
  std::size_t depth() const noexcept { return depth_; }
  std::size_t columns() const noexcept { return columns_; }  // of a product; of gated ones the half
  bool is_gated() const noexcept { return gated_; }
  // Columns of a product that come of one panel.
  std::size_t panel_columns() const noexcept { return gated_ ? kernel_->width / 2 : kernel_->width; }
  std::size_t panels() const noexcept { return (columns_ + panel_columns() - 1) / panel_columns(); }
  std::byte const* panel(std::size_t index) const noexcept { return data_.data() + index * panel_bytes_; }

 private:
  packed_matrix(product_kernel const& kernel, std::size_t depth, std::size_t columns, bool gated,
                std::function<void(std::size_t column, float* row)> const& read_row);

  product_kernel const* kernel_ = nullptr;
  std::size_t depth_ = 0;
  std::size_t columns_ = 0;
  bool gated_ = false;
  std::size_t panel_bytes_ = 0;
  aligned_buffer<std::byte> data_;
};

// Rows that are the left side of a product, as one kernel encodes them.
class operand {
 public:
  operand(product_kernel const& kernel, std::size_t depth)
      : kernel_(&kernel), depth_(depth), stride_(kernel.row_bytes(depth)) {}

  // Room for so many rows at least; growing loses what was written.
  void reserve(std::size_t rows);
  std::size_t depth() const noexcept { return depth_; }
  bool takes_whole_rows() const noexcept { return kernel_->whole_rows; }
  void encode(std::size_t row, std::size_t begin, float const* x, std::size_t count) noexcept {
    kernel_->encode(x, begin, count, depth_, data_.data() + row * stride_);
  }
  void encode(std::size_t row, float const* x) noexcept { encode(row, 0, x, depth_); }
  encoded_rows rows(std::size_t begin, std::size_t count) const noexcept {
    return {data_.data() + begin * stride_, stride_, count};
  }

 private:
  product_kernel const* kernel_;
  std::size_t depth_;
  std::size_t stride_;
  aligned_buffer<std::byte> data_;
};

// What becomes of a product's rows: out = activate(product + bias) + residual, to floats or to another
// operand. Of a gated matrix, without a residual: activate(first + its bias) * (second + its bias).
struct epilogue {
  float const* bias = nullptr;  // [columns], of gated ones both [2 * columns]
  void (*activate)(float* x, std::size_t count) noexcept = nullptr;
  float const* residual = nullptr;  // [rows][columns]; may be `out`
  float* out = nullptr;             // [rows][columns]; else `encoded`
  operand* encoded = nullptr;       // one that does not ask for whole rows
};

// a[rows][b.depth()] * b, `rows` rows of `a`, which b's kernel encoded. Each row's bits are the same whatever
// the other rows and the crew. Reference: reference::multiply. Throws std::bad_alloc.
void multiply(kernel_set const& kernels, crew const& by, operand const& a, std::size_t rows,
              packed_matrix const& b, epilogue const& to);

// body(first, last) for parts of [0, rows), which are `cost` operations each.
template <class Body>
void for_each_rows(crew const& by, std::size_t rows, std::size_t cost, Body const& body);

// Below about so many operations (10 µs of one thread) a loop is not worth another thread.
inline constexpr std::size_t work_of_a_thread = 200'000;

template <class Body>
void for_each_rows(crew const& by, std::size_t rows, std::size_t cost, Body const& body) {
  constexpr std::size_t part = 8;
  std::size_t const parts = (rows + part - 1) / part;
  by.pool.run(parts, rows * cost < work_of_a_thread ? 1 : by.width, [&](std::size_t index, std::size_t) {
    body(index * part, index * part + part < rows ? index * part + part : rows);
  });
}

}  // namespace yonder::kernels::cpu
