// SPDX-License-Identifier: Apache-2.0
// expect: task_of_parameters<2>::but_was_passed<1>
#include <yonder/task.hpp>

int add(int a, int b);
inline constexpr yonder::task<add> adding;

bool is_there() { return adding.try_remote(1).has_value(); }
