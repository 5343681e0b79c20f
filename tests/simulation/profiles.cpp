// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.hpp"

#include <stdexcept>

namespace yonder::core::simulation {
namespace {

std::vector<profile> make_profiles() {
  profile fast;
  fast.name = "fast";
  fast.shortest_delay = fast.longest_delay = 10 * microsecond;

  profile local;
  local.name = "local";
  local.launcher = true;
  local.functions = 3;
  local.worker_crash_every = 20 * millisecond;
  local.client_crash_every = 60 * millisecond;
  local.imposture_every = 30 * millisecond;
  local.drain_every = 40 * millisecond;
  local.start_fails = 0.05;
  local.start_hangs = 0.01;
  local.foreign_worker = true;
  local.throws = 0.01;
  local.hangs = 0.002;
  local.ignores_stop = 0.002;
  local.crashes = 0.001;
  local.long_runs = 0.005;
  local.cancels = 0.03;
  local.deadlines = 0.1;
  local.timeouts = 0.1;
  local.retries = 0.2;
  local.idempotent = 0.1;

  profile drains;
  drains.name = "drains";
  drains.functions = 2;
  drains.prefetch_bytes = 1'000;
  drains.drain_every = 5 * millisecond;
  drains.long_runs = 0.01;
  drains.cancels = 0.02;

  profile lossy = local;
  lossy.name = "lossy";
  lossy.reliable = false;
  lossy.launcher = false;
  lossy.foreign_worker = false;
  lossy.window = 32;
  lossy.drop = 0.02;
  lossy.repeat = 0.02;
  lossy.flip = 0.002;
  lossy.worker_crash_every = 200 * millisecond;
  lossy.client_crash_every = 300 * millisecond;
  lossy.drain_every = 200 * millisecond;
  lossy.reconnect_every = 50 * millisecond;
  lossy.partition_every = 300 * millisecond;

  profile wild = lossy;
  wild.name = "wild";
  wild.drop = 0.1;
  wild.repeat = 0.1;
  wild.straggle = 0.05;
  wild.longest_delay = 2 * millisecond;
  wild.hub_restart_every = 2 * second;

  // Large arguments and values over links of which two are slow: everybody hears from everybody.
  profile slow;
  slow.name = "slow";
  slow.reliable = false;
  slow.window = 16;
  slow.large = 0.03;
  slow.slow_bytes_per_second = 8'000'000;
  slow.cancels = 0.05;
  slow.deadlines = 0.02;

  profile rough = lossy;
  rough.name = "rough";
  rough.large = 0.005;
  rough.slow_bytes_per_second = 8'000'000;

  return {fast, local, drains, lossy, wild, slow, rough};
}

}  // namespace

std::vector<profile> const& profiles() {
  static auto const made = make_profiles();
  return made;
}

profile const& profile_named(std::string const& name) {
  for (auto const& one : profiles()) {
    if (one.name == name) return one;
  }
  throw std::invalid_argument("no profile is named \"" + name + "\"");
}

}  // namespace yonder::core::simulation
