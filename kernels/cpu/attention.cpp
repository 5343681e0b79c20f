// SPDX-License-Identifier: Apache-2.0
#include "cpu/attention.hpp"

#include <algorithm>
#include <cmath>

namespace yonder::kernels::cpu {
namespace {

// Queries whose scores exist at once: memory grows with the length of a sequence, not with its square.
constexpr std::size_t query_block = 64;

// A matrix of floats in panels [panel][depth][width], for operands that change.
class float_panels {
 public:
  float_panels(product_kernel const& kernel, std::size_t depth, std::size_t columns, float* data) noexcept
      : kernel_(kernel), depth_(depth), columns_(columns), data_(data) {}

  static std::size_t size(product_kernel const& kernel, std::size_t depth, std::size_t columns) noexcept {
    return (columns + kernel.width - 1) / kernel.width * kernel.width * depth;
  }

  // From rows [columns][depth].
  void assign_transposed(float const* rows, std::size_t stride) noexcept {
    std::size_t const width = kernel_.width;
    for (std::size_t begin = 0; begin < columns_; begin += width) {
      float* const panel = data_ + begin * depth_;
      std::size_t const count = std::min(width, columns_ - begin);
      if (count < width) std::fill_n(panel, depth_ * width, 0.0F);
      for (std::size_t i = 0; i < count; ++i, rows += stride) {
        for (std::size_t k = 0; k < depth_; ++k) panel[k * width + i] = rows[k];
      }
    }
  }

  // From rows [depth][columns].
  void assign(float const* rows, std::size_t stride) noexcept {
    std::size_t const width = kernel_.width;
    for (std::size_t begin = 0; begin < columns_; begin += width) {
      float* to = data_ + begin * depth_;
      std::size_t const count = std::min(width, columns_ - begin);
      for (std::size_t k = 0; k < depth_; ++k, to += width) {
        std::copy_n(rows + k * stride + begin, count, to);
        std::fill(to + count, to + width, 0.0F);
      }
    }
  }

  // store(row, column, values, count) for each piece of a row of `rows` times this.
  template <class Store>
  void multiply(encoded_rows rows, Store const& store) const noexcept {
    alignas(64) float tile[largest_tile];
    ahead nothing;
    for (std::size_t begin = 0; begin < columns_; begin += kernel_.width) {
      panel_view const panel{reinterpret_cast<std::byte const*>(data_ + begin * depth_), nullptr, true, true};
      for (std::size_t row = 0; row < rows.count; row += kernel_.tile_rows) {
        std::size_t const count = std::min(kernel_.tile_rows, rows.count - row);
        kernel_.tile({rows.data + row * rows.stride, rows.stride, count}, panel, depth_, nothing, tile);
        for (std::size_t r = 0; r < count; ++r)
          store(row + r, begin, tile + r * kernel_.width, std::min(kernel_.width, columns_ - begin));
      }
    }
  }

 private:
  product_kernel const& kernel_;
  std::size_t depth_;
  std::size_t columns_;
  float* data_;
};

encoded_rows as_rows(float const* data, std::size_t stride, std::size_t count) noexcept {
  return {reinterpret_cast<std::byte const*>(data), stride * sizeof(float), count};
}

// One head of one sequence.
class head {
 public:
  head(kernel_set const& kernels, attention_input const& from, std::size_t index) noexcept
      : kernels_(kernels),
        number_(index % from.heads),
        first_token_(from.starts[index / from.heads]),
        length_(from.starts[index / from.heads + 1] - first_token_),
        size_(from.head_size),
        hidden_(from.heads * from.head_size),
        queries_(from.values + first_token_ * 3 * hidden_ + number_ * size_) {}

  void operator()(attention_output const& to) const {
    product_kernel const& kernel = *kernels_.plain_rows;
    std::size_t const key_floats = float_panels::size(kernel, size_, length_);
    std::size_t const value_floats = float_panels::size(kernel, length_, size_);
    thread_local aligned_buffer<float> memory;
    memory.reserve(key_floats + value_floats + query_block * length_);
    float_panels keys(kernel, size_, length_, memory.data());
    float_panels values(kernel, length_, size_, memory.data() + key_floats);
    keys.assign_transposed(queries_ + hidden_, stride());
    values.assign(queries_ + 2 * hidden_, stride());
    for (std::size_t begin = 0; begin < length_; begin += query_block)
      attend(begin, keys, values, memory.data() + key_floats + value_floats, to);
  }

 private:
  std::size_t stride() const noexcept { return 3 * hidden_; }

  void attend(std::size_t begin, float_panels const& keys, float_panels const& values, float* scores,
              attention_output const& to) const noexcept {
    std::size_t const count = std::min(query_block, length_ - begin);
    keys.multiply(as_rows(queries_ + begin * stride(), stride(), count),
                  [&](std::size_t row, std::size_t column, float const* x, std::size_t width) {
                    std::copy_n(x, width, scores + row * length_ + column);
                  });
    float const scale = 1.0F / std::sqrt(static_cast<float>(size_));
    for (std::size_t row = 0; row < count; ++row) kernels_.softmax(scores + row * length_, length_, scale);
    values.multiply(as_rows(scores, length_, count),
                    [&](std::size_t row, std::size_t column, float const* x, std::size_t width) {
                      store(first_token_ + begin + row, number_ * size_ + column, x, width, to);
                    });
  }

  void store(std::size_t token, std::size_t column, float const* x, std::size_t count,
             attention_output const& to) const noexcept {
    if (to.values != nullptr)
      std::copy_n(x, count, to.values + token * hidden_ + column);
    else
      to.encoded->encode(token, column, x, count);
  }

  kernel_set const& kernels_;
  std::size_t number_;
  std::size_t first_token_;
  std::size_t length_;
  std::size_t size_;
  std::size_t hidden_;
  float const* queries_;
};

// Operations, roughly: what decides whether others are called in.
std::size_t work_of(attention_input const& from) noexcept {
  std::size_t work = 0;
  for (std::size_t i = 0; i + 1 < from.starts.size(); ++i) {
    std::size_t const length = from.starts[i + 1] - from.starts[i];
    work += length * length * from.heads * from.head_size / 4;
  }
  return work;
}

}  // namespace

void attention(kernel_set const& kernels, crew const& by, attention_input const& from,
               attention_output const& to) {
  std::size_t const count = (from.starts.size() - 1) * from.heads;
  by.pool.run(count, work_of(from) < work_of_a_thread ? 1 : by.width,
              [&](std::size_t index, std::size_t) { head(kernels, from, index)(to); });
}

}  // namespace yonder::kernels::cpu
