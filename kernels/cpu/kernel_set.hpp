// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "cpu/product.hpp"
#include "model/layer.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::kernels::cpu {

// A dense tile of a product.
struct tile_view {
  float* data;
  std::size_t stride;
  std::size_t rows;
  std::size_t columns;
};

// What softmax knows of a row after some of its blocks.
struct softmax_row {
  float largest = -std::numeric_limits<float>::infinity();
  float sum = 0.0F;
};

// The inner loops, compiled for one instruction set.
struct kernel_set {
  char const* name;
  product_kernel const* fp32;
  product_kernel const* bf16;
  product_kernel const* int8;
  product_kernel const*
      plain_rows;  // of fp32; its rows are the floats themselves, of which it reads no other
  // The bits of `fp32` where all weights are of that type, which are kept as they are; null: none.
  product_kernel const* fp32_of_bf16;
  product_kernel const* fp32_of_f16;

  // x = x * Phi(x), with the exact error function, as BERT's "gelu".
  void (*gelu)(float* x, std::size_t count) noexcept;
  // "gelu_new" and "gelu_pytorch_tanh": x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
  void (*gelu_tanh)(float* x, std::size_t count) noexcept;
  void (*relu)(float* x, std::size_t count) noexcept;
  // A block of a row's softmax, count > 0: x = exp(scale * (x - row.largest)), for the largest so far. What
  // came of the blocks before is to be multiplied by what it returns; the row is done when all is divided by
  // row.sum (Milakov and Gimelshein, arXiv:1805.02867).
  float (*softmax_block)(float* x, std::size_t count, float scale, softmax_row& row) noexcept;
  // x = (x * before + y) * after
  void (*scale_and_add)(float* x, float before, float const* y, float after, std::size_t count) noexcept;
  // x = (x - mean) / sqrt(variance + epsilon) * weight + bias of one row (Ba et al., arXiv:1607.06450).
  void (*layer_norm)(float* x, std::size_t count, float const* weight, float const* bias,
                     float epsilon) noexcept;
  // x += y
  void (*add)(float* x, float const* y, std::size_t count) noexcept;
  // Each pair x[i], x[i + half] turned by its angle.
  void (*rotate)(float* x, float const* cosines, float const* sines, std::size_t half) noexcept;
  // tile += y, whose rows are `stride` apart: 0 for the same one each time.
  void (*add_to_rows)(tile_view const& tile, float const* y, std::size_t stride) noexcept;
  void (*copy_rows)(tile_view const& tile, float* to, std::size_t stride) noexcept;
  // tile *= y, whose rows are `stride` apart.
  void (*multiply_rows)(tile_view const& tile, float const* y, std::size_t stride) noexcept;

  auto function_of(activation which) const noexcept {
    switch (which) {
      case activation::gelu_tanh: return gelu_tanh;
      case activation::relu: return relu;
      case activation::gelu: break;
    }
    return gelu;
  }
  // Precondition: one of these three.
  product_kernel const& product(ml::precision precision) const noexcept {
    if (precision == ml::precision::bf16) return *bf16;
    return precision == ml::precision::int8 ? *int8 : *fp32;
  }
};

// Those that this machine can run, the best first.
std::span<kernel_set const* const> available_kernels() noexcept;
inline kernel_set const& best_kernels() noexcept { return *available_kernels().front(); }

}  // namespace yonder::kernels::cpu
