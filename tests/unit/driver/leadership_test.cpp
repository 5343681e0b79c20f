// SPDX-License-Identifier: Apache-2.0
#include "src/driver/leadership.hpp"

#include "src/core/check.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace yonder;
using driver::leadership;
using driver::mishaps;
using chore = driver::leadership::chore::kind;
using successor = driver::leadership::successor;

TEST_CASE("one who waits alone and leads is the only caller") {
  leadership lead;
  lead.arrive();
  CHECK_FALSE(lead.led_by_only_caller());
  REQUIRE(lead.lead());
  CHECK(lead.led_by_only_caller());
  lead.arrive();
  CHECK_FALSE(lead.led_by_only_caller());
  lead.depart();
  CHECK(lead.led_by_only_caller());
}

TEST_CASE("one thread leads at a time, and hands over when it leaves") {
  leadership lead;
  lead.arrive();
  CHECK(lead.lead());
  lead.arrive();
  CHECK_FALSE(lead.lead());
  CHECK_FALSE(lead.follow());  // a caller leads, who is not disturbed
  CHECK(lead.next_leader() == successor::nobody);
  lead.yield();
  lead.depart();
  CHECK(lead.next_leader() == successor::follower);
  lead.unfollow();
  CHECK(lead.lead());
  lead.yield();
  lead.depart();
  CHECK(lead.next_leader() == successor::nobody);
  CHECK(lead.deserted());
}

TEST_CASE("the housekeeper leads when nobody has waited for a while, and makes way for a caller") {
  leadership lead;
  CHECK(lead.housekeep().what == chore::lead);
  lead.arrive();
  CHECK_FALSE(lead.lead());
  CHECK(lead.follow());
  lead.yield();
  CHECK(lead.next_leader() == successor::follower);
  lead.unfollow();
  CHECK(lead.lead());
  CHECK(lead.housekeep().what == chore::pause);
  lead.yield();
  lead.depart();
  CHECK(lead.housekeep().what == chore::lead);
}

TEST_CASE("while callers come and go the housekeeper pauses, longer while one waits") {
  leadership lead;
  for (int i = 0; i < 5; ++i) {
    lead.arrive();
    lead.depart();
    auto const next = lead.housekeep();
    CHECK(next.what == chore::pause);
    CHECK(next.pause == leadership::shortest_pause);
  }
  lead.arrive();
  (void)lead.housekeep();
  CHECK(lead.housekeep().pause == 2 * leadership::shortest_pause);
  for (int i = 0; i < 9; ++i) (void)lead.housekeep();
  CHECK(lead.housekeep().pause == leadership::longest_pause);
}

TEST_CASE("the housekeeper leads for coroutines although callers come and go") {
  leadership lead;
  lead.await(2);
  lead.arrive();
  lead.depart();
  CHECK(lead.next_leader() == successor::housekeeper);
  CHECK(lead.housekeep().what == chore::lead);
  lead.yield();
  lead.no_longer_await(2);
  CHECK(lead.next_leader() == successor::nobody);
}

TEST_CASE("a sleeping leader is woken for what is due earlier, and only then") {
  leadership lead;
  CHECK_FALSE(lead.must_wake(true, 0));
  CHECK(lead.lead());
  lead.fall_asleep(1'000);
  CHECK_FALSE(lead.must_wake(false, 1'000));
  CHECK(lead.must_wake(false, 999));
  CHECK(lead.must_wake(true, core::never));
  lead.wake_up();
  CHECK_FALSE(lead.must_wake(true, 0));
  lead.fall_asleep(core::never);
  CHECK(lead.must_wake(false, 5));
  lead.yield();  // a turn that threw ends its sleep, too
  CHECK_FALSE(lead.must_wake(true, 0));
}

TEST_CASE("a call that is left unsent while the housekeeper sleeps wakes it, once") {
  leadership lead;
  CHECK_FALSE(lead.left_unsent());
  CHECK(lead.housekeep().what == chore::pause);  // somebody is there
  CHECK(lead.housekeep().what == chore::lead);
  lead.fall_asleep(core::never);
  CHECK(lead.left_unsent());
  lead.wake_up();
  lead.yield();
  CHECK(lead.housekeep().what == chore::pause);
}

TEST_CASE("a lead that is left by a throw can be taken again") {
  leadership lead;
  lead.arrive();
  CHECK(lead.lead());
  lead.yield();
  CHECK(lead.lead());
}

TEST_CASE("a loop leads while it sleeps, and whoever waits takes the lead from it") {
  leadership lead;
  lead.led_by_loop();
  CHECK(lead.drive());
  lead.fall_asleep(1'000);
  CHECK(lead.drive());  // it is woken
  lead.fall_asleep(1'000);
  lead.arrive();
  CHECK(lead.lead());
  CHECK_FALSE(lead.asleep());
  CHECK_FALSE(lead.drive());
  CHECK(lead.next_leader() == successor::nobody);
  lead.yield();
  lead.depart();
  CHECK(lead.next_leader() == successor::housekeeper);  // is told, whether or not somebody awaits a call
  CHECK(lead.drive());
}

TEST_CASE("a loop that is awake is not robbed, and hands over to whoever follows") {
  leadership lead;
  lead.led_by_loop();
  CHECK(lead.drive());
  lead.arrive();
  CHECK_FALSE(lead.lead());
  CHECK_FALSE(lead.is_followed());
  (void)lead.follow();
  CHECK(lead.is_followed());
  CHECK_FALSE(lead.drive());  // nor by another thread of the loop
  lead.yield();
  CHECK(lead.next_leader() == successor::follower);
}

TEST_CASE("a loop drives no runtime that has ended") {
  leadership lead;
  lead.led_by_loop();
  CHECK(lead.drive());
  lead.fall_asleep(core::never);
  lead.end();
  CHECK_FALSE(lead.drive());
}

TEST_CASE("the end is told to the housekeeper") {
  leadership lead;
  lead.end();
  CHECK(lead.ending());
  CHECK(lead.housekeep().what == chore::end);
}

TEST_CASE("turns that throw are tried again after longer and longer pauses, then given up") {
  mishaps told;
  std::runtime_error const transient("simulated");
  auto last = core::duration{0};
  for (int i = 1; i < mishaps::most_in_a_row; ++i) {
    auto const pause = told.failed(transient);
    CHECK(pause > last);
    last = pause;
  }
  CHECK(told.failed(transient) == core::never);
  told.succeeded();
  CHECK(told.failed(transient) < core::second);
}

TEST_CASE("a core that has lost count is given up at once, with the rule that does not hold") {
  mishaps told;
  try {
    YONDER_CHECK(1 + 1 == 3, "one and one are three");
    FAIL("the check holds");
  } catch (std::exception const& error) {
    CHECK(std::string(error.what()).find("one and one are three") != std::string::npos);
    CHECK(told.failed(error) == core::never);
  }
}
