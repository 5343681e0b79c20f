// SPDX-License-Identifier: Apache-2.0
// expect: a pointer means nothing in another process
#include <yonder/task.hpp>

int sum(int const* first, int count);
inline constexpr yonder::task<sum> sum_task;

int main() {
  int const numbers[] = {1, 2};
  return sum_task.remote(numbers, 2) + sum_task.spawn(numbers, 2).get();
}
