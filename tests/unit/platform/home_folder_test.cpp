// SPDX-License-Identifier: Apache-2.0
#include "src/platform/home_folder.hpp"

#include <doctest/doctest.h>

using namespace yonder;

TEST_CASE("whoever has no HOME in the environment has the one of the system's list") {
  CHECK(platform::home_folder("/somewhere") == "/somewhere");
  auto const* const entry = ::getpwuid(::geteuid());
  CHECK(platform::home_folder("") == (entry != nullptr ? entry->pw_dir : ""));
}
