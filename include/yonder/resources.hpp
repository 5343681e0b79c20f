// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "yonder/detail/durations.hpp"

namespace yonder {

// What the workers that a hub starts can be given.
struct resources {
  std::vector<std::uint64_t> gpu_memory{};  // of each GPU, in bytes
  unsigned cpu = 0;                         // cores
  std::uint64_t memory = 0;                 // bytes
};

// How many workers a pool has. Unset: as it is.
struct pool_size {
  std::optional<unsigned> min{};        // that stay although they have nothing to do
  std::optional<unsigned> max{};        // at once
  std::optional<unsigned> buffer{};     // idle ones that are kept ready while others work
  std::optional<unsigned> max_queue{};  // calls that may wait once there is a worker; 0: any number
  std::optional<std::chrono::nanoseconds> scaledown_window{};  // without work, after which a worker is let go
  std::optional<std::chrono::nanoseconds> park_window{};       // for which it is parked instead; 0: it is not
};

}  // namespace yonder
