// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/row_norm.cuh"

// Bias + activation after a product, in place: 4 bytes a value. For products whose epilogue cannot do it. And
// of a gated layer what stands between its products: 6 bytes a value.
namespace yonder::kernels::cuda {

inline constexpr unsigned rows_per_thread = 4;

// x (1/2 + t q(t^2)), t = x held within [-4.25, 4.25]: at most 9.1e-5 from the function by erf
// (kernels/tools/fit_gelu.py).
YONDER_DEVICE float gelu(float x) {
  constexpr float farthest = 4.25F;
  constexpr float q[] = {0.398420155F,    -0.0654536188F,   0.00925787259F,  -0.00094045786F,
                         6.55282638e-05F, -2.93887706e-06F, 7.57108154e-08F, -8.46074766e-10F};
  float const t = fminf(fmaxf(x, -farthest), farthest);
  float const square = t * t;
  float sum = q[7];
  YONDER_UNROLL
  for (int i = 6; i >= 0; --i) sum = multiply_add(sum, square, q[i]);
  return x * multiply_add(t, sum, 0.5F);
}

YONDER_DEVICE float activate(activation function, float x) {
  switch (function) {
    case activation::gelu: return gelu(x);
    case activation::gelu_tanh: return 0.5F * x * (1.0F + tanhf(0.797884561F * (x + 0.044715F * x * x * x)));
    case activation::relu: break;
  }
  return fmaxf(x, 0.0F);
}

// Grid: x covers the vectors of a row, y the rows, rows_per_thread each, which are loaded before any is
// computed.
template <class T>
YONDER_KERNEL void activation_kernel(activation_arguments<T> const a) {
  unsigned const vector = block_x() * block_size() + thread_index();
  bool const inside = vector * values_per_vector < a.width;
  float bias[values_per_vector] = {};
  if (inside && a.bias != nullptr) add_words<T>(bias, load_parameter(a.bias, vector));
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  if (!inside) return;
  unsigned const first = block_y() * rows_per_thread;
  words loaded[rows_per_thread];
  YONDER_UNROLL
  for (unsigned i = 0; i < rows_per_thread; ++i)
    if (first + i < a.rows) loaded[i] = load_vector(a.x + std::size_t{first + i} * a.width, vector);
  YONDER_UNROLL
  for (unsigned i = 0; i < rows_per_thread; ++i) {
    if (first + i >= a.rows) return;
    float value[values_per_vector] = {};
    add_words<T>(value, loaded[i]);
    YONDER_UNROLL
    for (unsigned k = 0; k < values_per_vector; ++k) value[k] = activate(a.function, value[k] + bias[k]);
    store_vector(a.x + std::size_t{first + i} * a.width, vector, to_words<T>(value));
  }
}

// Grid: as activation_kernel's, of a row of the result.
template <class T>
YONDER_KERNEL void gate_kernel(gate_arguments<T> const a) {
  unsigned const vector = block_x() * block_size() + thread_index();
  bool const inside = vector * values_per_vector < a.width;
  float first_bias[values_per_vector] = {};
  float second_bias[values_per_vector] = {};
  if (inside && a.bias != nullptr) {
    add_words<T>(first_bias, load_parameter(a.bias, vector));
    add_words<T>(second_bias, load_parameter(a.bias + a.width, vector));
  }
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  if (!inside) return;
  unsigned const first_row = block_y() * rows_per_thread;
  words first[rows_per_thread];
  words second[rows_per_thread];
  YONDER_UNROLL
  for (unsigned i = 0; i < rows_per_thread; ++i) {
    if (first_row + i >= a.rows) continue;
    T const* const row = a.in + std::size_t{first_row + i} * 2 * a.width;
    first[i] = load_vector(row, vector);
    second[i] = load_vector(row + a.width, vector);
  }
  YONDER_UNROLL
  for (unsigned i = 0; i < rows_per_thread; ++i) {
    if (first_row + i >= a.rows) return;
    float value[values_per_vector] = {};
    float gate[values_per_vector] = {};
    add_words<T>(value, first[i]);
    add_words<T>(gate, second[i]);
    YONDER_UNROLL
    for (unsigned k = 0; k < values_per_vector; ++k)
      value[k] = activate(a.function, value[k] + first_bias[k]) * (gate[k] + second_bias[k]);
    store_vector(a.out + std::size_t{first_row + i} * a.width, vector, to_words<T>(value));
  }
}

}  // namespace yonder::kernels::cuda
