// SPDX-License-Identifier: Apache-2.0
#include <yonder/task.hpp>

template <class T>
T twice(T number) {
  return number + number;
}
inline constexpr yonder::task<twice<int>, "twice-int"> twice_int;
inline constexpr yonder::task<twice<double>, "twice-double"> twice_double;
constexpr yonder::task<[](int number) { return 3 * number; }, "three-times"> thrice;

int main() { return twice_int.remote(1) + static_cast<int>(twice_double.remote(1)) + thrice(1); }
