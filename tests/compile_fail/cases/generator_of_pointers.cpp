// SPDX-License-Identifier: Apache-2.0
// expect: a pointer means nothing in another process
#include <yonder/task.hpp>

yonder::generator<int*> addresses(int count);
inline constexpr yonder::task<addresses> addresses_task;

void use() {
  for (auto const& one : addresses_task.stream(3)) (void)one;
}
