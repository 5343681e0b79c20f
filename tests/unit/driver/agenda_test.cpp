// SPDX-License-Identifier: Apache-2.0
#include "src/driver/agenda.hpp"

#include "src/core/types.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using namespace yonder;

namespace {

core::output closing(core::peer_id peer) { return core::out::close{peer, "because"}; }

}  // namespace

TEST_CASE("outputs are carried out in order, also those that come meanwhile") {
  driver::agenda<core::output> due;
  due.items().push_back(closing(1));
  std::vector<core::peer_id> seen;
  due.work_off([&](core::output& one) {
    auto const peer = std::get<core::out::close>(one).peer;
    seen.push_back(peer);
    if (peer < 3) due.items().push_back(closing(peer + 1));
  });
  CHECK(seen == std::vector<core::peer_id>{1, 2, 3});
  CHECK(due.empty());
}

TEST_CASE("an output whose step throws is not repeated, and what follows it is not lost") {
  driver::agenda<core::output> due;
  for (core::peer_id peer = 1; peer <= 3; ++peer) due.items().push_back(closing(peer));
  std::vector<core::peer_id> seen;
  auto const step = [&](core::output& one) {
    auto const& closed = std::get<core::out::close>(one);
    CHECK(closed.reason == "because");
    seen.push_back(closed.peer);
    if (closed.peer == 2) throw std::bad_alloc();
  };
  CHECK_THROWS_AS(due.work_off(step), std::bad_alloc);
  CHECK_FALSE(due.empty());
  due.work_off(step);
  CHECK(seen == std::vector<core::peer_id>{1, 2, 3});
}
