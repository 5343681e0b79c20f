// SPDX-License-Identifier: Apache-2.0
// expect: takes a range of tuples, each with what converts to the task's parameters
#include <tuple>
#include <vector>
#include <yonder/task.hpp>

int add(int a, int b);
inline constexpr yonder::task<add> add_task;

int main() {
  std::vector<std::tuple<int, int, int>> const triples(2);
  for (int const each : add_task.starmap(triples)) return each;
  add_task.for_each(triples);
}
