// SPDX-License-Identifier: Apache-2.0
#pragma once

// this_call::stop_requested() as a std::stop_token, for std::jthread, condition variables and callbacks
// (which run on a thread of their own). Not part of yonder.hpp: what <stop_token> brings takes the compiler
// longer than a task.
#include <stop_token>

#include "yonder/detail/export.hpp"
#include "yonder/this_call.hpp"

namespace yonder {

// Of the call that `token` is of; of none, a token that never stops. Any thread.
[[nodiscard]] YONDER_API std::stop_token stop_token_of(call_token const& token) noexcept;

namespace this_call {

// Of the call that the task serves.
[[nodiscard]] YONDER_API std::stop_token stop_token();

}  // namespace this_call
}  // namespace yonder
