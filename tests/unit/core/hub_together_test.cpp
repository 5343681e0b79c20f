// SPDX-License-Identifier: Apache-2.0
//
// Calls of several callers that run as one.
#include "src/core/requirements.hpp"
#include "src/core/trace.hpp"
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

struct tested_company {
  loopback net;
  loopback::client_end& one;
  loopback::client_end& other;
  loopback::worker_end& worker;

  explicit tested_company(bool reliable = true)
      : net({}, reliable), one(net.add_client()), other(net.add_client()), worker(net.add_worker()) {}

  call_id submit(loopback::client_end& from, std::string_view payload, call_policy policy = {},
                 batch_policy batching = {4, second, 0, 1}) {
    return net.submit(from, payload, policy, "echo", 7, {}, {}, &batching);
  }
  // A plain call that keeps the worker busy.
  void occupy() { net.submit(one, "busy", {}, "other", 8); }
  // Answers all items of the run as they were asked, but for those that `fails` names.
  void answer(std::string_view fails = {}, bool shared = false) {
    REQUIRE_FALSE(worker.runs.empty());
    auto run = std::move(worker.runs.front());
    worker.runs.pop_front();
    auto left = run.message.payload();
    for (auto const& item : run.items) {
      auto const text = std::string(text_of(left.first(item.size)));
      left = left.subspan(item.size);
      if (shared || (!fails.empty() && text == fails)) {
        failure error;
        error.message = "no " + text;
        error.shared = shared;
        net.finish(worker, item.key, std::move(error));
      } else {
        net.finish(worker, item.key, text);
      }
    }
  }
  std::string said(loopback::client_end& to, call_id call) {
    auto const found = to.outcomes.find(call.number);
    if (found == to.outcomes.end()) return "nothing yet";
    if (!found->second.ok()) return "error: " + found->second.error().message;
    return std::string(text_of(found->second.value().payload()));
  }
  std::size_t together() { return worker.runs.empty() ? 0 : worker.runs.front().items.size(); }
};

}  // namespace

TEST_CASE("an idle worker never waits for company, and while it computes its calls collect") {
  for (bool const reliable : {true, false}) {
    CAPTURE(reliable);
    tested_company t(reliable);
    auto const first = t.submit(t.one, "a");
    CHECK(t.worker.runs.size() == 1);
    CHECK(t.worker.runs.front().items.empty());  // a call like any other
    auto const second_one = t.submit(t.one, "b");
    auto const third = t.submit(t.other, "c");
    CHECK(t.worker.runs.size() == 1);
    t.net.finish(t.worker, "a");
    REQUIRE(t.together() == 2);  // of two callers
    CHECK(text_of(t.worker.runs.front().message.payload()) == "bc");
    t.answer();
    t.net.wait(millisecond);
    CHECK(t.said(t.one, first) == "a");
    CHECK(t.said(t.one, second_one) == "b");
    CHECK(t.said(t.other, third) == "c");
    CHECK(t.net.hub().census().attempts == 0);
    CHECK(t.net.hub().census().calls == 0);
  }
}

TEST_CASE("batches are counted by their sizes, also those of one") {
  tested_company t;
  t.submit(t.one, "a");
  t.submit(t.one, "b");
  t.submit(t.other, "c");
  t.net.finish(t.worker, "a");
  t.answer();
  t.occupy();
  auto const& numbers = t.net.hub().tasks().find({"echo", ""})->second;
  CHECK(numbers.batches.calls == 3);
  CHECK(numbers.batches.counts[0] == 1);
  CHECK(numbers.batches.counts[1] == 1);
  CHECK(t.net.hub().tasks().find({"other", ""})->second.batches.calls == 0);
}

TEST_CASE("a batch of several belongs to the trace of its first item") {
  tested_company t;
  t.occupy();
  auto const first = t.submit(t.other, "a");
  t.submit(t.one, "b");
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 2);
  auto const& metadata = t.worker.runs.front().message.metadata();
  CHECK(read_traceparent(metadata) == trace_of({}, first).text());
}

TEST_CASE("a batch that is full, or has waited for as long as it may, goes to a worker that computes") {
  tested_company t;
  t.occupy();
  for (int i = 0; i < 3; ++i) t.submit(t.one, "x");
  CHECK(t.net.hub().census().queued == 3);
  t.submit(t.other, "x");  // the fourth
  CHECK(t.net.hub().census().queued == 0);
  t.submit(t.one, "y");
  t.net.wait(2 * second);
  CHECK(t.net.hub().census().queued == 1);  // one batch is there already, which is enough
  t.net.finish(t.worker, "done");
  CHECK(t.together() == 4);
  CHECK(t.net.hub().census().queued == 0);  // and so this one follows
}

TEST_CASE(
    "nothing is put behind a batch that runs for long: it counts as what one call of its function does") {
  tested_company t;
  t.occupy();
  t.net.finish(t.worker, "done");  // at once
  t.submit(t.one, "a");
  t.net.wait(second);
  t.net.finish(t.worker, "done");
  t.occupy();
  for (int i = 0; i < 4; ++i) t.submit(t.one, "x");
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 4);
  t.occupy();
  CHECK(t.net.hub().census().queued == 1);  // whoever comes next may take it
  auto& next = t.net.add_worker();
  CHECK(next.runs.size() == 1);
  t.net.finish(next, "done");
  t.net.wait(second);
  t.answer();
  t.occupy();
  CHECK(t.net.hub().census().attempts == 1);
  CHECK(t.net.hub().census().queued == 0);
}

TEST_CASE("a batch takes no more than its weight, and what weighs nothing or too much fails") {
  tested_company t;
  t.occupy();
  auto const weighs = [&](std::uint64_t weight) {
    return t.submit(t.one, "w", {}, {16, second, 10, weight});
  };
  CHECK(t.said(t.one, weighs(0)).find("the weight of this item is 0") != std::string::npos);
  CHECK(t.said(t.one, weighs(11)).find("the weight of this item is 11; a batch takes from 1 to 10") !=
        std::string::npos);
  for (auto const weight : {3, 3, 5, 1}) weighs(static_cast<std::uint64_t>(weight));
  t.net.finish(t.worker, "done");
  CHECK(t.together() == 2);
  t.answer();
  CHECK(t.together() == 2);
}

TEST_CASE("what weighs nothing, where its caller sets no limit, joins a batch that weighs all it may") {
  loopback net;
  auto& one = net.add_client();
  auto& other = net.add_client();
  batch_policy const heaviest{16, second, 10, 10}, weightless{16, second, 0, 0};
  net.submit(one, "a", {}, "echo", 7, {}, {}, &heaviest);
  net.submit(other, "b", {}, "echo", 7, {}, {}, &weightless);
  auto& worker = net.add_worker();
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs.front().items.size() == 2);
}

TEST_CASE("a batch keeps the limits of each of its items, also where these are not the same") {
  tested_company t;
  auto const weighs = [&](std::uint64_t weight, std::uint64_t most, std::uint32_t items = 16) {
    t.submit(t.one, "w", {}, {items, second, most, weight});
  };
  auto const sizes = [&] {
    t.net.finish(t.worker, "done");
    std::vector<std::size_t> found;
    while (!t.worker.runs.empty()) {
      found.push_back(std::max<std::size_t>(1, t.together()));
      t.together() == 0 ? t.net.finish(t.worker, "w") : t.answer();
    }
    return found;
  };
  t.occupy();
  weighs(90, 100);
  weighs(20, 50);  // 50 - 90 is no room
  CHECK(sizes() == std::vector<std::size_t>{1, 1});
  t.occupy();
  weighs(10, 50);
  weighs(60, 100);
  CHECK(sizes() == std::vector<std::size_t>{1, 1});
  t.occupy();
  for (auto const items : {2u, 16u, 16u}) weighs(1, 0, items);
  CHECK(sizes() == std::vector<std::size_t>{2, 1});
  t.occupy();
  weighs(~std::uint64_t{0}, 0);
  weighs(2, 100);
  weighs(3, 100);
  CHECK(sizes() == std::vector<std::size_t>{1, 2});
}

TEST_CASE("what has a worker of its own has no company, though its function is batched") {
  hub_config config;
  config.pools = {{.functions = loopback::offers(), .max_workers = 1}};
  loopback net(std::move(config));
  auto& client = net.add_client();
  requirements alone;
  alone.isolate = true;
  auto const needs = encode_requirements(alone);
  batch_policy const of_four{.max_items = 4, .max_wait = second};
  for (int i = 0; i < 3; ++i) net.submit(client, "x", {}, "echo", 7, needs, {}, &of_four);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(net.starts.size() == i + 1);
    auto& worker = net.add_worker(loopback::offers(), net.starts.back());
    REQUIRE(worker.runs.size() == 1);
    CHECK(worker.runs.front().items.empty());
    net.finish(worker, "x");
    net.lose(worker, {.exit_status = 0});
  }
  CHECK(client.outcomes.size() == 3);
}

TEST_CASE(
    "one item that is cancelled, or expires, harms no other; without any left the run is told to stop") {
  tested_company t;
  t.occupy();
  auto const expired = t.submit(t.one, "late", {.deadline = millisecond});
  auto const stays = t.submit(t.other, "stays");
  auto const goes = t.submit(t.one, "goes");
  t.net.wait(10 * millisecond);
  CHECK(t.said(t.one, expired).find("deadline") != std::string::npos);
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 2);
  t.net.cancel(t.one, goes);
  CHECK(t.worker.stops.empty());
  t.net.wait(5 * second);
  CHECK(t.net.kills.empty());
  t.answer();
  CHECK(t.said(t.other, stays) == "stays");

  t.occupy();
  auto const a = t.submit(t.one, "a");
  auto const b = t.submit(t.other, "b");
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 2);
  t.net.cancel(t.one, a);
  t.net.cancel(t.other, b);
  CHECK(t.worker.stops.size() == 2);
  t.net.wait(3 * second);
  CHECK(t.net.kills.size() == 1);
}

TEST_CASE("items that were handed back before they were started wait again, and run together elsewhere") {
  tested_company t;
  t.occupy();
  for (int i = 0; i < 4; ++i) t.submit(t.one, "x");
  auto const gone = t.submit(t.one, "y");
  t.net.cancel(t.one, gone);
  t.net.drain(t.worker);
  t.net.finish(t.worker, "done");
  CHECK(t.worker.runs.empty());
  auto& next = t.net.add_worker();
  REQUIRE(next.runs.size() == 1);
  CHECK(next.runs.front().items.size() == 4);
}

TEST_CASE("an item that fails does so alone, and where all do, those that may repeat run by themselves") {
  tested_company t;
  t.occupy();
  auto const good = t.submit(t.one, "good");
  auto const bad = t.submit(t.other, "bad");
  t.net.finish(t.worker, "done");
  t.answer("bad");
  t.net.wait(millisecond);
  CHECK(t.said(t.one, good) == "good");
  CHECK(t.said(t.other, bad) == "error: no bad");

  t.occupy();
  auto const once = t.submit(t.one, "once");
  auto const again = t.submit(t.other, "again", {.idempotent = true});
  t.submit(t.one, "more", {.idempotent = true});
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 3);
  t.answer({}, true);
  CHECK(t.said(t.one, once) == "error: no once");
  CHECK(t.said(t.other, again) == "nothing yet");
  REQUIRE(t.worker.runs.size() == 1);
  CHECK(t.together() == 0);
  t.net.finish(t.worker, "again");
  CHECK(t.said(t.other, again) == "again");
  CHECK(t.together() == 0);
  t.net.finish(t.worker, "more");
  CHECK(t.net.hub().census().calls == 0);
}

TEST_CASE("the end of a worker is nobody's fault of those that ran together, and all of them had started") {
  tested_company t;
  t.occupy();
  auto const once = t.submit(t.one, "once");
  auto const again = t.submit(t.one, "again", {.idempotent = true});
  t.submit(t.one, "more", {.idempotent = true});
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 3);
  t.net.lose(t.worker, {.started = t.worker.runs.front().mark, .signal = 11});
  CHECK(t.said(t.one, once).find("signal 11") != std::string::npos);
  CHECK(t.said(t.one, again) == "nothing yet");
  auto& next = t.net.add_worker();
  t.net.wait(2 * second);
  CHECK(next.runs.size() == 1);
  CHECK(next.runs.front().items.empty());
  t.net.finish(next, "alone");
  CHECK(next.runs.size() == 1);
}

TEST_CASE("a timeout answers its item at once, and the worker takes nothing more") {
  tested_company t;
  t.occupy();
  auto const hasty = t.submit(t.one, "hasty", {.timeout = 100 * millisecond});
  auto const patient = t.submit(t.other, "patient");
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 2);
  t.net.wait(200 * millisecond);
  CHECK(t.said(t.one, hasty).find("outlasted its timeout") != std::string::npos);
  CHECK(t.worker.stops.empty());
  t.submit(t.one, "later");
  t.answer();
  t.net.wait(millisecond);
  CHECK(t.said(t.other, patient) == "patient");
  CHECK(t.worker.exited);
  CHECK(t.net.hub().census().queued == 1);
}

TEST_CASE(
    "what a batched function calls ends with the last of its items, and has the latest of their deadlines") {
  tested_company t;
  auto& tasks = t.net.add_client();
  auto& helper = t.net.add_worker({{"helps", 9, ""}});
  t.occupy();
  auto const early = t.submit(t.one, "a", {.deadline = 50 * millisecond});
  auto const late = t.submit(t.other, "b", {.deadline = 500 * millisecond});
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 2);
  auto const parent = t.worker.runs.front().key;
  CHECK(parent.call.session == 0);  // an id of the hub's own
  auto const call = [&] { return t.net.submit(tasks, "x", {}, "helps", 9, {}, parent); };
  auto const first = call();
  REQUIRE(helper.runs.size() == 1);
  t.net.wait(100 * millisecond);
  CHECK(t.said(t.one, early).find("error: ") == 0);
  CHECK(tasks.outcomes.empty());  // the other item goes on
  auto const second_one = call();
  t.net.finish(helper, "helped");
  CHECK(t.said(tasks, first) == "helped");
  tasks.core->waits(t.net.now, parent, t.net.scratch());
  t.net.carry_out(tasks);
  t.net.pump();
  CHECK(t.net.hub().census().waiting_workers == 1);
  t.net.cancel(t.other, late);
  CHECK(t.said(tasks, second_one).find("error: ") == 0);
  CHECK(t.net.hub().census().waiting_workers == 0);
  t.answer();
  t.net.finish(helper, "too late");
  t.net.wait(millisecond);
  CHECK(t.net.hub().census().calls == 0);
  CHECK(t.net.hub().census().attempts == 0);
}

TEST_CASE("a worker that ends in a batch that has called ends what was called, once") {
  tested_company t;
  auto& tasks = t.net.add_client();
  auto& helper = t.net.add_worker({{"helps", 9, ""}});
  t.occupy();
  auto const one = t.submit(t.one, "a");
  t.submit(t.other, "b", {.idempotent = true});
  t.submit(t.one, "c");
  t.net.finish(t.worker, "done");
  REQUIRE(t.together() == 3);
  auto const& run = t.worker.runs.front();
  auto const called = t.net.submit(tasks, "x", {}, "helps", 9, {}, run.key);
  REQUIRE(helper.runs.size() == 1);
  t.net.lose(t.worker, {.started = run.mark, .signal = 11});
  CHECK(t.said(t.one, one).find("signal 11") != std::string::npos);
  CHECK(t.said(tasks, called).find("error: ") == 0);
  t.net.finish(helper, "too late");
  auto& next = t.net.add_worker();
  t.net.wait(2 * second);
  REQUIRE(next.runs.size() == 1);  // the one that may repeat, which has called nothing yet
  auto const again = t.net.submit(tasks, "y", {}, "helps", 9, {}, next.runs.front().key);
  t.net.finish(helper, "helped");
  CHECK(t.said(tasks, again) == "helped");
  t.net.finish(next, "alone");
  t.net.wait(second);
  CHECK(t.net.hub().census().calls == 0);
  CHECK(t.net.hub().census().attempts == 0);
}

namespace {

// How often the hub wants to be woken within a second, while nothing comes.
int wakes_in_a_second(loopback& net) {
  auto wakes = 0;
  for (auto const until = net.now + second; net.hub().next_deadline() <= until; ++wakes) {
    net.now = std::max(net.now, net.hub().next_deadline());
    net.tick();
  }
  return wakes;
}

}  // namespace

TEST_CASE("a hub whose batches wait behind a long one sleeps") {
  tested_company t;
  t.submit(t.one, "runs for an hour");
  for (int i = 0; i < 12; ++i) t.submit(t.one, "waits");  // four of them in the worker
  t.net.wait(100 * millisecond);
  CHECK(t.net.hub().census().queued == 8);
  CHECK(wakes_in_a_second(t.net) < 10);
}

TEST_CASE("a hub that has asked for what waits in a worker sleeps until it is answered") {
  loopback net;
  auto& client = net.add_client();
  auto& busy = net.add_worker();
  net.submit(client, "warm up");
  net.finish(busy, "");
  net.submit(client, "suddenly long");
  net.submit(client, "waits");
  REQUIRE(busy.core->queued() == 1);
  busy.connected = false;  // and nobody knows
  net.add_worker();
  net.wait(100 * millisecond);
  CHECK(wakes_in_a_second(net) < 10);
}
