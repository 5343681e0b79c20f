// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/row_norm.cuh"

// Bias + activation after a product, in place; bound by memory, 4 bytes a value.
namespace yonder::kernels::cuda {

inline constexpr unsigned rows_per_thread = 4;

YONDER_DEVICE float activate(activation function, float x) {
  switch (function) {
    case activation::gelu: return 0.5F * x * (1.0F + erff(x * 0.707106781F));
    case activation::gelu_tanh: return 0.5F * x * (1.0F + tanhf(0.797884561F * (x + 0.044715F * x * x * x)));
    case activation::relu: break;
  }
  return fmaxf(x, 0.0F);
}

// Grid: x covers the vectors of a row, y the rows, rows_per_thread each.
template <class T>
YONDER_KERNEL void activation_kernel(activation_arguments<T> const a) {
  wait_for_previous_grid();
  allow_next_grid();
  unsigned const vector = block_x() * block_size() + thread_index();
  if (vector * values_per_vector >= a.width) return;
  float bias[values_per_vector] = {};
  add_floats(bias, a.bias, vector);
  YONDER_UNROLL
  for (unsigned i = 0; i < rows_per_thread; ++i) {
    unsigned const row = block_y() * rows_per_thread + i;
    if (row >= a.rows) return;
    T* const x = a.x + std::size_t{row} * a.width;
    float value[values_per_vector] = {};
    add_words<T>(value, load_vector(x, vector));
    YONDER_UNROLL
    for (unsigned k = 0; k < values_per_vector; ++k) value[k] = activate(a.function, value[k] + bias[k]);
    store_vector(x, vector, to_words<T>(value));
  }
}

}  // namespace yonder::kernels::cuda
