// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <vector>

#include "src/runtime/registry.hpp"
#include "tests/unit/extern_task/tasks.hpp"
#include "yonder/yonder.hpp"

namespace {

yonder::runtime_options threads() {
  yonder::runtime_options options;
  options.in_process = true;
  options.max = 1;
  return options;
}

}  // namespace

TEST_CASE("a task that another unit instantiates can be called in every way") {
  yonder::runtime const here(threads());
  CHECK(shop::cheaper_task.local({"tea", 3}, 1).price == 2);
  CHECK(shop::cheaper_task.remote({"tea", 3}, 1).price == 2);
  CHECK(shop::cheaper_task.try_remote({"tea", 3}, 1)->product == "tea");
  CHECK(shop::cheaper_task.spawn({"tea", 3}, 1).get().price == 2);
  CHECK(shop::cheaper_task.with({.retries = 1}).remote({"tea", 3}, 1).price == 2);
  int sum = 0;
  for (int const value : shop::next_task.map(std::vector{1, 2, 3})) sum += value;
  CHECK(sum == 9);
}

TEST_CASE("a task that is instantiated and called by nobody is known to workers all the same") {
  CHECK(yonder::runtime_detail::find_task(shop::unused_task.name) != nullptr);
}
