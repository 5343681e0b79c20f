// SPDX-License-Identifier: Apache-2.0
#include "src/driver/serving.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>

using namespace yonder;
using driver::serving;
using driver::watch;
using step = driver::serving::step;

namespace {

core::attempt_key attempt(std::uint64_t number) { return {{7, number}, 1, 1}; }

core::out::run work(std::uint64_t number) {
  core::out::run made;
  made.key = attempt(number);
  return made;
}

core::out::exit unclean() { return {.clean = false, .reason = "the hub is gone"}; }

}  // namespace

TEST_CASE("a worker reads until there is work, and runs it in order") {
  serving turn(true);
  CHECK(turn.next() == step::read);
  turn.asked_to_run(work(1));
  turn.asked_to_run(work(2));
  CHECK(turn.next() == step::run);
  CHECK(turn.take().key == attempt(1));
  CHECK(turn.runs());
  turn.ended(attempt(1));
  CHECK(turn.next() == step::run);
  CHECK(turn.take().key == attempt(2));
  turn.ended(attempt(2));
  CHECK(turn.next() == step::read);
}

TEST_CASE("a stop that comes before the start of its attempt keeps it from starting") {
  serving turn(true);
  turn.asked_to_run(work(1));
  CHECK_FALSE(turn.asked_to_stop(attempt(1)));
  CHECK(turn.next() == step::refuse);
  CHECK(turn.take().key == attempt(1));
  CHECK_FALSE(turn.runs());
  CHECK(turn.next() == step::read);
}

TEST_CASE("a stop reaches its own attempt, whatever else runs or waits") {
  serving turn(true);
  turn.asked_to_run(work(1));
  (void)turn.take();
  turn.asked_to_run(work(2));
  CHECK_FALSE(turn.asked_to_stop(attempt(2)));
  CHECK_FALSE(turn.asked_to_stop(attempt(3)));
  CHECK(turn.asked_to_stop(attempt(1)));
  turn.ended(attempt(1));
  CHECK_FALSE(turn.asked_to_stop(attempt(1)));
  CHECK(turn.next() == step::refuse);
}

TEST_CASE("what a reader takes more of a stream reaches its own attempt before that has begun") {
  serving turn(true);
  for (std::uint64_t const number : {1, 2}) {
    auto one = work(number);
    one.stream.emplace();
    turn.asked_to_run(std::move(one));
  }
  turn.allow(attempt(2), {.items = 5, .bytes = 50});
  CHECK(turn.take().stream->allowed == core::stream_level{});
  CHECK(turn.take().stream->allowed == core::stream_level{.items = 5, .bytes = 50});
}

TEST_CASE("outcomes that more work follows leave together, but not late") {
  serving turn(true);
  CHECK(turn.flush_due(1'000));
  turn.flushed();
  turn.asked_to_run(work(1));
  CHECK_FALSE(turn.flush_due(2'000));
  CHECK_FALSE(turn.flush_due(2'000 + serving::longest_delay - 1));
  CHECK(turn.flush_due(2'000 + serving::longest_delay));
  turn.flushed();
  CHECK_FALSE(turn.flush_due(2'000 + serving::longest_delay));
  (void)turn.asked_to_stop(attempt(1));
  CHECK(turn.flush_due(2'000 + serving::longest_delay));
}

TEST_CASE("an exit drops what waits, tells the task that runs, and leaves it only where it may and must") {
  serving turn(true);
  turn.asked_to_run(work(1));
  (void)turn.take();
  turn.asked_to_run(work(2));
  CHECK(turn.asked_to_exit(unclean()));
  CHECK(turn.next() == step::leave);
  CHECK(turn.leaves_now());
  REQUIRE(turn.exit() != nullptr);
  CHECK(turn.exit()->reason == "the hub is gone");

  serving thread(false);
  thread.asked_to_run(work(1));
  (void)thread.take();
  CHECK(thread.asked_to_exit(unclean()));
  CHECK_FALSE(thread.leaves_now());

  serving drained(true);
  CHECK_FALSE(drained.asked_to_exit({.clean = true, .reason = "drained"}));
  CHECK(drained.leaves_now());  // the thread that serves sleeps in a read
  CHECK(drained.next() == step::leave);

  serving last(true);
  last.asked_to_run(work(1));
  (void)last.take();
  CHECK_FALSE(last.asked_to_exit({.clean = true, .reason = "drained"}));
  CHECK_FALSE(last.leaves_now());  // its task ends first
}

TEST_CASE("the first reason to exit is the one that is told") {
  serving turn(true);
  (void)turn.asked_to_exit({.clean = true, .reason = "drained"});
  (void)turn.asked_to_exit(unclean());
  CHECK(turn.exit()->clean);
}

TEST_CASE("the connection is taken over from a task that lasts, and only from that one") {
  watch eye;
  CHECK(eye.look(0) == watch::act::tick);
  CHECK(eye.look(1) == watch::act::tick);
  CHECK(eye.look(1) == watch::act::take_over);
  CHECK(eye.look(3) == watch::act::tick);
  CHECK(eye.look(4) == watch::act::tick);
}

TEST_CASE("a watchdog sleeps after a while without work, and not before") {
  watch eye;
  for (int i = 1; i < watch::idle_ticks; ++i) CHECK(eye.look(0) == watch::act::tick);
  CHECK(eye.look(0) == watch::act::sleep);
  CHECK(eye.look(2) == watch::act::tick);
}
