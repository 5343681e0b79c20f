// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/needs.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "src/core/metadata.hpp"
#include "src/platform/machine.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/snapshot.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/error.hpp"
#include "yonder/runtime.hpp"

namespace yonder {
namespace runtime_detail {

core::machine observed_machine() {
  auto seen = platform::observe_machine();
  core::machine has{
      .gpus = {}, .cores = std::move(seen.cores), .memory = seen.memory, .remark = std::move(seen.remark)};
  for (auto& gpu : seen.gpus) has.gpus.push_back({std::move(gpu.id), gpu.memory});
  return has;
}

// Of the cores that there are the first; further ones are numbered on.
core::machine machine_of(resources const& has) {
  core::machine made;
  for (std::size_t i = 0; i < has.gpu_memory.size(); ++i)
    made.gpus.push_back({std::to_string(i), has.gpu_memory[i]});
  made.cores = platform::usable_cores();
  while (made.cores.size() < has.cpu) made.cores.push_back(made.cores.empty() ? 0 : made.cores.back() + 1);
  made.cores.resize(has.cpu);
  made.memory = has.memory;
  return made;
}

}  // namespace runtime_detail

namespace detail {

std::string encode_needs(options const& settings) {
  if (!settings.names_pool()) return {};
  return core::encode_requirements({.max_queue = settings.max_queue.value_or(0),
                                    .resources = runtime_detail::resource_needs_of(settings),
                                    .isolate = settings.isolate.value_or(false)});
}

namespace {

core::pool_order order_of(pool_choice const& pool) {
  return {.needs = std::string(pool.needs), .name = std::string(pool.name)};
}

// A time below 0 is none.
std::optional<core::duration> time_of(std::optional<std::chrono::nanoseconds> const& stated) {
  return stated ? std::optional(std::max<core::duration>(stated->count(), 0)) : std::nullopt;
}

}  // namespace

void scale_pool(engine& where, pool_choice const& pool, pool_size const& size) {
  auto order = order_of(pool);
  order.change = {.min_workers = size.min,
                  .max_workers = size.max,
                  .spare = size.buffer,
                  .max_queue = size.max_queue,
                  .scaledown_window = time_of(size.scaledown_window),
                  .park_window = time_of(size.park_window)};
  where.scale(order);
}

void warm_pool(engine& where, pool_choice const& pool, std::size_t count) {
  auto order = order_of(pool);
  order.count = count;
  where.warm(order);
}

std::vector<pool_snapshot> pools_of(engine& where) { return runtime_detail::pools_seen(where.pools()); }

std::vector<call_snapshot> calls_of(engine& where) {
  std::vector<call_snapshot> seen;
  for (auto& one : where.calls().calls)
    seen.push_back({.id = {one.id.session, one.id.number},
                    .task = std::move(one.task),
                    .is = static_cast<call_snapshot::state>(one.state),
                    .durable = one.durable,
                    .attempts = one.tries,
                    .kept = std::chrono::nanoseconds(one.left)});
  return seen;
}

std::vector<usage_snapshot> usage_of(engine& where) { return runtime_detail::usage_seen(where.usage()); }

}  // namespace detail

std::string_view to_string(call_snapshot::state is) noexcept {
  switch (is) {
    case call_snapshot::state::waiting: return "waiting";
    case call_snapshot::state::running: return "running";
    case call_snapshot::state::succeeded: return "succeeded";
    case call_snapshot::state::failed: return "failed";
  }
  return "unknown";
}

}  // namespace yonder
