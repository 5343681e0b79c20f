// SPDX-License-Identifier: Apache-2.0
//
// What its workers print goes to its stderr, not into what it prints itself; and their environment makes no
// workers of what they start.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/e2e/tasks.hpp"

std::string environment() {
  char const* const token = std::getenv("YONDER_INHERITED");
  return token != nullptr ? token : "clean";
}
constexpr yonder::task<environment> environment_task;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  int const capture = ::memfd_create("stdout", 0);
  ::dup2(capture, STDOUT_FILENO);
  e2e::task::print.remote("from a worker\n");
  struct stat printed {};
  ::fstat(capture, &printed);
  std::fprintf(stderr, "%s, %s\n", printed.st_size == 0 ? "apart" : "mixed",
               environment_task.remote().c_str());
}
