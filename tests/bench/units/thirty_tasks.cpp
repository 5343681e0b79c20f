// SPDX-License-Identifier: Apache-2.0
//
// Compiled for its compile time only: a unit that calls thirty tasks, which another one instantiates.
#include "thirty_tasks.hpp"

#define BENCH_CALL(n) \
  message_##n there_and_back(message_##n const& value) { return task_##n.remote(value); }
BENCH_THIRTY(BENCH_CALL)
