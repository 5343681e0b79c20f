// SPDX-License-Identifier: Apache-2.0
#include "src/core/link.hpp"

#include "tests/unit/core/two_ends.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace yonder::core;
using test::far_end;
using test::numbers;
using test::session_link;
using test::two_ends;

TEST_CASE("frames that come in another order, and twice, are delivered in order and once") {
  two_ends ends;
  for (std::uint64_t i = 1; i <= 4; ++i) ends.send(i);
  auto frames = ends.sent();
  REQUIRE(frames.size() == 4);
  for (auto const i : {2, 0, 2, 3, 0, 1, 1, 3})
    ends.receive(ends.copy_of(frames[static_cast<std::size_t>(i)]));
  CHECK(ends.delivered == numbers{1, 2, 3, 4});
}

TEST_CASE("what was acknowledged is held no longer, and acknowledgements are collected") {
  two_ends ends;
  for (std::uint64_t i = 1; i <= 100; ++i) ends.send(i);
  for (auto& message : ends.sent()) ends.receive(std::move(message));
  CHECK(ends.from.frames_held() == 100);
  ends.to.tick(ends.now, ends.out);
  CHECK(ends.out.empty());
  ends.acknowledge();
  CHECK(ends.from.frames_held() == 0);
}

TEST_CASE("what was lost is sent again, and only that") {
  two_ends ends;
  for (std::uint64_t i = 1; i <= 3; ++i) ends.send(i);
  auto frames = ends.sent();
  ends.receive(std::move(frames[0]));
  ends.receive(std::move(frames[2]));
  ends.acknowledge();
  ends.now += ends.timing.resend_after;
  ends.from.tick(ends.now, ends.out);
  auto again = ends.sent();
  REQUIRE(again.size() == 1);
  CHECK(again[0].head.call.number == 2);
  ends.receive(std::move(again[0]));
  CHECK(ends.delivered == numbers{1, 2, 3});
}

TEST_CASE("what only takes as long as the frames before it is not sent again") {
  two_ends ends;
  auto const on_its_way = ends.timing.resend_after - 2 * ends.timing.ack_delay;
  ends.send(1);
  ends.now += on_its_way;
  for (auto& message : ends.sent()) ends.receive(std::move(message));
  ends.acknowledge();
  ends.send(2);
  ends.sent();
  ends.now += 2 * on_its_way;
  ends.from.tick(ends.now, ends.out);
  CHECK(ends.sent().empty());
  ends.now += 2 * on_its_way;
  ends.from.tick(ends.now, ends.out);
  CHECK(ends.sent().size() == 1);
}

TEST_CASE("no more than 64 MiB of frames that come before their turn are held; the rest is sent again") {
  two_ends ends;
  std::vector<std::byte> const memory(std::size_t{16} << 20);
  std::uint64_t beside = 0;
  auto const arrive = [&](frame const& message) {
    auto copy = ends.copy_of(message);
    if (copy.head.call.number != 1) copy.buffers.push_back({memory.data(), memory.size() - beside, nullptr});
    ends.receive(std::move(copy));
  };
  for (std::uint64_t i = 1; i <= 6; ++i) ends.send(i);
  auto const frames = ends.sent();
  beside = size_of(frames[1]);
  for (std::size_t i = 1; i < frames.size(); ++i) arrive(frames[i]);
  arrive(frames[0]);
  CHECK(ends.delivered == numbers{1, 2, 3, 4, 5});
  arrive(frames[5]);
  CHECK(ends.delivered == numbers{1, 2, 3, 4, 5, 6});
}

TEST_CASE("no more than a window is under way; the rest follows the acknowledgements") {
  two_ends ends;
  for (std::uint64_t i = 1; i <= session_link::window + 10; ++i) ends.send(i);
  auto frames = ends.sent();
  CHECK(frames.size() == session_link::window);
  CHECK(ends.from.was_transmitted(session_link::window));
  CHECK_FALSE(ends.from.was_transmitted(session_link::window + 1));
  CHECK(ends.from.crowded());
  for (auto& message : frames) ends.receive(std::move(message));
  ends.to.tick(ends.now, ends.out);
  auto acks = ends.sent();
  REQUIRE(acks.size() == 1);
  CHECK(ends.from.acknowledged(ends.now, acks[0], ends.out));
  CHECK(ends.sent().size() == 10);
}

TEST_CASE("a session that goes on over another connection sends what the other end lacks") {
  two_ends ends;
  for (std::uint64_t i = 1; i <= 3; ++i) ends.send(i);
  auto frames = ends.sent();
  ends.receive(std::move(frames[0]));
  ends.from.detach();
  ends.send(4);
  CHECK(ends.out.empty());
  ends.from.resume(ends.now, far_end + 1, ends.to.received(), ends.out);
  for (auto& message : ends.sent()) ends.receive(std::move(message));
  CHECK(ends.delivered == numbers{1, 2, 3, 4});
}

TEST_CASE("an acknowledgement of what was never sent is refused, an old one is not") {
  two_ends ends;
  ends.send(1);
  ends.sent();
  auto ack = make_control(frame_type::ack);
  ack.head.sequence = 2;
  CHECK_FALSE(ends.from.acknowledged(ends.now, ack, ends.out));
  ack.head.sequence = 0;
  CHECK(ends.from.acknowledged(ends.now, ack, ends.out));
  CHECK(ends.from.frames_held() == 1);
}

TEST_CASE("a link says that it lives, and takes a silent other end for dead") {
  two_ends ends;
  ends.now += ends.timing.heartbeat;
  CHECK(ends.from.next_deadline() == ends.now);
  ends.from.tick(ends.now, ends.out);
  auto const said = ends.sent();
  REQUIRE(said.size() == 1);
  CHECK(said[0].head.type == frame_type::heartbeat);
  CHECK_FALSE(ends.from.dead(ends.now));
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(ends.from.dead(ends.now));
    ends.from.tick(ends.now += ends.timing.heartbeat, ends.out);
  }
  CHECK(ends.from.dead(ends.now));
}

TEST_CASE("an end that stood still itself takes nobody for dead, but listens anew for what was left") {
  two_ends ends;
  ends.from.tick(ends.now += ends.timing.heartbeat, ends.out);
  ends.now += 100 * ends.timing.heartbeat;  // stopped, starved, or in a machine that was suspended
  CHECK_FALSE(ends.from.dead(ends.now));
  ends.from.tick(ends.now, ends.out);
  CHECK(ends.from.dead_at() == ends.now + 2 * ends.timing.heartbeat);
  for (int i = 0; i < 2; ++i) {
    CHECK_FALSE(ends.from.dead(ends.now));
    ends.from.tick(ends.now += ends.timing.heartbeat, ends.out);
  }
  CHECK(ends.from.dead(ends.now));
}

TEST_CASE(
    "an end that stood still and hears of the other before its timers are due listens no longer than ever") {
  two_ends ends;
  ends.from.tick(ends.now += ends.timing.heartbeat, ends.out);
  ends.now += 100 * ends.timing.heartbeat;
  ends.from.heard(ends.now);
  ends.from.tick(ends.now, ends.out);
  CHECK(ends.from.dead_at() == ends.now + ends.timing.missed * ends.timing.heartbeat);
}

TEST_CASE("whoever is heard but acknowledges nothing is taken for dead, too, after twice the time") {
  two_ends ends;
  auto const missed = ends.timing.missed * ends.timing.heartbeat;
  auto const pass = [&](duration time) {
    for (auto const until = ends.now + time; ends.now < until;) {
      ends.from.tick(ends.now += ends.timing.heartbeat, ends.out);
      ends.from.heard(ends.now);
    }
  };
  pass(4 * missed);
  CHECK_FALSE(ends.from.dead(ends.now));  // nothing was sent that could be acknowledged
  auto message = make_control(frame_type::drain);
  auto const head = message.head;
  ends.from.send(ends.now, head, frame_ref(std::move(message)), never, ends.out);
  pass(2 * missed - ends.timing.heartbeat);
  CHECK_FALSE(ends.from.dead(ends.now));
  pass(ends.timing.heartbeat);
  CHECK(ends.from.dead(ends.now));
  CHECK(ends.from.deaf(ends.now));
  ends.from.redirect(ends.from.peer() + 1);  // another connection: everything is new
  CHECK_FALSE(ends.from.dead(ends.now));
  ends.from.redirect(ends.from.peer() - 1);
  auto acknowledges = make_control(frame_type::ack);
  acknowledges.head.sequence = 1;
  CHECK(ends.from.acknowledged(ends.now, acknowledges, ends.out));
  pass(4 * missed);
  CHECK_FALSE(ends.from.dead(ends.now));
}

TEST_CASE("a frame that waits for its turn, or is sent again, says what is left of its time") {
  two_ends ends;
  auto message = make_control(frame_type::call);
  auto const head = message.head;
  ends.from.send(ends.now, head, frame_ref(make_control(frame_type::call)), never, ends.out);
  ends.from.send(ends.now, head, frame_ref(std::move(message)), ends.now + second, ends.out);
  auto frames = ends.sent();
  CHECK(frames[1].head.remaining_us == 1'000'001);
  auto late = ends.copy_of(frames[1]);
  REQUIRE(ends.to.arrived(ends.now, late) == session_link::arrival::held);
  ends.now += ends.timing.resend_after;
  ends.from.tick(ends.now, ends.out);
  CHECK(ends.sent()[1].head.remaining_us == 750'001);
  REQUIRE(ends.to.arrived(ends.now, frames[0]) == session_link::arrival::deliver);
  frame turn;
  REQUIRE(ends.to.next(ends.now, turn));
  CHECK(turn.head.remaining_us == 750'001);
}

TEST_CASE("remaining time: none left is not the same as no deadline") {
  CHECK(to_remaining(never, 5) == 0);
  CHECK(to_remaining(4, 5) == 1);
  CHECK(from_remaining(0, 5) == never);
  CHECK(from_remaining(1, 5) == 5);
  CHECK(from_remaining(to_remaining(second, 0), 0) == second);
  CHECK(from_remaining(std::uint64_t(-1), 5) == never);
}

TEST_CASE("a reliable link only counts") {
  session_link reliable(true, {});
  outputs out;
  reliable.open(0, far_end, 3);
  CHECK(reliable.send(0, {}, frame_ref(frame{}), never, out) == 1);
  CHECK(reliable.send(0, {}, frame_ref(frame{}), never, out) == 2);
  CHECK(reliable.frames_held() == 0);
  CHECK(reliable.next_deadline() == never);
  CHECK(std::get<out::send>(out[1]).head.epoch == 3);
}
