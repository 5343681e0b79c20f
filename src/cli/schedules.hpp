// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "src/cli/pools.hpp"

// The schedules that a hub keeps in its journal.
namespace yonder::cli {

// They return exit codes, and throw what runtime::pools() does.
int list_schedules(hub_choice const& hub, bool json);
// `what`: pause, resume, fire or stop.
int change_schedule(hub_choice const& hub, std::string const& what, std::uint64_t id);

}  // namespace yonder::cli
