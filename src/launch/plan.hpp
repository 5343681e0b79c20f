// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/launch/carry/carrier.hpp"
#include "src/launch/launcher.hpp"
#include "src/platform/poller.hpp"
#include "src/runtime/launching.hpp"
#include "yonder/launch.hpp"

namespace yonder::launch {

// Throws usage_error (bad_configuration).
[[noreturn]] void reject(std::string message);

// What is wrong with it: which pool, which part, what; empty: nothing.
std::string fault_of(plan_options const& options);

// How many workers its launcher can have at once, whatever is asked for; none: any number.
std::optional<std::size_t> capacity_of(pool const& one);

// `carried`: the program that it brings to where it is not yet; none: it is there.
std::unique_ptr<launcher> make_launcher(means const& by, platform::poller& poller,
                                        std::optional<carry_terms> carried = {});

// What a file says. Throws usage_error with the file, the line and the key. `name`: for messages.
plan_options parse_plan(std::string_view text, std::string const& name);

// What would be run, pool by pool.
std::string description_of(plan_options const& options);

// Where workers elsewhere find the hub, by what it is bound to; throws setup_error where they cannot.
std::string reachable_address(std::string const& wanted, std::vector<std::string> const& bound,
                              std::string const& host);

// Small letters and digits, another one at each call.
std::string drawn_hub_name();

}  // namespace yonder::launch
