// SPDX-License-Identifier: Apache-2.0
#include "src/core/call_table.hpp"

#include "src/core/check.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;

namespace {

struct tested_calls {
  random_source random{1};
  timer_wheel timers{0};
  call_table calls{{.caller_calls = 3, .caller_bytes = 100, .calls = 4, .bytes = 150, .silence = 10 * second},
                   random,
                   timers};
};

}  // namespace

TEST_CASE("a call is found by its global id, whoever is connected") {
  tested_calls t;
  auto& caller = t.calls.connect(7, "key");
  auto& call = t.calls.add(caller, {7, 1}, 1, 10);
  t.calls.disconnect(0, caller);
  CHECK(t.calls.find({7, 1}) == &call);
  CHECK(t.calls.find({7, 2}) == nullptr);
  CHECK(t.calls.find({8, 1}) == nullptr);
  CHECK(t.calls.find_caller(7)->identity == "key");
}

TEST_CASE("an account without calls ends with its session, one with calls with its last call") {
  tested_calls t;
  t.calls.disconnect(0, t.calls.connect(7, {}));
  CHECK(t.calls.find_caller(7) == nullptr);
  auto& caller = t.calls.connect(8, {});
  auto& call = t.calls.add(caller, {8, 1}, 1, 10);
  t.calls.disconnect(0, caller);
  CHECK(t.calls.find_caller(8) == &caller);
  t.calls.remove(call);
  CHECK(t.calls.find_caller(8) == nullptr);
  CHECK(t.calls.bytes() == 0);
  CHECK(t.timers.size() == 0);
}

TEST_CASE("the limits of one caller and of all are told apart") {
  tested_calls t;
  auto& one = t.calls.connect(1, {});
  auto& other = t.calls.connect(2, {});
  CHECK(t.calls.overload(one, 1, 100).empty());
  CHECK(t.calls.overload(one, 1, 101).find("100 bytes of one client") != std::string::npos);
  t.calls.add(one, {1, 1}, 1, 60);
  t.calls.add(one, {1, 2}, 1, 30);
  CHECK(t.calls.overload(one, 1, 11).find("100 bytes of one client") != std::string::npos);
  CHECK(t.calls.overload(other, 1, 61).find("150 bytes of all clients") != std::string::npos);
  t.calls.add(one, {1, 3}, 1, 0);
  CHECK(t.calls.overload(one, 1, 0).find("3 calls of one client") != std::string::npos);
  t.calls.add(other, {2, 1}, 1, 0);
  CHECK(t.calls.overload(other, 1, 0).find("4 calls of all clients") != std::string::npos);
}

TEST_CASE("calls that nobody waits for expire after the silence, the others do not") {
  tested_calls t;
  auto& caller = t.calls.connect(1, {});
  auto& first = t.calls.add(caller, {1, 1}, 1, 1);
  auto& again = t.calls.add(caller, {1, 2}, 1, 1);
  t.calls.disconnect(5 * second, caller);
  CHECK(t.timers.next() <= 15 * second);
  t.calls.connect(1, {});
  t.calls.subscribe(again);
  CHECK(t.calls.expired(14 * second, caller) == nullptr);
  CHECK(t.calls.expired(15 * second, caller) == &first);
  t.calls.remove(first);
  CHECK(t.calls.expired(100 * second, caller) == nullptr);
  t.calls.disconnect(20 * second, caller);
  CHECK(t.calls.expired(29 * second, caller) == nullptr);
  CHECK(t.calls.expired(30 * second, caller) == &again);
}

TEST_CASE("outcomes that were not taken count, and stall their caller") {
  tested_calls t;
  auto& caller = t.calls.connect(1, {});
  t.calls.sent(caller, 99);
  CHECK_FALSE(t.calls.stalls(caller));
  CHECK(t.calls.bytes() == 99);
  t.calls.sent(caller, 1);
  CHECK(t.calls.stalls(caller));
  t.calls.taken(caller, 50);
  CHECK_FALSE(t.calls.stalls(caller));
  t.calls.disconnect(0, caller);
  CHECK(t.calls.bytes() == 0);
}

TEST_CASE("an account that has lost count says so instead of going on") {
  tested_calls t;
  auto& caller = t.calls.connect(1, {});
  t.calls.sent(caller, 10);
  CHECK_THROWS_AS(t.calls.taken(caller, 11), broken_invariant);
  auto& call = t.calls.add(caller, {1, 1}, 2, 10);
  CHECK_THROWS_AS(t.calls.split(call, 2), broken_invariant);
}

TEST_CASE("calls that part ways have suffered alike") {
  tested_calls t;
  auto& call = t.calls.add(t.calls.connect(1, "user"), {1, 1}, 2, 10);
  std::byte const sizes[8] = {};
  call.packed.sizes = sizes;
  call.packed.count = 2;
  call.kills = 1;
  call.unstarted = 2;
  call.cut_short = 3;
  call.tries = 4;
  auto const& front = t.calls.split(call, 1);
  CHECK(front.kills == 1);
  CHECK(front.unstarted == 2);
  CHECK(front.cut_short == 3);
  CHECK(front.tries == 4);
}

TEST_CASE("what a task calls is served from the share of whoever called the task") {
  tested_calls t;
  auto& outer = t.calls.add(t.calls.connect(1, "user"), {1, 1}, 1, 10);
  auto& inner = t.calls.add(t.calls.connect(2, "worker"), {2, 1}, 1, 10);
  CHECK(inner.flow != outer.flow);
  t.calls.share_flow(inner, outer);
  CHECK(inner.flow == outer.flow);
  CHECK(outer.flow->holders == 2);
  t.calls.remove(inner);
  CHECK(outer.flow->holders == 1);
}
