// SPDX-License-Identifier: Apache-2.0
// What a credential's roles let it do at the hub, and what becomes of one that is revoked.
#include "src/core/call_orders.hpp"
#include "src/core/pool_orders.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using test::raw_hub;
using test::raw_peer;
using yonder::errc;

namespace rights_of_peers {
namespace {

std::vector<function_info> offers_f() { return {{"f", 7, ""}}; }

peer_link keyed(std::string identity, bool calls, bool works, bool operates) {
  return {.identity = std::move(identity), .is_operator = operates, .may_call = calls, .may_work = works};
}

// The failures that came for a peer, and of byes.
std::vector<errc> refusals(raw_peer& peer) {
  std::vector<errc> found;
  for (auto const& message : peer.received()) {
    failure error;
    if (message.head.type == frame_type::error && read_error(message, error)) found.push_back(error.code);
    bye_message bye;
    if (message.head.type == frame_type::bye && read_bye(message, bye)) found.push_back(bye.code);
  }
  return found;
}

bool is_assigned(raw_peer& worker) {
  for (auto const& message : worker.received())
    if (message.head.type == frame_type::assign) return true;
  return false;
}

void order(raw_peer& client, std::uint64_t number, std::string_view what,
           attempt_key const* within = nullptr) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {client.session, number};
  message.head.signature = what == "f" ? 7 : 0;
  byte_buffer body;
  write_call(body, what, {}, {});
  if (within != nullptr) write_parent(body, *within);
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
  client.say(std::move(message));
}

}  // namespace

TEST_CASE("promise 16: no key does at the hub what its role does not say, whatever it comes as") {
  for (unsigned rights = 0; rights < 8; ++rights) {
    bool const calls = (rights & 1U) != 0, works = (rights & 2U) != 0, operates = (rights & 4U) != 0;
    CAPTURE(calls);
    CAPTURE(works);
    CAPTURE(operates);
    raw_hub hub;
    raw_peer good(hub, 1, 100, keyed("good", true, true, true));
    REQUIRE(good.hello(peer_role::worker, offers_f()));

    auto const link = keyed("tried", calls, works, operates);
    raw_peer worker(hub, 2, 200, link);
    CHECK(worker.hello(peer_role::worker, {{"g", 8, ""}}) == works);
    if (!works) CHECK(refusals(worker) == std::vector{errc::unauthorized});

    raw_peer client(hub, 3, 300, link);
    REQUIRE(client.hello(peer_role::client));
    client.call(1);
    CHECK(is_assigned(good) == calls);
    if (!calls) CHECK(refusals(client) == std::vector{errc::unauthorized});
    client.batch(2, 3);
    CHECK(is_assigned(good) == false);  // it runs one at a time, or nothing came
    CHECK(hub.core.census().calls == (calls ? 4 : 0));
    if (!calls) CHECK(refusals(client) == std::vector(3, errc::unauthorized));

    std::uint64_t number = 10;
    for (auto const what : {scale_pool, warm_pool, list_pools}) {
      CAPTURE(what);
      order(client, ++number, what);
      auto const refused = refusals(client);
      bool const unauthorized = refused == std::vector{errc::unauthorized};
      CHECK(unauthorized == !(calls && operates));
    }
  }
}

TEST_CASE("a worker's key calls from within what its workers run, and from nowhere else") {
  raw_hub hub;
  raw_peer caller(hub, 1, 100, keyed("caller", true, false, false));
  raw_peer worker(hub, 2, 200, keyed("worker", false, true, false));
  raw_peer other(hub, 3, 300, keyed("other", false, true, false));
  REQUIRE(caller.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  caller.call(1);
  auto const assigned = worker.received();
  REQUIRE(assigned.back().head.type == frame_type::assign);
  attempt_key const attempt{assigned.back().head.call, assigned.back().head.attempt, worker.epoch};

  for (auto* const key : {&worker, &other}) {
    raw_peer tasks(hub, key->id + 10, key->session + 1,
                   keyed(key == &worker ? "worker" : "other", false, true, false));
    REQUIRE(tasks.hello(peer_role::client));
    order(tasks, 1, "f", &attempt);
    CHECK(hub.core.census().calls == 2);  // the other's is of an attempt that is none of its own
    if (key == &other) CHECK(refusals(tasks) == std::vector{errc::cancelled});
    order(tasks, 2, "f");
    CHECK(refusals(tasks) == std::vector{errc::unauthorized});
    auto ended = attempt;
    ++ended.attempt;
    order(tasks, 3, "f", &ended);
    CHECK(refusals(tasks) == std::vector{errc::cancelled});
  }
}

TEST_CASE("a worker's key asks of others' calls only from within what its workers run") {
  raw_hub hub;
  raw_peer caller(hub, 1, 100, keyed("caller", true, false, false));
  raw_peer worker(hub, 2, 200, keyed("worker", false, true, false));
  raw_peer tasks(hub, 3, 201, keyed("worker", false, true, false));
  REQUIRE(caller.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  REQUIRE(tasks.hello(peer_role::client));
  caller.call(1);
  auto const assigned = worker.received().back().head;
  attempt_key const attempt{assigned.call, assigned.attempt, worker.epoch};
  attempt_key const made_up{{100, 77}, 1, worker.epoch};
  std::uint64_t number = 0;
  for (auto const what : {explain_call, cancel_call, list_workers, list_pools, find_call}) {
    CAPTURE(what);
    order(tasks, ++number, what, &made_up);
    CHECK(refusals(tasks) == std::vector{errc::cancelled});
    order(tasks, ++number, what, &attempt);
    CHECK(refusals(tasks) != std::vector{errc::cancelled});
  }
}

TEST_CASE("a worker that comes again with a key that is a worker's no more is refused") {
  raw_hub hub;
  raw_peer worker(hub, 1, 100, keyed("key", true, true, false));
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  hub.core.lost(hub.now, 1, {}, hub.out);
  raw_peer again(hub, 2, 100, keyed("key", true, false, false));
  again.epoch = worker.epoch;
  CHECK_FALSE(again.hello(peer_role::worker, offers_f(), 2));
  CHECK(refusals(again) == std::vector{errc::unauthorized});
}

TEST_CASE(
    "whose key is revoked is told so, its calls are cancelled, what it runs is lost, and others go on") {
  raw_hub hub;
  raw_peer caller(hub, 1, 100, keyed("bad", true, true, false));
  raw_peer worker(hub, 2, 200, keyed("bad", true, true, false));
  raw_peer honest(hub, 3, 300, keyed("good", true, true, false));
  raw_peer away(hub, 4, 400, keyed("bad", true, true, false));
  REQUIRE(caller.hello(peer_role::client));
  REQUIRE(honest.hello(peer_role::client));
  REQUIRE(away.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  honest.call(1);
  auto const assigned = worker.received().back().head;
  REQUIRE(assigned.type == frame_type::assign);
  caller.call(1);
  away.call(1);
  hub.core.lost(hub.now, 4, {}, hub.out);  // for now
  CHECK(hub.core.census().calls == 3);

  hub.core.revoked(hub.now, "bad", "its key was revoked", hub.out);
  CHECK(refusals(caller) == std::vector{errc::unauthorized});
  CHECK(refusals(worker) == std::vector{errc::unauthorized});
  CHECK(hub.take<out::close>().size() == 2);
  auto const census = hub.core.census();
  CHECK(census.clients == 1);
  CHECK(census.workers == 0);
  CHECK(refusals(honest) == std::vector{errc::worker_lost});

  auto const stale = hub.core.counters().stale;
  worker.answer_items(assigned.call.session, assigned.call.number, 1);
  caller.call(2);
  CHECK(hub.core.counters().stale == stale + 2);
  CHECK(hub.core.census().calls == 0);
}

}  // namespace rights_of_peers
