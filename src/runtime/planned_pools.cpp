// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/planned_pools.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "src/runtime/launching.hpp"
#include "src/runtime/registry.hpp"
#include "yonder/error.hpp"

namespace yonder::runtime_detail {
namespace {

[[noreturn]] void reject(std::string message) {
  detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

}  // namespace

runtime_options with_sizes(runtime_options options) {
  if (!options.launch) return options;
  for (auto const& terms : options.launch->pools()) {
    if (terms.elsewhere) continue;
    if (options.worker_command.empty() && offered_functions().empty())
      reject("the pool '" + terms.name +
             "': its workers would be processes of this program, which has no tasks; let another launcher "
             "start one that has (worker = [\"/opt/app\"])");
    if (terms.name != "default") continue;
    options.min = terms.min.value_or(options.min);
    if (terms.max) options.max = terms.max;
    options.buffer = terms.buffer.value_or(options.buffer);
    if (terms.scaledown_window) options.scaledown_window = std::chrono::nanoseconds(*terms.scaledown_window);
  }
  return options;
}

bool has_service_pools(runtime_options const& options) {
  if (!options.launch) return false;
  auto const pools = options.launch->pools();
  return std::any_of(pools.begin(), pools.end(), [](auto const& one) { return one.name != "default"; });
}

unsigned most_processes(runtime_options const& options) {
  return options.max.value_or(std::max({1U, std::thread::hardware_concurrency(), options.min}));
}

void add_launched_pools(runtime_options const& options, std::vector<core::function_info> const& functions,
                        core::program_build const& own, core::hub_config& hub) {
  std::uint32_t id = 0;
  for (auto const& terms : options.launch->pools()) {
    ++id;
    if (!terms.elsewhere && terms.name == "default") continue;
    if (terms.of_this_program && functions.empty() && options.worker_command.empty())
      reject("the pool '" + terms.name +
             "': this program has no tasks; say which one has: worker = [\"/opt/app\"]");
    auto const is_own = terms.elsewhere ? terms.of_this_program : options.worker_command.empty();
    core::pool_config pool{
        .id = terms.elsewhere ? id : 0,
        .functions = is_own ? functions : std::vector<core::function_info>{},
        .made_of = is_own ? own : core::program_build{},
        .min_workers = terms.min.value_or(terms.elsewhere ? options.min : 0),
        .max_workers = terms.max.value_or(terms.elsewhere ? 1 : most_processes(options)),
        .spare = terms.buffer.value_or(terms.elsewhere ? options.buffer : 0),
        .max_queue = options.max_queue.value_or(0),
        .scaledown_window = terms.scaledown_window.value_or(options.scaledown_window.count()),
        .elsewhere = terms.elsewhere,
        .start_timeout = terms.elsewhere ? terms.start_timeout : 0,
        .scale_delay = terms.elsewhere ? terms.scale_delay : 0,
        .allocation = terms.allocation};
    if (pool.max_workers == 0)
      reject("the pool '" + terms.name + "' may have no workers (max is 0): its calls would wait for ever");
    if (pool.max_workers < pool.min_workers || pool.max_workers < pool.spare)
      reject("the pool '" + terms.name + "' may have " + std::to_string(pool.max_workers) +
             " workers, and min is " + std::to_string(pool.min_workers) + " and buffer " +
             std::to_string(pool.spare) + "; let max, and what its launcher can start, be no less than both");
    if (terms.name == "default")
      hub.pools = {std::move(pool)};
    else
      hub.services.emplace_back(terms.name, std::move(pool));
  }
}

}  // namespace yonder::runtime_detail
