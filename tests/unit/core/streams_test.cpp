// SPDX-License-Identifier: Apache-2.0
// Streams: out of tasks and into them, by credit.
#include "src/core/streams.hpp"

#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <string>
#include <vector>

using namespace yonder::core;
using test::loopback;
using yonder::errc;
using texts = std::vector<std::string>;

namespace {

constexpr stream_level plenty{1000, 1000};

errc why_ended(loopback::client_end& end, call_id id) {
  auto const found = end.outcomes.find(id.number);
  REQUIRE(found != end.outcomes.end());
  REQUIRE_FALSE(found->second.ok());
  return found->second.error().code;
}

hub_config retries_at_once() {
  hub_config config;
  config.backoff_first = 0;
  return config;
}

}  // namespace

TEST_CASE("what a task produces reaches its reader in order, and the end behind it") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& caller = net.add_client();
    auto& worker = net.add_worker();
    auto const call = net.read(caller, plenty);
    REQUIRE(worker.runs.size() == 1);
    REQUIRE(worker.runs.front().stream);
    CHECK(worker.runs.front().stream->allowed == plenty);
    net.produce(worker, 0, {"a"});
    net.produce(worker, 1, {"b", "", "cc"});
    CHECK(caller.items[call.number] == texts{"a", "b", "", "cc"});
    CHECK(caller.outcomes.empty());
    net.finish_stream(worker, 4);
    CHECK(caller.outcomes.at(call.number).ok());
    net.wait(2 * second);
    CHECK(net.hub().census().calls == 0);
    CHECK(net.hub().census().client_bytes == 0);
  }
}

TEST_CASE("what a task throws after some items arrives after them") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.read(caller, plenty, {.retries = 3});
  net.produce(worker, 0, {"a", "b"});
  failure thrown;
  thrown.message = "no more";
  net.finish(worker, std::move(thrown));
  net.wait(2 * second);
  CHECK(caller.items[call.number] == texts{"a", "b"});
  CHECK(why_ended(caller, call) == errc::failed);  // not again: it has delivered
}

TEST_CASE("a stream that ends with other than all its items is no value") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.read(caller, plenty);
  net.produce(worker, 0, {"a"});
  net.finish_stream(worker, 2);
  CHECK(why_ended(caller, call) == errc::protocol_violation);
}

TEST_CASE("a producer gets the credit that its reader states, and waits without it") {
  hub_config config;
  config.pools.push_back({.functions = loopback::offers(), .max_workers = 1});
  loopback net(std::move(config));
  auto& caller = net.add_client();
  auto const call = net.read(caller, {2, 1000});
  net.wait(2 * millisecond);
  auto& worker = net.add_worker(loopback::offers(), net.starts.front());
  net.produce(worker, 0, {"a"});
  CHECK(net.hub().census().waiting_workers == 0);
  net.produce(worker, 1, {"b"});
  CHECK(net.hub().census().waiting_workers == 1);
  net.submit(caller, "another");
  net.wait(5 * millisecond);
  CHECK(net.starts.size() == 2);  // it does not count against its pool meanwhile
  net.allow(caller, call, {4, 1000});
  CHECK(worker.allowed[call.number] == stream_level{4, 1000});
  CHECK(net.hub().census().waiting_workers == 0);
  net.produce(worker, 2, {"c", "d"});
  net.allow(caller, call, {3, 1000});  // late: it says less than was said before
  CHECK(net.hub().census().waiting_workers == 1);
  net.finish_stream(worker, 4);
  CHECK(net.hub().census().waiting_workers == 0);
  CHECK(caller.items[call.number] == texts{"a", "b", "c", "d"});
}

TEST_CASE("the time that a producer waits for its reader is not its own") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.read(caller, {1, 1000}, {.timeout = 100 * millisecond});
  net.wait(50 * millisecond);
  net.produce(worker, 0, {"a"});
  net.wait(10 * second);
  CHECK(caller.outcomes.empty());
  net.allow(caller, call, {2, 1000});
  net.wait(60 * millisecond);
  CHECK(why_ended(caller, call) == errc::timed_out);
}

TEST_CASE("a producer that never produces is ended by its timeout, or by the call's deadline") {
  loopback net;
  auto& caller = net.add_client();
  net.add_worker();
  auto const timed = net.read(caller, plenty, {.timeout = 50 * millisecond});
  net.wait(60 * millisecond);
  CHECK(why_ended(caller, timed) == errc::timed_out);
  net.add_worker();
  auto const late = net.read(caller, plenty, {.deadline = 50 * millisecond});
  net.wait(200 * millisecond);
  CHECK(why_ended(caller, late) == errc::deadline_exceeded);
}

TEST_CASE("a lost attempt is repeated while nothing was delivered, and afterwards only if idempotent") {
  loopback net(retries_at_once());
  auto& caller = net.add_client();
  auto* worker = &net.add_worker();
  auto const retried = net.read(caller, plenty, {.retries = 1});
  net.lose(*worker, {.signal = 9});
  worker = &net.add_worker();
  net.wait(millisecond);
  REQUIRE(worker->runs.size() == 1);
  net.produce(*worker, 0, {"a"});
  net.lose(*worker, {.signal = 9});
  net.wait(millisecond);
  CHECK(why_ended(caller, retried) == errc::worker_lost);
  CHECK(caller.items[retried.number] == texts{"a"});

  auto const again = net.read(caller, {3, 1000}, {.idempotent = true});
  worker = &net.add_worker();
  net.produce(*worker, 0, {"a", "bb"});
  net.allow(caller, again, {4, 1000});
  net.lose(*worker, {.signal = 9});
  worker = &net.add_worker();
  net.wait(millisecond);
  REQUIRE(worker->runs.size() == 1);
  auto const& terms = *worker->runs.front().stream;
  CHECK(terms.begin == stream_level{2, 3});
  CHECK(terms.allowed == stream_level{4, 1000});
  net.produce(*worker, 2, {"c"});
  net.finish_stream(*worker, 3);
  CHECK(caller.items[again.number] == texts{"a", "bb", "c"});
  CHECK(caller.outcomes.at(again.number).ok());
}

TEST_CASE("a cancelled stream stops its producer, whose late items go nowhere") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.read(caller, plenty);
  net.produce(worker, 0, {"a"});
  net.cancel(caller, call);
  CHECK(worker.stops.size() == 1);
  net.produce(worker, 1, {"b"});
  CHECK(caller.items[call.number] == texts{"a"});
  net.finish_stream(worker, 2);
  CHECK(net.hub().census().calls == 0);
  CHECK(net.hub().census().attempts == 0);
  CHECK(net.hub().counters().protocol_violations == 0);
}

TEST_CASE("a stream ends with the session of its reader") {
  loopback net({}, false);
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.read(caller, plenty);
  net.produce(worker, 0, {"a"});
  caller.connected = false;
  net.hub().lost(net.now, caller.peer, {}, net.scratch());
  net.scratch().clear();
  net.wait(30 * second);
  CHECK(worker.stops.size() == 1);
  CHECK(net.hub().census().calls == 0);
}

TEST_CASE("credit that comes before the attempt begins is not lost") {
  loopback net(retries_at_once());
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "first");
  net.finish(worker, "done");  // measured: the next ones are handed to the worker while it runs another
  net.submit(caller, "first");
  auto const call = net.read(caller, {1, 1000});
  net.allow(caller, call, {5, 1000});
  net.finish(worker, "done");
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs.front().stream->allowed == stream_level{5, 1000});
}

TEST_CASE("a caller feeds its call as far as its task takes") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& caller = net.add_client();
    auto& worker = net.add_worker();
    auto const call =
        net.submit(caller, "", {.retries = 5, .idempotent = true}, "echo", 7, {}, {}, nullptr, {}, {}, true);
    CHECK_FALSE(net.feed(caller, call, "early"));
    net.take_input(worker, {2, 1000});
    CHECK(caller.allowed[call.number] == stream_level{2, 1000});
    CHECK(net.feed(caller, call, "a"));
    CHECK(net.feed(caller, call, "b"));
    CHECK_FALSE(net.feed(caller, call, "c"));
    net.take_input(worker, {4, 1000});
    CHECK(net.feed(caller, call, "c"));
    net.end_feed(caller, call);
    CHECK(worker.fed == texts{"a", "b", "c"});
    CHECK(worker.feed_ended);
    net.finish(worker, "sum");
    CHECK(test::text_of(caller.outcomes.at(call.number).value().payload()) == "sum");
    net.wait(2 * second);
    CHECK(net.hub().census().calls == 0);
  }
}

TEST_CASE("a task that waits for its input computes nothing: what was behind it runs elsewhere") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "measured");
  net.finish(worker, "done");
  auto const call = net.submit(caller, "", {.timeout = second}, "echo", 7, {}, {}, nullptr, {}, {}, true);
  net.submit(caller, "behind it");
  CHECK(worker.core->queued() == 1);
  net.take_input(worker, {2, 1000});
  CHECK(worker.core->queued() == 1);
  net.wait_for_input(worker, 0);
  CHECK(worker.core->queued() == 0);
  CHECK(net.hub().census().waiting_workers == 1);
  net.submit(caller, "another");
  CHECK(worker.core->queued() == 0);
  net.wait(10 * second);
  CHECK_FALSE(caller.outcomes.contains(call.number));  // that time is not its own
  CHECK(net.feed(caller, call, "a"));
  CHECK(net.hub().census().waiting_workers == 0);
  net.wait_for_input(worker, 0);  // said before the item came
  CHECK(net.hub().census().waiting_workers == 0);
  net.wait_for_input(worker, 1);
  CHECK(net.hub().census().waiting_workers == 1);
  net.end_feed(caller, call);
  CHECK(net.hub().census().waiting_workers == 0);
  net.wait(2 * second);
  CHECK(why_ended(caller, call) == errc::timed_out);
}

TEST_CASE("a call that is fed counts against its pool only while it computes") {
  hub_config config;
  config.pools.push_back({.functions = loopback::offers(), .max_workers = 1});
  loopback net(std::move(config));
  auto& caller = net.add_client();
  net.submit(caller, "", {}, "echo", 7, {}, {}, nullptr, {}, {}, true);
  net.wait(2 * millisecond);
  auto& worker = net.add_worker(loopback::offers(), net.starts.front());
  net.take_input(worker, {2, 1000});
  net.submit(caller, "another");
  net.wait(5 * millisecond);
  CHECK(net.starts.size() == 1);
  net.wait_for_input(worker, 0);
  net.wait(5 * millisecond);
  CHECK(net.starts.size() == 2);
}

TEST_CASE("a wait for input that was asked for by nobody ends its worker") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "x");
  net.wait_for_input(worker, 0);
  CHECK(net.hub().counters().protocol_violations == 1);
}

TEST_CASE("an item of the input that the hub cannot receive ends its call, and no other") {
  for (auto const reliable : {true, false}) {
    hub_config config;
    config.limits.max_frame_bytes = std::size_t{1} << 20;
    loopback net(std::move(config), reliable);
    auto& caller = net.add_client();
    auto& worker = net.add_worker();
    auto const fed = net.submit(caller, "", {}, "echo", 7, {}, {}, nullptr, {}, {}, true);
    auto const behind = net.submit(caller, "behind it");
    net.take_input(worker, {2, 4'000'000});
    CHECK(net.feed(caller, fed, std::string(2 << 20, 'x')));
    CHECK(why_ended(caller, fed) == errc::too_large);
    auto const& why = caller.outcomes.at(fed.number).error().message;
    CHECK(why.find("an item of the input takes 2097") == 0);
    CHECK(worker.stops.size() == 1);
    net.finish(worker, "stopped");
    net.wait(second);
    net.finish(worker, "done");
    CHECK(caller.outcomes.at(behind.number).ok());
    CHECK(net.hub().counters().protocol_violations == 0);
  }
}

TEST_CASE("a caller that comes back to a call is told that its task takes input") {
  test::raw_hub hub;
  test::raw_peer caller{hub, 1, 100, {.reliable = true}};
  test::raw_peer worker{hub, 2, 900, {.reliable = true}};
  REQUIRE(caller.hello(peer_role::client));
  REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
  caller.call(1, {.retries = 1});
  hub.core.lost(hub.now, 1, {}, hub.out);
  auto* runs_it = &worker;
  test::raw_peer next{hub, 3, 901, {.reliable = true}};
  auto const takes = [&](std::uint32_t attempt, std::uint64_t items) {
    auto credit = make_stream_credit({items, 1000});
    credit.head.call = {100, 1};
    credit.head.attempt = attempt;
    runs_it->say(std::move(credit));
  };
  SUBCASE("of the attempt that it left") { takes(1, 2); }
  SUBCASE("of the one after that") {
    takes(1, 5);
    hub.core.lost(hub.now, 2, {.signal = 9}, hub.out);
    REQUIRE(next.hello(peer_role::worker, {{"f", 7, ""}}));
    runs_it = &next;
    hub.wait(2 * second);
    takes(2, 2);
  }
  test::raw_peer again{hub, 4, 100, {.reliable = true}};
  REQUIRE(again.hello(peer_role::client));
  again.call(1, {.retries = 1});
  auto const said = again.received();
  REQUIRE(said.size() == 1);
  stream_level level;
  REQUIRE(read_stream_credit(said.front(), level));
  CHECK(level == stream_level{2, 1000});
  auto item = make_stream_items(0, {}, {}, {});
  item.head.call = {100, 1};
  again.say(std::move(item));
  CHECK(hub.core.counters().protocol_violations == 0);
  auto const fed = runs_it->received();
  CHECK(fed.back().head.type == frame_type::stream_items);
}

TEST_CASE("an attempt that was fed is never repeated") {
  loopback net(retries_at_once());
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto const call =
      net.submit(caller, "", {.retries = 5, .idempotent = true}, "echo", 7, {}, {}, nullptr, {}, {}, true);
  net.take_input(worker, {2, 1000});
  net.lose(worker, {.signal = 9});
  net.add_worker();
  net.wait(millisecond);
  CHECK(why_ended(caller, call) == errc::worker_lost);
}

TEST_CASE("a producer that a waiting task reads from can itself go on") {
  hub_config config;
  config.max_prefetch = 1;
  loopback net(std::move(config));
  auto& caller = net.add_client();
  auto& tasks = net.add_client();
  auto& producer = net.add_worker();
  auto& outer_worker = net.add_worker();  // the last to come is the first to be given work
  net.submit(caller, "outer");
  REQUIRE(outer_worker.runs.size() == 1);
  auto const stream = net.submit(tasks, "", {}, "echo", 7, {}, outer_worker.runs.front().key, nullptr, {},
                                 stream_terms{{1, 1000}, {}});
  net.produce(producer, 0, {"a"});  // waits for its reader, which computes
  auto const stuck = net.call_within(outer_worker, tasks, "inner");
  CHECK(tasks.outcomes.empty());
  net.wait_within(outer_worker, tasks);  // now everybody waits for what nobody can take
  CHECK(why_ended(tasks, stuck) == errc::would_deadlock);
  net.allow(tasks, stream, {2, 1000});
  net.produce(producer, 1, {"b"});
  CHECK(tasks.items[stream.number] == texts{"a", "b"});
}

TEST_CASE("a worker that sends what no reader takes is ended, nobody else") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.read(caller, {1, 1000});
  net.produce(worker, 0, {"a"});
  net.produce(worker, 1, {"b"});
  CHECK(net.hub().counters().protocol_violations == 1);
  CHECK(net.closes.size() == 1);
}

TEST_CASE("a reader who allows more than anybody may is ended") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.read(caller, {1, 1000});
  auto far = make_stream_credit({2 * max_stream_window.items, 1});
  far.head.call = call;
  for (auto const& entry : net.log)
    if (entry.from == 'c' && entry.head.type == frame_type::call) far.head.epoch = entry.head.epoch;
  net.inject(caller.peer, std::move(far));
  CHECK(net.hub().counters().protocol_violations == 1);
  CHECK(worker.stops.size() == 1);
}

TEST_CASE("a reader states its level again when half of its window is taken") {
  stream_reader reader({4, 100}, {10, 0});
  CHECK(reader.allowed() == stream_level{14, 100});
  CHECK_FALSE(reader.take({1, 10}));
  CHECK(reader.take({1, 10}));
  CHECK(reader.allowed() == stream_level{16, 120});
  CHECK(reader.take({1, 500}));  // one item may be larger than the window
  CHECK(reader.allowed().bytes == 620);
}

TEST_CASE("an account takes one item past its bytes, and none past its items") {
  stream_account account{{3, 10}, {}};
  CHECK(account.take({0, {2, 9}, 5}));
  CHECK_FALSE(account.take({1, {1, 1}, 1}));  // it was there already
  CHECK(account.take({2, {1, 500}, 500}));
  CHECK(account.waits());
  CHECK_FALSE(account.take({3, {1, 1}, 1}));
  CHECK(account.allow({9, 600}));
  CHECK_FALSE(account.take({3, {2, 200}, 50}));  // the first of them takes it past the bytes
  CHECK(account.take({3, {2, 101}, 50}));
}
