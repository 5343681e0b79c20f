// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "src/core/builds.hpp"
#include "src/core/hub.hpp"
#include "yonder/runtime.hpp"

// What a plan of launchers says of pools, as options and as what a hub is told. All throw error
// (bad_configuration).
namespace yonder::runtime_detail {

// As its plan says of the pool of processes of this machine, whose numbers are no other pool's.
runtime_options with_sizes(runtime_options options);

// Whether the plan has pools of services, which have workers whatever with_sizes() says.
bool has_service_pools(runtime_options const& options);

// How many processes of this machine may be workers of a pool.
unsigned most_processes(runtime_options const& options);

// How the hub makes pools of workers that are started elsewhere, and of services whose workers are processes
// of this machine; of such that have no service with_sizes() has said it.
void add_launched_pools(runtime_options const& options, std::vector<core::function_info> const& functions,
                        core::program_build const& own, core::hub_config& hub);

}  // namespace yonder::runtime_detail
