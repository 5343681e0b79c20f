// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace yonder {

// Where `task(arguments…)` runs.
enum class placement : std::uint8_t {
  yonder,       // on a worker, as remote()
  here,         // in this process, as local()
  prefer_here,  // here, unless as many such calls run here already as the machine has cores
};

// How a task's calls are made. Every field may be unset: `.with()` overrides only what is set.
struct options {
  // How often an attempt that was lost, timed out or threw is made again; the n-th retry waits up to 2ⁿ⁻¹ s
  // (at most 60 s, full jitter). Setting it says that the task may run more than once. Unset: 0.
  std::optional<unsigned> retries{};

  // For one attempt, from the moment it starts on a worker. Unset: none; zero or less: over as it begins.
  std::optional<std::chrono::nanoseconds> timeout{};

  // For the whole call, queueing and retries included. Unset: none; zero or less: over as it begins.
  std::optional<std::chrono::nanoseconds> deadline{};

  // The task may run more than once: an attempt that was lost is made again, without counting. Unset: false.
  std::optional<bool> idempotent{};

  // Where `task(arguments…)` runs; local() and remote() say it themselves. Unset: yonder.
  std::optional<yonder::placement> placement{};

  // These options, and `base` where they are unset.
  constexpr options over(options const& base) const {
    return {.retries = retries ? retries : base.retries,
            .timeout = timeout ? timeout : base.timeout,
            .deadline = deadline ? deadline : base.deadline,
            .idempotent = idempotent ? idempotent : base.idempotent,
            .placement = placement ? placement : base.placement};
  }
};

}  // namespace yonder
