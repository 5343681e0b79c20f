// SPDX-License-Identifier: Apache-2.0
// expect: differently; state one: yonder::task<f,
// compilers: GNU (Clang spells every instance alike; see two_template_instances and the check at start)
#include <yonder/task.hpp>

template <class T>
T twice(T number) {
  return number + number;
}
inline constexpr yonder::task<twice<int>> twice_task;

int main() { return twice_task.remote(1) + twice_task.spawn(2).get(); }
