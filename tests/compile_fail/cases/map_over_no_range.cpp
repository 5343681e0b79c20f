// SPDX-License-Identifier: Apache-2.0
// expect: map takes a range
#include <yonder/task.hpp>

int twice(int number);
inline constexpr yonder::task<twice> twice_task;

int main() {
  for (int const each : twice_task.map(7)) return each;
}
