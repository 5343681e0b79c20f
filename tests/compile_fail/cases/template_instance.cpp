// SPDX-License-Identifier: Apache-2.0
// expect: differently; state one: yonder::task<f,
// compilers: GNU (Clang spells every instance alike: it notices two, see two_template_instances; one is
// refused when a runtime starts)
#include <yonder/task.hpp>

template <class T>
T twice(T number) {
  return number + number;
}
inline constexpr yonder::task<twice<int>> twice_task;

int main() { return twice_task.remote(1) + twice_task.spawn(2).get(); }
