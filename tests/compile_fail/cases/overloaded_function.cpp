// SPDX-License-Identifier: Apache-2.0
// expect: one_function_choose_an_overload_by_static_cast
// Refused before Yonder sees it, and GCC goes on as if it were an int: each use would add an error of its
// own.
#include <yonder/task.hpp>

int twice(int number);
double twice(double number);
inline constexpr yonder::task<twice> twice_task{};
