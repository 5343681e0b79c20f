// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/arguments.hpp"
#include "cuda/execution.cuh"

// Embedding + layer norm and residual + bias + layer norm: a warp a row, the row in registers, each value
// read and written once, 16 bytes at a time. Bound by memory: 2 bytes a value for each operand and the
// result.
namespace yonder::kernels::cuda {

inline constexpr unsigned values_per_vector = 8;
inline constexpr unsigned vectors_per_lane = 4;
inline constexpr unsigned widest_row = values_per_vector * vectors_per_lane * warp_size;

// A lane's share of a row: the vectors lane, lane + 32, …
struct row_share {
  float value[vectors_per_lane][values_per_vector];
};

template <class T>
YONDER_DEVICE void add_words(float (&to)[values_per_vector], words const& from) {
  YONDER_UNROLL
  for (std::size_t i = 0; i < 4; ++i) {
    float_pair const pair = unpack<T>(from.word[i]);
    to[2 * i] += pair.low;
    to[2 * i + 1] += pair.high;
  }
}

// The `vector`-th eight.
YONDER_DEVICE void add_floats(float (&to)[values_per_vector], float const* from, std::size_t vector) {
  YONDER_UNROLL
  for (std::size_t half = 0; half < 2; ++half) {
    words const four = load_vector(from, 2 * vector + half);
    YONDER_UNROLL
    for (std::size_t i = 0; i < 4; ++i) to[4 * half + i] += detail::float_of(four.word[i]);
  }
}

template <class T>
YONDER_DEVICE words to_words(float const (&from)[values_per_vector]) {
  words out;
  YONDER_UNROLL
  for (std::size_t i = 0; i < 4; ++i) out.word[i] = pack<T>(from[2 * i], from[2 * i + 1]);
  return out;
}

// For each vector of the row that is this lane's: visit(index in the share, index in the row).
template <class Visit>
YONDER_DEVICE void for_each_vector(std::uint32_t width, Visit const& visit) {
  YONDER_UNROLL
  for (unsigned i = 0; i < vectors_per_lane; ++i) {
    unsigned const vector = lane_index() + i * warp_size;
    if (vector * values_per_vector < width) visit(i, vector);
  }
}

template <class T>
YONDER_DEVICE void add_row(row_share& share, T const* row, std::uint32_t width) {
  for_each_vector(
      width, [&](unsigned i, unsigned vector) { add_words<T>(share.value[i], load_vector(row, vector)); });
}

// The share becomes its row's layer norm (Ba et al., arXiv:1607.06450) in `out`. All lanes take part.
template <class T>
YONDER_DEVICE void store_norm(row_share& share, norm_parameters const& norm, std::uint32_t width, T* out) {
  float sum = 0.0F;
  for_each_vector(width, [&](unsigned i, unsigned) {
    YONDER_UNROLL
    for (float const value : share.value[i]) sum += value;
  });
  float const mean = warp_sum(sum) / static_cast<float>(width);
  float square = 0.0F;
  for_each_vector(width, [&](unsigned i, unsigned) {
    YONDER_UNROLL
    for (float& value : share.value[i]) {
      value -= mean;
      square += value * value;
    }
  });
  float const scale = reciprocal_sqrt(warp_sum(square) / static_cast<float>(width) + norm.epsilon);
  for_each_vector(width, [&](unsigned i, unsigned vector) {
    float weight[values_per_vector] = {};
    float bias[values_per_vector] = {};
    add_floats(weight, norm.weight, vector);
    add_floats(bias, norm.bias, vector);
    YONDER_UNROLL
    for (unsigned k = 0; k < values_per_vector; ++k) {
      share.value[i][k] = share.value[i][k] * scale * weight[k] + bias[k];
    }
    store_vector(out, vector, to_words<T>(share.value[i]));
  });
}

YONDER_DEVICE unsigned row_of_this_warp() { return block_x() * (block_size() / warp_size) + warp_index(); }

// Grid: enough warps for all rows.
template <class T>
YONDER_KERNEL void embedding_kernel(embedding_arguments<T> const a) {
  wait_for_previous_grid();
  allow_next_grid();
  unsigned const row = row_of_this_warp();
  if (row >= a.rows) return;
  T* const out = a.out + std::size_t{row} * a.width;
  if (row >= static_cast<unsigned>(a.batch.counts->tokens)) {
    for_each_vector(a.width, [&](unsigned, unsigned vector) { store_vector(out, vector, {}); });
    return;
  }
  auto const id = static_cast<std::size_t>(a.batch.ids[row]);
  std::uint32_t const place = a.batch.places[row];
  row_share share = {};
  add_row(share, a.words + id * a.width, a.width);
  add_row(share, a.positions + std::size_t{place & 0xffffU} * a.width, a.width);
  if (a.types != nullptr) add_row(share, a.types + std::size_t{place >> 16} * a.width, a.width);
  store_norm(share, a.norm, a.width, out);
}

// Grid: enough warps for all rows.
template <class T>
YONDER_KERNEL void residual_norm_kernel(residual_norm_arguments<T> const a) {
  wait_for_previous_grid();
  allow_next_grid();
  unsigned const row = row_of_this_warp();
  if (row >= a.rows) return;
  T* const hidden = a.hidden + std::size_t{row} * a.width;
  row_share share = {};
  add_row(share, hidden, a.width);
  add_row(share, a.projected + std::size_t{row} * a.width, a.width);
  for_each_vector(a.width, [&](unsigned i, unsigned vector) { add_floats(share.value[i], a.bias, vector); });
  store_norm(share, a.norm, a.width, hidden);
}

}  // namespace yonder::kernels::cuda
