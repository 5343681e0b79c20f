// SPDX-License-Identifier: Apache-2.0
//
// Starts two workers, says their process ids, and is then in the middle of two calls until it is killed.
#include <cstdio>

#include "tests/e2e/tasks.hpp"

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 2});
  int const first = e2e::task::process.remote();
  auto busy = e2e::task::ignore_stop.spawn();
  int second = first;
  while (second == first) second = e2e::task::process.remote();
  auto busy_too = e2e::task::ignore_stop.spawn();
  std::printf("%d %d\n", first, second);
  std::fflush(stdout);
  busy_too.wait();
}
