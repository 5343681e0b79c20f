// SPDX-License-Identifier: Apache-2.0
#include <yonder/yonder.hpp>

namespace first {

int twice(int number) { return 2 * number; }
inline constexpr yonder::task<twice> doubling;

}  // namespace first

int first_library(int number) {
  static yonder::runtime own({.max = 1, .is_current = false});
  return first::doubling.on(own).remote(number);
}
