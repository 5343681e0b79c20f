// SPDX-License-Identifier: Apache-2.0
// Batches: several calls in one frame, and their items that part ways.
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace yonder::core;
using test::raw_hub;
using test::raw_peer;
using yonder::errc;

namespace {

constexpr std::uint64_t caller_session = 100;

// One line a frame: its type, "first-last" of its items, its attempt; of values, whether each is the right
// one.
std::string in_short(frame const& message) {
  auto const& head = message.head;
  packed_items items;
  items.count = read_item_count(message);
  auto const has_payload = head.type == frame_type::assign || head.type == frame_type::result;
  if (has_payload) REQUIRE(read_items(message, items));
  std::string text;
  switch (head.type) {
    case frame_type::assign: text = "assign "; break;
    case frame_type::cancel: text = (head.flags & flag_recall) != 0 ? "recall " : "cancel "; break;
    case frame_type::result: text = "result "; break;
    case frame_type::error: text = "error "; break;
    case frame_type::accepted: text = "accepted "; break;
    default: return {};
  }
  text += std::to_string(head.call.number);
  if (items.count > 1) text += "-" + std::to_string(head.call.number + items.count - 1);
  if (head.type == frame_type::assign) text += " #" + std::to_string(head.attempt);
  if (has_payload && message.payload().size() == items.count * 8) {
    for (std::uint32_t i = 0; i < items.count; ++i)
      CHECK(load_le<std::uint64_t>(message.payload().data() + i * 8) == head.call.number + i);
  }
  if (head.type == frame_type::error) {
    failure error;
    REQUIRE(read_error(message, error));
    text += " " + std::string(to_string(error.code));
  }
  return text;
}

std::string received(raw_peer& peer) {
  std::string text;
  for (auto const& message : peer.received()) {
    auto const line = in_short(message);
    if (!line.empty()) text += (text.empty() ? "" : ", ") + line;
  }
  return text;
}

// A hub that knows that "f" takes `estimate`, with a client and one worker.
struct tested_batches {
  raw_hub hub;
  raw_peer client{hub, 1, caller_session, in_process()};
  raw_peer worker{hub, 2, 900, in_process()};

  static peer_link in_process() { return {.reliable = true}; }

  explicit tested_batches(duration estimate = 100 * microsecond, hub_config config = {})
      : hub(std::move(config)) {
    REQUIRE(client.hello(peer_role::client));
    REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
    if (estimate == 0) return;
    client.call(1'000'000);
    worker.received();
    worker.answer_items(caller_session, 1'000'000, 1, 1, static_cast<std::uint64_t>(estimate / microsecond));
    client.received();
  }

  raw_peer add_worker(peer_id id) {
    raw_peer made{hub, id, 900 + id, in_process()};
    REQUIRE(made.hello(peer_role::worker, {{"f", 7, ""}}));
    return made;
  }

  void lose(raw_peer& gone, std::optional<std::uint64_t> started) {
    peer_loss loss;
    loss.signal = 11;
    loss.started = started;
    hub.core.lost(hub.now, gone.id, loss, hub.out);
  }

  bool empty() const {
    auto const left = hub.core.census();
    return left.calls == 0 && left.queued == 0 && left.bytes == 0 && left.attempts == 0 && left.delayed == 0;
  }
};

}  // namespace

TEST_CASE("a batch is two frames each way, and its values are forwarded as they came") {
  tested_batches t;
  t.client.batch(1, 8);
  CHECK(received(t.worker) == "assign 1-8 #1");
  t.worker.answer_items(caller_session, 1, 5);
  t.worker.answer_items(caller_session, 6, 3);
  CHECK(received(t.client) == "result 1-5, result 6-8");
  CHECK(t.empty());
  CHECK(t.hub.core.counters().calls == 9);
}

TEST_CASE(
    "each worker gets as much of a batch as keeps it busy for the prefetch time, and more when it is done") {
  tested_batches t(250 * microsecond);
  auto other = t.add_worker(3);
  t.client.batch(1, 12);
  auto const first = received(t.worker) + "; " + received(other);
  CHECK((first == "assign 1-4 #1; assign 5-8 #1" || first == "assign 5-8 #1; assign 1-4 #1"));
  CHECK(t.hub.core.census().queued == 1);
  auto& then = first.front() == 'a' && first.find("1-4") < first.find(';') ? t.worker : other;
  then.answer_items(caller_session, 1, 4, 1, 1'000);
  CHECK(received(then) == "assign 9-12 #1");
}

TEST_CASE("frames are counted by how many calls each gave to a worker, and not call by call") {
  tested_batches t;
  t.client.batch(1, 8);
  t.client.call(9);
  auto const& numbers = t.hub.core.tasks().find({"f", ""})->second;
  CHECK(numbers.frames.calls == 10);     // with the one that was measured
  CHECK(numbers.frames.counts[0] == 2);  // of one call
  CHECK(numbers.frames.counts[3] == 1);  // of five to eight
  CHECK(numbers.batches.calls == 0);     // none runs together
  group_sizes sizes;
  for (std::size_t const size : {1, 2, 3, 4, 5, 1 << 16, 1 << 20}) sizes.count(size);
  CHECK(sizes.counts ==
        std::array<std::uint64_t, group_sizes::ranges>{1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
}

TEST_CASE("of a function that was never measured, one item goes first") {
  tested_batches t(0);
  t.client.batch(1, 10);
  CHECK(received(t.worker) == "assign 1 #1");
  t.worker.answer_items(caller_session, 1, 1, 1, 100);
  CHECK(received(t.worker) == "assign 2-10 #1");
}

TEST_CASE("promise 8: one item of a queued batch is cancelled, the others run") {
  tested_batches t(0);
  t.client.call(500);  // unknown duration: what follows waits in the hub
  received(t.worker);
  t.client.batch(1, 6);
  t.client.cancel(3);
  t.client.cancel(6);
  CHECK(t.hub.core.counters().cancelled == 2);
  t.worker.answer_items(caller_session, 500, 1, 1, 1);
  CHECK(received(t.worker) == "assign 1-2 #1, assign 4-5 #1");
  t.worker.answer_items(caller_session, 1, 2);
  t.worker.answer_items(caller_session, 4, 2);
  CHECK(received(t.client) == "result 500, result 1-2, result 4-5");
  CHECK(t.empty());
}

TEST_CASE("promise 8: a range of calls is cancelled with one frame, whatever became of some of them") {
  tested_batches t;
  t.client.batch(1, 8);
  received(t.worker);
  t.worker.answer_items(caller_session, 1, 2);
  t.client.cancel(2, 4);  // 2 has ended, 3 runs, 4 and 5 wait
  CHECK(received(t.worker) == "cancel 3-5, recall 6-8");
  t.worker.fail(caller_session, 4, errc::cancelled, 1, flag_not_started, 2);
  t.worker.fail(caller_session, 6, errc::cancelled, 1, flag_not_started, 3);
  CHECK(received(t.worker) == "");
  t.worker.fail(caller_session, 3, errc::cancelled);
  CHECK(received(t.worker) == "assign 6-8 #2");
  t.worker.answer_items(caller_session, 6, 3, 2);
  CHECK(received(t.client) == "result 1-2, result 6-8");
  CHECK(t.empty());
  CHECK(t.hub.core.counters().fenced == 3);
}

TEST_CASE("values of cancelled items that came in one frame with others are left out") {
  tested_batches t;
  t.client.batch(1, 8);
  received(t.worker);
  t.client.cancel(4);
  t.worker.answer_items(caller_session, 1, 8);
  CHECK(received(t.client) == "result 1-3, result 5-8");
  CHECK(t.empty());
}

TEST_CASE("promise 2: of a lost worker's batch the started items are unknown, the others are queued again") {
  tested_batches t;
  t.client.batch(1, 8);
  received(t.worker);
  t.worker.answer_items(caller_session, 1, 2);
  received(t.client);
  t.lose(t.worker, std::uint64_t{2} << 32 | 4);  // its second frame, four items of it
  CHECK(received(t.client) == "error 3 worker_lost, error 4 worker_lost");
  auto other = t.add_worker(3);
  CHECK(received(other) == "assign 5-8 #2");
  other.answer_items(caller_session, 5, 4, 2);
  CHECK(received(t.client) == "result 5-8");
  CHECK(t.empty());
}

TEST_CASE(
    "promise 2: of a batch that may repeat, what was lost is tried again, the item that ran by itself") {
  tested_batches t;
  t.client.batch(1, 6, {.retries = 1});
  received(t.worker);
  t.lose(t.worker, std::uint64_t{2} << 32 | 3);
  auto other = t.add_worker(3);
  CHECK(received(other) == "assign 4-6 #2");
  other.answer_items(caller_session, 4, 3, 2);
  t.hub.wait(2 * second);
  auto again = received(other);
  for (int i = 0; i < 2; ++i) {  // one waits here while the other runs for long
    auto const pair = again.starts_with("assign 1-2 #2");
    CHECK((pair || again.starts_with("assign 3 #2")));
    other.answer_items(caller_session, pair ? 1 : 3, pair ? 2 : 1, 2);
    again = received(other);
  }
  CHECK(t.empty());
}

TEST_CASE("promise 2: without a level everything that was sent may have run") {
  tested_batches t;
  t.client.batch(1, 3);
  t.lose(t.worker, std::nullopt);
  CHECK(received(t.client) == "error 1 worker_lost, error 2 worker_lost, error 3 worker_lost");
  CHECK(t.empty());
}

TEST_CASE("promise 12: of a batch only the item that ran is blamed for its worker's end") {
  tested_batches t;
  t.client.batch(1, 3, {.retries = 100});
  received(t.worker);
  t.lose(t.worker, std::uint64_t{2} << 32 | 2);  // 2 ran, 1 had ended unseen
  for (peer_id id = 3; id < 5; ++id) {
    auto next = t.add_worker(id);
    t.hub.wait(70 * second);
    // Whatever else it was given, it ran item 2 alone in a frame.
    std::uint32_t frames = 0;
    for (auto runs = false; !runs;) {
      auto const came = next.received();
      REQUIRE_FALSE(came.empty());
      for (auto const& message : came) {
        if (message.head.type != frame_type::assign) continue;
        ++frames;
        runs = message.head.call.number == 2;
        if (runs) break;
        packed_items items;
        REQUIRE(read_items(message, items));
        next.answer_items(caller_session, message.head.call.number, items.count, message.head.attempt);
      }
    }
    t.lose(next, std::uint64_t{frames} << 32 | 1);
  }
  auto const told = received(t.client);
  CHECK(told.find("error 2 worker_lost") != std::string::npos);
  CHECK(told.find("error 1") == std::string::npos);
  CHECK(told.find("error 3") == std::string::npos);
}

TEST_CASE(
    "items whose values are on their way together have ended, and are neither timed out nor dismissed") {
  tested_batches t;
  t.client.batch(1, 3, {.timeout = 100 * millisecond});
  REQUIRE(t.worker.received().size() == 1);
  t.client.cancel(3);
  t.worker.received();
  auto ended = make_control(frame_type::ended);
  ended.head.call = {caller_session, 1};
  ended.head.attempt = 1;
  set_item_count(ended, 3);
  t.worker.say(std::move(ended));
  t.hub.wait(10 * second);
  CHECK(t.client.received().empty());
  CHECK(t.hub.take<out::kill_worker>().empty());
  t.worker.answer_items(caller_session, 1, 3);
  auto const told = t.client.received();
  REQUIRE(told.size() == 1);
  CHECK(told[0].head.type == frame_type::result);
  CHECK(read_item_count(told[0]) == 2);
  CHECK(t.empty());
  t.client.call(4);
  CHECK(t.worker.received().size() == 1);
}

TEST_CASE("promise 15: the timeout of a batch is each item's, and its neighbours are handed back") {
  tested_batches t;
  t.client.batch(1, 4, {.timeout = 100 * millisecond});
  received(t.worker);
  t.hub.wait(90 * millisecond);
  t.worker.answer_items(caller_session, 1, 1);
  t.hub.wait(90 * millisecond);
  CHECK(received(t.client) == "result 1");
  t.hub.wait(20 * millisecond);
  CHECK(received(t.client) == "error 2 timed_out");
  CHECK(received(t.worker) == "cancel 2, recall 3-4");
}

TEST_CASE("promise 7: every item of a batch has its deadline") {
  tested_batches t(0);
  frame message;
  t.client.call(500);
  byte_buffer body;
  write_call(body, "f", {}, {});
  write_items(body, std::vector<std::uint32_t>{1, 2});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(3);
  message.body = std::move(body);
  message.head.type = frame_type::call;
  message.head.call = {caller_session, 1};
  message.head.signature = 7;
  message.head.remaining_us = 1'001;
  t.client.say(std::move(message));
  t.hub.wait(10 * millisecond);
  CHECK(received(t.client) == "error 1 deadline_exceeded, error 2 deadline_exceeded");
}

TEST_CASE("an item that fails is retried by itself") {
  tested_batches t;
  t.client.batch(1, 4, {.retries = 1});
  received(t.worker);
  t.worker.answer_items(caller_session, 1, 1);
  t.worker.fail(caller_session, 2, errc::failed);
  t.worker.answer_items(caller_session, 3, 2);
  CHECK(received(t.client) == "result 1, result 3-4");
  t.hub.wait(2 * second);
  CHECK(received(t.worker) == "assign 2 #2");
  t.worker.fail(caller_session, 2, errc::failed, 2);
  CHECK(received(t.client) == "error 2 failed");
  CHECK(t.empty());
}

TEST_CASE("what waits behind one long item of a batch is fetched back for an idle worker") {
  tested_batches t;
  t.client.batch(1, 5);
  received(t.worker);
  auto idle = t.add_worker(3);
  t.hub.wait(10 * millisecond);
  CHECK(received(t.worker) == "recall 2-5");
  t.worker.fail(caller_session, 3, errc::cancelled, 1, flag_not_started, 3);  // 2 had been started meanwhile
  CHECK(received(idle) == "assign 3-5 #2");
  t.worker.answer_items(caller_session, 1, 2);
  idle.answer_items(caller_session, 3, 3, 2);
  CHECK(received(t.client) == "result 1, result 2, result 3-5");
  CHECK(t.empty());
}

TEST_CASE("promise 10: each item of a batch counts against the credit") {
  hub_config config;
  config.max_client_calls = 10;
  tested_batches t(0, std::move(config));
  t.client.call(500);
  t.client.batch(1, 9);
  t.client.batch(20, 2);
  CHECK(received(t.client) == "error 20 overloaded, error 21 overloaded");
  CHECK(t.hub.core.census().calls == 10);
}

TEST_CASE("promise 5: a durable batch is one record, and accepted by one frame") {
  hub_config config;
  config.journal = true;
  tested_batches t(100 * microsecond, std::move(config));
  t.client.batch(1, 4, {.idempotent = true, .durable = true});
  auto const records = t.hub.take<out::append>();
  REQUIRE(records.size() == 1);
  CHECK(records[0].items == 4);
  t.client.cancel(2);
  t.hub.core.synced(t.hub.now, records[0].record, t.hub.out);
  CHECK(received(t.client) == "accepted 1, accepted 3-4");
  CHECK(received(t.worker) == "assign 1 #1, assign 3-4 #1");
}

TEST_CASE(
    "a caller that comes back asks for its batch again: what is known runs once, what has ended is told") {
  tested_batches t;
  t.client.batch(1, 6);
  received(t.worker);
  t.hub.core.lost(t.hub.now, 1, {}, t.hub.out);
  t.worker.answer_items(caller_session, 1, 2);
  raw_peer again(t.hub, 5, caller_session, tested_batches::in_process());
  REQUIRE(again.hello(peer_role::client, {}, 2));
  again.batch(1, 8);
  CHECK(received(again) == "result 1-2");
  CHECK(received(t.worker) == "assign 7-8 #1");
  t.worker.answer_items(caller_session, 3, 4);
  t.worker.answer_items(caller_session, 7, 2);
  CHECK(received(again) == "result 3-6, result 7-8");
  CHECK(t.empty());
}

TEST_CASE("a caller that comes back asks for parts of its batch, which is one there, in flight or ended") {
  for (auto const has_ended : {false, true}) {
    CAPTURE(has_ended);
    tested_batches t;
    t.client.batch(1, 6);
    received(t.worker);
    t.hub.core.lost(t.hub.now, 1, {}, t.hub.out);
    if (has_ended) t.worker.answer_items(caller_session, 1, 6);
    raw_peer again(t.hub, 5, caller_session, tested_batches::in_process());
    REQUIRE(again.hello(peer_role::client, {}, 2));
    again.batch(1, 2);
    again.batch(4, 3);
    again.batch(3, 1);
    CHECK(t.hub.core.counters().protocol_violations == 0);
    CHECK(received(t.worker) == "");
    if (!has_ended) t.worker.answer_items(caller_session, 1, 6);
    auto const expected = has_ended ? "result 1-2, result 4-6, result 3" : "result 1-2, result 3, result 4-6";
    CHECK(received(again) == expected);
    CHECK(t.empty());
  }
}

TEST_CASE("of a batch that comes again the arguments are counted of what was not known") {
  tested_batches t;
  t.client.batch(1, 6);
  received(t.worker);
  t.worker.answer_items(caller_session, 3, 1);
  t.worker.answer_items(caller_session, 5, 1);
  CHECK(received(t.client) == "result 3, result 5");
  t.hub.core.lost(t.hub.now, 1, {}, t.hub.out);
  auto const& numbers = t.hub.core.tasks().find({"f", ""})->second;
  auto const before = numbers.argument_bytes;
  raw_peer again(t.hub, 5, caller_session, tested_batches::in_process());
  REQUIRE(again.hello(peer_role::client, {}, 2));
  again.batch(1, 6);
  CHECK(numbers.calls == 1 + 6 + 2);
  CHECK(numbers.argument_bytes == before + 2 * 8);
}

TEST_CASE("items that do not add up are no call, and no answer") {
  tested_batches t;
  frame message;
  byte_buffer body;
  write_call(body, "f", {}, {});
  write_items(body, std::vector<std::uint32_t>{4, 5});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(8);
  message.body = std::move(body);
  message.head.type = frame_type::call;
  message.head.call = {caller_session, 1};
  t.client.say(std::move(message));
  CHECK(received(t.client) == "error 1 protocol_violation");
  t.client.batch(10, 2);
  t.worker.answer_items(caller_session, 10, 3);
  CHECK(t.hub.core.census().workers == 0);
}
