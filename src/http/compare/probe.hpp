// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/http/compare/order.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/http.hpp"

namespace yonder::http::compare {

// The endpoint of that task, whose arguments these are. Throws usage_error.
detail::endpoint_entry const& checked_endpoint(workload const& what);

// Makes the calls. Throws what the task throws. Without user, sys and memory.
figures measure(yonder::detail::engine_ref const& engine, workload const& what);

// Of this process and of its workers that have ended.
void add_own_use(figures& seen);

}  // namespace yonder::http::compare
