// SPDX-License-Identifier: Apache-2.0
#include "src/driver/launch_ledger.hpp"

#include <doctest/doctest.h>

#include "src/driver/host_slots.hpp"
#include "src/launch/launcher.hpp"

namespace {

using yonder::driver::host_slots;
using yonder::driver::launch_ledger;

using yonder::launch::second;

TEST_CASE("a start past the largest number is refused, until one has ended") {
  launch_ledger ledger({.max_instances = 2});
  CHECK(ledger.begin(1));
  CHECK(ledger.begin(2));
  CHECK_FALSE(ledger.begin(3));
  CHECK(ledger.why_full() == "there are 2, and its pool may have 2 (max, or what its launcher can start)");
  ledger.ended(0, 1, false);
  CHECK(ledger.begin(3));
}

TEST_CASE("a start that would cost too much is refused, whatever the number") {
  launch_ledger ledger({.cost_per_hour = 2.5, .max_cost_per_hour = 10.0});
  for (std::uint64_t start = 1; start <= 4; ++start) CHECK(ledger.begin(start));
  CHECK_FALSE(ledger.begin(5));
  CHECK(ledger.why_full() ==
        "a further one would cost 12.5 by the hour with the 4 that there are, and max_cost_per_hour is 10");
}

TEST_CASE("as many are started as the cost allows, also where a sum of tenths is a little more") {
  launch_ledger ledger({.cost_per_hour = 0.1, .max_cost_per_hour = 0.3});
  for (std::uint64_t start = 1; start <= 3; ++start) CHECK(ledger.begin(start));
  CHECK_FALSE(ledger.begin(4));
}

TEST_CASE("what could not be stopped counts, and is named") {
  launch_ledger ledger({.max_instances = 1});
  ledger.begin(1);
  CHECK(ledger.stop(1));
  CHECK_FALSE(ledger.stop(1));
  CHECK(ledger.stop_refused(0, 1));
  CHECK_FALSE(ledger.begin(2));
  CHECK(ledger.why_full() ==
        "there is 1, among them 1 that could not be stopped, and its pool may have 1 (max, or what its "
        "launcher can start)");
}

TEST_CASE("a stop that is refused is tried again after pauses that double, up to a minute") {
  launch_ledger ledger({});
  ledger.begin(1);
  ledger.stop(1);
  std::int64_t now = 0;
  bool first = true;
  for (std::int64_t const pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
    CHECK(ledger.stop_refused(now, 1) == first);
    first = false;
    CHECK(ledger.next_deadline() == now + pause * second);
    CHECK(ledger.stops_due(now + pause * second - 1).empty());
    now += pause * second;
    CHECK(ledger.stops_due(now) == std::vector<std::uint64_t>{1});
    CHECK(ledger.next_deadline() == launch_ledger::never);
  }
  ledger.ended(now, 1, false);
  CHECK(ledger.size() == 0);
}

TEST_CASE("after failed starts there are pauses, which end when one has served") {
  launch_ledger ledger({});
  std::uint64_t start = 0;
  for (std::int64_t const pause : {1, 2, 4}) {
    ledger.begin(++start);
    ledger.ended(100 * second, start, true);
    CHECK(ledger.not_before() == (100 + pause) * second);
  }
  ledger.begin(++start);
  ledger.served(start);
  CHECK(ledger.not_before() == 0);
  ledger.ended(200 * second, start, false);
  CHECK(ledger.not_before() == 0);
}

TEST_CASE("starts that fail together are one failure, however many they are") {
  launch_ledger ledger({});
  for (std::uint64_t start = 1; start <= 12; ++start) ledger.begin(start);
  for (std::uint64_t start = 1; start <= 11; ++start) ledger.ended(100 * second, start, true);
  CHECK(ledger.not_before() == 101 * second);
  ledger.begin(13);
  ledger.ended(102 * second, 12, true);  // as the others of its time
  CHECK(ledger.not_before() == 101 * second);
  ledger.ended(102 * second, 13, true);
  CHECK(ledger.not_before() == 104 * second);
}

TEST_CASE("workers go to the host with the most room, and have its GPUs for themselves") {
  host_slots hosts({{"small", 1, {"0"}}, {"large", 2, {"a", "b"}}});
  auto const first = hosts.take(0, 1, 1);
  REQUIRE(first);
  CHECK(first->host == 1);
  CHECK(first->gpus == std::vector<std::string>{"a"});
  CHECK(hosts.take(0, 2, 1)->gpus == std::vector<std::string>{"0"});
  CHECK(hosts.take(0, 3, 1)->gpus == std::vector<std::string>{"b"});
  CHECK_FALSE(hosts.take(0, 4, 0));
  CHECK(hosts.why(0, 0) ==
        "no host has room for it; small: all of its slots (1) are taken; large: all of its slots (2) are "
        "taken");
  hosts.give_back(0, 1, false);
  CHECK(hosts.take(0, 4, 1)->gpus == std::vector<std::string>{"a"});
}

TEST_CASE("a host that failed is left alone for a while, which doubles") {
  host_slots hosts({{"one"}});
  hosts.take(0, 1, 0);
  hosts.give_back(0, 1, true);
  CHECK_FALSE(hosts.take(5 * second - 1, 2, 0));
  CHECK(hosts.why(0, 0) == "no host has room for it; one: failed, and is tried again in 6 s");
  CHECK(hosts.why(0, 0, false) == "no host can take it; one: failed");
  CHECK(hosts.take(5 * second, 2, 0));
  hosts.give_back(5 * second, 2, true);
  CHECK_FALSE(hosts.take(15 * second - 1, 3, 0));
  CHECK(hosts.take(15 * second, 3, 0));
  hosts.give_back(15 * second, 3, false);
  hosts.take(15 * second, 4, 0);
  hosts.give_back(15 * second, 4, true);
  CHECK(hosts.take(20 * second, 5, 0));
}

TEST_CASE("a host that takes some of many at once, and not the others, is not left alone for long") {
  host_slots hosts({{"one", 12}});
  for (std::uint64_t start = 1; start <= 12; ++start) REQUIRE(hosts.take(0, start, 0));
  for (std::uint64_t start = 4; start <= 12; ++start) hosts.give_back(second, start, true);
  CHECK(hosts.next_change(second) == 6 * second);
  hosts.served(1);
  CHECK(hosts.next_change(second) == host_slots::never);
  for (std::uint64_t start = 4; start <= 12; ++start) REQUIRE(hosts.take(2 * second, start, 0));
  for (std::uint64_t start = 7; start <= 12; ++start) hosts.give_back(2 * second, start, true);
  CHECK(hosts.next_change(2 * second) == 7 * second);
  REQUIRE(hosts.take(7 * second, 7, 0));
  hosts.give_back(8 * second, 7, true);
  CHECK(hosts.next_change(8 * second) == 18 * second);  // one round later, without anybody who came
}

TEST_CASE("a host of which a worker has come was reached, although all others fail") {
  host_slots hosts({{"one", 2}});
  hosts.take(0, 1, 0);
  hosts.served(1);
  hosts.take(0, 2, 0);
  hosts.give_back(0, 1, true);
  hosts.give_back(0, 2, true);
  CHECK(hosts.may_come(0, 0));
  hosts.served(3);  // which is nobody
  CHECK(hosts.next_change(0) == 5 * second);
}

TEST_CASE("GPUs that no host has are not waited for") {
  host_slots hosts({{"one", 4, {"0"}}});
  CHECK_FALSE(hosts.take(0, 1, 2));
  CHECK(hosts.why(0, 2) == "no host has room for it; one: has 1 of the 2 GPUs that it is to have");
  CHECK_FALSE(hosts.may_come(0, 2));
  hosts.take(0, 2, 1);
  CHECK(hosts.may_come(0, 1));
}

TEST_CASE("a host that failed is waited for if it was reached before, and until its pause is over") {
  host_slots hosts({{"one"}});
  hosts.take(0, 1, 0);
  hosts.give_back(0, 1, true);
  CHECK_FALSE(hosts.may_come(0, 0));
  hosts.take(5 * second, 2, 0);
  hosts.give_back(6 * second, 2, false);
  hosts.take(7 * second, 3, 0);
  hosts.give_back(7 * second, 3, true);
  CHECK(hosts.may_come(7 * second, 0));
  CHECK(hosts.next_change(7 * second) == 12 * second);
}

TEST_CASE("what may still run on a host keeps its slot and its GPUs for so long") {
  host_slots hosts({{"one", 1, {"0"}}});
  hosts.take(0, 1, 1);
  hosts.give_back(0, 1, true, 60 * second);
  CHECK_FALSE(hosts.take(59 * second, 2, 1));
  CHECK(hosts.may_come(59 * second, 1));
  CHECK(hosts.next_change(30 * second) == 60 * second);
  CHECK(hosts.take(60 * second, 2, 1)->gpus == std::vector<std::string>{"0"});
}

}  // namespace
