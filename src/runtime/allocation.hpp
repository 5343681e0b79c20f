// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace yonder::runtime_detail {

// When the allocation ends that this process runs in, in seconds since 1970, by $YONDER_END_TIME or else
// $SLURM_JOB_END_TIME (SLURM 23.02 and later); none: nothing says so. What is no such number throws
// transport::setup_error where it is ours, and counts as nothing where it is SLURM's.
std::optional<std::int64_t> allocation_end();

// The same on the monotonic clock, in nanoseconds; core::never: it does not end, as far as is known.
std::int64_t monotonic_allocation_end();

// Whether so little of it is left that a hub gives its workers nothing more. What was left when this process
// asked for the end for the first time counts as all of it.
bool is_used_up() noexcept;

}  // namespace yonder::runtime_detail
