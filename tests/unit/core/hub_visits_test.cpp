// SPDX-License-Identifier: Apache-2.0
//
// Workers that came by themselves, and hold a service that runs several calls at once: who gives way to whom.
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <string>

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

requirements service_of(std::string name) {
  requirements made;
  made.service = std::move(name);
  made.service_signature = 5;
  made.scaledown_window = 3'600 * second;
  made.concurrency = 4;
  made.enter_timeout = 30 * second;
  made.exit_timeout = 3 * second;
  return made;
}

hub_config without_pools() {
  hub_config config;
  config.max_prefetch = 1;  // so that a test sees at once who runs what
  return config;
}

// A worker that holds the service "mine", and runs one call of it.
struct holding_hub {
  loopback net{without_pools()};
  loopback::client_end& client = net.add_client();
  loopback::client_end& tasks = net.add_client();  // of the workers' processes
  requirements mine = service_of("model");
  requirements theirs = service_of("other model");
  loopback::worker_end& worker = visit();

  holding_hub() {
    submit(mine, "first");
    worker.core->allow(worker.runs.front().key, 4);
    net.finish(worker, "");  // made
    REQUIRE(runs() == "first");
  }
  loopback::worker_end& visit() {
    auto offers = loopback::offers();
    offers.push_back({"model", 5, "text -> ()"});
    offers.push_back({"other model", 5, "text -> ()"});
    return net.add_worker(std::move(offers));
  }
  call_id submit(requirements const& needs, std::string_view payload) {
    return net.submit(client, payload, {}, "echo", 7, encode_requirements(needs));
  }
  call_id call_within(loopback::worker_end& by, requirements const& needs, std::string_view payload) {
    return net.submit(tasks, payload, {}, "echo", 7, encode_requirements(needs), by.runs.front().key);
  }
  // What the worker began last.
  std::string runs() {
    return worker.runs.empty() ? "nothing" : text_of(worker.runs.back().message.payload());
  }
  std::string_view function() { return worker.runs.empty() ? "nothing" : worker.runs.front().function; }
};

}  // namespace

TEST_CASE("a worker that gives way runs what its own task waits for") {
  holding_hub t;
  auto const other = t.submit(t.theirs, "other");
  t.net.wait(11 * second);
  auto const next = t.submit(t.mine, "next");
  CHECK(t.runs() == "first");  // it gives way
  auto const nested = t.call_within(t.worker, t.mine, "nested");
  t.net.wait_within(t.worker, t.tasks);
  REQUIRE(t.worker.runs.size() == 3);
  CHECK(text_of(t.worker.runs[1].message.payload()) == "nested");
  CHECK(t.runs() == "next");  // as nobody knows for which of them the nested one would wait
  t.net.finish(t.worker, 1, "made");
  CHECK(t.tasks.outcomes.at(nested.number).ok());
  t.net.go_on_within(t.worker, t.tasks);
  t.submit(t.mine, "later");
  CHECK(t.runs() == "next");  // it gives way again
  t.net.finish(t.worker, "done");
  t.net.finish(t.worker, "done");
  CHECK(t.client.outcomes.at(next.number).ok());
  CHECK(t.function() == leave_service);
  t.net.finish(t.worker, "");
  t.net.finish(t.worker, "");
  CHECK(t.runs() == "other");
  t.net.finish(t.worker, "done");
  CHECK(t.client.outcomes.at(other.number).ok());
}

TEST_CASE("a worker that gives way goes on at once when nobody waits for it any more") {
  SUBCASE("what waited was cancelled") {
    holding_hub t;
    auto const other = t.submit(t.theirs, "other");
    t.net.wait(11 * second);
    t.submit(t.mine, "next");
    CHECK(t.runs() == "first");
    t.net.cancel(t.client, other);
    CHECK(t.runs() == "next");
  }
  SUBCASE("another worker came") {
    holding_hub t;
    t.submit(t.theirs, "other");
    t.net.wait(11 * second);
    t.submit(t.mine, "next");
    CHECK(t.runs() == "first");
    CHECK(t.visit().runs.size() == 1);
    CHECK(t.runs() == "next");
  }
  SUBCASE("tasks without a service") {
    holding_hub t;
    auto const plain = t.net.submit(t.client, "plain");
    t.net.wait(11 * second);
    t.submit(t.mine, "next");
    CHECK(t.runs() == "first");
    t.net.cancel(t.client, plain);
    CHECK(t.runs() == "next");
  }
}

TEST_CASE("a worker that becomes idle when it is to give way does so in that step") {
  holding_hub t;
  auto const due = t.net.now + 10 * second;
  t.submit(t.theirs, "other");
  t.net.wait(9 * second);
  t.net.now = due;  // and the answer comes before the tick
  t.net.finish(t.worker, "done");
  CHECK(t.function() == leave_service);
}

TEST_CASE("a task that calls a service which only what others keep could make is in a deadlock") {
  holding_hub t;
  auto least = service_of("model");
  least.arguments = "kept";
  least.min_workers = 1;
  auto& kept = t.visit();
  t.submit(least, "kept");
  t.net.finish(kept, "");
  t.net.finish(kept, "done");
  REQUIRE(kept.runs.empty());
  auto const nested = t.call_within(t.worker, t.theirs, "nested");
  t.net.wait_within(t.worker, t.tasks);
  REQUIRE(t.tasks.outcomes.contains(nested.number));
  CHECK(t.tasks.outcomes.at(nested.number).error().code == errc::would_deadlock);
}

TEST_CASE("a visitor's time to make a service counts from when its worker is known to have been told") {
  raw_hub hub;
  raw_peer worker(hub, 1, 900);  // over a connection that may be slow, or lose what is sent
  REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}, {"model", 5, ""}}));
  raw_peer client(hub, 2, 100, {.reliable = true});
  REQUIRE(client.hello(peer_role::client));
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {100, 1};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", {}, {});
  write_requirements(body, encode_requirements(service_of("model")));
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
  client.say(std::move(message));
  auto const pass = [&](int seconds, std::uint32_t received) {
    for (int i = 0; i < seconds; ++i) {
      worker.acknowledge(received);
      hub.wait(second);
    }
  };
  pass(15, 0);
  pass(29, 1);
  CHECK(hub.core.counters().workers_killed == 0);
  pass(2, 1);
  CHECK(hub.core.counters().workers_killed == 1);
}
