// SPDX-License-Identifier: Apache-2.0
// expect: a T& cannot refer to an object of another process
#include <yonder/task.hpp>

int const& largest(int a, int b);
inline constexpr yonder::task<largest> largest_task;

int main() {
  int const& result = largest_task.remote(1, 2);
  return result + largest_task.spawn(3, 4).get();
}
