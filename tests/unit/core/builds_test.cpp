// SPDX-License-Identifier: Apache-2.0
#include "src/core/builds.hpp"
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

// A hub that callers and workers of several builds come to.
struct builds_hub {
  loopback net;

  explicit builds_hub(hub_config config = {}) : net(std::move(config)) {}

  loopback::client_end& caller(std::string program, std::uint64_t build) {
    client_config config;
    config.made_of = {std::move(program), build};
    return net.add_client(std::move(config));
  }
  loopback::worker_end& worker(std::string program, std::uint64_t build, std::uint64_t start = 0) {
    net.made_of = {std::move(program), build};
    return net.add_worker(loopback::offers(), start);
  }
  call_id submit(loopback::client_end& by, std::optional<std::uint64_t> build = {}, call_policy policy = {}) {
    net.pinned = build;
    auto const id = net.submit(by, "hello", policy);
    net.pinned.reset();
    return id;
  }
};

hub_config starting_elsewhere() {
  hub_config config;
  config.pools = {{.id = 1, .max_workers = 2, .scaledown_window = second, .elsewhere = true}};
  config.start_failures = 2;
  return config;
}

}  // namespace

TEST_CASE("a choice takes what it says") {
  build_choice const same{7}, usual = usual_choice({"app", 7});
  CHECK(takes({}, {"app", 8}));
  CHECK(takes(same, {"app", 7}));
  CHECK(takes(same, {"other", 7}));
  CHECK_FALSE(takes(same, {"app", 8}));
  CHECK_FALSE(takes(same, {"other", 8}));
  CHECK_FALSE(takes(same, {"app", 0}));
  CHECK(takes(usual, {"app", 7}));
  CHECK(takes(usual, {"other", 8}));
  CHECK(takes(usual, {"", 0}));  // an older worker does not tell
  CHECK_FALSE(takes(usual, {"app", 8}));
  CHECK(usual_choice({"app", 0}).is_any());
}

TEST_CASE("a call runs on no other build of its caller's program") {
  builds_hub t;
  auto& first = t.caller("app", 1);
  auto& second_caller = t.caller("app", 2);
  auto& old_worker = t.worker("app", 1);
  t.submit(second_caller);
  CHECK(old_worker.runs.empty());
  auto& new_worker = t.worker("app", 2);
  CHECK(new_worker.runs.size() == 1);
  t.submit(first);
  CHECK(old_worker.runs.size() == 1);
  t.net.finish(old_worker, "a");
  t.net.finish(new_worker, "b");
  for (int i = 0; i < 4; ++i) t.submit(first, 0);  // any
  CHECK(old_worker.runs.size() + new_worker.runs.size() == 2);
}

TEST_CASE("a worker of another program may be of any build, unless the call says otherwise") {
  builds_hub t;
  auto& caller = t.caller("app", 1);
  auto& other = t.worker("other", 2);
  auto const usual = t.submit(caller);
  REQUIRE(other.runs.size() == 1);
  t.net.finish(other, "done");
  CHECK(caller.outcomes.at(usual.number).ok());
  auto const same = t.submit(caller, 1);
  CHECK(other.runs.empty());
  t.net.wait(11 * second);
  auto& error = caller.outcomes.at(same.number).error();
  CHECK(error.code == errc::unsatisfiable);
  CHECK(
      error.message ==
      "no worker that has \"echo\" is of build 0000000000000001, which is what the call asks for "
      "(options::build); those that have it are of build 0000000000000002 of 'other': start workers of that "
      "build, or let the call say .build = yonder::build::any");
}

TEST_CASE("a hub that has just begun waits for workers of the build, as others may come first") {
  builds_hub t;
  auto& caller = t.caller("app", 1);
  t.worker("app", 2);
  auto const call = t.submit(caller);
  t.net.wait(9 * second);
  CHECK(caller.outcomes.empty());
  auto& its = t.worker("app", 1);
  REQUIRE(its.runs.size() == 1);
  t.net.finish(its, "done");
  CHECK(caller.outcomes.at(call.number).ok());
}

TEST_CASE("where the last worker of a build has gone its calls wait for another one for a while") {
  builds_hub t;
  auto& caller = t.caller("app", 1);
  t.worker("app", 2);
  auto& its = t.worker("app", 1);
  t.net.wait(20 * second);
  t.net.lose(its);
  auto const call = t.submit(caller);
  t.net.wait(9 * second);
  CHECK(caller.outcomes.empty());
  t.net.wait(2 * second);
  auto& error = caller.outcomes.at(call.number).error();
  CHECK(error.code == errc::unsatisfiable);
  CHECK(error.message.find("which is the caller's") != std::string::npos);
}

TEST_CASE("what is known of a build's functions goes when its callers have, and those of workers stay") {
  builds_hub t;
  t.worker("app", 1);
  auto& caller = t.caller("app", 1);
  auto const before = t.net.hub().census().functions;
  t.submit(caller);
  t.net.finish(*t.net.workers.front(), "done");
  CHECK(t.net.hub().census().functions == before + 1);
  t.net.lose(caller);
  CHECK(t.net.hub().census().functions == before);
}

TEST_CASE("a durable call outlives its program, and runs on any build unless it says otherwise") {
  hub_config config;
  config.journal = true;
  raw_hub hub(config);
  raw_peer worker(hub, 1, 100);
  raw_peer caller(hub, 2, 200);
  worker.made_of = {"app", 2};
  caller.made_of = {"app", 1};
  REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
  REQUIRE(caller.hello(peer_role::client));
  caller.call(1, {.retries = 1});
  CHECK(hub.core.census().attempts == 0);
  caller.call(2, {.retries = 1, .durable = true});
  hub.core.synced(hub.now, 1, hub.out);
  CHECK(hub.core.census().attempts == 1);
  CHECK(hub.core.census().queued == 1);
}

TEST_CASE("where the hub starts workers of a program that was replaced, each build has a pool of its own") {
  builds_hub t(starting_elsewhere());
  auto& first = t.caller("app", 1);
  t.submit(first);
  REQUIRE(t.net.starts.size() == 1);
  auto& old_worker = t.worker("app", 1, t.net.starts.back());
  CHECK(old_worker.runs.size() == 1);
  auto& second_caller = t.caller("app", 2);
  auto const call = t.submit(second_caller);
  REQUIRE(t.net.starts.size() == 2);
  auto& new_worker = t.worker("app", 2, t.net.starts.back());
  REQUIRE(new_worker.runs.size() == 1);
  t.net.finish(new_worker, "done");
  CHECK(second_caller.outcomes.at(call.number).ok());
  t.net.finish(old_worker, "done");
  t.net.wait(5 * second);  // the old ones drain
  CHECK(old_worker.exited);
  CHECK(t.net.hub().census().workers == 0);
  t.submit(first);  // and a call of the old build has one started
  REQUIRE(t.net.starts.size() == 3);
  CHECK(t.net.grants.at(0).build == 0);  // shared, as long as nothing is known of it
  CHECK(t.net.grants.at(1).build == 2);
  CHECK(t.net.grants.at(2).build == 1);
}

TEST_CASE("where the first worker is of another build than those who wait for it, they have one started") {
  builds_hub t(starting_elsewhere());
  auto& caller = t.caller("app", 1);
  auto const one = t.submit(caller);
  auto const other = t.submit(caller);
  REQUIRE(t.net.starts.size() == 1);
  auto& newest = t.worker("app", 2, t.net.starts.back());
  CHECK(newest.runs.empty());
  REQUIRE(t.net.starts.size() == 2);
  CHECK(t.net.grants.back().build == 1);
  auto& its_own = t.worker("app", 1, t.net.starts.back());
  for (auto const& call : {one, other}) {
    REQUIRE(!its_own.runs.empty());
    t.net.finish(its_own, "done");
    CHECK(caller.outcomes.at(call.number).ok());
  }
  t.submit(t.caller("app", 2));
  CHECK(newest.runs.size() == 1);
}

TEST_CASE("a call whose build cannot be started is refused in words") {
  builds_hub t(starting_elsewhere());
  auto& first = t.caller("app", 1);
  t.submit(first);
  t.worker("app", 1, t.net.starts.back());
  auto& second_caller = t.caller("app", 2);
  auto const call = t.submit(second_caller);
  for (std::size_t i = 2; i < 4; ++i) {
    REQUIRE(t.net.starts.size() == i);
    t.worker("app", 1, t.net.starts.back());  // as its file is the old one
    t.net.wait(second);
  }
  auto& error = second_caller.outcomes.at(call.number).error();
  CHECK(error.code == errc::worker_start_failed);
  CHECK(error.message ==
        "no worker could be started, 2 times in a row; the last time it is build 0000000000000001 of 'app', "
        "and calls ask for build 0000000000000002 (options::build): let that build be where workers are "
        "started, or let the calls say .build = yonder::build::any");
}
