// SPDX-License-Identifier: Apache-2.0
// expect: a std::function holds code, which stays behind
#include <functional>
#include <yonder/task.hpp>

int apply(std::function<int(int)> const& change, int number);
inline constexpr yonder::task<apply> apply_task;

int use(std::function<int(int)> const& change) {
  return apply_task.remote(change, 1) + apply_task.spawn(change, 2).get();
}
