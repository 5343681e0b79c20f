// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "src/cli/pools.hpp"

// The calls of a hub that runs: where one is and why, and its end.
namespace yonder::cli {

// `id`: 32 hexadecimal digits, as yonder::to_string(call_id) writes them. They return exit codes, and throw
// what runtime::pools() does.
int explain_call(hub_choice const& hub, std::string const& id, bool json);
core::call_id read_id(std::string const& text);  // throws usage_problem
int unknown_call(std::string const& id);         // says that there is none
int cancel_call(hub_choice const& hub, std::string const& id, bool json);

}  // namespace yonder::cli
