// SPDX-License-Identifier: Apache-2.0
// What tasks print: on its way to the hub, what is kept of it, and who may see it.
#include "src/core/call_orders.hpp"
#include "src/core/log_store.hpp"
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace printed_logs {

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

struct printing {
  loopback net;
  loopback::client_end& caller = net.add_client({}, "key of a caller");
  loopback::client_end& other = net.add_client({}, "key of another");
  loopback::client_end& boss = net.add_client({}, "key of the hub", true);

  explicit printing(bool reliable = true, hub_config config = {}) : net(std::move(config), reliable) {}

  log_page logs(loopback::client_end& who, log_order const& order) {
    auto const call = net.submit(who, encode_log_order(order), {.idempotent = true}, read_logs, 0);
    REQUIRE(who.outcomes.count(call.number) == 1);
    auto& answer = who.outcomes.at(call.number);
    REQUIRE(answer.ok());
    log_page page;
    REQUIRE(decode_log_page(answer.value().payload(), page));
    return page;
  }
  std::string text(loopback::client_end& who, call_id call) {
    std::string all;
    for (auto const& one : logs(who, {call}).entries) all += one.text;
    return all;
  }
};

log_store::entry entry_of(std::vector<call_id> calls, std::string text) {
  return {.calls = std::move(calls), .identity = "key", .worker = "w", .text = std::move(text)};
}

std::string kept_of(log_store const& store, call_id call) {
  std::string all;
  store.read(call, 0, [&](auto, auto const& one, auto) {
    all += one.text;
    return true;
  });
  return all;
}

frame printed_by(call_id call, std::string_view text, std::uint32_t attempt = 1, std::uint32_t count = 1) {
  auto made = make_printed(text, 0, count);
  made.head.call = call;
  made.head.attempt = attempt;
  return made;
}

}  // namespace

TEST_CASE(
    "what a task prints is kept with its call, over either kind of connection, also when that has ended") {
  for (auto const reliable : {true, false}) {
    printing t(reliable);
    auto& worker = t.net.add_worker();
    auto const first = t.net.submit(t.caller, "a");
    auto const second = t.net.submit(t.caller, "b");
    t.net.print(worker, "one\n", 0);
    auto page = t.logs(t.caller, {first});
    CHECK(page.state == log_state::open);
    REQUIRE(page.entries.size() == 1);
    CHECK(page.entries.front().text == "one\n");
    CHECK(page.entries.front().worker.starts_with("worker-"));
    t.net.print(worker, "two\n", 7);
    page = t.logs(t.caller, {first, page.next});
    REQUIRE(page.entries.size() == 1);
    CHECK(page.entries.front().text == "two\n");
    CHECK(page.entries.front().at == 4 + 7);
    t.net.finish(worker, "done");
    t.net.print(worker, "of the next\n", 0);
    CHECK(t.text(t.caller, first) == "one\ntwo\n");
    CHECK(t.logs(t.caller, {first}).state == log_state::ended);
    CHECK(t.text(t.caller, second) == "of the next\n");
    CHECK(t.logs(t.caller, {second}).state == log_state::open);
    t.net.finish(worker, "done");
  }
}

TEST_CASE("a number that another hub has given is as none") {
  hub_config config;
  config.seed = std::uint64_t{5} << 44U;
  printing t(true, config);
  auto& worker = t.net.add_worker();
  auto const call = t.net.submit(t.caller, "a");
  t.net.print(worker, "one\n", 0);
  auto const page = t.logs(t.caller, {call, 1});
  REQUIRE(page.entries.size() == 1);
  CHECK_FALSE(are_of_one_hub(1, page.next));
  auto const next = t.logs(t.caller, {call, page.next});
  CHECK(next.entries.empty());
  CHECK(next.next == page.next);
  auto const later = t.logs(t.caller, {call, std::uint64_t{6} << 32U | 1U});
  CHECK(later.entries.size() == 1);
  CHECK(are_of_one_hub(later.next, page.next));
  CHECK(t.logs(t.caller, {{}, std::uint64_t{6} << 32U | 1U}).entries.size() == 1);
  CHECK(t.logs(t.caller, {{}, t.logs(t.caller, {}).next}).entries.empty());
}

TEST_CASE("for as long as workers may come back, a call of which a hub knows nothing is awaited") {
  printing t;
  auto const stranger = call_id{99, 1};
  CHECK(t.logs(t.boss, {stranger}).state == log_state::awaited);
  t.net.wait(11 * second);
  CHECK(t.logs(t.boss, {stranger}).state == log_state::unknown);
}

TEST_CASE("promise 20: what a call prints is for the credential that made it, and for operators") {
  printing t;
  auto& worker = t.net.add_worker();
  auto const call = t.net.submit(t.caller, "a");
  t.net.print(worker, "a secret", 0);
  t.net.finish(worker, "done");
  t.net.print_idle(worker, "of the worker itself");
  CHECK(t.text(t.caller, call) == "a secret");
  CHECK(t.text(t.boss, call) == "a secret");
  CHECK(t.text(t.other, call).empty());
  CHECK(t.logs(t.other, {call}).state == t.logs(t.other, {call_id{99, 1}}).state);
  CHECK(t.logs(t.other, {}).entries.empty());
  CHECK(t.logs(t.caller, {}).entries.size() == 1);
  auto const all = t.logs(t.boss, {}).entries;
  REQUIRE(all.size() == 2);
  CHECK(all[0].call == call);
  CHECK(all[1].call.number == 0);
  CHECK(all[1].text == "of the worker itself");
}

TEST_CASE("calls that ran as one show what was printed then, if they are of one credential") {
  printing t;
  auto& worker = t.net.add_worker();
  batch_policy const together{.max_items = 2, .max_wait = yonder::core::second};
  for (auto const same : {true, false}) {
    t.net.submit(t.caller, "busy");
    auto const a = t.net.submit(t.caller, "a", {}, "echo", 7, {}, {}, &together);
    auto const b = t.net.submit(same ? t.caller : t.other, "b", {}, "echo", 7, {}, {}, &together);
    t.net.finish(worker, "done");
    REQUIRE(worker.runs.front().items.size() == 2);
    t.net.print(worker, "both", 0);
    CHECK(t.text(t.caller, a) == (same ? "both" : ""));
    CHECK(t.text(same ? t.caller : t.other, b) == (same ? "both" : ""));
    CHECK(t.logs(t.boss, {}).entries.back().count == (same ? 2 : 1));
    CHECK(t.logs(t.boss, {}).entries.back().text == "both");
    auto const run = std::move(worker.runs.front());
    worker.runs.pop_front();
    for (auto const& item : run.items) t.net.finish(worker, item.key, "done");
  }
}

TEST_CASE("what is printed by what was not asked, or too much at once, ends the worker's session") {
  for (int wrong = 0; wrong < 4; ++wrong) {
    CAPTURE(wrong);
    raw_hub hub;
    raw_peer caller(hub, 1, 100, {true, 0, {}, false}), worker(hub, 2, 200, {true, 0, {}, false});
    caller.hello(peer_role::client);
    worker.hello(peer_role::worker, {{"f", 7, ""}});
    caller.call(1);
    worker.say(printed_by({100, 1}, "right"));
    CHECK(hub.core.counters().protocol_violations == 0);
    frame said = printed_by({100, 2}, "of another call");
    if (wrong == 1) said = printed_by({100, 1}, "of more calls than it has", 1, 2);
    if (wrong == 2) said = printed_by({100, 1}, {});
    if (wrong == 3) {
      said = printed_by({100, 1}, "x");
      std::string const much(max_printed_text + 1, 'x');
      said.body = bytes_of(much);
    }
    worker.say(std::move(said));
    CHECK(hub.core.counters().protocol_violations == 1);
  }
}

TEST_CASE("what a call that nobody waits for any more prints is for operators alone") {
  raw_hub hub;
  raw_peer caller(hub, 1, 100, {true, 0, {}, false}), worker(hub, 2, 200, {true, 0, {}, false});
  caller.hello(peer_role::client);
  worker.hello(peer_role::worker, {{"f", 7, ""}});
  caller.call(1);
  auto cancel = make_control(frame_type::cancel);
  cancel.head.call = {100, 1};
  caller.say(std::move(cancel));
  worker.say(printed_by({100, 1}, "late"));
  CHECK(hub.core.counters().protocol_violations == 0);
}

TEST_CASE("an order about logs that does not decode is refused") {
  printing t;
  auto const call = t.net.submit(t.caller, "short", {.idempotent = true}, read_logs, 0);
  CHECK(t.caller.outcomes.at(call.number).error().code == errc::protocol_violation);
}

TEST_CASE("of what a call prints the latest is kept, and of all calls") {
  log_store store(10, 4096);
  store.add(entry_of({{1, 1}}, "0123456"), 0);
  store.add(entry_of({{1, 1}}, "789"), 0);
  CHECK(kept_of(store, {1, 1}) == "0123456789");
  store.add(entry_of({{1, 1}}, "abc"), 5);
  CHECK(kept_of(store, {1, 1}) == "789abc");
  std::uint64_t at = 0;
  store.read({1, 1}, 2, [&](auto, auto const&, std::uint64_t place) {
    at = place;
    return true;
  });
  CHECK(at == 15);  // with what was lost on the way
  for (std::uint64_t i = 0; i < 1000; ++i) {
    store.add(entry_of({{2, i}, {3, i}}, "x"), 0);
    REQUIRE(store.bytes() <= 4096);
  }
  CHECK(kept_of(store, {1, 1}).empty());
  CHECK(store.owner({1, 1}) == nullptr);
  CHECK(kept_of(store, {2, 999}) == "x");
  CHECK(kept_of(store, {3, 999}) == "x");
}

TEST_CASE("a call that floods takes nothing from what others have printed, up to its own limit") {
  log_store store(1000, 100'000);
  store.add(entry_of({{1, 1}}, "the other"), 0);
  for (int i = 0; i < 100'000; ++i) store.add(entry_of({{1, 2}}, std::string(100, 'f')), 0);
  CHECK(kept_of(store, {1, 1}) == "the other");
  CHECK(kept_of(store, {1, 2}).size() == 1000);
}

TEST_CASE("a page of all logs ends, and the next one begins behind it") {
  printing t;
  auto& worker = t.net.add_worker();
  t.net.submit(t.caller, "a");
  std::string const much(max_printed_text, 'x');
  for (int i = 0; i < 40; ++i) t.net.print(worker, much, 0);
  std::size_t seen = 0;
  log_order order;
  for (bool more = true; more;) {
    auto const page = t.logs(t.boss, order);
    CHECK(page.next >= order.after);
    seen += page.entries.size();
    order.after = page.next;
    more = page.more;
  }
  CHECK(seen == 40);
  CHECK(t.logs(t.boss, order).entries.empty());
}

TEST_CASE(
    "a worker says nothing more of what it prints while that is on its way, but for a call's last words") {
  outputs out;
  worker_config config;
  config.session = 5;
  worker alone(std::move(config), 0);
  CHECK_FALSE(alone.printed(0, {}, 1, "before a hub", 0, false, out));
  loopback net({}, false);
  auto& end = net.add_worker();
  net.submit(net.add_client(), "a");
  auto const key = end.runs.front().key;
  CHECK(end.core->printed(net.now, key, 1, "first", 0, false, out));
  CHECK_FALSE(end.core->printed(net.now, key, 1, "second", 0, false, out));
  CHECK(end.core->printed(net.now, key, 1, "last", 0, true, out));
}

}  // namespace printed_logs
