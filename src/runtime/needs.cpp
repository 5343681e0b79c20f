// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/needs.hpp"

#include <string>
#include <utility>

#include "src/core/metadata.hpp"
#include "src/platform/machine.hpp"
#include "src/runtime/engine.hpp"
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

void scale_pool(engine& where, std::string_view needs, pool_size const& size) {
  core::pool_change change{.min_workers = size.min,
                           .max_workers = size.max,
                           .spare = size.buffer,
                           .max_queue = size.max_queue,
                           .scaledown_window = {}};
  if (size.scaledown_window) change.scaledown_window = size.scaledown_window->count();
  where.scale(needs, change);
}

void warm_pool(engine& where, std::string_view needs, std::size_t count) { where.warm(needs, count); }

}  // namespace detail
}  // namespace yonder
