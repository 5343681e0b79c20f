// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "yonder/call.hpp"
#include "yonder/detail/export.hpp"

// What a task can ask about the call that it serves. Outside of one: no stop, attempt 0, an empty id.
namespace yonder::this_call {

// Whether the caller has cancelled, or the time is up: the task should return soon; what it returns goes
// nowhere.
[[nodiscard]] YONDER_API bool stop_requested() noexcept;

// Which attempt this is, from 1.
[[nodiscard]] YONDER_API std::uint32_t attempt() noexcept;

// The call's id: the same in every attempt.
[[nodiscard]] YONDER_API call_id id() noexcept;

// This worker is to take no more work after this call, whose outcome is sent as always: it ends, and another
// one is started when there is work. For a task that has lost what it cannot get back in this process, a
// GPU's context say.
YONDER_API void retire_worker() noexcept;

}  // namespace yonder::this_call
