// SPDX-License-Identifier: Apache-2.0
//
// The library's worker: it has the library's tasks, and nothing else.
#include <iostream>

#include "tasks.hpp"

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 0});
  std::cerr << "a worker of the spelling library; its programs start it\n";
  return spelling::unknown_words_task.local("a job").empty() ? 2 : 3;
}
