// SPDX-License-Identifier: Apache-2.0
#include <tuple>
#include <vector>
#include <yonder/task.hpp>

int twice(int number);
int add(int a, int b);
inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::task<add> add_task;

int main() {
  for (int const each : twice_task.map(std::vector{1, 2}).unordered()) return each;
  for (int const each : add_task.starmap(std::vector{std::tuple(1, 2)})) return each;
}
