// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "src/cli/pools.hpp"

// What calls have printed.
namespace yonder::cli {

struct logs_order {
  std::string call{};   // its id; empty: all that may be seen
  bool follow = false;  // waits for more
  bool raw = false;     // the bytes as they are
  bool json = false;
};

// Prints it; returns an exit code, and throws what runtime::pools() does.
int print_logs(hub_choice const& hub, logs_order const& order);

}  // namespace yonder::cli
