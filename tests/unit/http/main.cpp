// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "yonder/runtime.hpp"

// Workers are threads: the service is tested, not how they are started.
int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 2, .in_process = true});
  doctest::Context context(argc, argv);
  return context.run();
}
