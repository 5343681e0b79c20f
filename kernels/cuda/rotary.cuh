// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/row_norm.cuh"

// Rotary positions (Su et al., arXiv:2104.09864): a warp a token, which reads and writes its queries and keys
// once, 16 bytes at a time. Of a head's numbers, i and i + head_size / 2 are turned together.
namespace yonder::kernels::cuda {

// x and y, eight pairs of numbers, turned by their angles.
template <class T>
YONDER_DEVICE void turn(T* x, T* y, float const* cosines, float const* sines) {
  float left[values_per_vector] = {};
  float right[values_per_vector] = {};
  add_words<T>(left, load_vector(x, 0));
  add_words<T>(right, load_vector(y, 0));
  YONDER_UNROLL
  for (unsigned k = 0; k < values_per_vector; ++k) {
    float const turned = left[k] * cosines[k] - right[k] * sines[k];
    right[k] = right[k] * cosines[k] + left[k] * sines[k];
    left[k] = turned;
  }
  store_vector(x, 0, to_words<T>(left));
  store_vector(y, 0, to_words<T>(right));
}

// Grid: enough warps for all rows.
template <class T>
YONDER_KERNEL void rotary_kernel(rotary_arguments<T> const a) {
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  unsigned const row = row_of_this_warp();
  if (row >= static_cast<unsigned>(a.batch.counts->tokens)) return;
  unsigned const half = a.head_size / 2;
  unsigned const vectors = half / values_per_vector;
  float const* const cosines = a.angles + std::size_t{a.batch.places[row] & 0xffffU} * a.head_size;
  T* const queries = a.qkv + std::size_t{row} * 3 * a.heads * a.head_size;  // and the keys behind them
  for (unsigned i = lane_index(); i < 2 * a.heads * vectors; i += warp_size) {
    unsigned const first = i % vectors * values_per_vector;
    T* const x = queries + i / vectors * a.head_size + first;
    turn(x, x + half, cosines + first, cosines + half + first);
  }
}

}  // namespace yonder::kernels::cuda
