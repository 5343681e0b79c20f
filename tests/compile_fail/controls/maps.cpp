// SPDX-License-Identifier: Apache-2.0
#include <tuple>
#include <utility>
#include <vector>
#include <yonder/task.hpp>

int twice(int number);
int add(int a, int b);
inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::task<add> add_task;

int main() {
  twice_task.for_each(std::vector{1, 2});
  twice_task.for_each(std::vector{1, 2}, {.unordered = true, .window = 8});
  add_task.for_each(std::vector{std::pair(1, 2)}, {.window = 8});
  if (!add_task.for_each(std::vector{std::tuple(1, 2)}, yonder::on_error::collect, {.window = 8}).empty())
    return 1;
  for (int const each : twice_task.map(std::vector{1, 2}).unordered()) return each;
  for (int const each : add_task.starmap(std::vector{std::tuple(1, 2)})) return each;
}
