// SPDX-License-Identifier: Apache-2.0
// expect: map is for a task of one parameter; starmap takes a range of tuples
#include <vector>
#include <yonder/task.hpp>

int add(int a, int b);
inline constexpr yonder::task<add> add_task;

int main() {
  int sum = 0;
  for (int const each : add_task.map(std::vector<int>{1, 2})) sum += each;
  return sum;
}
