// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/arguments.hpp"
#include "cuda/hopper.cuh"
#include "cuda/softmax.cuh"

// softmax(Q K^T / sqrt(head size)) V for each head of each sequence, on Hopper's tensor cores: operands come
// by the tensor memory accelerator, a warpgroup multiplies 64 queries by 64 or 128 keys at once. Sequences of
// at most most_at_once tokens have all their keys in one tile and need no second look at what was summed;
// longer ones take an online softmax over tiles of 128 keys, the next on its way while one is used (Shah et
// al., arXiv:2407.08608). Scores and weights stay in registers; a tile that is full is not masked.
namespace yonder::kernels::cuda {

inline constexpr int keys_of_tile = 128;
inline constexpr int queries_of_group = 64;
inline constexpr int groups_of_block = 2;
inline constexpr int rows_of_box = 64;

template <class T, int HeadSize>
struct alignas(1024) hopper_attention_memory {
  T queries[groups_of_block][queries_of_group][HeadSize];
  T keys[2][keys_of_tile][HeadSize];  // two stages: a short sequence uses the first
  T values[2][keys_of_tile][HeadSize];
  mbarrier arrived[2];
};

template <class T, int HeadSize>
inline constexpr int row_bytes = HeadSize* static_cast<int>(sizeof(T));

// What a thread keeps from tile to tile.
template <class T, int HeadSize>
struct hopper_block {
  tensor_map const& qkv;
  hopper_attention_memory<T, HeadSize>& memory;
  int column;     // of the head's queries
  int hidden;     // columns from queries to keys to values
  unsigned turn;  // bit s: the parity that the next phase of stage s has
};

YONDER_DEVICE bool is_leader() { return thread_index() == 0; }
YONDER_DEVICE int group_index() { return static_cast<int>(thread_index() / threads_of_group); }

// By the leader: `boxes` boxes of rows, one after the other.
template <class T, int HeadSize>
YONDER_DEVICE void copy_boxes(hopper_block<T, HeadSize> const& block, T (*to)[HeadSize], int column, int row,
                              int boxes, int stage) {
  for (int i = 0; i < boxes; ++i)
    cp_async_bulk_tensor(to + i * rows_of_box, block.qkv, column, row + i * rows_of_box,
                         block.memory.arrived[stage]);
}

// By the leader: the keys and values from `key` on, for the sequence's first tile with its queries.
template <class T, int HeadSize>
YONDER_DEVICE void copy_stage(hopper_block<T, HeadSize> const& block, attention_tile const& tile, int key,
                              int stage) {
  auto const boxes_for = [](int rows) { return rows > rows_of_box ? 2 : 1; };
  int const boxes = boxes_for(tile.length - key);
  int const query_boxes = key == 0 ? boxes_for(tile.length - tile.query) : 0;
  mbarrier_arrive_expect_tx(
      block.memory.arrived[stage],
      static_cast<std::uint32_t>((2 * boxes + query_boxes) * rows_of_box * row_bytes<T, HeadSize>));
  copy_boxes(block, block.memory.queries[0], block.column, tile.first + tile.query, query_boxes, stage);
  copy_boxes(block, block.memory.keys[stage], block.column + block.hidden, tile.first + key, boxes, stage);
  copy_boxes(block, block.memory.values[stage], block.column + 2 * block.hidden, tile.first + key, boxes,
             stage);
}

// By all threads; the leader copies, and its warp meets again before it multiplies.
template <class T, int HeadSize>
YONDER_DEVICE void begin_stage(hopper_block<T, HeadSize> const& block, attention_tile const& tile, int key,
                               int stage) {
  if (is_leader()) copy_stage(block, tile, key, stage);
  sync_warp();
}

template <class T, int HeadSize>
YONDER_DEVICE void finish_stage(hopper_block<T, HeadSize>& block, int stage) {
  mbarrier_wait_parity(block.memory.arrived[stage], block.turn >> stage & 1U);
  block.turn ^= 1U << stage;
}

// By all threads. A weight of zero times what another sequence has there could be NaN: values from row
// `begin` to `end` become zeros.
template <class T, int HeadSize>
YONDER_DEVICE void clear_values(hopper_block<T, HeadSize> const& block, int stage, int begin, int end) {
  constexpr int words = row_bytes<T, HeadSize> / 4;
  auto* const to = reinterpret_cast<std::uint32_t*>(block.memory.values[stage]);
  YONDER_NO_UNROLL
  for (int i = begin * words + static_cast<int>(thread_index()); i < end * words;
       i += groups_of_block * threads_of_group)
    to[i] = 0;
  fence_proxy_async();
  sync_block();
}

template <class T, int HeadSize>
YONDER_DEVICE std::uint64_t descriptor_of(T const (*rows)[HeadSize]) {
  return wgmma_descriptor<row_bytes<T, HeadSize>>(computed_here(shared_address(rows)));
}

// scores = queries of this warpgroup * transposed keys
template <class T, int HeadSize, int Fragments>
YONDER_DEVICE void score(hopper_block<T, HeadSize> const& block, int stage, fragment_c (&scores)[Fragments]) {
  auto const queries = descriptor_of(block.memory.queries[group_index()]);
  auto const keys = descriptor_of(block.memory.keys[stage]);
  constexpr std::uint64_t step = 16 * sizeof(T) / 16;  // 16 columns further, in a descriptor's units
  wgmma_fence();
  YONDER_UNROLL
  for (int k = 0; k < HeadSize / 16; ++k)
    wgmma_shared<T, 8 * Fragments>(scores, queries + k * step, keys + k * step, k != 0);
  wgmma_commit_group();
  wgmma_wait_group();
  pin(scores);
}

// out += weights * values, or begins with them
template <class T, int HeadSize, int Fragments>
YONDER_DEVICE void add_values(hopper_block<T, HeadSize> const& block, int stage,
                              fragment_c const (&weights)[Fragments], fragment_c (&out)[HeadSize / 8],
                              bool accumulate) {
  auto const values = descriptor_of(block.memory.values[stage]);
  constexpr std::uint64_t step = 16 * row_bytes<T, HeadSize> / 16;  // 16 rows further
  fragment_a rounded[Fragments / 2];
  YONDER_UNROLL
  for (int k = 0; k < Fragments / 2; ++k) rounded[k] = rounded_weights<T>(weights, k);
  pin(out);
  wgmma_fence();
  YONDER_UNROLL
  for (int k = 0; k < Fragments / 2; ++k)
    wgmma_registers<T, HeadSize>(out, rounded[k], values + k * step, accumulate || k != 0);
  wgmma_commit_group();
  wgmma_wait_group();
  pin(out);
}

// Four lanes have two columns each of every fragment's rows; afterwards each has all eight of one fragment in
// four.
YONDER_DEVICE void exchange_columns(words& fragments) {
  unsigned const lane = lane_index();
  YONDER_UNROLL
  for (unsigned distance = 1; distance <= 2; distance *= 2) {
    bool const upper = (lane & distance) != 0;
    YONDER_UNROLL
    for (unsigned i = 0; i < 4; ++i) {
      if ((i & distance) != 0) continue;
      std::uint32_t& low = fragments.word[i];
      std::uint32_t& high = fragments.word[i + distance];
      std::uint32_t const received = shuffle_xor(upper ? low : high, distance);
      (upper ? low : high) = received;
    }
  }
}

// Rows of this warp's 16 that are queries, divided by the sums of their weights. `out`: of the warp's first
// row.
template <class T, int HeadSize>
YONDER_DEVICE void store_rows(fragment_c const (&sums)[HeadSize / 8], float const (&weight)[2], T* out,
                              std::size_t stride, int rows) {
  int const row_in_half = static_cast<int>(lane_index() / 4);
  YONDER_UNROLL
  for (int half = 0; half < 2; ++half) {
    float const inverse = 1.0F / row_sum(weight[half]);
    int const row = row_in_half + 8 * half;
    YONDER_UNROLL
    for (int n = 0; n < HeadSize / 8; n += 4) {
      words packed;
      YONDER_UNROLL
      for (int i = 0; i < 4; ++i) {
        auto const& value = sums[n + i].value;
        packed.word[i] = pack<T>(value[2 * half] * inverse, value[2 * half + 1] * inverse);
      }
      exchange_columns(packed);
      if (row < rows)
        store_vector(out + row * stride, static_cast<std::size_t>(n) + lane_index() % 4, packed);
    }
  }
}

// What attend_at_once() takes. With heads of 32 a branch around the mask of its 128 keys would cost registers
// that are not there, and ptxas would serialize the products (C7512): there it masks in any case, and 128
// keys go by attend_online(), whose branch costs none.
template <int HeadSize>
inline constexpr int most_at_once = HeadSize == 32 ? keys_of_tile - 1 : keys_of_tile;

// All keys in one tile of `Keys`.
template <int Keys, class T, int HeadSize>
YONDER_DEVICE void attend_at_once(hopper_block<T, HeadSize>& block, int length, bool has_queries,
                                  fragment_c (&out)[HeadSize / 8], float (&sum)[2]) {
  finish_stage(block, 0);
  if (length < Keys) clear_values(block, 0, length, Keys);
  if (!has_queries) return;
  fragment_c scores[Keys / 8];
  score(block, 0, scores);
  if (most_at_once<HeadSize> < Keys || length < Keys) mask<Keys == keys_of_tile ? 64 : 0>(scores, length);
  YONDER_UNROLL
  for (std::size_t half = 0; half < 2; ++half) {
    float const largest = largest_score(scores, half, -INFINITY);
    sum[half] = exponentiate(scores, half, largest, score_scale<HeadSize>());
  }
  add_values(block, 0, scores, out, false);
}

// Tiles of 128 keys, one after the other; or one that is full.
template <class T, int HeadSize>
YONDER_DEVICE void attend_online(hopper_block<T, HeadSize>& block, attention_tile const& tile,
                                 bool has_queries, fragment_c (&out)[HeadSize / 8], float (&sum)[2]) {
  running_softmax rows;
  if (tile.length > keys_of_tile) begin_stage(block, tile, keys_of_tile, 1);
  for (int key = 0; key < tile.length; key += keys_of_tile) {
    int const stage = key / keys_of_tile % 2;
    int const left = tile.length - key;
    finish_stage(block, stage);
    if (left < keys_of_tile) clear_values(block, stage, left, keys_of_tile);
    if (has_queries) {
      fragment_c scores[keys_of_tile / 8];
      score(block, stage, scores);
      if (left < keys_of_tile) mask<0>(scores, left);
      weigh(rows, scores, out, score_scale<HeadSize>());
      add_values(block, stage, scores, out, true);
    }
    if (left <= 2 * keys_of_tile) continue;
    sync_block();  // all have used this stage
    begin_stage(block, tile, key + 2 * keys_of_tile, stage);
  }
  sum[0] = rows.sum[0];
  sum[1] = rows.sum[1];
}

// One tile of one head, 64 queries for each warpgroup. Shared memory is free again at the end.
template <class T, int HeadSize>
YONDER_DEVICE void attend(attention_arguments<T> const& a, hopper_block<T, HeadSize>& block,
                          attention_tile const& tile) {
  int const query = tile.query + group_index() * queries_of_group;
  bool const has_queries = query < tile.length;
  fragment_c out[HeadSize / 8] = {};
  float sum[2] = {};
  begin_stage(block, tile, 0, 0);
  if (tile.length <= 64) {
    attend_at_once<64>(block, tile.length, has_queries, out, sum);
  } else if (tile.length <= most_at_once<HeadSize>) {
    attend_at_once<keys_of_tile>(block, tile.length, has_queries, out, sum);
  } else {
    attend_online(block, tile, has_queries, out, sum);
  }
  int const row = query + static_cast<int>(warp_index() % 4 * 16);
  std::size_t const hidden = std::size_t{a.heads} * HeadSize;
  if (has_queries)
    store_rows<T, HeadSize>(out, sum, a.out + (tile.first + row) * hidden + block.column, hidden,
                            tile.length - row);
  sync_block();
}

// Grid: x walks over the tiles, y is the head. Block: two warpgroups, for tiles of 128 queries. `qkv` has
// boxes of 64 rows and one head's columns.
template <class T, int HeadSize>
YONDER_KERNEL void YONDER_LAUNCH_BOUNDS(groups_of_block* threads_of_group, 2)
    hopper_attention(attention_arguments<T> const a, YONDER_GRID_CONSTANT tensor_map const qkv) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  auto& memory = dynamic_shared_memory<hopper_attention_memory<T, HeadSize>>();
  if (is_leader()) {
    prefetch_tensormap(qkv);
    mbarrier_init(memory.arrived[0]);
    mbarrier_init(memory.arrived[1]);
    fence_mbarrier_init();
  }
  sync_warp();
  sync_block();
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  hopper_block<T, HeadSize> block{qkv, memory, static_cast<int>(block_y()) * HeadSize,
                                  static_cast<int>(a.heads) * HeadSize, 0};
  for (unsigned i = block_x(); i < static_cast<unsigned>(a.batch.counts->tiles); i += grid_x()) {
    attention_tile const tile = a.batch.tiles[i];
    attend(a, block, tile);
  }
#else
  __trap();  // no machine code for 9.0a, or PTX that was compiled instead: better an error than no result
#endif
}

}  // namespace yonder::kernels::cuda
