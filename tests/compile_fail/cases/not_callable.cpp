// SPDX-License-Identifier: Apache-2.0
// expect: a task is a function, the address of a named lambda, or a lambda without captures
#include <yonder/task.hpp>

int number = 3;
inline constexpr yonder::task<&number> number_task;

int main() { number_task.remote(1); }
