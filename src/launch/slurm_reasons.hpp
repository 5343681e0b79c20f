// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace yonder::launch {

// What the reason for which a job waits, as squeue says it (%r), means to whoever submitted it.
struct slurm_wait {
  bool is_hopeless = false;  // such a job never runs, whoever ends or goes first
  std::string to_do{};       // empty: nothing, it is a matter of time
  bool lacks_nodes = false;  // those that it may run on are down, drained or reserved
};

slurm_wait meaning_of(std::string_view reason, std::string const& job);

}  // namespace yonder::launch
