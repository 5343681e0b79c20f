// SPDX-License-Identifier: Apache-2.0
#include <yonder/yonder.hpp>

namespace second {

int twice(int number) { return number + number; }  // another function of the same short name
inline constexpr yonder::task<twice> doubling;

}  // namespace second

int second_library(int number) {
  static yonder::runtime current({.max = 1});
  return second::doubling.remote(number);
}
