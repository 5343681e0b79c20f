// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace yonder::kernels::cpu {

// The inner loops, compiled for one instruction set.
struct kernel_set {
  char const* name;
  std::size_t panel_width;  // columns of a packed panel
  std::size_t tile_rows;    // rows that tile() takes at once, at most

  // out[rows][panel_width] = a[rows][depth] * panel[depth][panel_width]; `stride` floats from one row of `a`
  // to the next. Each row's result is the same whatever the number of rows.
  void (*tile)(float const* a, std::size_t stride, std::size_t rows, float const* panel, std::size_t depth,
               float* out) noexcept;
  // x = x * Phi(x), with the exact error function, as BERT's "gelu".
  void (*gelu)(float* x, std::size_t count) noexcept;
  // "gelu_new" and "gelu_pytorch_tanh": x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
  void (*gelu_tanh)(float* x, std::size_t count) noexcept;
  // x = softmax(scale * x) of one row, count > 0.
  void (*softmax)(float* x, std::size_t count, float scale) noexcept;
  // x = (x - mean) / sqrt(variance + epsilon) * weight + bias of one row (Ba et al., arXiv:1607.06450).
  void (*layer_norm)(float* x, std::size_t count, float const* weight, float const* bias,
                     float epsilon) noexcept;
};

// Those that this machine can run, the best first.
std::span<kernel_set const* const> available_kernels() noexcept;
inline kernel_set const& best_kernels() noexcept { return *available_kernels().front(); }

}  // namespace yonder::kernels::cpu
