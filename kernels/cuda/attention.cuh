// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/arguments.hpp"
#include "cuda/execution.cuh"
#include "cuda/softmax.cuh"

// softmax(Q K^T / sqrt(head size)) V for each head of each sequence, by tensor cores, with an online softmax
// (Milakov and Gimelshein, arXiv:1805.02867; Dao, arXiv:2307.08691): the scores stay in registers. A block
// takes a tile of queries of one head; each of its warps 16 of them. Keys and values pass through shared
// memory, 64 at a time, the next 64 on their way while these are used.
namespace yonder::kernels::cuda {

inline constexpr int keys_at_once = 64;
inline constexpr int queries_per_warp = 16;
inline constexpr int most_warps = 4;

// Rows are padded by 16 bytes: the eight rows of an 8 x 8 matrix lie in different banks.
template <class T, int HeadSize>
struct alignas(16) attention_memory {
  static constexpr int stride = HeadSize + 8;
  T queries[most_warps * queries_per_warp][stride];
  T keys[2][keys_at_once][stride];
  T values[2][keys_at_once][stride];
};

// Where a lane points for ldmatrix.x4 of a 16 x 16 block of 16-bit elements.
struct matrix_place {
  int row;
  int column;
};
// As A of m16n8k16, and transposed as two B whose k runs down the rows: 0-7|8-15 down, then across.
YONDER_HOST_DEVICE matrix_place down_then_across(int lane) { return {lane % 16, lane / 16 * 8}; }
// As two B whose k runs along the rows: across, then down.
YONDER_HOST_DEVICE matrix_place across_then_down(int lane) {
  return {lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8};
}

// Begins to copy `rows` rows of HeadSize elements, those from `end` on as zeros.
template <int HeadSize, class T>
YONDER_DEVICE void copy_rows(T (*to)[HeadSize + 8], T const* from, std::size_t stride, int rows, int end) {
  constexpr int chunks = HeadSize / 8;
  for (int i = static_cast<int>(thread_index()); i < rows * chunks; i += static_cast<int>(block_size())) {
    int const row = i / chunks;
    int const column = i % chunks * 8;
    bool const valid = row < end;
    cp_async(&to[row][column], from + (valid ? row : 0) * stride + column, valid);
  }
}

// What a warp keeps of its 16 queries. A lane has the rows lane / 4 and lane / 4 + 8.
template <class T, int HeadSize>
struct query_block {
  fragment_a query[HeadSize / 16];
  fragment_c out[HeadSize / 8];
  running_softmax rows;
};

template <class T, int HeadSize>
YONDER_DEVICE void begin_block(query_block<T, HeadSize>& block, T const (*queries)[HeadSize + 8]) {
  auto const place = down_then_across(static_cast<int>(lane_index()));
  YONDER_UNROLL
  for (int k = 0; k < HeadSize / 16; ++k) {
    words const loaded = ldmatrix_x4(&queries[place.row][k * 16 + place.column]);
    YONDER_UNROLL
    for (int i = 0; i < 4; ++i) block.query[k].word[i] = loaded.word[i];
  }
  YONDER_UNROLL
  for (int n = 0; n < HeadSize / 8; ++n) block.out[n] = {};
  block.rows = {};
}

template <class T, int HeadSize>
YONDER_DEVICE void score(query_block<T, HeadSize> const& block, T const (*keys)[HeadSize + 8],
                         fragment_c (&scores)[keys_at_once / 8]) {
  auto const place = across_then_down(static_cast<int>(lane_index()));
  YONDER_UNROLL
  for (int n = 0; n < keys_at_once / 8; n += 2) {
    scores[n] = {};
    scores[n + 1] = {};
    YONDER_UNROLL
    for (int k = 0; k < HeadSize / 16; ++k) {
      words const loaded = ldmatrix_x4(&keys[n * 8 + place.row][k * 16 + place.column]);
      mma_m16n8k16<T>(scores[n], block.query[k], {{loaded.word[0], loaded.word[1]}});
      mma_m16n8k16<T>(scores[n + 1], block.query[k], {{loaded.word[2], loaded.word[3]}});
    }
  }
}

template <class T, int HeadSize>
YONDER_DEVICE void add_values(query_block<T, HeadSize>& block, fragment_c const (&weights)[keys_at_once / 8],
                              T const (*values)[HeadSize + 8]) {
  auto const place = down_then_across(static_cast<int>(lane_index()));
  YONDER_UNROLL
  for (int k = 0; k < keys_at_once / 16; ++k) {
    fragment_a const a = rounded_weights<T>(weights, k);
    YONDER_UNROLL
    for (int n = 0; n < HeadSize / 8; n += 2) {
      words const loaded = ldmatrix_x4_trans(&values[k * 16 + place.row][n * 8 + place.column]);
      mma_m16n8k16<T>(block.out[n], a, {{loaded.word[0], loaded.word[1]}});
      mma_m16n8k16<T>(block.out[n + 1], a, {{loaded.word[2], loaded.word[3]}});
    }
  }
}

// Through the warp's own rows of shared memory, so that whole 16-byte chunks reach global memory.
template <class T, int HeadSize>
YONDER_DEVICE void store_block(query_block<T, HeadSize> const& block, T (*rows)[HeadSize + 8], T* out,
                               std::size_t stride, int count) {
  int const lane = static_cast<int>(lane_index());
  YONDER_UNROLL
  for (std::size_t half = 0; half < 2; ++half) {
    float const inverse = 1.0F / row_sum(block.rows.sum[half]);
    YONDER_UNROLL
    for (int n = 0; n < HeadSize / 8; ++n) {
      auto const& value = block.out[n].value;
      auto* const to = reinterpret_cast<std::uint32_t*>(&rows[lane / 4 + 8 * half][n * 8 + lane % 4 * 2]);
      *to = pack<T>(value[2 * half] * inverse, value[2 * half + 1] * inverse);
    }
  }
  sync_warp();
  constexpr int chunks = HeadSize / 8;
  YONDER_UNROLL
  for (int i = lane; i < queries_per_warp * chunks; i += static_cast<int>(warp_size)) {
    int const row = i / chunks;
    int const column = i % chunks * 8;
    if (row < count) {
      copy_vector(out + row * stride + column, &rows[row][column]);
    }
  }
}

// What distance adds to the scores of a warp's queries, from `query` on, with the keys from `key` on; keys
// outside a query's window or past the sequence cannot win.
template <class T>
YONDER_DEVICE void apply_pattern(attention_arguments<T> const& a, unsigned head, int length, int query,
                                 int key, fragment_c (&scores)[keys_at_once / 8]) {
  int const lane = static_cast<int>(lane_index());
  int const reach = static_cast<int>(a.reach);
  float const* const added =
      a.distances == nullptr ? nullptr : a.distances + std::size_t{head} * (2 * a.reach - 1) + (a.reach - 1);
  YONDER_UNROLL
  for (int n = 0; n < keys_at_once / 8; ++n) {
    YONDER_UNROLL
    for (int i = 0; i < 4; ++i) {
      int const distance = key + n * 8 + lane % 4 * 2 + i % 2 - (query + lane / 4 + i / 2 * 8);
      bool const inside = key + n * 8 + lane % 4 * 2 + i % 2 < length;
      unsigned const far = static_cast<unsigned>(distance < 0 ? -distance : distance);
      if (!inside || far > a.window)
        scores[n].value[i] = -INFINITY;
      else if (added != nullptr && far < static_cast<unsigned>(reach))  // else of a query past the sequence
        scores[n].value[i] += added[distance];
    }
  }
}

// The keys that a tile's queries see, whole steps of keys_at_once from the first on.
struct key_range {
  int begin;
  int end;
};
template <class T>
YONDER_DEVICE key_range keys_of(attention_arguments<T> const& a, attention_tile const& tile, int queries) {
  if (a.window >= static_cast<unsigned>(tile.length)) return {0, tile.length};
  int const window = static_cast<int>(a.window);
  int const begin = tile.query < window ? 0 : (tile.query - window) / keys_at_once * keys_at_once;
  int const end = tile.query + queries + window;
  return {begin, end < tile.length ? end : tile.length};
}

// One tile of one head. All threads of the block take part; shared memory is free again at the end.
template <class T, int HeadSize, bool Pattern = false>
YONDER_DEVICE void attend(attention_arguments<T> const& a, attention_tile const& tile, unsigned head,
                          attention_memory<T, HeadSize>& memory) {
  std::size_t const hidden = std::size_t{a.heads} * HeadSize;
  std::size_t const stride = 3 * hidden;
  T const* const queries = a.qkv + tile.first * stride + std::size_t{head} * HeadSize;
  T const* const keys = queries + hidden;
  T const* const values = keys + hidden;
  int const warps = static_cast<int>(block_size() / warp_size);
  auto const copy_keys = [&](int key) {
    int const stage = key / keys_at_once % 2;
    copy_rows<HeadSize>(memory.keys[stage], keys + key * stride, stride, keys_at_once, tile.length - key);
    copy_rows<HeadSize>(memory.values[stage], values + key * stride, stride, keys_at_once, tile.length - key);
    cp_async_commit_group();
  };

  copy_rows<HeadSize>(memory.queries, queries + tile.query * stride, stride, warps * queries_per_warp,
                      tile.length - tile.query);
  key_range const seen = Pattern ? keys_of(a, tile, warps * queries_per_warp) : key_range{0, tile.length};
  copy_keys(seen.begin);
  T(*const own_rows)[HeadSize + 8] = memory.queries + warp_index() * queries_per_warp;
  query_block<T, HeadSize> block;
  int const query = tile.query + static_cast<int>(warp_index()) * queries_per_warp;
  for (int key = seen.begin; key < seen.end; key += keys_at_once) {
    bool const last = key + keys_at_once >= seen.end;
    if (last) {
      cp_async_wait_group<0>();
    } else {
      copy_keys(key + keys_at_once);
      cp_async_wait_group<1>();
    }
    sync_block();
    if (key == seen.begin) begin_block<T, HeadSize>(block, own_rows);
    int const stage = key / keys_at_once % 2;
    fragment_c scores[keys_at_once / 8];
    score<T, HeadSize>(block, memory.keys[stage], scores);
    if constexpr (Pattern) {
      apply_pattern(a, head, tile.length, query, key, scores);
    } else {
      if (tile.length - key < keys_at_once) mask<0>(scores, tile.length - key);
    }
    weigh<Pattern>(block.rows, scores, block.out, score_scale<HeadSize>());
    add_values<T, HeadSize>(block, scores, memory.values[stage]);
    sync_block();
  }
  store_block<T, HeadSize>(block, own_rows,
                           a.out + (tile.first + query) * hidden + std::size_t{head} * HeadSize, hidden,
                           tile.length - query);
  sync_block();
}

// Grid: x walks over the tiles, y is the head. Block: `warps` warps. Three blocks a multiprocessor: with
// four, which shared memory would allow, registers spill.
template <class T, int HeadSize>
YONDER_KERNEL void YONDER_LAUNCH_BOUNDS(most_warps* warp_size, 3)
    attention_kernel(attention_arguments<T> const a) {
  auto& memory = shared_memory<attention_memory<T, HeadSize>>();
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  auto const tiles = static_cast<unsigned>(a.batch.counts->tiles);
  for (unsigned tile = block_x(); tile < tiles; tile += grid_x())
    attend<T, HeadSize>(a, a.batch.tiles[tile], block_y(), memory);
}

// The same with windows and what distance adds, which take registers.
template <class T, int HeadSize>
YONDER_KERNEL void YONDER_LAUNCH_BOUNDS(most_warps* warp_size, 2)
    pattern_attention(attention_arguments<T> const a) {
  auto& memory = shared_memory<attention_memory<T, HeadSize>>();
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
  auto const tiles = static_cast<unsigned>(a.batch.counts->tiles);
  for (unsigned tile = block_x(); tile < tiles; tile += grid_x())
    attend<T, HeadSize, true>(a, a.batch.tiles[tile], block_y(), memory);
}

}  // namespace yonder::kernels::cuda
