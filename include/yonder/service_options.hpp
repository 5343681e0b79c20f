// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "yonder/detail/durations.hpp"

namespace yonder {

// Of each pool of a service: that is, of the workers for one set of its parameters.
struct service_options {
  // How many workers stay although they have nothing to do, once the service was called.
  unsigned min = 0;

  // How many there may be. Unset: runtime_options::max.
  std::optional<unsigned> max{};

  // How many idle ones are kept ready while others work.
  unsigned buffer = 0;

  // After how long without work a worker is let go. Unset: runtime_options::scaledown_window.
  std::optional<std::chrono::nanoseconds> scaledown_window{};

  // For how long a worker is parked then, before it is let go: its process and its object stay, what it has
  // on its GPUs is released, and they are other workers' meanwhile. The next call brings it back. 0: it is
  // not parked. See yonder::service for what a class says of it.
  std::chrono::nanoseconds park_window{0};

  // How many calls may wait for a worker once there is one: a further one fails with overloaded. Unset: as
  // many as the caller may have under way.
  std::optional<unsigned> max_queue{};

  // What each of them has for itself, as in yonder::options.
  std::optional<unsigned> gpu{};
  std::optional<std::uint64_t> gpu_memory{};
  std::optional<unsigned> cpu{};
  std::optional<std::uint64_t> memory{};

  // For the constructor, then for the destructor: a worker that outlasts it is killed.
  std::chrono::nanoseconds enter_timeout = std::chrono::minutes(5);
  std::chrono::nanoseconds exit_timeout = std::chrono::seconds(10);  // the destructor's
};

}  // namespace yonder
