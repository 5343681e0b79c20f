// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/call_orders.hpp"
#include "yonder/resources.hpp"
#include "yonder/runtime.hpp"

// The pools of a hub that runs: what they are, and how large.
namespace yonder::cli {

struct hub_choice {
  std::string address{};  // empty: $YONDER_HUB
  std::string keys{};     // a folder with the hub's server.key; empty: as runtime_options::keys
};

// What the hub answers to an order of core/call_orders.hpp.
std::string answer_of_hub(hub_choice const& hub, std::string_view order, std::string const& payload);
// The same, where it is rows.
core::text_rows rows_from_hub(hub_choice const& hub, std::string_view order, std::string const& payload);

// A connection to it, for several of them.
runtime connect(hub_choice const& hub);

// The pools and the workers, as tables or a JSON object, on stdout. `live`: again each second, where that is
// a terminal, until it is interrupted.
int list_all(hub_choice const& hub, bool json, bool live);
// They return exit codes, and throw what runtime::pools() and scale()
// do.
int list_calls(hub_choice const& hub, bool json);
// For how long its workers ran what for whom.
int list_usage(hub_choice const& hub, bool json);
int scale_pool(hub_choice const& hub, std::string const& pool, pool_size const& size);
int warm_pool(hub_choice const& hub, std::string const& pool, unsigned count);

// "10s", "250ms", "5m", "1.5h", "30d", "0"; none: it is no time.
std::optional<std::chrono::nanoseconds> parse_time(std::string_view text);

}  // namespace yonder::cli
