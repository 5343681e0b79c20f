// SPDX-License-Identifier: Apache-2.0
// A second file with tasks and a travelling exception of its own.
#include <stdexcept>
#include <yonder/yonder.hpp>

namespace more {

struct odd : std::runtime_error {
  using std::runtime_error::runtime_error;
};
int half(int number) {
  if (number % 2 != 0) throw odd("an odd number");
  return number / 2;
}
inline constexpr yonder::task<half> halving;
inline constexpr yonder::exception_registration<odd> odd_travels;

}  // namespace more
