// SPDX-License-Identifier: Apache-2.0
#include "cpu/matrix.hpp"

#include <algorithm>
#include <vector>

#include "cpu/machine.hpp"

namespace yonder::kernels::cpu {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t divide_up(std::size_t value, std::size_t by) noexcept { return (value + by - 1) / by; }

// A product, cut into panels and blocks of rows.
class product {
 public:
  product(kernel_set const& kernels, operand const& a, std::size_t rows, packed_matrix const& b,
          epilogue const& to)
      : kernels_(kernels),
        kernel_(b.kernel()),
        a_(a),
        rows_(rows),
        block_(rows_in_cache(b.kernel(), b.depth(), second_level_cache())),
        b_(b),
        to_(to) {}

  std::size_t chunks() const noexcept { return b_.panels() * divide_up(rows_, block_); }

  void operator()(std::size_t chunk, std::size_t next_chunk) const {
    thread_local aligned_buffer<std::byte> scratch;
    scratch.reserve(kernel_.scratch_bytes(b_.depth()));
    std::size_t const begin = chunk / b_.panels() * block_;
    std::size_t const end = std::min(rows_, begin + block_);
    std::size_t const index = chunk % b_.panels();
    std::size_t const tiles = divide_up(end - begin, kernel_.tile_rows);
    ahead next = prefetching(next_chunk, tiles);
    std::byte const* const fetched = next.lines == 0 ? nullptr : next.from + kernel_.panel_bytes(b_.depth());
    kernel_.begin();
    for (std::size_t row = begin; row < end; row += kernel_.tile_rows) {
      if (next.lines != 0 && next.from >= fetched) next = {};
      std::size_t const count = std::min(kernel_.tile_rows, end - row);
      run_tile({b_.panel(index), scratch.data(), row == begin, row + count == end, tiles},
               index * b_.panel_columns(), row, count, next);
    }
    kernel_.end();
  }

 private:
  // Spreads the fetching of the next panel over the steps of this one.
  ahead prefetching(std::size_t next_chunk, std::size_t tiles) const noexcept {
    if (next_chunk >= chunks()) return {};
    std::size_t const steps = tiles * divide_up(b_.depth(), kernel_.step);
    std::size_t const lines = divide_up(kernel_.panel_bytes(b_.depth()), cache_line);
    return {b_.panel(next_chunk % b_.panels()), divide_up(lines, steps)};
  }

  // Where a tile will go to, while it is computed.
  void ask_for(float const* out, std::size_t rows, std::size_t columns) const noexcept {
    for (std::size_t r = 0; r < rows; ++r, out += b_.columns()) {
      for (std::size_t j = 0; j < columns; j += cache_line / sizeof(float)) __builtin_prefetch(out + j, 1);
    }
  }

  void run_tile(panel_view const& panel, std::size_t column, std::size_t row, std::size_t count,
                ahead& next) const noexcept {
    alignas(64) float tile[largest_tile];
    std::size_t const columns = std::min(b_.panel_columns(), b_.columns() - column);
    std::size_t const at = row * b_.columns() + column;
    tile_view const view{tile, kernel_.width, count, columns};
    if (to_.out != nullptr) ask_for(to_.out + at, count, columns);
    kernel_.tile(a_.rows(row, count), panel, b_.depth(), next, tile);
    if (to_.bias != nullptr) kernels_.add_to_rows(view, to_.bias + column, 0);
    if (b_.is_gated()) return store(gate(view, column), row, column);
    if (to_.activate != nullptr) to_.activate(tile, count * kernel_.width);
    if (to_.residual != nullptr) kernels_.add_to_rows(view, to_.residual + at, b_.columns());
    store(view, row, column);
  }

  // The first half of a tile, which lies closer together then.
  tile_view gate(tile_view const& first, std::size_t column) const noexcept {
    std::size_t const half = b_.panel_columns();
    tile_view const second{first.data + half, first.stride, first.rows, first.columns};
    if (to_.bias != nullptr) kernels_.add_to_rows(second, to_.bias + b_.columns() + column, 0);
    alignas(64) float gates[largest_tile / 2];
    kernels_.copy_rows(second, gates, half);
    kernels_.copy_rows(first, first.data, half);
    if (to_.activate != nullptr) to_.activate(first.data, first.rows * half);
    tile_view const result{first.data, half, first.rows, first.columns};
    kernels_.multiply_rows(result, gates, half);
    return result;
  }

  void store(tile_view const& tile, std::size_t row, std::size_t column) const noexcept {
    if (to_.out != nullptr)
      return kernels_.copy_rows(tile, to_.out + row * b_.columns() + column, b_.columns());
    for (std::size_t r = 0; r < tile.rows; ++r)
      to_.encoded->encode(row + r, column, tile.data + r * tile.stride, tile.columns);
  }

  kernel_set const& kernels_;
  product_kernel const& kernel_;
  operand const& a_;
  std::size_t rows_;
  std::size_t block_;  // of rows
  packed_matrix const& b_;
  epilogue const& to_;
};

}  // namespace

// Five eighths of it: 256 rows of 5 KiB in 2 MiB.
std::size_t rows_in_cache(product_kernel const& kernel, std::size_t depth, std::size_t cache) noexcept {
  std::size_t const rows = std::min(most_rows, cache / 8 * 5 / kernel.row_bytes(depth));
  return std::max<std::size_t>(1, rows / kernel.tile_rows) * kernel.tile_rows;
}

packed_matrix::packed_matrix(product_kernel const& kernel, std::size_t depth, std::size_t columns,
                             std::function<void(std::size_t column, float* row)> const& read_row)
    : packed_matrix(kernel, depth, columns, false, read_row) {}

packed_matrix packed_matrix::gated(product_kernel const& kernel, std::size_t depth, std::size_t columns,
                                   std::function<void(std::size_t column, float* row)> const& read_row) {
  return {kernel, depth, columns, true, read_row};
}

packed_matrix::packed_matrix(product_kernel const& kernel, std::size_t depth, std::size_t columns, bool gated,
                             std::function<void(std::size_t column, float* row)> const& read_row)
    : kernel_(&kernel),
      depth_(depth),
      columns_(columns),
      gated_(gated),
      panel_bytes_(kernel.panel_bytes(depth)) {
  data_.reserve(panels() * panel_bytes_);
  std::vector<float> rows(kernel.width * depth);
  for (std::size_t panel = 0; panel < panels(); ++panel) {
    std::size_t const begin = panel * panel_columns();
    std::size_t const count = std::min(panel_columns(), columns - begin);
    for (std::size_t i = 0; i < count; ++i) read_row(begin + i, rows.data() + i * depth);
    if (gated) {
      float* const second = rows.data() + panel_columns() * depth;
      for (std::size_t i = 0; i < count; ++i) read_row(columns + begin + i, second + i * depth);
    }
    kernel.pack(rows.data(), gated ? panel_columns() + count : count, depth,
                data_.data() + panel * panel_bytes_);
  }
}

void operand::reserve(std::size_t rows) {
  data_.reserve(divide_up(rows, kernel_->tile_rows) * kernel_->tile_rows * stride_);
}

void multiply(kernel_set const& kernels, crew const& by, operand const& a, std::size_t rows,
              packed_matrix const& b, epilogue const& to) {
  product const work(kernels, a, rows, b, to);
  // Reading weights takes as long as some rows of their products.
  constexpr std::size_t reading = 16;
  bool const small = std::max(rows, reading) * b.depth() * b.columns() < 8 * work_of_a_thread;
  by.pool.run(work.chunks(), small ? 1 : by.width, work);
}

}  // namespace yonder::kernels::cpu
