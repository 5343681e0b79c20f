// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/snapshot.hpp"

namespace yonder::runtime_detail {
namespace {

task_snapshot snapshot_of(std::string const& name, core::task_numbers const& numbers) {
  task_snapshot seen{.name = name,
                     .calls = numbers.calls,
                     .succeeded = numbers.succeeded,
                     .cancelled = numbers.cancelled,
                     .runs = {numbers.runs.begin(), numbers.runs.end()},
                     .run_time = std::chrono::microseconds(numbers.run_microseconds)};
  for (std::size_t code = 0; code < numbers.failed.size(); ++code)
    if (numbers.failed[code] != 0) seen.failed.emplace_back(static_cast<errc>(code), numbers.failed[code]);
  return seen;
}

}  // namespace

runtime_snapshot snapshot_of(core::hub const& hub) {
  auto const census = hub.census();
  auto const counters = hub.counters();
  runtime_snapshot seen{.clients = census.clients,
                        .workers = census.workers,
                        .idle_workers = census.idle_workers,
                        .starting_workers = census.starting,
                        .parked_workers = census.parked_workers,
                        .waiting_workers = census.waiting_workers,
                        .queued = census.queued,
                        .delayed = census.delayed,
                        .bytes = census.bytes,
                        .attempts = counters.attempts,
                        .retries = counters.retries,
                        .workers_lost = counters.workers_lost,
                        .workers_killed = counters.workers_killed,
                        .start_failures = counters.start_failures};
  for (auto const& [name, numbers] : hub.tasks()) {
    seen.tasks.push_back(snapshot_of(name, numbers));
    seen.calls += numbers.calls - seen.tasks.back().ended();
  }
  return seen;
}

}  // namespace yonder::runtime_detail
