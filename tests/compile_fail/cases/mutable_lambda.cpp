// SPDX-License-Identifier: Apache-2.0
// expect: no auto parameters, not mutable; name the types
#include <yonder/task.hpp>

constexpr auto twice = [](int number) mutable { return 2 * number; };
inline constexpr yonder::task<&twice> twice_task;

int main() { return twice_task.remote(1) + twice_task.spawn(2).get(); }
