// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

// A deterministic world of client cores, one hub core and worker cores, whose network, processes and users
// misbehave as a seed says, and whose every step is checked against what the protocol promises.
namespace yonder::core::simulation {

// What goes wrong, and how often. Probabilities are per frame, per run or per call; periods are means.
struct profile {
  std::string name;
  bool reliable = true;
  int clients = 4;
  int workers = 4;
  int window = 64;        // calls that each client keeps in flight
  bool launcher = false;  // the hub starts the workers; otherwise they come by themselves
  std::size_t functions = 1;

  duration shortest_delay = 5 * microsecond;
  duration longest_delay = 500 * microsecond;
  double drop = 0, repeat = 0, flip = 0, straggle = 0;  // flip: one bit; straggle: up to 100 times the delay
  duration partition_every = 0, reconnect_every = 0;    // 0: never
  duration worker_crash_every = 0, client_crash_every = 0, hub_restart_every = 0, drain_every = 0;
  duration imposture_every = 0;             // of peers that name a client's session
  std::size_t prefetch_bytes = 0;           // that may wait in a worker; 0: as usual
  double start_fails = 0, start_hangs = 0;  // of a worker process
  bool foreign_worker = false;              // one that has none of the functions that clients call
  double large = 0;  // of calls and of values: with some hundred KiB to a few MiB in buffers
  std::int64_t slow_bytes_per_second =
      0;  // of the first client's and the first worker's link; 0: all are fast

  double throws = 0, hangs = 0, ignores_stop = 0, crashes = 0, long_runs = 0;    // of runs
  double cancels = 0, deadlines = 0, timeouts = 0, retries = 0, idempotent = 0;  // of calls
};

std::vector<profile> const& profiles();
profile const& profile_named(std::string const& name);

struct options {
  std::uint64_t seed = 1;
  std::uint64_t events =
      100'000;  // steps of cores, after which no new call is made and the world comes to rest
};

struct report {
  std::uint64_t events = 0;
  std::uint64_t digest = 0;  // of every step; equal for equal options
  std::uint64_t calls = 0, values = 0, failures = 0, abandoned = 0;
  std::uint64_t starts = 0, retries = 0, requeued = 0, fenced = 0, workers_lost = 0;
  std::uint64_t frames = 0, dropped = 0, repeated = 0;
  duration simulated = 0;
  std::string violation;  // empty: every promise was kept
};

report simulate(profile const& how, options const& what);

}  // namespace yonder::core::simulation
