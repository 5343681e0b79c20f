// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"
#include "src/core/resources.hpp"
#include "src/core/types.hpp"

#include <span>
#include <string_view>

namespace yonder::core {

// What a call needs of the worker that runs it, and how many such workers there may be. Its bytes are the key
// of a pool: calls that say the same share one.
struct requirements {
  std::uint32_t min_workers = 0;   // that stay although idle
  std::uint32_t max_workers = 0;   // 0: what the hub's own pool may have
  std::uint32_t spare = 0;         // idle workers that are kept ready while there is work
  std::uint32_t max_queue = 0;     // calls that may wait for a worker; 0: as many as the hub holds
  duration scaledown_window = -1;  // an idle worker is let go after it; below 0: the hub's own
  duration park_window = 0;        // it is parked for so long before that; 0: it is not
  resource_needs resources{};      // that each worker has for itself
  bool isolate = false;            // each call has a worker of its own, which goes with it
  build_choice build{};            // of its workers

  // What every worker of the pool makes before its first call: the function of this name, with these
  // arguments. Empty: nothing.
  std::string service{};
  std::uint64_t service_signature = 0;
  std::uint32_t concurrency = 1;  // calls that one worker runs at once
  duration enter_timeout = 0;     // of making it; 0: none
  duration exit_timeout = 0;      // from being let go to the end of the worker; 0: none
  std::string arguments{};
};

inline constexpr std::size_t max_service_arguments = std::size_t{64} << 10;

// The name under which a worker is asked to end its service and to go on without: no task has it.
inline constexpr std::string_view leave_service = " leave";
// Likewise: to release what it has on its GPUs, and to bring that back.
inline constexpr std::string_view park_worker = " park";
inline constexpr std::string_view unpark_worker = " unpark";

// As the field tag::requirements of a call holds it.
std::string encode_requirements(requirements const& needs);
// False: malformed.
bool decode_requirements(std::span<std::byte const> value, requirements& needs);

// Why no pool can be like that, in words; empty: it can.
std::string fault_of(requirements const& needs);

}  // namespace yonder::core
