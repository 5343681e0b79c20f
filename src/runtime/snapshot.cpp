// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/snapshot.hpp"

#include <utility>

namespace yonder::runtime_detail {
namespace {

std::vector<std::uint64_t> counts_of(core::group_sizes const& sizes) {
  return {sizes.counts.begin(), sizes.counts.end()};
}

task_snapshot snapshot_of(core::task_tally::place const& of, core::task_numbers const& numbers) {
  task_snapshot seen{.name = of.first,
                     .pool = of.second,
                     .calls = numbers.calls,
                     .succeeded = numbers.succeeded,
                     .cancelled = numbers.cancelled,
                     .runs = {numbers.runs.begin(), numbers.runs.end()},
                     .run_time = std::chrono::microseconds(numbers.run_microseconds),
                     .frames = counts_of(numbers.frames),
                     .calls_in_frames = numbers.frames.calls,
                     .batches = counts_of(numbers.batches),
                     .calls_in_batches = numbers.batches.calls,
                     .argument_bytes = numbers.argument_bytes,
                     .result_bytes = numbers.result_bytes};
  for (std::size_t code = 0; code < numbers.failed.size(); ++code)
    if (numbers.failed[code] != 0) seen.failed.emplace_back(static_cast<errc>(code), numbers.failed[code]);
  return seen;
}

}  // namespace

pool_snapshot snapshot_of(core::pool_census&& one) {
  return {.name = std::move(one.name),
          .needs = std::move(one.needs),
          .min = one.min_workers,
          .max = one.max_workers,
          .buffer = one.spare,
          .max_queue = one.max_queue,
          .scaledown_window = std::chrono::nanoseconds(one.scaledown_window),
          .park_window = std::chrono::nanoseconds(one.park_window),
          .workers = one.workers,
          .idle_workers = one.idle,
          .starting_workers = one.starting,
          .parked_workers = one.parked,
          .queued = one.queued,
          .gpu_memory = one.gpu_memory,
          .why = std::move(one.why)};
}

runtime_snapshot snapshot_of(core::hub const& hub, core::time_point now) {
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
  for (auto const& [place, numbers] : hub.tasks()) {
    seen.tasks.push_back(snapshot_of(place, numbers));
    seen.calls += numbers.calls - seen.tasks.back().ended();
  }
  for (auto& one : hub.queues(now))
    seen.queues.push_back({.task = std::string(one.task),
                           .pool = std::move(one.pool),
                           .calls = one.calls,
                           .oldest = std::chrono::nanoseconds(one.oldest)});
  for (auto& one : hub.pools()) seen.pools.push_back(snapshot_of(std::move(one)));
  for (auto& one : hub.gpus()) seen.gpus.push_back({std::move(one.id), one.memory, one.leased});
  return seen;
}

}  // namespace yonder::runtime_detail
