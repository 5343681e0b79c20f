// SPDX-License-Identifier: Apache-2.0
// expect: a task that returns a generator is called with stream()
#include <yonder/task.hpp>

yonder::generator<int> count(int to);
inline constexpr yonder::task<count> count_task;

void use() { count_task.remote(3); }
