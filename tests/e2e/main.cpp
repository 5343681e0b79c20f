// SPDX-License-Identifier: Apache-2.0
//
// The tests' main: this binary is its own worker. With YONDER_E2E_THREADS=1 the workers are threads.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/e2e/fixture.hpp"

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 2, .in_process = e2e::threads()});
  doctest::Context context(argc, argv);
  return context.run();
}
