// SPDX-License-Identifier: Apache-2.0
// Workers that run several attempts at once.
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;
using test::loopback;
using test::raw_hub;
using test::raw_peer;
using test::text_of;
using yonder::errc;

namespace {

loopback::worker_end& add_worker(loopback& net, std::uint32_t concurrency) {
  return net.add_worker(loopback::offers(), 0, {}, concurrency);
}

std::string running(loopback::worker_end const& worker) {
  std::string texts;
  for (auto const& one : worker.runs) texts += text_of(one.message.payload()) + " ";
  return texts;
}

call_policy with_timeout(duration timeout) {
  call_policy policy;
  policy.timeout = timeout;
  return policy;
}

errc how_ended(loopback::client_end& client, call_id call) {
  return client.outcomes.at(call.number).error().code;
}

peer_loss crash(std::optional<std::uint64_t> started = {}) {
  peer_loss loss;
  loss.signal = 11;
  loss.started = started;
  return loss;
}

}  // namespace

TEST_CASE("a worker runs as many calls at once as its hello says, and no more wait there") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& client = net.add_client();
    auto& worker = add_worker(net, 3);
    for (auto const* text : {"a", "b", "c", "d", "e"}) net.submit(client, text);
    CHECK(running(worker) == "a b c ");
    CHECK(worker.core->queued() == 0);
    CHECK(net.hub().census().queued == 2);
    net.now += 10 * millisecond;
    net.finish(worker, 1, "");
    CHECK(running(worker) == "a c d ");
    CHECK(worker.core->queued() == 0);  // long ones wait in the hub
    net.finish(worker, 0, "");
    CHECK(running(worker) == "c d e ");
    for (int i = 0; i < 3; ++i) net.finish(worker, "");
    CHECK(client.outcomes.size() == 5);
    CHECK(net.hub().census().attempts == 0);
  }
}

TEST_CASE("an empty worker is given a call before one that already runs some") {
  loopback net;
  auto& client = net.add_client();
  auto& first = add_worker(net, 2);
  auto& other = add_worker(net, 2);
  for (auto const* text : {"a", "b", "c", "d", "e"}) net.submit(client, text);
  CHECK(first.runs.size() == 2);
  CHECK(other.runs.size() == 2);
  CHECK(net.hub().census().queued == 1);
}

TEST_CASE("short calls wait behind those that run, for as many places as there are") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = add_worker(net, 4);
  net.submit(client, "warm up");
  net.now += 600 * microsecond;
  net.finish(worker, "");
  for (int i = 0; i < 20; ++i) net.submit(client, "x");
  CHECK(worker.runs.size() == 4);
  CHECK(worker.core->queued() == 2);  // 4 ms of measured work, at 0.6 ms each
  auto& other = add_worker(net, 1);
  CHECK(other.runs.size() == 1);
}

TEST_CASE("the items of a batch run at once, too") {
  raw_hub hub;
  raw_peer client{hub, 1, 100, {.reliable = true}};
  REQUIRE(client.hello(peer_role::client));
  worker_config config;
  config.session = 900;
  config.functions = {{"f", 7, ""}};
  config.concurrency = 3;
  worker serving(config, hub.now);
  outputs said;
  std::vector<attempt_key> runs;
  // All that is under way between the two; answers leave when the test says so.
  auto const pump = [&] {
    for (auto progress = true; progress;) {
      progress = false;
      for (auto& one : std::exchange(said, {})) {
        progress = true;
        if (auto* const send = std::get_if<out::send>(&one))
          hub.core.receive(hub.now, 2, test::through_the_wire(send->message()), hub.out);
        if (auto* const run = std::get_if<out::run>(&one)) runs.push_back(run->key);
      }
      for (auto& message : hub.sent_to(2)) {
        progress = true;
        serving.receive(hub.now, 2, test::through_the_wire(message), said);
      }
    }
  };
  hub.core.connected(hub.now, 2, {.reliable = true}, hub.out);
  serving.connected(hub.now, 2, true, said);
  pump();
  client.batch(1, 8, with_timeout(second));
  pump();
  REQUIRE(runs.size() == 3);
  hub.wait(500 * millisecond);
  for (std::size_t i = 0; i < 8; ++i) {
    REQUIRE(runs.size() > i);
    CHECK(runs[i].call.number == i + 1);
    if (i >= 3) hub.wait(200 * millisecond);  // each its own second
    frame value;
    value.body = test::bytes_of("v");
    serving.finished(hub.now, runs[i], std::move(value), said);
    serving.tick(hub.now + millisecond, said);
    pump();
  }
  CHECK(hub.core.counters().completed == 8);
  CHECK(hub.core.counters().failed == 0);
  CHECK(hub.core.census().calls == 0);
}

TEST_CASE("promise 15: each of several attempts has its own timeout, counted from when it runs") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = add_worker(net, 2);
  net.submit(client, "warm up");
  net.finish(worker, "");
  auto const first = net.submit(client, "first", with_timeout(100 * millisecond));
  net.wait(50 * millisecond);
  auto const second_one = net.submit(client, "second", with_timeout(100 * millisecond));
  auto const third = net.submit(client, "third", with_timeout(100 * millisecond));
  CHECK(worker.core->queued() == 1);
  net.wait(60 * millisecond);
  CHECK(how_ended(client, first) == errc::timed_out);
  CHECK(client.outcomes.count(second_one.number) == 0);
  REQUIRE(worker.stops.size() == 1);
  CHECK(worker.stops[0].call == first);
  net.finish(worker, 0, "");  // it obeys
  CHECK(running(worker) == "second third ");
  net.wait(45 * millisecond);
  CHECK(how_ended(client, second_one) == errc::timed_out);
  CHECK(client.outcomes.count(third.number) == 0);
  net.finish(worker, 1, "value");
  CHECK(client.outcomes.at(third.number).ok());
  CHECK(net.kills.empty());
}

TEST_CASE("promise 8: what does not stop is killed with its process once its neighbours have ended") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& client = net.add_client();
    auto& worker = add_worker(net, 3);
    auto const stuck = net.submit(client, "stuck");
    auto const neighbour = net.submit(client, "neighbour");
    net.cancel(client, stuck);
    CHECK(worker.stops.size() == 1);
    auto const later = net.submit(client, "later");  // its third place is free for the time of grace
    CHECK(worker.runs.size() == 3);
    net.wait(30 * second);
    CHECK(net.kills.empty());
    CHECK(net.hub().counters().workers_killed == 0);
    net.submit(client, "for another worker");
    CHECK(worker.runs.size() == 3);
    net.finish(worker, 1, "value");
    CHECK(client.outcomes.at(neighbour.number).ok());
    CHECK(net.hub().counters().workers_killed == 0);
    net.finish(worker, 1, "value");
    CHECK(client.outcomes.at(later.number).ok());
    CHECK(net.hub().counters().workers_killed == 1);
  }
}

TEST_CASE("a worker elsewhere that is condemned ends with its last neighbour, however that one ended") {
  for (auto const threw : {true, false}) {
    loopback net({}, false);
    auto& client = net.add_client();
    auto& worker = add_worker(net, 2);
    auto const stuck = net.submit(client, "stuck");
    auto const neighbour = net.submit(client, "neighbour");
    net.cancel(client, stuck);
    net.wait(30 * second);
    auto const name = "worker-" + std::to_string(worker.session);
    failure error;
    error.code = errc::failed;
    if (threw)
      net.finish(worker, worker.runs.back().key, std::move(error));
    else
      net.finish(worker, 1, "value");
    CHECK(client.outcomes.at(neighbour.number).ok() != threw);
    if (threw) CHECK(client.outcomes.at(neighbour.number).error().worker == name);
    CHECK(net.hub().counters().workers_killed == 1);
    CHECK(net.hub().census().workers == 0);
  }
}

TEST_CASE("a worker is lost while what its own task has called is on its way to it") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& tasks = net.add_client();
  auto& worker = add_worker(net, 2);
  auto const outer = net.submit(client, "outer");
  worker.connected = false;  // nothing reaches it any more
  auto const inner = net.call_within(worker, tasks, std::string(std::size_t{3} << 20, 'x'));
  CHECK(net.hub().census().attempts == 2);
  net.wait(15 * second);
  CHECK(how_ended(client, outer) == errc::worker_lost);
  CHECK(how_ended(tasks, inner) == errc::cancelled);
  CHECK(net.hub().census().calls == 0);
  CHECK(net.hub().census().attempts == 0);
}

TEST_CASE("a worker is lost while it runs what its own task has called, too") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& client = net.add_client();
    auto& tasks = net.add_client();
    auto& worker = add_worker(net, 2);
    auto const outer = net.submit(client, "outer");
    auto const inner = net.call_within(worker, tasks, "inner");
    REQUIRE(running(worker) == "outer inner ");
    net.lose(worker, crash());
    net.wait(15 * second);
    CHECK(how_ended(client, outer) == errc::worker_lost);
    CHECK(how_ended(tasks, inner) == errc::cancelled);
    CHECK(net.hub().census().attempts == 0);
    CHECK(net.hub().census().calls == 0);
  }
}

TEST_CASE("promise 8: a worker that must end does so, too, when its last neighbour was given up in vain") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& client = net.add_client();
    auto& worker = add_worker(net, 2);
    net.cancel(client, net.submit(client, "stuck"));
    auto const neighbour = net.submit(client, "neighbour");
    REQUIRE(worker.runs.size() == 2);
    net.wait(30 * second);
    CHECK(net.hub().counters().workers_killed == 0);
    net.cancel(client, neighbour);
    CHECK(net.hub().counters().workers_killed == 0);
    net.wait(3 * second);
    CHECK(net.hub().counters().workers_killed == 1);
  }
}

TEST_CASE("what stops at last lets its worker go in good order") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = add_worker(net, 2);
  net.cancel(client, net.submit(client, "slow to stop"));
  net.submit(client, "neighbour");
  net.wait(3 * second);
  net.finish(worker, 0, "");
  net.finish(worker, 0, "value");
  CHECK(net.kills.empty());
  REQUIRE(worker.exited.has_value());
  CHECK(worker.exited->clean);
}

TEST_CASE(
    "promise 12: of several calls that ran when their worker crashed none is blamed, and each runs alone") {
  loopback net;
  auto& client = net.add_client();
  call_policy again;
  again.idempotent = true;
  auto const poison = net.submit(client, "poison", again);
  auto const honest = net.submit(client, "honest", again);
  auto const bystander = net.submit(client, "bystander", again);
  auto& first = add_worker(net, 4);
  REQUIRE(running(first) == "poison honest bystander ");
  net.lose(first, crash());
  int crashes = 0;
  while (client.outcomes.size() != 3 && crashes < 10) {
    auto& next = add_worker(net, 4);
    net.wait(20 * second);
    while (!next.runs.empty() && running(next) != "poison ") {
      CHECK(next.runs.size() == 1);
      net.finish(next, "value");
      net.wait(20 * second);
    }
    if (next.runs.empty()) break;
    CHECK(running(next) == "poison ");
    net.lose(next, crash());
    ++crashes;
  }
  CHECK(crashes == 3);
  CHECK(how_ended(client, poison) == errc::worker_lost);
  CHECK(client.outcomes.at(honest.number).ok());
  CHECK(client.outcomes.at(bystander.number).ok());
}

TEST_CASE("promise 12: what runs alone does so until it has ended, also when it was given up") {
  loopback net;
  auto& client = net.add_client();
  call_policy again;
  again.idempotent = true;
  net.submit(client, "poison", again);
  net.submit(client, "other", again);
  net.lose(add_worker(net, 2), crash());
  auto& next = add_worker(net, 2);
  net.wait(20 * second);
  REQUIRE(next.runs.size() == 1);
  net.cancel(client, {next.runs[0].key.call});
  net.submit(client, "bystander");
  CHECK(next.runs.size() == 1);
  net.finish(next, "value");
  CHECK(next.runs.size() == 1);
  net.finish(next, "value");
  net.finish(next, "value");
  CHECK(net.hub().census().calls == 0);
}

TEST_CASE("promise 12: what runs alone is not taken along in the place of a call that has expired") {
  loopback net;
  auto& client = net.add_client();
  batch_policy const together{4, second, 0, 1};
  auto const submit = [&](char const* text, call_policy policy) {
    return net.submit(client, text, policy, "echo", 7, {}, {}, &together);
  };
  call_policy again;
  again.idempotent = true;
  submit("poison", again);
  auto& first = add_worker(net, 2);
  submit("neighbour", again);
  REQUIRE(first.runs.size() == 2);
  net.lose(first, crash());
  net.submit(client, "busy", {}, "other", 8);
  call_policy soon;
  soon.deadline = 10 * second;
  submit("expires", soon);
  net.wait(9 * second);
  net.now += 2 * second;
  auto& next = add_worker(net, 2);
  CHECK(running(next) == "busy ");
}

TEST_CASE("promise 2: of several that a lost worker had, those past its mark are queued again for nothing") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = add_worker(net, 2);
  net.submit(client, "warm up");
  net.finish(worker, "");
  auto const a = net.submit(client, "a");
  auto const b = net.submit(client, "b");
  net.submit(client, "waits");
  REQUIRE(worker.core->queued() == 1);
  net.lose(worker, crash(worker.runs.back().mark));
  CHECK(how_ended(client, a) == errc::worker_lost);
  CHECK(how_ended(client, b) == errc::worker_lost);
  CHECK(running(add_worker(net, 2)) == "waits ");
}

TEST_CASE("a small call that overtakes a large one on its way to a worker is the one whose timeout counts") {
  raw_hub hub;
  raw_peer client{hub, 1, 100, {.reliable = true}};
  raw_peer worker{hub, 2, 900};
  REQUIRE(client.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}, 1, 0, 2));
  client.call(1, with_timeout(second), std::size_t{3} << 20);
  auto sent = static_cast<std::uint32_t>(worker.received().size());
  REQUIRE(sent < 12);
  client.call(2, with_timeout(second));
  sent += static_cast<std::uint32_t>(worker.received().size());
  worker.acknowledge(sent);
  hub.wait(1100 * millisecond);
  auto const outcomes = client.received();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].head.call.number == 2);
}

TEST_CASE("promise 15: what is next runs, and its time counts, while a large answer before it is under way") {
  raw_hub hub;
  raw_peer client{hub, 1, 100, {.reliable = true}};
  raw_peer worker{hub, 2, 900};
  REQUIRE(client.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
  client.call(1);
  worker.answer_items(100, 1, 1);  // so that it is known to be short
  client.call(2);
  client.call(3, with_timeout(second));
  worker.acknowledge(3);
  client.received();
  auto ended = make_control(frame_type::ended);
  ended.head.call = {100, 2};
  ended.head.attempt = 1;
  for (int i = 0; i < 2; ++i) worker.say({ended.head, {}, {}});  // who says it twice changes nothing
  for (int i = 0; i < 11; ++i) {
    hub.wait(100 * millisecond);
    worker.acknowledge(3);  // it lives
  }
  auto const outcomes = client.received();
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].head.call.number == 3);
  CHECK(hub.core.counters().protocol_violations == 0);
}

TEST_CASE("whatever is finished, cancelled, timed out or crashes: every call ends, and the hub is empty") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    hub_config config;
    config.seed = seed;
    random_source chance(seed);
    loopback net(std::move(config), chance.below(2) == 0);
    auto& client = net.add_client();
    std::vector<call_id> calls;
    auto const live = [&](loopback::worker_end const& one) { return one.connected && !one.exited; };
    for (int i = 0; i < 3; ++i) add_worker(net, static_cast<std::uint32_t>(1 + chance.below(4)));
    auto const obey = [&] {  // what the hub wants killed is
      for (auto const& kill : std::exchange(net.kills, {})) {
        for (auto& one : net.workers)
          if (one->peer == kill.peer && one->connected) net.lose(*one, crash());
      }
    };
    for (int step = 0; step < 400; ++step) {
      auto& worker = *net.workers[net.workers.size() - 1 - chance.below(3)];
      switch (chance.below(10)) {
        case 0:
        case 1:
        case 2: {
          call_policy policy;
          policy.timeout =
              chance.below(3) == 0 ? static_cast<duration>(1 + chance.below(50)) * millisecond : 0;
          policy.idempotent = chance.below(2) == 0;
          policy.retries = static_cast<std::uint32_t>(chance.below(3));
          calls.push_back(net.submit(client, "x", policy));
          break;
        }
        case 3:
          if (!calls.empty()) {
            auto const call = calls[chance.below(calls.size())];
            if (client.outcomes.count(call.number) == 0) net.cancel(client, call);
          }
          break;
        case 4: net.wait(static_cast<duration>(chance.below(100)) * millisecond); break;
        case 5:
          if (chance.below(10) == 0 && live(worker)) {
            auto const knows = chance.below(2) == 0 && !worker.runs.empty();
            net.lose(worker, crash(knows ? std::optional(worker.runs.back().mark) : std::nullopt));
            worker.runs.clear();
            add_worker(net, static_cast<std::uint32_t>(1 + chance.below(4)));
          }
          break;
        default:
          if (live(worker) && !worker.runs.empty()) {
            net.now += static_cast<duration>(chance.below(2'000)) * microsecond;
            net.finish(worker, chance.below(worker.runs.size()), "value");
          }
      }
    }
    add_worker(net, 4);
    for (int round = 0;
         round < 2'000 && (client.outcomes.size() != calls.size() || net.hub().census().attempts != 0);
         ++round) {
      obey();
      for (std::size_t i = 0; i < net.workers.size(); ++i)
        while (live(*net.workers[i]) && !net.workers[i]->runs.empty()) net.finish(*net.workers[i], "value");
      net.wait(second);
    }
    CHECK(client.outcomes.size() == calls.size());
    auto const rest = net.hub().census();
    CHECK(rest.calls == 0);
    CHECK(rest.attempts == 0);
    CHECK(rest.queued == 0);
    CHECK(net.hub().counters().protocol_violations == 0);
  }
}
