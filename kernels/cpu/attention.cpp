// SPDX-License-Identifier: Apache-2.0
#include "cpu/attention.hpp"

#include <algorithm>
#include <cmath>

namespace yonder::kernels::cpu {
namespace {

// Keys whose scores exist at once, for one tile of queries: they stay in the first-level cache.
constexpr std::size_t key_block = 256;

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

  // use(column, tile) for each panel of the columns [begin, end), whole panels but for the last: rows * it.
  template <class Use>
  void multiply_columns(encoded_rows const& rows, std::size_t begin, std::size_t end,
                        Use const& use) const noexcept {
    for (std::size_t column = begin; column < end; column += kernel_.width)
      multiply(rows, column, 0, depth_, std::min(kernel_.width, end - column), use);
  }

  // The same for all columns of the rows [begin, end) of this.
  template <class Use>
  void multiply_depth(encoded_rows const& rows, std::size_t begin, std::size_t end,
                      Use const& use) const noexcept {
    for (std::size_t column = 0; column < columns_; column += kernel_.width)
      multiply(rows, column, begin, end - begin, std::min(kernel_.width, columns_ - column), use);
  }

 private:
  template <class Use>
  void multiply(encoded_rows const& rows, std::size_t column, std::size_t first, std::size_t depth,
                std::size_t count, Use const& use) const noexcept {
    alignas(64) float tile[largest_tile];
    ahead nothing;
    float const* const panel = data_ + column * depth_ + first * kernel_.width;
    kernel_.tile(rows, {reinterpret_cast<std::byte const*>(panel), nullptr, true, true}, depth, nothing,
                 tile);
    use(column, tile_view{tile, kernel_.width, rows.count, count});
  }

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
        window_(from.window),
        scale_(1.0F / std::sqrt(static_cast<float>(from.head_size))),
        own_distance_(from.distances == nullptr
                          ? nullptr
                          : from.distances + number_ * (2 * from.reach - 1) + from.reach - 1),
        queries_(from.values + first_token_ * 3 * hidden_ + number_ * size_) {}

  void operator()(attention_output const& to) const {
    product_kernel const& kernel = *kernels_.plain_rows;
    std::size_t const key_floats = float_panels::size(kernel, size_, length_);
    std::size_t const value_floats = float_panels::size(kernel, length_, size_);
    thread_local aligned_buffer<float> memory;
    memory.reserve(key_floats + value_floats + largest_tile_rows * (key_block + size_));
    float_panels keys(kernel, size_, length_, memory.data());
    float_panels values(kernel, length_, size_, memory.data() + key_floats);
    keys.assign_transposed(queries_ + hidden_, stride());
    values.assign(queries_ + 2 * hidden_, stride());
    float* const scores = memory.data() + key_floats + value_floats;
    for (std::size_t begin = 0; begin < length_; begin += kernel.tile_rows)
      attend(begin, std::min(kernel.tile_rows, length_ - begin), keys, values, scores, to);
  }

 private:
  std::size_t stride() const noexcept { return 3 * hidden_; }

  struct key_range {
    std::size_t begin;
    std::size_t end;
  };

  // The keys that a query sees.
  key_range seen_by(std::size_t query) const noexcept {
    std::size_t const begin = query < window_ ? 0 : query - window_;
    return {begin, window_ < length_ - query ? query + window_ + 1 : length_};
  }

  // A tile of queries: its sums over the values of a block of keys, then over those of the next.
  void attend(std::size_t begin, std::size_t count, float_panels const& keys, float_panels const& values,
              float* scores, attention_output const& to) const noexcept {
    encoded_rows const queries = as_rows(queries_ + begin * stride(), stride(), count);
    float* const sums = scores + largest_tile_rows * key_block;
    std::fill_n(sums, count * size_, 0.0F);
    softmax_row rows[largest_tile_rows];
    std::size_t const width = kernels_.plain_rows->width;
    std::size_t const last = seen_by(begin + count - 1).end;
    for (std::size_t first = seen_by(begin).begin / width * width; first < last; first += key_block) {
      std::size_t const end = std::min(last, first + key_block);
      keys.multiply_columns(queries, first, end, [&](std::size_t column, tile_view const& tile) {
        kernels_.copy_rows(tile, scores + column - first, key_block);
      });
      if (own_distance_ != nullptr) add_distances(begin, count, first, end, scores);
      float shrunk[largest_tile_rows];
      for (std::size_t r = 0; r < count; ++r)
        shrunk[r] = soften(begin + r, {first, end}, scores + r * key_block, rows[r]);
      values.multiply_depth(
          as_rows(scores, key_block, count), first, end, [&](std::size_t column, tile_view const& tile) {
            for (std::size_t r = 0; r < count; ++r) {
              kernels_.scale_and_add(sums + r * size_ + column, shrunk[r], tile.data + r * tile.stride,
                                     end == last ? 1.0F / rows[r].sum : 1.0F, tile.columns);
            }
          });
    }
    for (std::size_t r = 0; r < count; ++r) store(first_token_ + begin + r, sums + r * size_, to);
  }

  // softmax_block() over those keys of a block that the query sees; the others weigh nothing.
  float soften(std::size_t query, key_range block, float* scores, softmax_row& row) const noexcept {
    auto const [first, end] = seen_by(query);
    std::size_t const from = std::clamp(first, block.begin, block.end) - block.begin;
    std::size_t const to = std::clamp(end, block.begin, block.end) - block.begin;
    std::fill_n(scores, from, 0.0F);
    std::fill(scores + to, scores + (block.end - block.begin), 0.0F);
    return from == to ? 1.0F : kernels_.softmax_block(scores + from, to - from, scale_, row);
  }

  void add_distances(std::size_t begin, std::size_t count, std::size_t first, std::size_t end,
                     float* scores) const noexcept {
    for (std::size_t r = 0; r < count; ++r) {
      auto const distance = static_cast<std::ptrdiff_t>(first) - static_cast<std::ptrdiff_t>(begin + r);
      kernels_.add(scores + r * key_block, own_distance_ + distance, end - first);
    }
  }

  void store(std::size_t token, float const* row, attention_output const& to) const noexcept {
    if (to.values != nullptr)
      std::copy_n(row, size_, to.values + token * hidden_ + number_ * size_);
    else
      to.encoded->encode(token, number_ * size_, row, size_);
  }

  kernel_set const& kernels_;
  std::size_t number_;
  std::size_t first_token_;
  std::size_t length_;
  std::size_t size_;
  std::size_t hidden_;
  std::size_t window_;
  float scale_;
  float const* own_distance_;  // of a key that is the query itself
  float const* queries_;
};

// Operations, roughly: what decides whether others are called in.
std::size_t work_of(attention_input const& from) noexcept {
  std::size_t work = 0;
  for (std::size_t i = 0; i + 1 < from.starts.size(); ++i) {
    std::size_t const length = from.starts[i + 1] - from.starts[i];
    work +=
        length * std::min(length, 2 * std::min(from.window, length) + 1) * from.heads * from.head_size / 4;
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
