// SPDX-License-Identifier: Apache-2.0
// The promises of docs/protocol.md, each by its number.
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using test::loopback;
using test::raw_hub;
using test::raw_peer;
using test::text_of;
using yonder::errc;

namespace {

failure thrown(std::string text) {
  failure error;
  error.code = errc::failed;
  error.type_name = "std::runtime_error";
  error.message = std::move(text);
  return error;
}

call_policy with_retries(std::uint32_t retries) {
  call_policy policy;
  policy.retries = retries;
  return policy;
}

errc code_of(loopback::client_end& client, call_id call) {
  return client.outcomes.at(call.number).error().code;
}

}  // namespace

TEST_CASE("promise 1: a call ends in its value") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    auto& client = net.add_client();
    auto& worker = net.add_worker();
    auto const call = net.submit(client, "argument");
    REQUIRE(worker.runs.size() == 1);
    CHECK(text_of(worker.runs[0].message.payload()) == "argument");
    net.finish(worker, "value");
    CHECK(text_of(client.outcomes.at(call.number).value().payload()) == "value");
    net.wait(second);
    CHECK(net.hub().census().frames_held == 0);
  }
}

TEST_CASE("promise 1: a call ends in what its task threw") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  net.finish(worker, thrown("no such thing"));
  auto const& error = client.outcomes.at(call.number).error();
  CHECK(error.code == errc::failed);
  CHECK(error.message == "no such thing");
  CHECK(error.type_name == "std::runtime_error");
  CHECK(error.function == "echo");
  CHECK(error.attempt == 1);
  CHECK(error.worker.rfind("worker-", 0) == 0);
}

TEST_CASE("promise 2: a lost attempt is unknown, it is not started again") {
  loopback net;
  auto& client = net.add_client();
  auto& first = net.add_worker();
  auto const call = net.submit(client, "x");
  auto& second_worker = net.add_worker();
  peer_loss loss;
  loss.started = first.runs[0].mark;
  loss.signal = 11;
  loss.stderr_tail = "last words";
  net.lose(first, loss);
  REQUIRE(client.outcomes.count(call.number) == 1);
  auto const& error = client.outcomes.at(call.number).error();
  CHECK(error.code == errc::worker_lost);
  CHECK(error.signal == 11);
  CHECK(error.stderr_tail == "last words");
  CHECK(second_worker.runs.empty());
}

TEST_CASE("promise 2: what a lost worker had not started is queued again, and counts as nothing") {
  loopback net;
  auto& client = net.add_client();
  auto& first = net.add_worker();
  net.submit(client, "warm up");  // measured as short, so that work may wait in the worker
  net.finish(first, "");
  auto const running = net.submit(client, "running");
  auto const waiting = net.submit(client, "waiting");
  CHECK(first.core->queued() == 1);
  auto& other = net.add_worker();
  peer_loss loss;
  loss.started = first.runs[0].mark;
  net.lose(first, loss);
  CHECK(code_of(client, running) == errc::worker_lost);
  REQUIRE(other.runs.size() == 1);
  CHECK(text_of(other.runs[0].message.payload()) == "waiting");
  net.finish(other, "value");
  CHECK(client.outcomes.at(waiting.number).ok());
  CHECK(net.hub().counters().retries == 0);
}

TEST_CASE("a call that ends every worker before it is started is given up") {
  loopback net;
  auto& client = net.add_client();
  auto const call = net.submit(client, "x");
  peer_loss loss;
  loss.started = 0;
  loss.reason = "a frame past its limits";
  for (int ended = 1; ended <= 16; ++ended) {
    CAPTURE(ended);
    CHECK(client.outcomes.count(call.number) == 0);
    net.lose(net.add_worker(), loss);
  }
  REQUIRE(client.outcomes.count(call.number) == 1);
  auto const& error = client.outcomes.at(call.number).error();
  CHECK(error.code == errc::worker_lost);
  CHECK(error.attempt == 0);
  CHECK(error.message.find("16 workers ended") != std::string::npos);
  CHECK(error.message.find("a frame past its limits") != std::string::npos);
}

TEST_CASE("promise 2: without the started level, everything that was sent may have run") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "warm up");
  net.finish(worker, "");
  auto const running = net.submit(client, "running");
  auto const waiting = net.submit(client, "waiting");
  net.lose(worker);
  CHECK(code_of(client, running) == errc::worker_lost);
  CHECK(code_of(client, waiting) == errc::worker_lost);
}

TEST_CASE("promise 2: retries opt into a second start") {
  loopback net;
  auto& client = net.add_client();
  auto& first = net.add_worker();
  auto const call = net.submit(client, "x", with_retries(1));
  net.lose(first);
  auto& other = net.add_worker();
  CHECK(client.outcomes.empty());
  net.wait(2 * second);
  REQUIRE(other.runs.size() == 1);
  CHECK(text_of(other.runs[0].message.payload()) == "x");
  net.finish(other, "value");
  CHECK(client.outcomes.at(call.number).ok());
}

TEST_CASE("promise 3: what a fenced attempt says later changes nothing") {
  loopback net;
  auto& client = net.add_client();
  auto& slow = net.add_worker();
  auto policy = with_retries(1);
  policy.timeout = 100 * millisecond;
  auto const call = net.submit(client, "x", policy);
  auto& other = net.add_worker();
  net.wait(150 * millisecond);
  CHECK(slow.stops.size() == 1);
  while (other.runs.empty() && net.now < 1'002 * second) net.wait(millisecond);  // its backoff
  REQUIRE(other.runs.size() == 1);
  net.finish(slow, "too late");
  CHECK(client.outcomes.empty());
  CHECK(net.hub().counters().fenced == 1);
  net.finish(other, "in time");
  CHECK(text_of(client.outcomes.at(call.number).value().payload()) == "in time");
  CHECK(net.hub().census().idle_workers == 2);
}

TEST_CASE("promise 3: a worker that was taken for dead is fenced by its epoch, and begins anew") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  auto const epoch = worker.runs[0].key.epoch;
  worker.connected = false;
  for (int i = 0; i < 11; ++i) net.wait(second);
  CHECK(code_of(client, call) == errc::worker_lost);
  worker.connected = true;
  net.wait(1'500 * millisecond);
  CHECK(worker.stops.size() == 1);
  net.finish(worker, "too late");
  net.submit(client, "y");
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs[0].key.epoch != epoch);
}

TEST_CASE(
    "promise 15: an attempt's time ends when its worker says so, however long its answer is under way") {
  for (auto const cancelled : {false, true}) {
    raw_hub hub;
    raw_peer client{hub, 1, 100, {.reliable = true}};
    raw_peer worker{hub, 2, 900};
    REQUIRE(client.hello(peer_role::client));
    REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
    call_policy policy;
    policy.timeout = second;
    client.call(1, policy);
    worker.acknowledge(static_cast<std::uint32_t>(worker.received().size()));
    if (cancelled) client.cancel(1);
    auto ended = make_control(frame_type::ended);
    ended.head.call = {100, 1};
    ended.head.attempt = 1;
    worker.say(std::move(ended));
    hub.wait(900 * millisecond);
    for (int i = 0; i < 5; ++i) {  // chunks, say
      worker.acknowledge(1);
      hub.wait(900 * millisecond);
    }
    CHECK(client.received().empty());
    CHECK(hub.take<out::close>().empty());
    CHECK(hub.core.counters().workers_killed == 0);
    worker.answer_items(100, 1, 1);
    CHECK(hub.core.counters().completed == (cancelled ? 0 : 1));
    CHECK(hub.core.census().attempts == 0);
  }
}

TEST_CASE("promise 3: a worker elsewhere that falls silent gets no new work until it is heard again") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.wait(3 * second);  // it is idle, and says so
  worker.connected = false;
  net.wait(1'300 * millisecond);
  auto const call = net.submit(client, "x");
  CHECK(net.hub().census().queued == 1);
  CHECK(net.hub().census().attempts == 0);
  auto& other = net.add_worker();
  REQUIRE(other.runs.size() == 1);
  net.finish(other, "value");
  CHECK(client.outcomes.at(call.number).ok());
  net.lose(other);
  net.submit(client, "y");
  CHECK(net.hub().census().attempts == 0);
  worker.connected = true;
  net.wait(second);
  CHECK(worker.runs.size() == 1);  // no new session: nothing had become of the old one
  CHECK(net.hub().counters().workers_lost == 0);
}

TEST_CASE("promise 3: a worker elsewhere gets no work before it is seen to hear") {
  for (auto const hears : {true, false}) {
    raw_hub hub;
    raw_peer client{hub, 1, 100, {.reliable = true}};
    raw_peer worker{hub, 2, 900};
    worker.answers = hears;
    REQUIRE(client.hello(peer_role::client));
    client.call(1);
    REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));
    CHECK(worker.received().size() == (hears ? 1 : 0));
    worker.answers = true;
    REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}}));  // again: it is not known whether that came
    CHECK(worker.received().size() == (hears ? 0 : 1));
  }
}

TEST_CASE("promise 3: a worker whose connection ended gets no new work until it is back") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.lose(worker);
  net.submit(client, "x");
  CHECK(net.hub().census().attempts == 0);
  net.connect(worker);
  net.pump();
  CHECK(worker.runs.size() == 1);
}

TEST_CASE("promise 7: what expires in the queue is not started") {
  loopback net;
  auto& client = net.add_client();
  call_policy policy;
  policy.deadline = 50 * millisecond;
  auto const call = net.submit(client, "x", policy);
  net.wait(60 * millisecond);
  CHECK(code_of(client, call) == errc::deadline_exceeded);
  auto& worker = net.add_worker();
  CHECK(worker.runs.empty());
}

TEST_CASE("promise 7: what expires in a worker's queue is not started") {
  worker_config config;
  config.session = 1;
  worker core(std::move(config), 0);
  outputs out;
  core.connected(0, 1, true, out);
  auto welcome = make_welcome({protocol_version, second, {10, 10}, {}});
  welcome.head.attempt = 1;
  welcome.head.epoch = 5;
  core.receive(0, 1, std::move(welcome), out);
  for (std::uint32_t i = 1; i <= 2; ++i) {
    frame assign;
    assign.head.type = frame_type::assign;
    assign.head.epoch = 5;
    assign.head.attempt = 1;
    assign.head.call = {9, i};
    assign.head.remaining_us = 1'001;
    byte_buffer body;
    assign.head.metadata_size = begin_call(body, "f", {});
    assign.body = std::move(body);
    core.receive(0, 1, std::move(assign), out);
  }
  out.clear();
  core.finished(2 * millisecond, {{9, 1}, 1, 5}, frame{}, out);
  REQUIRE(out.size() == 2);
  auto const& refused = std::get<out::send>(out[1]);
  CHECK(refused.head.flags == flag_not_started);
  CHECK(core.idle());
}

TEST_CASE("promise 8: cancelling queued work always wins") {
  loopback net;
  auto& client = net.add_client();
  auto const call = net.submit(client, "x");
  net.cancel(client, call);
  CHECK(code_of(client, call) == errc::cancelled);
  auto& worker = net.add_worker();
  CHECK(worker.runs.empty());
  CHECK(net.hub().census().calls == 0);
}

TEST_CASE("promise 8: cancelled work that waits in a worker is not started") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "warm up");
  net.finish(worker, "");
  net.submit(client, "running");
  auto const waiting = net.submit(client, "waiting");
  REQUIRE(worker.core->queued() == 1);
  net.cancel(client, waiting);
  CHECK(worker.core->queued() == 0);
  net.finish(worker, "");
  CHECK(worker.runs.empty());
}

TEST_CASE(
    "promise 8: running work is told to stop, then its worker is killed, and its neighbours go elsewhere") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "warm up");
  net.finish(worker, "");
  auto const running = net.submit(client, "running");
  net.submit(client, "neighbour");
  REQUIRE(worker.core->queued() == 1);
  net.cancel(client, running);
  CHECK(code_of(client, running) == errc::cancelled);
  CHECK(worker.stops.size() == 1);
  CHECK(worker.core->queued() == 0);  // handed back
  auto& other = net.add_worker();
  REQUIRE(other.runs.size() == 1);
  CHECK(text_of(other.runs[0].message.payload()) == "neighbour");
  CHECK(net.kills.empty());
  net.wait(3 * second);
  REQUIRE(net.kills.size() == 1);
  CHECK(net.kills[0].peer == worker.peer);
  CHECK(net.hub().counters().workers_killed == 1);
}

TEST_CASE(
    "promise 9: retries wait with full jitter, and not without a token; none is failed for want of one") {
  hub_config config;
  config.retry_tokens = 1;
  config.retry_tokens_per_call = 0;
  config.retry_tokens_per_second = 0.1;
  loopback net(std::move(config));
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "a", with_retries(1));
  net.finish(worker, thrown("first"));
  net.submit(client, "b", with_retries(1));
  net.finish(worker, thrown("first"));
  CHECK(net.hub().census().delayed == 2);
  net.wait(2 * second);
  REQUIRE(worker.runs.size() == 1);  // the only token
  net.finish(worker, "a");
  net.wait(5 * second);
  CHECK(worker.runs.empty());
  CHECK(client.outcomes.size() == 1);
  net.wait(10 * second);
  REQUIRE(worker.runs.size() == 1);
  net.finish(worker, "b");
  CHECK(client.outcomes.size() == 2);
}

TEST_CASE("promise 10: past its credit in calls or bytes a caller gets overloaded") {
  client_config config;
  config.max_calls = 2;
  config.max_bytes = 1'000;
  loopback net;
  auto& client = net.add_client(config);
  net.submit(client, "1");
  auto const too_big = net.submit(client, std::string(1'000, 'x'));
  CHECK(code_of(client, too_big) == errc::overloaded);
  net.submit(client, "2");
  auto const too_many = net.submit(client, "3");
  CHECK(code_of(client, too_many) == errc::overloaded);
  auto& worker = net.add_worker();
  net.finish(worker, "");
  net.submit(client, "4");
  CHECK(client.core->calls_in_flight() == 2);
}

TEST_CASE("promise 10: the hub refuses what is past its own limits, whatever a client believes") {
  hub_config config;
  config.max_calls = 1;
  loopback net(std::move(config));
  auto& client = net.add_client();
  net.submit(client, "1");
  auto const second_call = net.submit(client, "2");
  CHECK(code_of(client, second_call) == errc::overloaded);
}

TEST_CASE(
    "promise 11: a worker that is told to go finishes what runs, hands back what waits, and exits cleanly") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "warm up");
  net.finish(worker, "");
  auto const running = net.submit(client, "running");
  auto const waiting = net.submit(client, "waiting");
  auto& other = net.add_worker();
  net.drain(worker);
  CHECK_FALSE(worker.exited.has_value());
  REQUIRE(other.runs.size() == 1);
  net.finish(worker, "value");
  REQUIRE(worker.exited.has_value());
  CHECK(worker.exited->clean);
  net.finish(other, "value");
  CHECK(client.outcomes.at(running.number).ok());
  CHECK(client.outcomes.at(waiting.number).ok());
  CHECK(net.hub().counters().workers_lost == 0);
}

TEST_CASE("promise 12: a call that three workers died of is not tried again, whatever its retries") {
  loopback net;
  auto& client = net.add_client();
  auto const call = net.submit(client, "x", with_retries(10));
  for (int i = 0; i < 3; ++i) {
    CHECK(client.outcomes.empty());
    auto& worker = net.add_worker();
    net.wait(20 * second);
    REQUIRE(worker.runs.size() == 1);
    peer_loss loss;
    loss.signal = 11;
    net.lose(worker, loss);
  }
  CHECK(code_of(client, call) == errc::worker_lost);
  CHECK(client.outcomes.at(call.number).error().message.find("3 workers") != std::string::npos);
}

TEST_CASE("promise 13: how a worker elsewhere ended is told by the one that takes its place, at once") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& first = net.add_worker();
  net.submit(client, "warm up");
  net.finish(first, "");
  auto const running = net.submit(client, "running");
  auto const waiting = net.submit(client, "waiting");
  REQUIRE(first.core->queued() == 1);
  auto const& run = first.runs.front();
  auto& next = net.replace(first, {.epoch = run.key.epoch,
                                   .started = run.mark,
                                   .signal = 11,
                                   .reason = "was ended by SIGSEGV (signal 11)",
                                   .stderr_tail = "the last words"});
  auto const& error = client.outcomes.at(running.number).error();
  CHECK(error.code == errc::worker_lost);
  CHECK(error.signal == 11);
  CHECK(error.stderr_tail == "the last words");
  CHECK(error.message.find("the worker was ended by SIGSEGV (signal 11)") == 0);
  CHECK(client.outcomes.count(waiting.number) == 0);  // it had not been started, and costs nothing
  REQUIRE(next.runs.size() == 1);
  CHECK(next.runs[0].key.call == waiting);
}

TEST_CASE("a worker that had started nothing in its session leaves all of it to the next") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& first = net.add_worker();
  auto const call = net.submit(client, "x");
  auto& next = net.replace(
      first, {.epoch = first.runs.front().key.epoch - 1, .started = ~std::uint64_t{0}, .exit_status = 3});
  CHECK(client.outcomes.empty());
  REQUIRE(next.runs.size() == 1);
  CHECK(next.runs[0].key.call == call);
}

TEST_CASE("promise 15: an attempt ends by its timeout, counted from when it runs") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  call_policy policy;
  policy.timeout = 100 * millisecond;
  net.submit(client, "warm up");
  net.finish(worker, "");
  net.submit(client, "ahead");
  auto const call = net.submit(client, "x", policy);
  REQUIRE(worker.core->queued() == 1);
  net.wait(300 * millisecond);
  CHECK(client.outcomes.count(call.number) == 0);
  net.finish(worker, "");
  net.wait(90 * millisecond);
  CHECK(client.outcomes.count(call.number) == 0);
  net.wait(20 * millisecond);
  CHECK(code_of(client, call) == errc::timed_out);
}
