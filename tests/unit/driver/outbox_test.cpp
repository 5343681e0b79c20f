// SPDX-License-Identifier: Apache-2.0
#include "src/driver/outbox.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace yonder;
using driver::outbox;
using driver::send_result;
using fate = driver::outbox::fate;

namespace {

core::out::send message(core::peer_id peer, std::uint64_t number) {
  core::out::send made;
  made.peer = peer;
  made.head.call.number = number;
  made.body = core::frame_ref(core::frame{});
  return made;
}

// A transport whose queue takes so many frames.
struct narrow {
  int room = 0;
  std::vector<std::uint64_t> sent{};
  send_result operator()(core::out::send const& one) {
    if (one.head.call.number >= 1'000) return send_result::too_large;
    if (one.peer == 99) return send_result::gone;
    if (room == 0) return send_result::full;
    --room;
    sent.push_back(one.head.call.number);
    return send_result::sent;
  }
};

std::vector<std::uint64_t> retry(outbox& box, narrow& way) {
  std::vector<std::uint64_t> refused;
  box.retry(0, way, [&](core::out::send&& one) { refused.push_back(one.head.call.number); });
  return refused;
}

}  // namespace

TEST_CASE("what a full queue does not take waits in its order, and others are not held up") {
  outbox box;
  narrow way{.room = 1};
  CHECK(box.send(0, message(1, 1), false, way) == fate::settled);
  CHECK(box.send(0, message(1, 2), false, way) == fate::waits);
  way.room = 1;
  CHECK(box.send(0, message(1, 3), false, way) == fate::waits);  // behind the second, although there is room
  CHECK(box.send(0, message(2, 4), false, way) == fate::settled);
  CHECK(box.holds(1));
  CHECK_FALSE(box.holds(2));
  way.room = 1;
  retry(box, way);
  CHECK(way.sent == std::vector<std::uint64_t>{1, 4, 2});
  way.room = 5;
  retry(box, way);
  CHECK(way.sent == std::vector<std::uint64_t>{1, 4, 2, 3});
  CHECK(box.empty());
}

TEST_CASE("what a core says again does not wait") {
  outbox box;
  narrow way;
  CHECK(box.send(0, message(1, 1), true, way) == fate::settled);
  CHECK(box.empty());
}

TEST_CASE("what can never be sent is refused, at once or when its turn comes") {
  outbox box;
  narrow way;
  CHECK(box.send(0, message(1, 1'000), false, way) == fate::refused);
  CHECK(box.send(0, message(1, 1), false, way) == fate::waits);
  CHECK(box.send(0, message(1, 1'001), false, way) == fate::waits);
  CHECK(box.send(0, message(1, 2), false, way) == fate::waits);
  way.room = 9;
  CHECK(retry(box, way) == std::vector<std::uint64_t>{1'001});
  CHECK(way.sent == std::vector<std::uint64_t>{1});
  CHECK(box.empty());  // the peer is given up
}

TEST_CASE("what waits for a peer that went is dropped") {
  outbox box;
  narrow way;
  CHECK(box.send(0, message(99, 1), false, way) == fate::settled);
  CHECK(box.send(0, message(1, 2), false, way) == fate::waits);
  box.forget(1);
  CHECK(box.empty());
}

TEST_CASE("the deadline of what waits is used up, but never stated as none") {
  outbox box;
  std::uint64_t remaining = 0;
  auto room = false;
  auto const way = [&](core::out::send const& one) {
    if (room) remaining = one.head.remaining_us;
    return room ? send_result::sent : send_result::full;
  };
  auto const retry_at = [&](core::time_point now) { box.retry(now, way, [](core::out::send&&) {}); };
  for (auto const type : {core::frame_type::assign, core::frame_type::result}) {
    auto waits = message(1, 1);
    waits.head.type = type;
    waits.head.remaining_us = 100;
    room = false;
    CHECK(box.send(1'000, std::move(waits), false, way) == fate::waits);
    retry_at(31'000);
    room = true;
    retry_at(61'000);
    CHECK(remaining == (type == core::frame_type::assign ? 40 : 100));  // of a result it says how long it ran
  }
  auto late = message(1, 1);
  late.head.type = core::frame_type::call;
  late.head.remaining_us = 100;
  room = false;
  CHECK(box.send(0, std::move(late), false, way) == fate::waits);
  room = true;
  retry_at(core::second);
  CHECK(remaining == 1);
}

TEST_CASE("what was lost when a transport threw is refused") {
  outbox box;
  CHECK(box.send(0, message(1, 1), true, [](core::out::send const&) { return send_result::failed; }) ==
        fate::refused);
}

TEST_CASE("parts of microseconds that a frame has waited add up") {
  outbox box;
  std::uint64_t remaining = 0;
  auto room = false;
  auto const way = [&](core::out::send const& one) {
    if (room) remaining = one.head.remaining_us;
    return room ? send_result::sent : send_result::full;
  };
  auto waits = message(1, 1);
  waits.head.type = core::frame_type::call;
  waits.head.remaining_us = 100;
  CHECK(box.send(0, std::move(waits), false, way) == fate::waits);
  for (core::time_point now = 900; now <= 60'300; now += 900) {
    room = now == 60'300;
    box.retry(now, way, [](core::out::send&&) {});
  }
  CHECK(remaining == 40);
}
