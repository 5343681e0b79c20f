// SPDX-License-Identifier: Apache-2.0
//
// Two static functions of one name in two files: the runtime refuses to start.
#include <cstdio>

#include "yonder/yonder.hpp"

int other_twin();

static int twin(int n) { return n; }
constexpr yonder::task<twin> twin_task;

int main(int argc, char** argv) {
  try {
    yonder::runtime here(argc, argv);
  } catch (yonder::usage_error const& e) {
    std::printf("%s\n", e.what());
    return e.code() == yonder::errc::duplicate_task && twin_task.local(1) != other_twin() ? 0 : 1;
  }
  return 1;
}
