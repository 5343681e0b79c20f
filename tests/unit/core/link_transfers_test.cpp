// SPDX-License-Identifier: Apache-2.0
//
// A link's large frames: cut into chunks, overtaken, taken back, put together.
#include "src/core/link.hpp"

#include "src/core/items.hpp"
#include "src/core/metadata.hpp"
#include "tests/unit/core/two_ends.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

using namespace yonder::core;
using test::far_end;
using test::session_link;
using test::two_ends;

namespace {

// What fills a large frame: no two places of a chunk's distance hold the same.
std::byte pattern(std::size_t at) { return static_cast<std::byte>((at * 2654435761U) >> 13); }

std::shared_ptr<byte_buffer> patterned(std::size_t size) {
  auto made = std::make_shared<byte_buffer>();
  auto* const at = made->extend(size);
  for (std::size_t i = 0; i < size; ++i) at[i] = pattern(i);
  return made;
}

frame large_call(std::size_t body, std::vector<std::size_t> const& buffers, std::uint64_t number = 7) {
  frame made;
  made.head.type = frame_type::call;
  made.head.call = {1, number};
  made.head.signature = 42;
  made.head.metadata_size = 20;
  made.body = std::move(*patterned(body));
  for (auto const size : buffers) {
    auto const bytes = patterned(size);
    made.buffers.push_back({bytes->data(), size, bytes});
  }
  made.head.buffer_count = static_cast<std::uint32_t>(buffers.size());
  return made;
}

bool is_patterned(std::span<std::byte const> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] != pattern(i)) return false;
  return true;
}

// What carries much in no time is given a whole window from then on.
void prove_quick(session_link& from, session_link& to, time_point now) {
  outputs out, back;
  for (std::size_t sent = 0; sent < 4 * session_link::bulk_window; sent += chunk_size) {
    auto message = large_call(chunk_size, {});
    auto const head = message.head;
    from.send(now, head, frame_ref(std::move(message)), never, out);
  }
  while (!out.empty()) {
    for (auto& one : std::exchange(out, {})) {
      auto come = std::get<out::send>(one).take();
      CHECK(to.arrived(now, come) == session_link::arrival::deliver);
    }
    to.tick(now, back);
    for (auto& one : std::exchange(back, {}))
      CHECK(from.acknowledged(now, std::get<out::send>(one).take(), out));
  }
  CHECK(from.all_acknowledged());
}

// Two ends of a quick line and everything that is under way between them; the test carries it.
struct large_ends : two_ends {
  explicit large_ends(bool is_known = true) {
    if (is_known) prove_quick(from, to, now);
  }

  std::vector<frame> whole;
  outputs back;

  std::uint32_t send_large(std::size_t body, std::vector<std::size_t> const& buffers,
                           std::uint64_t number = 7, time_point deadline = never) {
    auto message = large_call(body, buffers, number);
    auto const head = message.head;
    return from.send(now, head, frame_ref(std::move(message)), deadline, out);
  }

  std::uint32_t send_small(frame_type type, std::uint64_t number) {
    auto message = make_control(type);
    message.head.call = {1, number};
    auto const head = message.head;
    return from.send(now, head, frame_ref(std::move(message)), never, out);
  }

  void take(frame message) {
    if (to.arrived(now, message) != session_link::arrival::deliver) return;
    do whole.push_back(std::move(message));
    while (to.next(now, message));
  }

  void answer() {
    to.tick(now, back);
    for (auto& one : back) {
      auto const message = std::get<out::send>(one).take();
      CHECK(from.acknowledged(now, message, out));
    }
    back.clear();
  }

  // Until nothing is under way any more.
  void carry_all() {
    for (auto frames = sent(); !frames.empty(); frames = sent()) {
      for (auto& message : frames) take(std::move(message));
      answer();
    }
  }
};

// One way of a connection that carries a byte in so much time, and loses nothing. A small frame leaves every
// 100 ms besides, and the other way is quick.
struct slow_line : large_ends {
  explicit slow_line(duration of_byte) : large_ends(false), per_byte(of_byte) {}

  duration per_byte;
  time_point began = now;
  std::size_t bytes = 0;  // that were sent
  std::vector<duration> waits{};
  struct parcel {
    time_point when;
    frame message;
  };
  std::deque<parcel> forth{};
  time_point busy = now;
  time_point next_small = now;

  // Until the large frame has come.
  void carry() {
    while (whole.empty() || whole.back().head.buffer_count == 0) {
      take_up();
      auto next = std::min({from.next_deadline(), to.next_deadline(), next_small});
      if (!forth.empty()) next = std::min(next, forth.front().when);
      now = std::max(now, next);
      REQUIRE_FALSE(from.dead(now));
      REQUIRE_FALSE(to.dead(now));
      if (now >= next_small) {
        send_small(frame_type::cancel, static_cast<std::uint64_t>(now));
        next_small += 100 * millisecond;
      }
      while (!forth.empty() && forth.front().when <= now) hand_over();
      from.tick(now, out);
      to.tick(now, back);
      for (auto& one : back) {
        from.heard(now);
        CHECK(from.acknowledged(now, std::get<out::send>(one).take(), out));
      }
      back.clear();
    }
  }

  void take_up() {
    for (auto& message : sent()) {
      bytes += size_of(message);
      busy = std::max(busy, now) + static_cast<duration>(size_of(message)) * per_byte;
      forth.push_back({busy, std::move(message)});
    }
  }

  void hand_over() {
    to.heard(now);
    auto message = std::move(forth.front().message);
    forth.pop_front();
    if (message.head.type == frame_type::heartbeat || message.head.type == frame_type::ack) return;
    auto const before = whole.size();
    take(std::move(message));
    if (whole.size() > before && whole.back().head.type == frame_type::cancel)
      waits.push_back(now - static_cast<time_point>(whole.back().head.call.number));
  }

  duration longest_wait() const { return *std::max_element(waits.begin(), waits.end()); }
};

std::vector<frame_type> types_of(std::vector<frame> const& frames) {
  std::vector<frame_type> types;
  for (auto const& one : frames) types.push_back(one.head.type);
  return types;
}

}  // namespace

TEST_CASE("a large frame arrives as it went, in chunks that copy nothing at the sender") {
  for (auto const& buffers : std::vector<std::vector<std::size_t>>{
           {}, {chunk_size}, {0}, {1, 0, 3 * chunk_size + 5, 0}, std::vector<std::size_t>(300, 3'000)}) {
    large_ends ends;
    ends.send_large(2 * chunk_size + 100, buffers);
    auto frames = ends.sent();
    REQUIRE(frames.size() > 1);
    CHECK(frames[0].body.size() < 100 + 8 * buffers.size());
    for (auto const& one : frames) {
      CHECK(one.head.type == frame_type::chunk);
      CHECK(size_of(one) <= chunk_size + header_size + frames[0].body.size());
      for (auto const& slice : one.buffers) CHECK_FALSE(slice.borrowed());
    }
    for (auto& one : frames) ends.take(std::move(one));
    ends.answer();
    ends.carry_all();
    REQUIRE(ends.whole.size() == 1);
    auto const& come = ends.whole[0];
    CHECK(come.head.type == frame_type::call);
    CHECK(come.head.call == call_id{1, 7});
    CHECK(come.head.signature == 42);
    CHECK(come.head.metadata_size == 20);
    CHECK(come.head.buffer_count == buffers.size());
    CHECK(come.body.size() == 2 * chunk_size + 100);
    CHECK(is_patterned(come.body));
    REQUIRE(come.buffers.size() == buffers.size());
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      CHECK(come.buffers[i].size == buffers[i]);
      CHECK_FALSE(come.buffers[i].borrowed());
      CHECK(is_patterned(come.buffers[i].bytes()));
    }
    CHECK(ends.from.all_acknowledged());
    CHECK(ends.from.frames_held() == 0);
    CHECK(ends.to.frames_held() == 0);
  }
}

TEST_CASE("a frame of exactly one chunk's content is not cut, one byte more is") {
  large_ends ends;
  ends.send_large(chunk_size, {});
  CHECK(types_of(ends.sent()) == std::vector{frame_type::call});
  ends.send_large(chunk_size, {1});
  CHECK(types_of(ends.sent()) == std::vector{frame_type::chunk, frame_type::chunk, frame_type::chunk});
}

TEST_CASE("a window of chunks is under way, and small frames overtake the rest") {
  large_ends ends;
  auto const large = ends.send_large(100, {20 * chunk_size});
  CHECK(ends.sent().size() == 1 + session_link::bulk_window / chunk_size);
  CHECK_FALSE(ends.from.was_transmitted(large));
  auto const small = ends.send_small(frame_type::call, 8);
  CHECK(small == large + 1);
  CHECK(ends.from.was_transmitted(small));
  CHECK(types_of(ends.sent()) == std::vector{frame_type::call});
  CHECK(ends.from.settled() == large - 1);
}

TEST_CASE("a cancel does not overtake its large call, and drain overtakes nothing") {
  large_ends ends;
  ends.send_large(100, {20 * chunk_size}, 7);
  auto frames = ends.sent();
  auto const cancel = ends.send_small(frame_type::cancel, 7);
  auto const drain = ends.send_small(frame_type::drain, 0);
  CHECK(ends.out.empty());
  CHECK_FALSE(ends.from.was_transmitted(cancel));
  CHECK_FALSE(ends.from.was_transmitted(drain));
  for (auto& one : frames) ends.take(std::move(one));
  ends.answer();
  ends.carry_all();
  CHECK(types_of(ends.whole) == std::vector{frame_type::call, frame_type::cancel, frame_type::drain});
  ends.now += ends.timing.ack_delay;
  ends.answer();
  CHECK(ends.from.settled() == drain);
}

TEST_CASE("a cancel of a range does not overtake a large batch of which it names a part") {
  auto const batch_of = [](std::uint64_t first, std::uint32_t count, std::uint32_t size) {
    frame made;
    made.head.type = frame_type::call;
    made.head.call = {1, first};
    byte_buffer body;
    write_items(body, std::vector<std::uint32_t>(count, size));
    made.head.metadata_size = static_cast<std::uint32_t>(body.size());
    std::memset(body.extend(std::size_t{count} * size), 0, std::size_t{count} * size);
    made.body = std::move(body);
    return made;
  };
  auto const cancel_of = [](std::uint64_t first, std::uint32_t count) {
    auto made = make_control(frame_type::cancel);
    made.head.call = {1, first};
    set_item_count(made, count);
    return made;
  };
  large_ends ends;
  ends.send_large(100, {20 * chunk_size}, 7);
  auto const send = [&](frame message) {
    auto const head = message.head;
    return ends.from.send(ends.now, head, frame_ref(std::move(message)), never, ends.out);
  };
  send(batch_of(100, 10, 1'000));
  CHECK_FALSE(ends.from.was_transmitted(send(cancel_of(109, 5))));
  CHECK_FALSE(ends.from.was_transmitted(send(cancel_of(90, 11))));
  CHECK(ends.from.was_transmitted(send(cancel_of(114, 5))));
  CHECK(ends.from.was_transmitted(send(cancel_of(80, 10))));
}

TEST_CASE("what has not wholly left can be taken back, and is never delivered") {
  large_ends ends;
  auto const first = ends.send_large(100, {20 * chunk_size}, 7);
  auto const second_one = ends.send_large(100, {20 * chunk_size}, 8);
  auto const third = ends.send_large(100, {2 * chunk_size}, 9);
  auto frames = ends.sent();
  CHECK(ends.from.withdraw(ends.now, second_one, ends.out));
  CHECK(ends.from.withdraw(ends.now, first, ends.out));
  CHECK_FALSE(ends.from.withdraw(ends.now, first, ends.out));
  for (auto& one : frames) ends.take(std::move(one));
  ends.answer();
  ends.carry_all();
  REQUIRE(ends.whole.size() == 1);
  CHECK(ends.whole[0].head.call.number == 9);
  CHECK_FALSE(ends.to.broken());
  CHECK_FALSE(ends.from.withdraw(ends.now, third, ends.out));
  CHECK(ends.from.settled() == third);
  CHECK(ends.to.frames_held() == 0);

  for (std::uint64_t i = 0; i < session_link::window; ++i) ends.send_small(frame_type::call, 100 + i);
  auto const waits = ends.send_small(frame_type::call, 1);
  CHECK(ends.from.withdraw(ends.now, waits, ends.out));
  ends.carry_all();
  CHECK(ends.whole.back().head.call.number == 99 + session_link::window);
}

TEST_CASE("what was taken back is told before the next large frame is announced, however much waits") {
  large_ends ends;
  auto const first = ends.send_large(100, {20 * chunk_size}, 7);
  auto frames = ends.sent();
  auto const filler = [&](std::uint64_t number) {
    auto message = make_control(frame_type::call);
    message.head.call = {1, number};
    byte_buffer body;
    std::memset(body.extend(300), 0, 300);
    message.body = std::move(body);
    auto const head = message.head;
    return ends.from.send(ends.now, head, frame_ref(std::move(message)), never, ends.out);
  };
  std::uint32_t waits = 0;
  for (std::uint64_t i = 0; i < session_link::window + 100; ++i) waits = filler(1'000 + i);
  auto const next = ends.send_large(100, {2 * chunk_size}, 8);
  REQUIRE_FALSE(ends.from.was_transmitted(waits));
  CHECK(ends.from.withdraw(ends.now, first, ends.out));
  CHECK_FALSE(ends.from.withdraw(ends.now, first, ends.out));
  CHECK(ends.from.settled() == first - 1);
  for (auto& one : frames) ends.take(std::move(one));
  ends.answer();
  ends.carry_all();
  ends.now += ends.timing.ack_delay;
  ends.answer();
  ends.carry_all();
  CHECK_FALSE(ends.to.broken());
  CHECK(ends.from.was_transmitted(next));
  CHECK(ends.whole.size() == session_link::window + 101);
}

TEST_CASE("80 MB over 8 MB/s arrive while both ends hear from each other and small frames go on") {
  slow_line line{125};
  line.send_large(100, {80'000'000});
  line.carry();
  CHECK(line.now - line.began < 10'500 * millisecond);
  REQUIRE(line.waits.size() > 90);
  // From the beginning: of what is not known to be fast little is asked.
  CHECK(line.longest_wait() < 60 * millisecond);
}

TEST_CASE("4 MB over 100 kB/s arrive, and what is only late is not sent again") {
  slow_line line{10'000};
  line.send_large(100, {4'000'000});
  line.carry();
  CHECK(line.bytes < 4'200'000);
  CHECK(line.now - line.began < 42 * second);
  REQUIRE(line.waits.size() > 300);
  CHECK(line.longest_wait() < 2 * second);
}

TEST_CASE("what has come out of order shows what was lost, and only that is sent again at once") {
  two_ends ends;
  for (std::uint64_t i = 1; i <= 6; ++i) ends.send(i);
  auto frames = ends.sent();
  for (auto const at : {0U, 2U, 3U}) ends.receive(std::move(frames[at]));
  ends.acknowledge();
  ends.from.tick(ends.now += ends.timing.resend_after - 1, ends.out);  // from when they left
  auto const again = ends.sent();
  REQUIRE(again.size() == 1);
  CHECK(again[0].head.call.number == 2);
}

TEST_CASE("chunks that were lost are sent again, also over another connection") {
  large_ends ends;
  ends.send_large(100, {3 * chunk_size});
  auto frames = ends.sent();
  REQUIRE(frames.size() == 5);
  ends.take(std::move(frames[0]));
  ends.take(std::move(frames[3]));
  ends.take(std::move(frames[1]));
  ends.from.detach();
  ends.from.resume(ends.now, far_end + 1, ends.to.received(), ends.out);
  ends.carry_all();
  REQUIRE(ends.whole.size() == 1);
  CHECK(is_patterned(ends.whole[0].buffers[0].bytes()));
  CHECK(ends.from.all_acknowledged());
}

TEST_CASE("time passes while a large frame is under way") {
  large_ends ends;
  ends.send_large(100, {3 * chunk_size}, 7, ends.now + second);
  auto frames = ends.sent();
  for (auto& one : frames) {
    ends.now += 100 * millisecond;
    ends.take(std::move(one));
  }
  REQUIRE(ends.whole.size() == 1);
  CHECK(ends.whole[0].head.remaining_us == 600'001);
}

TEST_CASE("what a result says of its time does not shrink while it waits for its turn") {
  two_ends ends;
  auto result = make_control(frame_type::result);
  result.head.sequence = 2;
  result.head.remaining_us = 500;
  REQUIRE(ends.to.arrived(ends.now, result) == session_link::arrival::held);
  ends.now += second;
  auto first = make_control(frame_type::result);
  first.head.sequence = 1;
  REQUIRE(ends.to.arrived(ends.now, first) == session_link::arrival::deliver);
  frame second_one;
  REQUIRE(ends.to.next(ends.now, second_one));
  CHECK(second_one.head.remaining_us == 500);
}

TEST_CASE("an unreliable link keeps no memory that its caller may take back") {
  two_ends ends;
  std::vector<std::byte> theirs(100);
  frame message;
  message.head.type = frame_type::call;
  message.buffers.push_back({theirs.data(), theirs.size(), nullptr});
  auto const head = message.head;
  ends.from.send(ends.now, head, frame_ref(std::move(message)), never, ends.out);
  auto const left = ends.sent();
  CHECK(left[0].buffers[0].data != theirs.data());
  CHECK_FALSE(left[0].buffers[0].borrowed());
}

TEST_CASE("chunks that make no frame, or one that is too large, break the link") {
  auto const breaks = [](frame_limits limits, auto spoil) {
    outputs out;
    session_link from(false, {});
    session_link to(false, {}, limits);
    from.open(0, far_end, 9);
    to.open(0, far_end, 9);
    prove_quick(from, to, 0);
    auto const before = to.received();
    auto message = large_call(100, {2 * chunk_size, 10});
    auto const head = message.head;
    from.send(0, head, frame_ref(std::move(message)), never, out);
    std::vector<frame> frames;
    for (auto& one : out) frames.push_back(std::get<out::send>(one).take());
    spoil(frames);
    bool delivered = false;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      frames[i].head.sequence = before + static_cast<std::uint32_t>(i + 1);
      delivered = delivered || to.arrived(0, frames[i]) == session_link::arrival::deliver;
    }
    CHECK(delivered != to.broken());
    return to.broken();
  };
  using all = std::vector<frame>;
  CHECK_FALSE(breaks({}, [](all&) {}));
  CHECK_FALSE(breaks({2 * chunk_size + 110 + header_size, 2}, [](all&) {}));
  CHECK(breaks({2 * chunk_size + 109 + header_size, 2}, [](all&) {}));
  CHECK(breaks({2 * chunk_size + 110 + header_size, 1}, [](all&) {}));
  CHECK(breaks({}, [](all& frames) { frames.erase(frames.begin()); }));
  CHECK(breaks({}, [](all& frames) {
    frames.insert(frames.begin(), make_transfer(frames[0].head, large_call(9, {chunk_size})));
  }));
  CHECK(breaks({}, [](all& frames) { frames.back().buffers.push_back(frames[1].buffers[0]); }));
  CHECK(breaks({}, [](all& frames) {
    auto const other = patterned(100);
    other->data()[3] ^= std::byte{1};
    frames[1].buffers[0] = {other->data(), 100, other};
  }));
}

TEST_CASE("an announcement that lies about sizes is refused before anything is reserved") {
  auto const broken = [](std::vector<std::uint64_t> const& sizes, frame_type type = frame_type::call) {
    incoming_transfer room;
    auto message =
        make_transfer(make_control(type).head, large_call(9, std::vector<std::size_t>(sizes.size() - 1)));
    byte_buffer body = byte_buffer::copy_of(message.body);
    std::memcpy(body.data() + 15, sizes.data(), 8 * sizes.size());
    message.body = std::move(body);
    return room.take(0, message, {}) == incoming_transfer::progress::broken;
  };
  CHECK_FALSE(broken({9, 2 * chunk_size}));
  CHECK(broken({9}));
  CHECK(broken({9, 2 * chunk_size}, frame_type::cancel));
  CHECK(broken({9, std::uint64_t{1} << 31}));
  CHECK(broken({9, ~std::uint64_t{0}, ~std::uint64_t{0}, 100}));
  CHECK(broken({std::uint64_t{1} << 63, std::uint64_t{1} << 63, 2 * chunk_size}));
}

TEST_CASE("what is said of a call waits for no stream of the calls before it") {
  two_ends ends;
  frame large;
  large.head.type = frame_type::result;
  large.head.call.number = 1;
  byte_buffer body;
  body.extend(32 * chunk_size);
  large.body = std::move(body);
  auto const head = large.head;
  ends.from.send(ends.now, head, frame_ref(std::move(large)), never, ends.out);
  std::vector<std::uint32_t> const sizes{1, 1, 1};
  auto items = make_stream_items(0, sizes, byte_buffer::copy_of(std::as_bytes(std::span("abc", 3))), {});
  items.head.call.number = 5;
  auto const of_items = items.head;
  ends.from.send(ends.now, of_items, frame_ref(std::move(items)), never, ends.out);
  ends.sent();
  ends.send(6);
  CHECK(ends.sent().size() == 1);
  ends.send(5);
  CHECK(ends.sent().empty());
}

TEST_CASE("many frames that wait are taken back, wherever they are") {
  two_ends ends;
  std::vector<std::uint32_t> tickets;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    auto message = make_control(frame_type::call);
    message.head.call.number = i;
    auto const head = message.head;
    tickets.push_back(ends.from.send(ends.now, head, frame_ref(std::move(message)), never, ends.out));
  }
  auto const held = ends.from.frames_held();
  for (auto i = tickets.size() / 2; i < tickets.size() - 1; ++i)
    CHECK(ends.from.withdraw(ends.now, tickets[i], ends.out));
  CHECK_FALSE(ends.from.withdraw(ends.now, tickets[tickets.size() / 2], ends.out));
  CHECK(ends.from.frames_held() == held - tickets.size() / 2 + 1);
  for (auto i = session_link::window; i < tickets.size() / 2; ++i)
    CHECK(ends.from.withdraw(ends.now, tickets[i], ends.out));
  CHECK(ends.from.frames_held() == session_link::window + 1);
  CHECK(ends.from.withdraw(ends.now, tickets.back(), ends.out));
  CHECK(ends.from.frames_held() == session_link::window);
}
