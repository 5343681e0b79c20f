// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/requirements.hpp"
#include "src/core/resources.hpp"
#include "yonder/resources.hpp"

// What users say of workers, as the core has it.
namespace yonder::runtime_detail {

template <class Settings>
core::resource_needs resource_needs_of(Settings const& settings) {
  core::resource_needs needs{.gpus = settings.gpu.value_or(0),
                             .gpu_memory = settings.gpu_memory.value_or(0),
                             .cores = settings.cpu.value_or(0),
                             .memory = settings.memory.value_or(0)};
  if (needs.gpu_memory != 0 && !settings.gpu) needs.gpus = 1;
  return needs;
}

core::machine observed_machine();
core::machine machine_of(resources const& has);

}  // namespace yonder::runtime_detail
