// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/supervisor.hpp"

#include <doctest/doctest.h>

namespace yonder::runtime_detail {

TEST_CASE("workers that live shortly, one after the other, wait ever longer; one that lived well does not") {
  constexpr std::int64_t second = 1'000'000'000;
  restart_delay delay;
  CHECK(delay.after(second / 100, false) == 0);
  CHECK(delay.after(second / 100, false) == second);
  CHECK(delay.after(0, false) == 2 * second);
  CHECK(delay.after(0, false) == 4 * second);
  for (int i = 0; i < 3; ++i) delay.after(0, false);
  CHECK(delay.after(0, false) == 60 * second);
  for (int i = 0; i < 100; ++i) CHECK(delay.after(0, false) == 60 * second);
  CHECK(delay.after(second, false) == 0);
  CHECK(delay.after(0, false) == second);
}

TEST_CASE(
    "a worker that has started a task was none that cannot live: what ends it is the task's, and told at "
    "once") {
  restart_delay delay;
  for (int i = 0; i < 10; ++i) CHECK(delay.after(0, true) == 0);
}

}  // namespace yonder::runtime_detail
