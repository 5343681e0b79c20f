// SPDX-License-Identifier: Apache-2.0
// expect: a task's name is 1 to 200 printable ASCII characters without spaces
#include <yonder/task.hpp>

int twice(int number);
inline constexpr yonder::task<twice, "two times"> twice_task;

int main() { return twice_task.remote(1) + twice_task.spawn(2).get(); }
