// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/arguments.hpp"
#include "cuda/memory.hpp"

namespace yonder::kernels::cuda {

// Sequences one after the other, without padding: sequence i has the tokens starts[i] to starts[i + 1].
struct batch_source {
  std::span<std::int32_t const> ids;
  std::span<std::int32_t const> type_ids;
  std::span<std::size_t const> starts;
  std::size_t skipped = 0;  // tokens at the front of each that pooling leaves out

  std::size_t tokens() const noexcept { return starts.back() - starts.front(); }
  std::size_t sequences() const noexcept { return starts.size() - 1; }
  // Sequences `first` to `last`, whose tokens stay where they are.
  batch_source part(std::size_t first, std::size_t last) const {
    return {ids, type_ids, starts.subspan(first, last - first + 1), skipped};
  }
};

// The sizes for which a graph is built. A batch runs in the smallest bucket that holds it.
struct bucket {
  std::uint32_t rows = 0;       // tokens
  std::uint32_t sequences = 0;  // at most
};

inline constexpr std::size_t most_tokens = 67'584;

// Precondition: 0 < tokens <= most_tokens, and each sequence has a token.
bucket bucket_for(std::size_t tokens, std::size_t sequences);
// The rows of every bucket of at most so many, ascending.
std::vector<std::size_t> buckets_up_to(std::size_t rows);

// Who multiplies in attention: warps (cuda/attention.cuh), or where there are some, groups of four
// (cuda/attention_hopper.cuh).
enum class attention_unit : std::uint8_t { warp, warpgroup };
// How many warps of 16 queries an attention tile has: few tokens spread over many small blocks.
std::uint32_t attention_warps(bucket const& size, std::size_t heads, attention_unit unit);

// One batch as it travels to the device, in one piece.
struct packed_batch {
  batch_counts* counts;
  std::int32_t* ids;
  std::uint32_t* places;
  std::int32_t* starts;
  attention_tile* tiles;

  // For any batch of the bucket. In `memory`'s own address space.
  static packed_batch in(arena& memory, bucket const& size);
  static std::size_t bytes(bucket const& size);
  // In host memory.
  void fill(batch_source const& batch, encoder_config const& config, std::uint32_t queries_per_tile) const;
  device_batch view() const noexcept { return {counts, ids, places, starts, tiles}; }
};

}  // namespace yonder::kernels::cuda
