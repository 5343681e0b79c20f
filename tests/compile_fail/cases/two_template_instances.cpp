// SPDX-License-Identifier: Apache-2.0
// expect: two_tasks_of_one_name_state_another_for_one
// compilers: Clang (GCC refuses either one: see template_instance)
#include <yonder/task.hpp>

template <class T>
T twice(T number) {
  return number + number;
}
inline constexpr yonder::task<twice<int>> twice_int;
inline constexpr yonder::task<twice<double>> twice_double;

int main() { return twice_int.remote(1) + static_cast<int>(twice_double.spawn(2).get()); }
