// SPDX-License-Identifier: Apache-2.0
//
// A worker of a hub elsewhere, of another build: one task that the tests lack, one with another structure.
#include "tests/e2e/tasks.hpp"

[[maybe_unused]] constexpr yonder::task<[](int n) { return n; }, "e2e.structure"> structure;
[[maybe_unused]] constexpr yonder::task<[] { return 0; }, "e2e.only_there"> only_there;

int main(int argc, char** argv) { yonder::runtime const here(argc, argv); }
