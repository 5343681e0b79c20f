// SPDX-License-Identifier: Apache-2.0
// expect: the elements of this range do not convert to the task's parameter
#include <string>
#include <vector>
#include <yonder/task.hpp>

int length(std::string const& text);
inline constexpr yonder::task<length> length_task;

int main() {
  std::vector<int*> const numbers(2);
  for (int const each : length_task.map(numbers).unordered().window(2)) return each;
  length_task.for_each(numbers, {.window = 2});
  for (auto const& failed : length_task.for_each(numbers, yonder::on_error::collect))
    return static_cast<int>(failed.index);
}
