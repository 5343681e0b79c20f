// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <unistd.h>

TEST_CASE("a case that ends") { CHECK(::getpid() > 0); }

TEST_CASE("a case that hangs") {
  for (;;) ::pause();
}
