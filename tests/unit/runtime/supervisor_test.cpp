// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/supervisor.hpp"

#include <doctest/doctest.h>

namespace yonder::runtime_detail {

TEST_CASE("workers that live shortly, one after the other, wait ever longer; one that lived well does not") {
  constexpr std::int64_t second = 1'000'000'000;
  restart_delay delay;
  CHECK(delay.after(second / 100) == 0);
  CHECK(delay.after(second / 100) == second);
  CHECK(delay.after(0) == 2 * second);
  CHECK(delay.after(0) == 4 * second);
  for (int i = 0; i < 3; ++i) delay.after(0);
  CHECK(delay.after(0) == 60 * second);
  for (int i = 0; i < 100; ++i) CHECK(delay.after(0) == 60 * second);
  CHECK(delay.after(second) == 0);
  CHECK(delay.after(0) == second);
}

}  // namespace yonder::runtime_detail
