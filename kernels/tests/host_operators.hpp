// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/activation.cuh"
#include "cuda/attention.cuh"
#include "cuda/attention_hopper.cuh"
#include "cuda/heads.cuh"
#include "cuda/operators.hpp"
#include "cuda/row_norm.cuh"

namespace yonder::kernels::cuda {

// The GPU's kernels, with the GPU's grids, on the host; the products by their formula.
template <class T>
class host_operators final : public operators<T> {
 public:
  explicit host_operators(emulation::order order = emulation::order::ascending) : order_(order) {}

  void run(embedding_arguments<T> const& a) override {
    launch(grid_of(a), [&] { embedding_kernel<T>(a); });
  }
  void run(residual_norm_arguments<T> const& a) override {
    launch(grid_of(a), [&] { residual_norm_kernel<T>(a); });
  }
  void run(activation_arguments<T> const& a) override {
    launch(grid_of(a), [&] { activation_kernel<T>(a); });
  }
  void run(attention_arguments<T> const& a) override {
    if (a.head_size == 32) {
      attend<32>(a);
    } else {
      attend<64>(a);
    }
  }
  void run(classification_arguments<T> const& a) override {
    launch(grid_of(a), [&] { classification_kernel<T>(a); });
  }
  void run(pooling_arguments<T> const& a) override {
    launch(grid_of(a), [&] { pooling_kernel<T>(a); });
  }

  void run(product_arguments<T> const& a) override {
    std::vector<float> const weight = widen(a.weight, std::size_t{a.columns} * a.depth);
    for (std::size_t row = 0; row < a.rows; ++row) {
      std::vector<float> const in = widen(a.in + row * a.depth, a.depth);
      for (std::size_t column = 0; column < a.columns; ++column) {
        float sum = a.bias == nullptr ? 0.0F : to_float(a.bias[column]);
        for (std::size_t k = 0; k < a.depth; ++k) sum += in[k] * weight[column * a.depth + k];
        a.out[row * a.columns + column] = from_float<T>(sum);
      }
    }
  }

 private:
  template <int HeadSize>
  void attend(attention_arguments<T> const& a) const {
    if (a.warps != hopper_attention_warps)
      return launch(grid_of(a), [&] { attention_kernel<T, HeadSize>(a); });
    std::size_t const columns = std::size_t{3} * a.heads * a.head_size;
    emulation::tensor const qkv{a.qkv, a.rows, columns, columns * sizeof(T), rows_of_box, a.head_size};
    launch(grid_of(a), [&] { hopper_attention<T, HeadSize>(a, qkv); });
  }

  static std::vector<float> widen(T const* values, std::size_t count) {
    std::vector<float> wide(count);
    for (std::size_t i = 0; i < count; ++i) wide[i] = to_float(values[i]);
    return wide;
  }

  void launch(launch_grid const& grid, std::function<void()> const& kernel) const {
    emulation::launch({grid.x, grid.y, grid.threads}, order_, kernel);
  }

  emulation::order order_;
};

}  // namespace yonder::kernels::cuda
