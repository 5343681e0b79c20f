// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "src/core/hub.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/snapshot.hpp"

namespace yonder::runtime_detail {

runtime_snapshot snapshot_of(core::hub const& hub, core::time_point now);
pool_snapshot snapshot_of(core::pool_census&& one);

// What a hub answers about its pools, and about its use. They throw usage_error (undecodable).
std::vector<core::pool_census> pool_rows_in(detail::reply const& answer);
std::vector<pool_snapshot> pools_seen(std::vector<core::pool_census>&& rows);
std::vector<core::usage_row> usage_rows_in(detail::reply const& answer);
std::vector<usage_snapshot> usage_seen(std::vector<core::usage_row>&& rows);

}  // namespace yonder::runtime_detail
