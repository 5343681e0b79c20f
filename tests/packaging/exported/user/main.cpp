// SPDX-License-Identifier: Apache-2.0
#include <greeting.hpp>

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 1});
  return greet(here, "you") == "hello, you" ? 0 : 1;
}
