// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/activation.cuh"
#include "cuda/attention.cuh"
#include "cuda/attention_hopper.cuh"
#include "cuda/heads.cuh"
#include "cuda/operators.hpp"
#include "cuda/rotary.cuh"
#include "cuda/row_norm.cuh"

namespace yonder::kernels::cuda {

// The GPU's kernels, with the GPU's grids, on the host; the products by their formula.
template <class T>
class host_operators final : public operators<T> {
 public:
  explicit host_operators(emulation::order order = emulation::order::ascending) : order_(order) {}

  void run(embedding_arguments<T> const& a) override {
    with_width(a.width, [&](auto width) {
      launch(
          grid_of(a), [&] { embedding_kernel<T, width>(a); },
          and_batch(a.batch, {here(a.out, a.rows * a.width)}));
    });
  }
  void run(norm_arguments<T> const& a) override {
    std::size_t const values = std::size_t{a.rows} * a.width;
    with_width(a.width, [&](auto width) {
      launch(grid_of(a), [&] { norm_kernel<T, width>(a); }, {here(a.in, values), here(a.out, values)});
    });
  }
  void run(activation_arguments<T> const& a) override {
    launch(grid_of(a), [&] { activation_kernel<T>(a); }, {here(a.x, std::size_t{a.rows} * a.width)});
  }
  void run(gate_arguments<T> const& a) override {
    std::size_t const values = std::size_t{a.rows} * a.width;
    launch(grid_of(a), [&] { gate_kernel<T>(a); }, {here(a.in, 2 * values), here(a.out, values)});
  }
  void run(rotary_arguments<T> const& a) override {
    std::size_t const values = std::size_t{a.rows} * 3 * a.heads * a.head_size;
    launch(
        grid_of(a), [&] { rotary_kernel<T>(a); }, and_batch(a.batch, {here(a.qkv, values)}));
  }
  void run(label_arguments<T> const& a) override {
    auto const counts = *a.batch.counts;
    auto const rows = static_cast<std::size_t>(a.of_tokens ? counts.tokens : counts.sequences);
    launch(
        grid_of(a), [&] { label_kernel<T>(a); }, and_batch(a.batch, {here(a.in, rows * a.width)}));
  }
  void run(attention_arguments<T> const& a) override {
    if (a.head_size == 32) {
      attend<32>(a);
    } else {
      attend<64>(a);
    }
  }
  void run(classification_arguments<T> const& a) override {
    launch(
        grid_of(a), [&] { classification_kernel<T>(a); },
        and_batch(a.batch, {here(a.hidden, tokens(a.batch) * a.width)}));
  }
  void run(pooling_arguments<T> const& a) override {
    launch(
        grid_of(a), [&] { pooling_kernel<T>(a); },
        and_batch(a.batch, {here(a.hidden, tokens(a.batch) * a.width)}));
  }

  // As cuBLASLt has it: gelu in its tanh form.
  void run(product_arguments<T> const& a) override {
    std::vector<float> const weight = widen(a.weight, std::size_t{a.columns} * a.depth);
    for (std::size_t row = 0; row < a.rows; ++row) {
      std::vector<float> const in = widen(a.in + row * a.depth, a.depth);
      for (std::size_t column = 0; column < a.columns; ++column) {
        std::size_t const at = row * a.columns + column;
        float sum = a.bias == nullptr ? 0.0F : to_float(a.bias[column]);
        if (a.residual != nullptr) sum += to_float(a.residual[at]);
        for (std::size_t k = 0; k < a.depth; ++k) sum += in[k] * weight[column * a.depth + k];
        if (a.function) {
          sum = activate(*a.function == activation::relu ? activation::relu : activation::gelu_tanh, sum);
        }
        a.out[at] = from_float<T>(sum);
      }
    }
  }

 private:
  template <int HeadSize>
  void attend(attention_arguments<T> const& a) const {
    std::size_t const hidden = std::size_t{a.heads} * a.head_size;
    auto const earlier =
        and_batch(a.batch, {here(a.qkv, a.rows * 3 * hidden), here(a.out, tokens(a.batch) * hidden)});
    if (a.has_pattern())
      return launch(
          grid_of(a), [&] { pattern_attention<T, HeadSize>(a); }, earlier);
    if (a.warps != hopper_attention_warps)
      return launch(
          grid_of(a), [&] { attention_kernel<T, HeadSize>(a); }, earlier);
    emulation::tensor const qkv{a.qkv, a.rows, 3 * hidden, 3 * hidden * sizeof(T), rows_of_box, a.head_size};
    launch(
        grid_of(a), [&] { hopper_attention<T, HeadSize>(a, qkv); }, earlier);
  }

  using memory = std::vector<emulation::earlier_memory>;

  static std::size_t tokens(device_batch const& batch) {
    return static_cast<std::size_t>(batch.counts->tokens);
  }
  // NaNs for numbers, zeros for what indexes: a kernel that does not wait shows, and does not crash.
  template <class Element>
  static emulation::earlier_memory here(Element const* values, std::size_t count) {
    return {const_cast<Element*>(values), count * sizeof(Element), std::is_same_v<Element, T> ? 0xff : 0};
  }
  static memory and_batch(device_batch const& batch, memory all) {
    auto const sequences = static_cast<std::size_t>(batch.counts->sequences);
    all.push_back(here(batch.ids, tokens(batch)));
    all.push_back(here(batch.places, tokens(batch)));
    all.push_back(here(batch.starts, sequences + 1));
    all.push_back(here(batch.tiles, static_cast<std::size_t>(batch.counts->tiles)));
    all.push_back(here(batch.counts, 1));
    return all;
  }

  static std::vector<float> widen(T const* values, std::size_t count) {
    std::vector<float> wide(count);
    for (std::size_t i = 0; i < count; ++i) wide[i] = to_float(values[i]);
    return wide;
  }

  void launch(launch_grid const& grid, std::function<void()> const& kernel, memory const& earlier) const {
    emulation::launch({grid.x, grid.y, grid.threads}, order_, kernel, earlier);
  }

  emulation::order order_;
};

}  // namespace yonder::kernels::cuda
