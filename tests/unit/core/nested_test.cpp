// SPDX-License-Identifier: Apache-2.0
// Calls that tasks make: who waits, who comes first, and what ends with whom.
#include "src/core/pool_orders.hpp"
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <algorithm>
#include <map>
#include <string>

using namespace yonder::core;
using test::loopback;
using test::raw_hub;
using test::raw_peer;
using test::text_of;
using yonder::errc;

namespace {

// A hub whose workers come when it asks for them, and a caller. The calls of all tasks come over one
// connection.
struct tested_nest {
  loopback net;
  loopback::client_end& caller;
  loopback::client_end& tasks;
  std::size_t came = 0;

  explicit tested_nest(std::size_t max_workers, hub_config config = {})
      : net(with_pool(std::move(config), max_workers)), caller(net.add_client()), tasks(net.add_client()) {}

  static hub_config with_pool(hub_config config, std::size_t max_workers) {
    config.pools.push_back({.functions = loopback::offers(), .max_workers = max_workers});
    config.max_prefetch = 1;  // so that a test sees at once who runs what
    return config;
  }

  // Those that the hub has asked for.
  void let_workers_come() {
    for (net.wait(2 * millisecond); came < net.starts.size(); net.wait(2 * millisecond))
      net.add_worker(loopback::offers(), net.starts[came++]);
  }

  loopback::worker_end* runner_of(call_id id) {
    for (auto& worker : net.workers) {
      auto const runs = worker->connected && !worker->runs.empty();
      if (runs && worker->runs.front().key.call == id) return worker.get();
    }
    return nullptr;
  }
  loopback::worker_end& runner(call_id id) {
    auto* const found = runner_of(id);
    REQUIRE(found != nullptr);
    return *found;
  }

  call_id call_and_wait(loopback::worker_end& by, std::string_view payload) {
    auto const id = net.call_within(by, tasks, payload);
    net.wait_within(by, tasks);
    return id;
  }

  static errc code_of(loopback::client_end& end, call_id id) {
    auto const found = end.outcomes.find(id.number);
    REQUIRE(found != end.outcomes.end());
    REQUIRE_FALSE(found->second.ok());
    return found->second.error().code;
  }
};

}  // namespace

TEST_CASE("a worker whose task waits does not count against its pool: another one is started") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto& first = hub.runner(outer);
  auto const inner = hub.net.call_within(first, hub.tasks, "inner");
  hub.let_workers_come();
  CHECK(hub.net.starts.size() == 1);  // it computes: it may not wait at all
  CHECK(hub.runner_of(inner) == nullptr);
  hub.net.wait_within(first, hub.tasks);
  CHECK(hub.net.hub().census().waiting_workers == 1);
  hub.let_workers_come();
  CHECK(hub.net.starts.size() == 2);
  hub.net.finish(hub.runner(inner), "done");
  CHECK(hub.tasks.outcomes.at(inner.number).ok());
  CHECK(hub.net.hub().census().waiting_workers == 0);  // it may go on
  hub.net.finish(first, "all done");
  CHECK(text_of(hub.caller.outcomes.at(outer.number).value().payload()) == "all done");
  CHECK(hub.net.hub().census().calls == 0);
}

TEST_CASE("of a pool whose workers waited no more compute at once than it may have") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto& first = hub.runner(outer);
  auto const inner = hub.call_and_wait(first, "inner");
  hub.let_workers_come();
  hub.net.finish(hub.runner(inner), "done");
  auto const next = hub.net.submit(hub.caller, "next");
  CHECK(hub.runner_of(next) == nullptr);  // the second is idle, and the first computes
  hub.let_workers_come();
  CHECK(hub.net.starts.size() == 2);
  hub.net.finish(first, "all done");
  CHECK(hub.runner_of(next) != nullptr);
}

TEST_CASE("a wait that crosses an outcome does not count; one that is said again does") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto& first = hub.runner(outer);
  auto const one = hub.net.call_within(first, hub.tasks, "one");
  auto const two = hub.net.call_within(first, hub.tasks, "two");
  hub.net.wait_within(first, hub.tasks);
  hub.let_workers_come();
  hub.net.finish(hub.runner(one), "done");
  CHECK(hub.net.hub().census().waiting_workers == 0);

  auto stale = make_wait({first.runs.front().key, {0}});  // as it was before it heard of the first
  for (auto const& entry : hub.net.log)
    if (entry.head.type == frame_type::waiting) stale.head.epoch = entry.head.epoch;
  hub.net.inject(hub.tasks.peer, std::move(stale));
  CHECK(hub.net.hub().census().waiting_workers == 0);

  hub.net.wait_within(first, hub.tasks);
  CHECK(hub.net.hub().census().waiting_workers == 1);
  CHECK(hub.runner_of(two) != nullptr);
  hub.net.go_on_within(first, hub.tasks);  // it waited for some time only
  CHECK(hub.net.hub().census().waiting_workers == 0);
}

TEST_CASE(
    "a task that has asked for the hub's pools, whatever it was answered, is seen to wait as any other") {
  std::string_view asked = list_pools;
  auto is_operator = true;
  SUBCASE("answered") {}
  SUBCASE("refused") { is_operator = false; }
  SUBCASE("malformed") { asked = scale_pool; }
  tested_nest hub(1);
  auto& tasks = hub.net.add_client({}, {}, is_operator);
  hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto& first = *hub.net.workers.front();
  auto const order = hub.net.submit(tasks, "", {.idempotent = true}, asked, 0, {}, first.runs.front().key);
  CHECK(tasks.outcomes.at(order.number).ok() == (is_operator && asked == list_pools));
  auto const inner = hub.net.call_within(first, tasks, "inner");
  hub.net.wait_within(first, tasks);
  CHECK(hub.net.hub().census().waiting_workers == 1);
  hub.let_workers_come();
  hub.net.finish(hub.runner(inner), "done");
  CHECK(tasks.outcomes.at(inner.number).ok());
}

TEST_CASE("nested calls go before new ones, the deepest first") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto& first = hub.runner(outer);
  auto const fresh = hub.net.submit(hub.caller, "fresh");
  auto const child = hub.net.call_within(first, hub.tasks, "child");
  auto const sibling = hub.net.call_within(first, hub.tasks, "sibling");
  hub.net.wait_within(first, hub.tasks);
  hub.let_workers_come();
  auto& other = hub.runner(child);
  auto const grandchild = hub.call_and_wait(other, "grandchild");
  hub.let_workers_come();
  hub.net.finish(hub.runner(grandchild), "3");
  hub.net.finish(other, "2");
  hub.net.wait_within(first, hub.tasks);
  CHECK(hub.runner_of(fresh) == nullptr);
  hub.net.finish(hub.runner(sibling), "2");
  hub.net.finish(first, "1");
  CHECK(hub.runner_of(fresh) != nullptr);
}

TEST_CASE("a nested call goes before one of another task that came first") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto& first = hub.runner(outer);
  auto const fresh = hub.net.submit(hub.caller, "fresh", {}, "other", 8);
  auto const child = hub.call_and_wait(first, "child");
  hub.let_workers_come();
  CHECK(hub.runner_of(child) != nullptr);
  CHECK(hub.runner_of(fresh) == nullptr);
}

TEST_CASE("a call's deadline holds for what its task calls") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer", {.deadline = 50 * millisecond});
  hub.let_workers_come();
  auto const inner = hub.net.call_within(hub.runner(outer), hub.tasks, "inner", {.deadline = 10 * second});
  hub.net.wait(60 * millisecond);
  CHECK_FALSE(hub.tasks.outcomes.at(inner.number).ok());
  CHECK(hub.code_of(hub.caller, outer) == errc::deadline_exceeded);
  CHECK(hub.net.hub().census().calls == 0);
}

TEST_CASE("what a task has called ends with its attempt") {
  tested_nest hub(2);
  auto const outer = hub.net.submit(hub.caller, "outer", {.retries = 1});
  hub.let_workers_come();
  auto& first = hub.runner(outer);
  auto const inner = hub.call_and_wait(first, "inner");
  hub.let_workers_come();
  auto& other = hub.runner(inner);
  auto const innermost = hub.net.call_within(other, hub.tasks, "innermost");

  SUBCASE("cancelled") { hub.net.cancel(hub.caller, outer); }
  SUBCASE("lost, and tried again") {
    peer_loss loss;
    loss.signal = 9;
    hub.net.lose(first, loss);
  }
  SUBCASE("failed, and tried again") { hub.net.finish(first, failure{}); }
  SUBCASE("which had a value without it") { hub.net.finish(first, "done"); }
  CHECK(hub.code_of(hub.tasks, inner) == errc::cancelled);
  CHECK(hub.code_of(hub.tasks, innermost) == errc::cancelled);
  CHECK(other.stops.size() == 1);
}

TEST_CASE("a call of an attempt that is over, or never was, is cancelled") {
  tested_nest hub(1);
  auto const outer = hub.net.submit(hub.caller, "outer");
  hub.let_workers_come();
  auto key = hub.runner(outer).runs.front().key;
  SUBCASE("its number") { key.attempt = 2; }
  SUBCASE("its worker") { key.epoch += 1; }
  SUBCASE("its call") { key.call.number += 1; }
  auto const inner = hub.net.submit(hub.tasks, "inner", {}, "echo", 7, {}, key);
  CHECK(hub.code_of(hub.tasks, inner) == errc::cancelled);
}

TEST_CASE("calls are nested so deep as the hub allows, and no deeper") {
  hub_config config;
  config.max_depth = 3;
  tested_nest hub(1, config);
  auto id = hub.net.submit(hub.caller, "0");
  for (int depth = 1; depth <= 3; ++depth) {
    hub.let_workers_come();
    id = hub.call_and_wait(hub.runner(id), "deeper");
    CHECK(hub.tasks.outcomes.empty());
  }
  hub.let_workers_come();
  auto const refused = hub.call_and_wait(hub.runner(id), "too deep");
  CHECK(hub.code_of(hub.tasks, refused) == errc::nested_too_deep);
}

TEST_CASE("where all who could take a call wait and none can be started, the youngest nested one fails") {
  loopback net;
  auto& client = net.add_client();
  auto& tasks = net.add_client();
  auto& left = net.add_worker();
  auto& right = net.add_worker();
  net.submit(client, "a");
  net.submit(client, "b");
  REQUIRE(left.runs.size() == 1);
  REQUIRE(right.runs.size() == 1);
  auto const in_a = net.call_within(left, tasks, "in a");
  net.wait_within(left, tasks);
  net.wait(1 * second);
  CHECK(tasks.outcomes.empty());  // the other one computes, and could take it
  auto const in_b = net.call_within(right, tasks, "in b");
  net.wait_within(right, tasks);
  REQUIRE(tasks.outcomes.size() == 1);
  CHECK(tested_nest::code_of(tasks, in_b) == errc::would_deadlock);
  CHECK(tasks.outcomes.at(in_b.number).error().message.find("start more workers") != std::string::npos);
  net.finish(right, "b without its call");
  REQUIRE_FALSE(right.runs.empty());
  CHECK(right.runs.front().key.call == in_a);
  net.finish(right, "in a");
  net.finish(left, "a");
  CHECK(client.outcomes.size() == 2);
  CHECK(net.hub().census().calls == 0);
}

TEST_CASE("so it is where the last of those that they wait for comes back from its backoff") {
  loopback net;
  auto& client = net.add_client();
  auto& tasks = net.add_client();
  auto& one = net.add_worker();
  auto& other = net.add_worker();
  net.submit(client, "a");
  auto& left = one.runs.empty() ? other : one;
  auto& right = one.runs.empty() ? one : other;
  call_policy again;
  again.retries = 1;
  net.call_within(left, tasks, "in a", again);
  net.wait_within(left, tasks);
  REQUIRE(right.runs.size() == 1);
  failure error;
  error.code = errc::failed;
  net.finish(right, std::move(error));
  net.submit(client, "b");
  REQUIRE(right.runs.size() == 1);
  net.call_within(right, tasks, "in b");
  net.wait_within(right, tasks);
  net.wait(2 * second);
  REQUIRE(tasks.outcomes.size() == 1);
  CHECK(tasks.outcomes.begin()->second.error().code == errc::would_deadlock);
}

TEST_CASE("so it is where a task's wait overtakes the result of the attempt before it") {
  raw_hub hub;
  raw_peer caller{hub, 1, 100, {.reliable = true}};
  raw_peer tasks{hub, 2, 200, {.reliable = true}};
  raw_peer worker{hub, 3, 900, {.reliable = true}};
  REQUIRE(caller.hello(peer_role::client));
  REQUIRE(tasks.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
  auto const attempt = [&](std::uint64_t of) { return attempt_key{{100, of}, 1, worker.epoch}; };
  auto const call_within = [&](std::uint64_t of, std::uint64_t number) {
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {200, number};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", {}, {});
    write_parent(body, attempt(of));
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    message.body = std::move(body);
    tasks.say(std::move(message));
  };
  caller.call(1);
  worker.answer_items(100, 1, 1);
  caller.call(2);
  caller.call(3);
  REQUIRE(hub.core.census().attempts == 2);
  call_within(2, 1);
  call_within(3, 2);  // its worker has gone on, and the result of the one before is on its way
  tasks.say(make_wait({attempt(3), {0}}));
  CHECK(hub.core.census().calls == 4);
  worker.answer_items(100, 2, 1);
  std::map<std::uint64_t, errc> ended;
  for (auto const& message : hub.sent_to(2)) {
    failure error;
    if (message.head.type == frame_type::error && read_error(message, error))
      ended[message.head.call.number] = error.code;
  }
  CHECK(ended[1] == errc::cancelled);
  CHECK(ended[2] == errc::would_deadlock);
}

TEST_CASE("who waits for what goes on elsewhere is in no deadlock") {
  loopback net;
  auto& client = net.add_client();
  auto& tasks = net.add_client();
  auto& echoes = net.add_worker({{"echo", 7, ""}});
  auto& others = net.add_worker({{"other", 8, ""}});
  net.submit(client, "a");
  auto const other = net.submit(tasks, "b", {}, "other", 8, {}, echoes.runs.front().key);
  auto const again = net.call_within(echoes, tasks, "c");  // which nobody takes before "a" has ended
  net.wait_within(echoes, tasks);
  CHECK(tasks.outcomes.empty());
  net.finish(others, "b");
  CHECK(tasks.outcomes.at(other.number).ok());
  CHECK(tasks.outcomes.size() == 1);
  net.wait_within(echoes, tasks);  // and now for the other one
  CHECK(tested_nest::code_of(tasks, again) == errc::would_deadlock);
}

TEST_CASE("what waits in a worker behind a task that waits is fetched back") {
  loopback net;
  auto& client = net.add_client();
  auto& tasks = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "measured");
  net.finish(worker, "measured");
  net.submit(client, "a");
  net.submit(client, "b");
  CHECK(worker.core->queued() == 1);
  net.call_within(worker, tasks, "in a");
  CHECK(worker.core->queued() == 1);  // nothing of what it calls is given to itself
  net.wait_within(worker, tasks);
  CHECK(worker.core->queued() == 0);
}

TEST_CASE("fork-join of branching 2 and depth 8 takes at most 2 x depth x cores workers") {
  constexpr std::size_t cores = 2;
  constexpr std::size_t depth = 8;
  tested_nest hub(cores);
  std::map<call_id, std::size_t> levels;
  std::map<call_id, std::vector<call_id>> forks;
  auto const root = hub.net.submit(hub.caller, "root");
  levels[root] = 0;
  auto const turn_of = [&](loopback::worker_end& worker) {
    auto const id = worker.runs.front().key.call;
    auto const level = levels.at(id);
    auto& fork = forks[id];
    if (level < depth && fork.empty()) {
      for (int k = 0; k < 2; ++k)
        levels[fork.emplace_back(hub.net.call_within(worker, hub.tasks, "forked"))] = level + 1;
    }
    auto const ended = [&](call_id one) { return hub.tasks.outcomes.contains(one.number); };
    if (std::all_of(fork.begin(), fork.end(), ended)) return hub.net.finish(worker, "joined");
    hub.net.wait_within(worker, hub.tasks);
  };
  for (int turns = 0; hub.caller.outcomes.empty(); ++turns) {
    REQUIRE(turns < 20'000);
    hub.let_workers_come();
    for (std::size_t i = 0; i < hub.net.workers.size(); ++i)
      if (!hub.net.workers[i]->runs.empty()) turn_of(*hub.net.workers[i]);
  }
  CHECK(levels.size() == (std::size_t{2} << depth) - 1);
  CHECK(hub.caller.outcomes.at(root.number).ok());
  CHECK(hub.net.workers.size() <= 2 * depth * cores);
  CHECK(hub.net.hub().census().calls == 0);
}
