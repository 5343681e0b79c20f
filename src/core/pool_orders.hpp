// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What is said of a hub's pools while it lives. A hub takes it from elsewhere as a call of one of the names
// below, which no task has, and answers that itself.
namespace yonder::core {

inline constexpr std::string_view scale_pool = " scale";  // a pool_order -> nothing
inline constexpr std::string_view warm_pool = " warm";    // likewise
inline constexpr std::string_view list_pools = " pools";  // nothing, or pools_and_why -> every pool_census
inline constexpr std::string_view list_usage = " usage";  // nothing -> every usage_row
constexpr bool is_pool_order(std::string_view function) noexcept {
  return function.starts_with(' ') && (function == scale_pool || function == warm_pool ||
                                       function == list_pools || function == list_usage);
}

// With which list_pools asks for pool_census::why too; a hub that does not know it leaves that out.
inline constexpr std::string_view pools_and_why{"\1", 1};

// How large a pool is to be. Unset: as it is.
struct pool_change {
  std::optional<std::size_t> min_workers{}, max_workers{}, spare{}, max_queue{};
  std::optional<duration> scaledown_window{}, park_window{};
};

// Of which pool: of the one for these needs (as encode_requirements() gives them), or of this name. Neither:
// of the first of hub_config::pools.
struct pool_order {
  std::string needs{};
  std::string name{};
  pool_change change{};   // of scale_pool
  std::size_t count = 0;  // of warm_pool: so many workers are there, or on their way, ahead of the first call
};

struct pool_census {
  std::string name;
  std::string needs;  // in words
  std::size_t min_workers = 0, max_workers = 0, spare = 0, max_queue = 0;
  duration scaledown_window = 0, park_window = 0;
  std::size_t workers = 0, idle = 0, starting = 0, parked = 0, queued = 0;
  std::string why{};             // its workers do not come, in words; empty: nothing is known to stop them
  std::uint64_t gpu_memory = 0;  // that its workers were given, in bytes; told to nobody elsewhere
};

// As the payloads of such calls and of their results hold them; false: malformed.
std::string encode_order(pool_order const& order);
bool decode_order(std::span<std::byte const> payload, pool_order& order);
std::string encode_pools(std::span<pool_census const> pools, bool with_why);
bool decode_pools(std::span<std::byte const> payload, std::vector<pool_census>& pools);

}  // namespace yonder::core
