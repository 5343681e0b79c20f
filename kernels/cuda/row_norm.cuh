// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/arguments.hpp"
#include "cuda/execution.cuh"

// Embedding + layer norm and layer norm: a warp a row, the row in registers, each value read and written
// once, 16 bytes at a time: 2 bytes a value for each operand and the result. The norm's own parameters, which
// no kernel writes, come first, before what the kernel before this one writes. Width: 384, 768 or 1024, or 0
// for what only the arguments know.
namespace yonder::kernels::cuda {

inline constexpr unsigned values_per_vector = 8;
inline constexpr unsigned widest_row = 4 * values_per_vector * warp_size;

template <unsigned Width>
inline constexpr unsigned vectors_per_lane =
    ((Width == 0 ? widest_row : Width) / values_per_vector + warp_size - 1) / warp_size;

// A lane's share of a row: the vectors lane, lane + 32, …
template <unsigned Width>
struct row_share {
  float value[vectors_per_lane<Width>][values_per_vector];
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

// The `vector`-th eight of what no kernel writes.
YONDER_DEVICE void load_parameters(float (&to)[values_per_vector], float const* from, std::size_t vector) {
  YONDER_UNROLL
  for (std::size_t half = 0; half < 2; ++half) {
    words const four = load_parameter(from, 2 * vector + half);
    YONDER_UNROLL
    for (std::size_t i = 0; i < 4; ++i) to[4 * half + i] = detail::float_of(four.word[i]);
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
template <unsigned Width = 0, class Visit>
YONDER_DEVICE void for_each_vector(std::uint32_t width, Visit const& visit) {
  YONDER_UNROLL
  for (unsigned i = 0; i < vectors_per_lane<Width>; ++i) {
    unsigned const vector = lane_index() + i * warp_size;
    if (vector * values_per_vector < (Width == 0 ? width : Width)) visit(i, vector);
  }
}

template <class T, unsigned Width>
YONDER_DEVICE void add_row(row_share<Width>& share, T const* row, std::uint32_t width) {
  for_each_vector<Width>(
      width, [&](unsigned i, unsigned vector) { add_words<T>(share.value[i], load_vector(row, vector)); });
}

// Weight and bias of a norm: a lane's share.
template <unsigned Width>
struct norm_share {
  YONDER_DEVICE norm_share(norm_parameters const& norm, std::uint32_t width) {
    for_each_vector<Width>(width, [&](unsigned i, unsigned vector) {
      load_parameters(weight.value[i], norm.weight, vector);
      load_parameters(bias.value[i], norm.bias, vector);
    });
  }

  row_share<Width> weight;
  row_share<Width> bias;
};

// The share becomes its row's layer norm (Ba et al., arXiv:1607.06450) in `out`. All lanes take part.
template <class T, unsigned Width>
YONDER_DEVICE void store_norm(row_share<Width>& share, norm_share<Width> const& by, float epsilon,
                              std::uint32_t width, T* out) {
  float sum = 0.0F;
  for_each_vector<Width>(width, [&](unsigned i, unsigned) {
    YONDER_UNROLL
    for (float const value : share.value[i]) sum += value;
  });
  float const mean = warp_sum(sum) / static_cast<float>(width);
  float square = 0.0F;
  for_each_vector<Width>(width, [&](unsigned i, unsigned) {
    YONDER_UNROLL
    for (float& value : share.value[i]) {
      value -= mean;
      square += value * value;
    }
  });
  float const scale = reciprocal_sqrt(warp_sum(square) / static_cast<float>(width) + epsilon);
  for_each_vector<Width>(width, [&](unsigned i, unsigned vector) {
    YONDER_UNROLL
    for (unsigned k = 0; k < values_per_vector; ++k)
      share.value[i][k] = share.value[i][k] * scale * by.weight.value[i][k] + by.bias.value[i][k];
    store_vector(out, vector, to_words<T>(share.value[i]));
  });
}

YONDER_DEVICE unsigned row_of_this_warp() { return block_x() * (block_size() / warp_size) + warp_index(); }

// Grid: enough warps for all rows.
template <class T, unsigned Width>
YONDER_KERNEL void embedding_kernel(embedding_arguments<T> const a) {
  std::uint32_t const width = Width == 0 ? a.width : Width;
  norm_share<Width> const by(a.norm, width);
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  unsigned const row = row_of_this_warp();
  if (row >= a.rows) return;
  T* const out = a.out + std::size_t{row} * width;
  if (row >= static_cast<unsigned>(a.batch.counts->tokens)) {
    for_each_vector<Width>(width, [&](unsigned, unsigned vector) { store_vector(out, vector, {}); });
    return;
  }
  auto const id = static_cast<std::size_t>(a.batch.ids[row]);
  std::uint32_t const place = a.batch.places[row];
  row_share<Width> share = {};
  add_row(share, a.words + id * width, width);
  if (a.positions != nullptr) add_row(share, a.positions + std::size_t{place & 0xffffU} * width, width);
  if (a.types != nullptr) add_row(share, a.types + std::size_t{place >> 16} * width, width);
  store_norm(share, by, a.norm.epsilon, width, out);
}

// Grid: enough warps for all rows.
template <class T, unsigned Width>
YONDER_KERNEL void norm_kernel(norm_arguments<T> const a) {
  std::uint32_t const width = Width == 0 ? a.width : Width;
  norm_share<Width> const by(a.norm, width);
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  unsigned const row = row_of_this_warp();
  if (row >= a.rows) return;
  row_share<Width> share = {};
  add_row(share, a.in + std::size_t{row} * width, width);
  store_norm(share, by, a.norm.epsilon, width, a.out + std::size_t{row} * width);
}

}  // namespace yonder::kernels::cuda
