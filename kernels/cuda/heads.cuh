// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/row_norm.cuh"

// What stands on the hidden states: the classifier of the first token, the last layer of other heads, and
// pooling over the tokens.
namespace yonder::kernels::cuda {

inline constexpr unsigned head_warps = 8;
inline constexpr unsigned head_threads = head_warps * warp_size;
inline constexpr unsigned group_size = 8;          // sequences that a block takes at once
inline constexpr unsigned columns_per_block = 32;  // outputs of the first layer
inline constexpr unsigned columns_per_warp = columns_per_block / head_warps;

template <class T>
struct alignas(16) classification_memory {
  T rows[group_size][widest_row];
  unsigned arrived_before;
};

// A lane's part of a[width] * b[width].
template <class T>
YONDER_DEVICE float partial_product(T const* a, T const* b, std::uint32_t width) {
  float sum = 0.0F;
  for_each_vector(width, [&](unsigned, unsigned vector) {
    words const left = load_vector(a, vector);
    words const right = load_vector(b, vector);
    YONDER_UNROLL
    for (unsigned i = 0; i < 4; ++i) {
      float_pair const x = unpack<T>(left.word[i]);
      float_pair const y = unpack<T>(right.word[i]);
      sum += x.low * y.low + x.high * y.high;
    }
  });
  return sum;
}

template <class T>
YONDER_DEVICE float partial_product(float const* a, T const* b, std::uint32_t width) {
  float sum = 0.0F;
  for_each_vector(width, [&](unsigned, unsigned vector) {
    words const right = load_vector(b, vector);
    float const* const left = a + std::size_t{vector} * values_per_vector;
    YONDER_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      float_pair const y = unpack<T>(right.word[i]);
      sum += load_from_other_block(left + 2 * i) * y.low;
      sum += load_from_other_block(left + 2 * i + 1) * y.high;
    }
  });
  return sum;
}

// The first layer: this block's columns, for `count` sequences from `first` on.
template <class T>
YONDER_DEVICE void apply_first_layer(classification_arguments<T> const& a, unsigned first, unsigned count,
                                     classification_memory<T>& memory) {
  unsigned const vectors = a.width / values_per_vector;
  for (unsigned i = thread_index(); i < count * vectors; i += block_size()) {
    T const* const row = a.hidden + static_cast<std::size_t>(a.batch.starts[first + i / vectors]) * a.width;
    store_vector(memory.rows[i / vectors], i % vectors, load_vector(row, i % vectors));
  }
  sync_block();
  for (unsigned i = 0; i < columns_per_warp; ++i) {
    unsigned const column = block_x() * columns_per_block + warp_index() * columns_per_warp + i;
    if (column >= a.width) break;
    for (unsigned each = 0; each < count; ++each) {
      float const sum =
          warp_sum(partial_product<T>(memory.rows[each], a.first + std::size_t{column} * a.width, a.width));
      float const value = sum + a.first_bias[column];
      if (lane_index() == 0) {
        a.scratch[std::size_t{first + each} * a.width + column] =
            a.function == first_activation::tanh ? tanhf(value) : fmaxf(value, 0.0F);
      }
    }
  }
}

// The second layer, by the block that finished the group last: a warp an output, in a fixed order of sums.
template <class T>
YONDER_DEVICE void apply_second_layer(classification_arguments<T> const& a, unsigned first, unsigned count) {
  for (unsigned i = warp_index(); i < count * a.labels; i += head_warps) {
    unsigned const sequence = first + i / a.labels;
    unsigned const label = i % a.labels;
    float const sum = warp_sum(partial_product<T>(a.scratch + std::size_t{sequence} * a.width,
                                                  a.second + std::size_t{label} * a.width, a.width));
    if (lane_index() == 0) a.logits[std::size_t{sequence} * a.labels + label] = sum + a.second_bias[label];
  }
}

// Grid: x covers the columns of the first layer, y walks over groups of sequences. Block: head_threads.
template <class T>
YONDER_KERNEL void YONDER_LAUNCH_BOUNDS(head_threads, 4)
    classification_kernel(classification_arguments<T> const a) {
  auto& memory = shared_memory<classification_memory<T>>();
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  auto const sequences = static_cast<unsigned>(a.batch.counts->sequences);
  for (unsigned group = block_y(); group * group_size < sequences; group += grid_y()) {
    unsigned const first = group * group_size;
    unsigned const count = sequences - first < group_size ? sequences - first : group_size;
    apply_first_layer(a, first, count, memory);
    sync_block();
    if (thread_index() == 0) memory.arrived_before = publish(a.arrivals + group);
    sync_block();
    if (memory.arrived_before + 1 == grid_x()) {
      apply_second_layer(a, first, count);
      if (thread_index() == 0) a.arrivals[group] = 0;
    }
    // What the next group's threads store first, nobody reads any more; the rest is behind its barriers.
  }
}

// A row's labels, one after the other, by a warp. Grid: enough warps for all rows.
template <class T>
YONDER_KERNEL void label_kernel(label_arguments<T> const a) {
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  unsigned const row = row_of_this_warp();
  if (row >= static_cast<unsigned>(a.of_tokens ? a.batch.counts->tokens : a.batch.counts->sequences)) return;
  T const* const values = a.in + std::size_t{row} * a.width;
  for (unsigned label = 0; label < a.labels; ++label) {
    float const sum = warp_sum(partial_product<T>(values, a.weight + std::size_t{label} * a.width, a.width));
    if (lane_index() == 0) a.out[std::size_t{row} * a.labels + label] = sum + a.bias[label];
  }
}

inline constexpr unsigned pooled_columns = warp_size * values_per_vector;

struct alignas(16) pooling_memory {
  float value[head_warps][pooled_columns];
};

YONDER_DEVICE float combine(pooling_mode mode, float a, float b) {
  return mode == pooling_mode::maximum ? fmaxf(a, b) : a + b;
}

// Those of a sequence's rows that pooling takes.
struct pooled_range {
  unsigned begin;
  unsigned end;
  unsigned origin;  // of the sequence

  YONDER_DEVICE unsigned count() const { return end - begin; }
};
YONDER_DEVICE pooled_range range_of(pooling_mode mode, unsigned begin, unsigned end, unsigned skipped) {
  bool const none = skipped >= end - begin;
  unsigned const kept = none ? end : begin + skipped;
  if (mode == pooling_mode::last_token) return {none ? end : end - 1, end, begin};
  if (mode != pooling_mode::first_token) return {kept, end, begin};
  unsigned const first = none ? begin : kept;
  return {first, first + 1, begin};
}

// A warp's share of the tokens: one vector of columns a lane.
template <class T>
YONDER_DEVICE void pool_tokens(pooling_arguments<T> const& a, pooled_range const& used, unsigned vector,
                               float (&value)[values_per_vector]) {
  float const neutral = a.mode == pooling_mode::maximum ? -INFINITY : 0.0F;
  YONDER_UNROLL
  for (float& each : value) each = neutral;
  for (unsigned token = used.begin + warp_index(); token < used.end; token += head_warps) {
    float row[values_per_vector] = {};
    add_words<T>(row, load_vector(a.hidden + std::size_t{token} * a.width, vector));
    float const weight =
        a.mode == pooling_mode::weighted_mean ? static_cast<float>(token - used.origin + 1) : 1.0F;
    YONDER_UNROLL
    for (unsigned i = 0; i < values_per_vector; ++i) value[i] = combine(a.mode, value[i], weight * row[i]);
  }
}

YONDER_DEVICE float divisor_of(pooling_mode mode, pooled_range const& used) {
  auto const tokens = static_cast<float>(used.count());
  if (used.count() == 0) return 1.0F;
  if (mode == pooling_mode::mean) return tokens;
  if (mode == pooling_mode::weighted_mean)
    return tokens * (static_cast<float>(used.begin - used.origin) + 0.5F * (tokens + 1.0F));
  return mode == pooling_mode::mean_sqrt_length ? sqrtf(tokens) : 1.0F;
}

// Grid: x covers the columns, pooled_columns each; y walks over the sequences. Block: head_threads.
template <class T>
YONDER_KERNEL void YONDER_LAUNCH_BOUNDS(head_threads, 4) pooling_kernel(pooling_arguments<T> const a) {
  auto& memory = shared_memory<pooling_memory>();
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  auto const sequences = static_cast<unsigned>(a.batch.counts->sequences);
  auto const skipped = static_cast<unsigned>(a.batch.counts->skipped);
  unsigned const vector = block_x() * warp_size + lane_index();
  bool const inside = vector * values_per_vector < a.width;
  for (unsigned sequence = block_y(); sequence < sequences; sequence += grid_y()) {
    auto const used = range_of(a.mode, static_cast<unsigned>(a.batch.starts[sequence]),
                               static_cast<unsigned>(a.batch.starts[sequence + 1]), skipped);
    float value[values_per_vector];
    if (inside) {
      pool_tokens(a, used, vector, value);
      YONDER_UNROLL
      for (unsigned i = 0; i < values_per_vector; ++i)
        memory.value[warp_index()][lane_index() * values_per_vector + i] = value[i];
    }
    sync_block();
    unsigned const column = block_x() * pooled_columns + thread_index();
    if (column < a.width) {
      float total = memory.value[0][thread_index()];
      for (unsigned i = 1; i < head_warps; ++i)
        total = combine(a.mode, total, memory.value[i][thread_index()]);
      total /= divisor_of(a.mode, used);
      if (a.rounded != nullptr)
        a.rounded[std::size_t{sequence} * a.stride + column] = from_float<T>(total);
      else
        a.out[std::size_t{sequence} * a.stride + column] = total;
    }
    sync_block();
  }
}

}  // namespace yonder::kernels::cuda
