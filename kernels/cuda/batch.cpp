// SPDX-License-Identifier: Apache-2.0
#include "cuda/batch.hpp"

#include <algorithm>
#include <array>

#include "cuda/operators.hpp"

namespace yonder::kernels::cuda {
namespace {

// Powers of two and their like; from 1,056 on multiples whose 128-row tiles fill the 132 multiprocessors of a
// Hopper GPU in whole waves.
constexpr std::array small_buckets = {16U, 32U, 64U, 96U, 128U, 192U, 256U, 384U, 512U, 768U};
constexpr std::uint32_t wave = 1056;
constexpr std::uint32_t smallest_tile = 16;
constexpr std::uint32_t blocks_that_fill = 132;
constexpr std::uint32_t smallest_for_warpgroups = 64;  // rows: the queries of one

std::uint32_t rows_for(std::size_t tokens) {
  auto const* const small = std::lower_bound(small_buckets.begin(), small_buckets.end(), tokens);
  if (small != small_buckets.end()) return *small;
  return static_cast<std::uint32_t>((tokens + wave - 1) / wave * wave);
}

// Four tokens a sequence: shorter ones make a batch of a larger bucket.
constexpr std::uint32_t sequences_of(std::uint32_t rows) { return rows / 4; }

}  // namespace

bucket bucket_for(std::size_t tokens, std::size_t sequences) {
  std::uint32_t const rows = rows_for(std::max(tokens, sequences * 4));
  return {rows, sequences_of(rows)};
}

std::vector<std::size_t> buckets_up_to(std::size_t rows) {
  std::vector<std::size_t> all;
  for (std::size_t next = 1; next <= rows; next = all.back() + 1) {
    if (rows_for(next) > rows) break;
    all.push_back(rows_for(next));
  }
  return all;
}

std::uint32_t attention_warps(bucket const& size, std::size_t heads, attention_unit unit) {
  if (unit == attention_unit::warpgroup && size.rows >= smallest_for_warpgroups)
    return hopper_attention_warps;
  return size.rows / 64 * heads >= blocks_that_fill ? 4 : 1;
}

packed_batch packed_batch::in(arena& memory, bucket const& size) {
  packed_batch parts{};
  parts.counts = memory.take<batch_counts>(1);
  parts.ids = memory.take<std::int32_t>(size.rows);
  parts.places = memory.take<std::uint32_t>(size.rows);
  parts.starts = memory.take<std::int32_t>(size.sequences + 1);
  parts.tiles = memory.take<attention_tile>(size.rows / smallest_tile + size.sequences);
  return parts;
}

std::size_t packed_batch::bytes(bucket const& size) {
  arena plan;
  in(plan, size);
  return plan.used();
}

void packed_batch::fill(batch_source const& batch, encoder_config const& config,
                        std::uint32_t queries_per_tile) const {
  std::int32_t tile = 0;
  std::int32_t row = 0;
  for (std::size_t i = 0; i < batch.sequences(); ++i) {
    auto const length = static_cast<std::int32_t>(batch.starts[i + 1] - batch.starts[i]);
    starts[i] = row;
    for (std::uint32_t query = 0; query < static_cast<std::uint32_t>(length); query += queries_per_tile)
      tiles[tile++] = {row, length, static_cast<std::int32_t>(query)};
    position_counter position(config);
    for (std::size_t token = batch.starts[i]; token < batch.starts[i + 1]; ++token, ++row) {
      ids[row] = batch.ids[token];
      places[row] = static_cast<std::uint32_t>(position(batch.ids[token])) |
                    static_cast<std::uint32_t>(batch.type_ids[token]) << 16;
    }
  }
  starts[batch.sequences()] = row;
  auto const skipped = std::min<std::size_t>(batch.skipped, most_tokens);  // more than any sequence has
  *counts = {row, static_cast<std::int32_t>(batch.sequences()), tile, static_cast<std::int32_t>(skipped)};
}

}  // namespace yonder::kernels::cuda
