// SPDX-License-Identifier: Apache-2.0
#include "yonder/yonder.hpp"

static int twin(int n) { return n + 1; }
constexpr yonder::task<twin> twin_task;
int other_twin() { return twin_task.local(1); }
