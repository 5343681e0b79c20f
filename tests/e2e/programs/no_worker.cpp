// SPDX-License-Identifier: Apache-2.0
//
// Its workers end before they are ready.
#include <unistd.h>

#include <cstdio>

#include "tests/e2e/tasks.hpp"

int main(int argc, char** argv) {
  if (yonder::is_worker()) {
    std::fputs("no licence for this machine\n", stderr);
    ::_exit(9);
  }
  yonder::runtime here(argc, argv);
  try {
    e2e::task::add.with({.deadline = std::chrono::seconds(30)}).remote(1, 2);
  } catch (yonder::worker_start_failed const& e) {
    std::printf("%s\n", e.what());
    return 0;
  }
  return 1;
}
