// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/hub_journal.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>

#include "src/platform/epoll_poller.hpp"
#include "tests/unit/core/durable_scene.hpp"
#include "tests/unit/journal/folder.hpp"

namespace yonder::core::test::durables {
namespace {

// A hub whose journal lies in a folder, and whose memory keeps nothing that is there.
struct hub_on_disk {
  static hub_config small() {
    auto config = with_journal();
    config.max_cached_bytes = 0;
    return config;
  }

  platform::epoll_poller poller;
  raw_hub hub{small()};
  detail::hub_journal journal;

  explicit hub_on_disk(std::string const& folder, std::uint64_t size_limit = 0)
      : journal(poller, {.folder = folder, .size_limit = size_limit, .result_ttl = std::chrono::hours(1)},
                hub.core, hub.now) {
    hub.core.recovered(hub.now, 0, hub.out);
  }

  // The next frame of these types that the peer is sent; the disk takes its time.
  frame next(raw_peer& peer, std::initializer_list<frame_type> types) {
    for (;;) {
      for (auto& one : peer.received())
        if (std::find(types.begin(), types.end(), one.head.type) != types.end()) return std::move(one);
      for (auto const& one : hub.take<out::append>()) journal.append(one);
      for (auto const& one : hub.take<out::read>()) journal.read(one);
      journal.flush(hub.core);
      poller.wait(-1);
      journal.take(hub.core, hub.now, hub.out);
    }
  }
  frame next(raw_peer& peer, frame_type type) { return next(peer, {type}); }
};

void call_with_bytes(raw_peer& by, std::uint64_t number, std::size_t size) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", durable, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  auto* const at = body.extend(size);
  for (std::size_t i = 0; i < size; ++i) at[i] = static_cast<std::byte>(i * number);
  message.body = std::move(body);
  by.say(std::move(message));
}

}  // namespace

TEST_CASE("the disk says with which worker a call is that was started") {
  yonder::journal::testing::temporary_folder const folder;
  {
    hub_on_disk one(folder.in("journal"));
    raw_peer worker(one.hub, 1, 900, in_process);
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    raw_peer client(one.hub, 2, 100, with_key("one"));
    REQUIRE(client.hello(peer_role::client));
    client.call(1, durable);
    CHECK(one.next(worker, frame_type::assign).head.call == call_id{100, 1});
  }
  hub_on_disk two(folder.in("journal"));
  raw_peer client(two.hub, 2, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  call_again(client, 1, durable);
  raw_peer worker(two.hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));  // without it
  CHECK(failure_in(two.next(client, frame_type::error)).code == errc::worker_lost);
}

TEST_CASE("promise 10: arguments and outcomes come back from the disk, also of an earlier hub") {
  constexpr std::size_t size = 100'000;
  yonder::journal::testing::temporary_folder const folder;
  {
    hub_on_disk one(folder.in("journal"));
    raw_peer client(one.hub, 2, 100, with_key("one"));
    REQUIRE(client.hello(peer_role::client));
    for (std::uint64_t i = 1; i <= 3; ++i) call_with_bytes(client, i, size);
    one.next(client, frame_type::accepted);
  }
  hub_on_disk two(folder.in("journal"));
  raw_peer client(two.hub, 2, 101, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  CHECK(two.hub.core.census().calls == 3);
  CHECK(two.hub.core.census().bytes < 1'000);
  raw_peer worker(two.hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    auto const given = two.next(worker, frame_type::assign);
    CHECK(given.head.call == call_id{100, i});
    auto const bytes = given.payload();
    REQUIRE(bytes.size() == size);
    for (std::size_t at = 0; at < size; at += 997) CHECK(bytes[at] == static_cast<std::byte>(at * i));
    worker.answer(given.head, 5 * static_cast<std::size_t>(i));
  }
  for (std::uint64_t i = 1; i <= 6; ++i) {  // the second time they have ended
    auto const which = (i - 1) % 3 + 1;
    find(client, i, {100, which});
    auto const told = two.next(client, frame_type::result);
    CHECK(told.head.call == call_id{101, i});
    CHECK(told.payload().size() == 5 * which);
    CHECK(two.hub.core.census().kept_bytes == 0);
  }
}

TEST_CASE("a journal that is full refuses a call in words, and takes one when an outcome has been fetched") {
  constexpr std::size_t size = 100'000;
  yonder::journal::testing::temporary_folder const folder;
  hub_on_disk one(folder.in("journal"), size * 3 / 2);
  raw_peer client(one.hub, 2, 100, with_key("one"));
  raw_peer workers[] = {raw_peer(one.hub, 1, 900, in_process), raw_peer(one.hub, 3, 901, in_process)};
  REQUIRE(client.hello(peer_role::client));
  header given[2];
  for (std::uint64_t i = 0; i < 2; ++i) {  // there was room when the second one came
    REQUIRE(workers[i].hello(peer_role::worker, offers_f()));
    call_with_bytes(client, i + 1, size);
    CHECK(one.next(client, frame_type::accepted).head.call.number == i + 1);
    given[i] = one.next(workers[i], frame_type::assign).head;
  }
  call_with_bytes(client, 3, size);
  auto const refused = one.next(client, frame_type::error);
  CHECK(refused.head.call.number == 3);
  auto const why = failure_in(refused);
  CHECK(why.code == errc::overloaded);
  CHECK(why.message.find("max_journal_bytes") != std::string::npos);

  workers[0].answer(given[0], 5);
  one.next(client, frame_type::result);
  take(client, {100, 1});
  workers[1].answer(given[1], 5);
  one.next(client, frame_type::result);  // synced, and so is what was before it: the first one counts no more
  call_with_bytes(client, 4, size);
  auto const later = one.next(client, {frame_type::accepted, frame_type::error});
  CHECK(later.head.type == frame_type::accepted);
  CHECK(later.head.call.number == 4);
}

}  // namespace yonder::core::test::durables
