// SPDX-License-Identifier: Apache-2.0
#include "src/core/retry_budget.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;

TEST_CASE("a retry budget is spent token by token, and refilled by time up to its most") {
  retry_budget budget({.most = 2, .per_call = 0, .per_second = 1}, 0);
  CHECK(budget.take(0, 1));
  CHECK(budget.take(0, 1));
  CHECK_FALSE(budget.take(0, 1));
  CHECK_FALSE(budget.take(second / 2, 1));
  CHECK(budget.take(second, 1));
  CHECK(budget.take(100 * second, 1));
  CHECK(budget.take(100 * second, 1));
  CHECK_FALSE(budget.take(100 * second, 1));
}

TEST_CASE("calls bring their part of a retry") {
  retry_budget budget({.most = 1, .per_call = 0.5, .per_second = 0.001}, 0);
  CHECK(budget.take(0, 1));
  budget.on_calls(1);
  CHECK_FALSE(budget.take(0, 1));
  budget.on_calls(1);
  CHECK(budget.take(0, 1));
}

TEST_CASE("a retry budget says when its next token comes") {
  retry_budget budget({.most = 1, .per_call = 0, .per_second = 10}, 5 * second);
  CHECK(budget.take(5 * second, 1));
  auto const next = budget.next(1);
  CHECK(next > 5 * second + 99 * millisecond);
  CHECK(next <= 5 * second + 101 * millisecond);
  CHECK(budget.take(next, 1));
}
