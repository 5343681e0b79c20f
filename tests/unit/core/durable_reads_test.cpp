// SPDX-License-Identifier: Apache-2.0
//
// What only the journal has, and comes back when it is needed.
#include "src/core/words.hpp"
#include "tests/unit/core/durable_scene.hpp"

#include <malloc.h>

#include <algorithm>

namespace yonder::core::test::durables {
namespace {

// A hub whose memory keeps nothing that the journal has, too.
hub_config with_little_memory() {
  auto config = with_journal();
  config.max_cached_bytes = 0;
  return config;
}

struct small_scene {
  memory_journal journal;
  raw_hub hub;
  raw_peer worker{hub, 1, 900, in_process};
  raw_peer client{hub, 2, 100, with_key("one")};
  explicit small_scene(hub_config const& config = with_little_memory(), bool works = true) : hub(config) {
    if (works) work();
    REQUIRE(client.hello(peer_role::client));
  }
  void work() { REQUIRE(worker.hello(peer_role::worker, offers_f())); }
  void run_one(std::size_t payload) {
    journal.sync(hub);
    worker.answer(assigned_to(worker), payload);
    journal.sync(hub);
  }
};

// The payload of the only assignment, as text.
std::string given_to(raw_peer& worker) {
  for (auto const& one : worker.received())
    if (one.head.type == frame_type::assign) {
      auto const bytes = one.payload();
      return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
    }
  return "nothing";
}

void call_with_text(raw_peer& by, std::uint64_t number, std::string const& text, call_policy policy) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", policy, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(reinterpret_cast<std::byte const*>(text.data()), text.size());
  message.body = std::move(body);
  by.say(std::move(message));
}

}  // namespace

TEST_CASE("promise 10: memory keeps the last outcomes, the journal those before, and all are found") {
  auto config = with_journal();
  config.max_cached_bytes = 3'000;
  small_scene s(config);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    s.client.call(i, durable_and_repeatable);
    s.run_one(1'000);
    CHECK(s.hub.core.census().kept_bytes <= 3'000);
  }
  CHECK(s.hub.core.census().kept == 20);
  s.client.received();
  raw_peer other(s.hub, 3, 101, with_key("one"));
  REQUIRE(other.hello(peer_role::client));
  for (std::uint64_t i = 1; i <= 20; ++i) find(other, i, {100, i});
  CHECK(s.journal.reads == 0);
  auto found = other.received().size();
  CHECK(found == 2);
  s.journal.sync(s.hub);
  CHECK(s.journal.reads == 18);
  for (auto const& one : other.received()) {
    CHECK(one.head.type == frame_type::result);
    CHECK(one.payload().size() == 1'000);
    ++found;
  }
  CHECK(found == 20);
  take(other, {100, 1}, 20);
  CHECK(s.hub.core.census().kept == 0);
  CHECK(s.hub.core.census().kept_bytes == 0);
}

TEST_CASE("a client that comes back is told from the journal what it asks for again, each item once") {
  small_scene s;
  s.client.batch(1, 4, durable_and_repeatable);
  s.journal.sync(s.hub);
  raw_hub next(with_little_memory());
  for (auto given = s.worker.received(); !given.empty(); given = s.worker.received())
    for (auto const& one : given) {
      s.worker.answer_items(100, one.head.call.number, read_item_count(one));
      s.journal.sync(s.hub);
    }
  s.journal.tell(next);
  REQUIRE(next.core.census().kept == 4);
  CHECK(next.core.census().kept_bytes == 0);
  raw_peer again(next, 5, 100, with_key("one"));
  REQUIRE(again.hello(peer_role::client));
  for (std::uint64_t i = 1; i <= 4; ++i) call_again(again, i, durable_and_repeatable);
  CHECK(again.received().empty());
  s.journal.read(next);
  while (s.journal.read(next) != 0) {
  }
  auto const told = again.received();
  REQUIRE(told.size() == 4);
  for (std::uint64_t i = 1; i <= 4; ++i) {
    CHECK(told[i - 1].head.call == call_id{100, i});
    REQUIRE(told[i - 1].payload().size() == 8);
    CHECK(load_le<std::uint64_t>(told[i - 1].payload().data()) == i);
  }
  call_again(again, 2, durable_and_repeatable);
  call_again(again, 2, durable_and_repeatable);  // it is on its way
  CHECK(next.core.counters().protocol_violations == 1);
}

TEST_CASE("of outcomes that are read back together some are taken meanwhile, and the others are told") {
  small_scene s;
  s.client.batch(1, 40, durable_and_repeatable);
  s.journal.sync(s.hub);
  for (auto given = s.worker.received(); !given.empty(); given = s.worker.received())
    for (auto const& one : given) {
      s.worker.answer_items(100, one.head.call.number, read_item_count(one));
      s.journal.sync(s.hub);
    }
  raw_hub next(with_little_memory());
  s.journal.tell(next);
  REQUIRE(next.core.census().kept == 40);
  auto const& together = *std::max_element(
      s.journal.lines.begin(), s.journal.lines.end(), [](auto const& one, auto const& other) {
        using kind = out::append::kind;
        return (one.what == kind::ended ? one.items : 0) < (other.what == kind::ended ? other.items : 0);
      });
  auto const first = together.call.number;
  auto const count = together.items;
  REQUIRE(count >= 5);
  raw_peer again(next, 5, 100, with_key("one"));
  raw_peer other(next, 6, 101, with_key("one"));
  REQUIRE(again.hello(peer_role::client));
  REQUIRE(other.hello(peer_role::client));
  again.batch(first, count, durable_and_repeatable);
  take(other, {100, first});
  take(other, {100, first + 2});
  s.journal.write(next);
  while (s.journal.read(next) != 0) {
  }
  std::uint32_t values = 0, unknown = 0;
  for (auto const& one : again.received()) {
    if (one.head.type == frame_type::result) {
      values += read_item_count(one);
      continue;
    }
    auto const number = one.head.call.number;
    CHECK((number == first || number == first + 2));
    CHECK(failure_in(one).code == errc::unknown_call);
    CHECK(failure_in(one).message.find(in_words(call_id{100, number})) != std::string::npos);
    ++unknown;
  }
  CHECK(values == count - 2);
  CHECK(unknown == 2);
}

TEST_CASE("an outcome that is taken, or cannot be read, while somebody asks for it is told in words") {
  small_scene s;
  s.client.call(1, durable_and_repeatable);
  s.run_one(100);
  s.client.received();
  find(s.client, 2, {100, 1});
  s.journal.read(s.hub, "EIO");
  auto told = s.client.received();
  REQUIRE(type_of_only(told) == frame_type::error);
  CHECK(failure_in(told[0]).code == errc::disconnected);
  CHECK(failure_in(told[0]).message.find("EIO") != std::string::npos);
  find(s.client, 3, {100, 1});
  take(s.client, {100, 1});
  s.journal.sync(s.hub);
  told = s.client.received();
  REQUIRE(type_of_only(told) == frame_type::error);
  CHECK(failure_in(told[0]).code == errc::unknown_call);
}

TEST_CASE("promise 10: arguments of durable calls that wait are on disk, and run as they were") {
  small_scene s(with_little_memory(), false);
  std::size_t const count = 50;
  for (std::uint64_t i = 1; i <= count; ++i)
    call_with_text(s.client, i, std::string(10'000, static_cast<char>('0' + i)),
                   i % 2 == 0 ? durable : durable_and_repeatable);
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().bytes < count * 300);
  s.work();
  std::vector<frame> waiting;
  for (std::uint64_t i = 1; i <= count; ++i) {
    s.journal.sync(s.hub);
    for (auto& one : s.worker.received()) waiting.push_back(std::move(one));
    REQUIRE(!waiting.empty());
    auto const given = std::move(waiting.front());
    waiting.erase(waiting.begin());
    CHECK(given.head.call == call_id{100, i});
    auto const bytes = given.payload();
    REQUIRE(bytes.size() == 10'000);
    CHECK(bytes[9'999] == static_cast<std::byte>('0' + i));
    s.worker.answer(given.head, 1);
  }
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().calls == 0);
  CHECK(s.hub.core.census().bytes == 0);
}

TEST_CASE("promise 10: of a million calls that wait in packs memory has some four bytes each") {
  small_scene s(with_little_memory(), false);
  constexpr std::uint32_t packs = 16;
  auto const held = [] { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; };  // 0 under a sanitizer
  auto const before = held();
  for (std::uint64_t i = 0; i < packs; ++i) s.client.batch(1 + i * max_items, max_items, durable);
  for (auto const& one : s.hub.take<out::append>()) s.hub.core.synced(s.hub.now, one.record, s.hub.out);
  s.client.received();
  CHECK(held() < before + packs * (4 * max_items + 4096) + (1 << 20));
  CHECK(s.hub.core.census().queued == packs);
  CHECK(s.hub.core.census().calls == packs * max_items);
  CHECK(s.hub.core.census().bytes < packs * (4 * max_items + 256));
}

TEST_CASE("a pack whose arguments are on disk is cancelled in part, and the rest of it runs") {
  small_scene s(with_little_memory(), false);
  s.client.batch(1, 100, durable_and_repeatable);
  s.journal.sync(s.hub);
  auto stop = make_control(frame_type::cancel);
  stop.head.call = {100, 3};
  set_item_count(stop, 2);
  s.client.say(std::move(stop));
  s.journal.sync(s.hub);
  raw_hub next(with_little_memory());
  s.journal.tell(next);
  for (auto* const hub : {&s.hub, &next}) {
    raw_peer worker(*hub, 8, 901, in_process);
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    REQUIRE(s.journal.read(*hub) == 1);
    std::size_t runs = 0;
    for (auto given = worker.received(); !given.empty(); given = worker.received())
      for (auto const& one : given) {
        packed_items items;
        REQUIRE(read_items(one, items));
        for (std::uint32_t i = 0; i < items.count; ++i) {
          auto const number = one.head.call.number + i;
          CHECK((number < 3 || number > 4));
          auto const at = items.sizes == nullptr ? 0 : items.size_of(0, i);
          CHECK(load_le<std::uint64_t>(one.payload().data() + at) == number);
          ++runs;
        }
        worker.answer(one.head, 8);
        while (s.journal.read(*hub) != 0) {
        }
      }
    CHECK(runs == 98);
  }
}

TEST_CASE("where arguments cannot be read the call ends in words, and its worker is free") {
  small_scene s(with_little_memory(), false);
  call_with_text(s.client, 1, std::string(1'000, 'a'), durable);
  s.journal.sync(s.hub);
  s.work();
  s.client.received();
  s.journal.read(s.hub, "EIO");
  auto const told = s.client.received();
  REQUIRE(type_of_only(told) == frame_type::error);
  CHECK(failure_in(told[0]).code == errc::disconnected);
  CHECK(failure_in(told[0]).message.find("EIO") != std::string::npos);
  s.client.call(2);
  CHECK(assigned_to(s.worker).call.number == 2);
}

TEST_CASE("a call ends once, whoever cancels it while its arguments are read") {
  small_scene s(with_little_memory(), false);
  call_with_text(s.client, 1, std::string(1'000, 'a'), durable_and_repeatable);
  s.journal.sync(s.hub);
  s.work();
  auto stop = make_control(frame_type::cancel);
  stop.head.call = {100, 1};
  s.client.say(std::move(stop));
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().calls == 0);
  CHECK(given_to(s.worker) == "nothing");
  s.client.call(2);
  CHECK(assigned_to(s.worker).call.number == 2);
}

TEST_CASE("of a pack that is being read the first item is cancelled, and the others run") {
  small_scene s(with_little_memory(), false);
  s.client.batch(1, 100, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.work();
  auto stop = make_control(frame_type::cancel);
  stop.head.call = {100, 1};
  s.client.say(std::move(stop));
  s.journal.write(s.hub);
  s.journal.sync(s.hub);
  CHECK(s.journal.reads == 2);
  CHECK(assigned_to(s.worker).call == call_id{100, 2});
}

TEST_CASE("promise 10: who has many outcomes that are not on disk yet is given no more of them") {
  auto config = with_journal();
  config.max_client_bytes = 3'000;
  config.max_prefetch = 1;
  small_scene s(config);
  for (std::uint64_t i = 1; i <= 5; ++i) s.client.call(i, durable_and_repeatable);
  s.journal.sync(s.hub);
  std::size_t runs = 0;
  for (auto given = assigned_to(s.worker); given.call.number != 0; given = assigned_to(s.worker)) {
    s.worker.answer(given, 1'500);
    ++runs;
  }
  CHECK(runs < 5);
  for (; runs < 5; ++runs) {
    s.journal.sync(s.hub);
    s.worker.answer(assigned_to(s.worker), 1'500);
  }
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().kept == 5);
}

}  // namespace yonder::core::test::durables
