// SPDX-License-Identifier: Apache-2.0
// expect: a T& cannot refer to an object of another process; take T or T const&, return the result
#include <yonder/task.hpp>

void increment(int& counter);
inline constexpr yonder::task<increment> increment_task;

int main() {
  int counter = 0;
  increment_task.remote(counter);
  increment_task.spawn(counter).get();
}
