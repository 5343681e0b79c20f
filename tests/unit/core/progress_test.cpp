// SPDX-License-Identifier: Apache-2.0
// How far tasks say that they are, on its way to those who wait for them.
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace yonder::core;
using test::loopback;
using test::raw_hub;
using test::raw_peer;
using reports = std::vector<progress_report>;

namespace {

frame progress_of(call_id call, std::uint32_t millionths, std::string text = {}) {
  auto made = make_progress({millionths, std::move(text)});
  made.head.call = call;
  made.head.attempt = 1;
  return made;
}

std::size_t count_progress(std::vector<frame> const& sent) {
  std::size_t count = 0;
  for (auto const& one : sent) count += one.head.type == frame_type::progress ? 1 : 0;
  return count;
}

// One that has sent a call to a worker, which runs it.
struct called {
  raw_hub hub;
  raw_peer caller, worker;

  explicit called(peer_link const& how)
      : caller(hub, 1, 100, {how.reliable, 0, {}, false}), worker(hub, 2, 200, {true, 0, {}, false}) {
    caller.hello(peer_role::client);
    worker.hello(peer_role::worker, {{"f", 7, ""}});
    caller.call(1);
    REQUIRE(hub.sent_to(2).size() == 1);
  }
};

}  // namespace

TEST_CASE("what a task says of how far it is reaches its caller, over either kind of connection") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& caller = net.add_client();
    auto& worker = net.add_worker();
    auto const first = net.submit(caller, "a");
    auto const later = net.submit(caller, "b");
    net.report(worker, {250'000, "a quarter"});
    net.report(worker, {500'000, ""});
    CHECK(caller.progress[first.number] == reports{{250'000, "a quarter"}, {500'000, ""}});
    CHECK(caller.progress[later.number].empty());
    net.finish(worker, "done");
    net.report(worker, {1, "the next one"});
    CHECK(caller.progress[first.number].size() == 2);
    CHECK(caller.progress[later.number] == reports{{1, "the next one"}});
    net.finish(worker, "done");
    net.wait(2 * yonder::core::second);
    CHECK(net.hub().census().calls == 0);
    CHECK(net.hub().census().frames_held == 0);
  }
}

TEST_CASE("of calls that travel together each has its own progress") {
  raw_hub hub;
  raw_peer caller(hub, 1, 100, {true, 0, {}, false}), worker(hub, 2, 200, {true, 0, {}, false});
  caller.hello(peer_role::client);
  worker.hello(peer_role::worker, {{"f", 7, ""}});
  caller.batch(1, 3);
  worker.answer_items(100, 1, 1);
  (void)hub.sent_to(1);
  worker.say(progress_of({100, 2}, 7));
  auto const sent = hub.sent_to(1);
  REQUIRE(sent.size() == 1);
  CHECK(sent.front().head.type == frame_type::progress);
  CHECK(sent.front().head.call == call_id{100, 2});
}

TEST_CASE("of calls that run as one each is told") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "busy");
  batch_policy const together{.max_items = 2, .max_wait = yonder::core::second};
  std::vector<call_id> calls;
  for (auto const* const text : {"a", "b"})
    calls.push_back(net.submit(caller, text, {}, "echo", 7, {}, {}, &together));
  net.finish(worker, "done");
  REQUIRE(worker.runs.size() == 1);
  REQUIRE(worker.runs.front().items.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    net.report(worker, worker.runs.front().items[i].key, {static_cast<std::uint32_t>(i), "half"});
    CHECK(caller.progress[calls[i].number] == reports{{static_cast<std::uint32_t>(i), "half"}});
  }
}

TEST_CASE("a caller that does not read has the latest of each call waiting for it, not all") {
  called one({.reliable = false});
  (void)one.hub.sent_to(1);
  constexpr std::uint32_t many = 3 * link::window;
  for (std::uint32_t i = 0; i < many; ++i) one.worker.say(progress_of({100, 1}, i));
  CHECK(count_progress(one.hub.sent_to(1)) <= link::window);
  CHECK(one.hub.core.census().frames_held <= link::window + 2);
}

TEST_CASE("the progress of what nobody waits for any more goes nowhere") {
  called one({.reliable = true});
  auto cancel = make_control(frame_type::cancel);
  cancel.head.call = {100, 1};
  one.caller.say(std::move(cancel));
  (void)one.hub.sent_to(1);
  one.worker.say(progress_of({100, 1}, 5));
  CHECK(count_progress(one.hub.sent_to(1)) == 0);
  CHECK(one.hub.core.counters().fenced == 1);
  CHECK(one.hub.core.counters().protocol_violations == 0);
}

TEST_CASE("the progress of what was not asked, more than all, and none at all are violations") {
  struct {
    char const* what;
    frame message;
  } wrong[]{{"of another call", progress_of({100, 2}, 5)},
            {"more than the whole", progress_of({100, 1}, 1'000'001)},
            {"without the field", make_control(frame_type::progress)}};
  wrong[2].message.head.call = {100, 1};
  wrong[2].message.head.attempt = 1;
  for (auto& each : wrong) {
    CAPTURE(each.what);
    called one({.reliable = true});
    one.worker.say(std::move(each.message));
    CHECK(one.hub.core.counters().protocol_violations == 1);
  }
}
