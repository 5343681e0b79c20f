// SPDX-License-Identifier: Apache-2.0
// expect: two_tasks_of_one_name_state_another_for_one
#include <yonder/task.hpp>

int twice(int number);
double twice(double number);
inline constexpr yonder::task<static_cast<int (*)(int)>(twice)> twice_int;
inline constexpr yonder::task<static_cast<double (*)(double)>(twice)> twice_double;

int main() { return twice_int.remote(1) + static_cast<int>(twice_double.remote(2)); }
