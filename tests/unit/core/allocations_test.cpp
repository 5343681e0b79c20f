// SPDX-License-Identifier: Apache-2.0
// Workers whose time is bounded, as that of an allocation of a batch system is.
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

hub_config with_timed_pool(std::size_t most, duration allocation = never) {
  hub_config config;
  config.pools = {{.functions = loopback::offers(),
                   .max_workers = most,
                   .scaledown_window = 100 * second,
                   .allocation = allocation}};
  return config;
}

// A hub without a pool: workers come by themselves.
struct timed_hub {
  loopback net;
  loopback::client_end& client;
  explicit timed_hub(hub_config config = {}) : net(std::move(config)), client(net.add_client()) {}

  loopback::worker_end& come(duration lasts, std::uint64_t start = 0) {
    net.allocation = lasts;
    return net.add_worker(loopback::offers(), start);
  }
  call_id submit(call_policy policy = {}, std::string_view function = "echo") {
    return net.submit(client, "a", policy, function, function == "echo" ? 7 : 8);
  }
  bool has_ended(call_id call) const { return client.outcomes.contains(call.number); }
  outcome& of(call_id call) { return client.outcomes.at(call.number); }
};

}  // namespace

TEST_CASE("a worker elsewhere says which GPUs it was given") {
  hello_message said;
  said.role = peer_role::worker;
  said.session = 1;
  hello_message read;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.gpus.empty());
  said.gpus = "0,GPU-3";
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.gpus == "0,GPU-3");
}

TEST_CASE("a hello and a drain say how long the worker's allocation lasts") {
  hello_message said;
  said.role = peer_role::worker;
  said.session = 1;
  hello_message read;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.remaining == never);
  said.remaining = 90 * second;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.remaining == 90 * second);
  auto left = duration{5};
  REQUIRE(read_drain(make_drain(never), left));
  CHECK(left == never);
  REQUIRE(read_drain(make_drain(3 * second), left));
  CHECK(left == 3 * second);
  REQUIRE(read_drain(make_drain(-3 * second), left));
  CHECK(left == 0);
}

TEST_CASE("a call whose timeout is longer than what is left waits for another worker") {
  timed_hub t;
  auto& brief = t.come(60 * second);
  auto const call = t.submit({.timeout = 100 * second});
  CHECK(brief.runs.empty());
  auto const fits = t.submit({.timeout = 50 * second}, "other");
  REQUIRE(brief.runs.size() == 1);
  t.net.finish(brief, "b");
  CHECK(t.has_ended(fits));
  auto& lasting = t.come(never);
  REQUIRE(lasting.runs.size() == 1);
  t.net.finish(lasting, "a");
  CHECK(t.has_ended(call));
}

TEST_CASE("so does one that has taken longer so far, and one that would wait there behind others") {
  timed_hub t;
  auto& first = t.come(never);
  auto const taught = t.submit();
  t.net.wait(30 * second);
  t.net.finish(first, "a");
  CHECK(t.has_ended(taught));
  t.net.lose(first);
  auto& brief = t.come(60 * second);
  t.net.wait(40 * second);
  t.submit();
  CHECK(brief.runs.empty());
  auto& longer = t.come(80 * second);
  CHECK(longer.runs.size() == 1);
  t.submit({.timeout = 60 * second}, "other");
  CHECK(longer.core->queued() == 0);
}

TEST_CASE("before its allocation ends a worker hands back what it has not begun, and is given nothing more") {
  timed_hub t;
  auto& worker = t.come(80 * second);
  t.submit();
  t.net.finish(worker, "a");  // such calls are brief, as far as is known
  auto const runs = t.submit();
  auto const waits = t.submit();
  CHECK(worker.runs.size() == 1);
  t.net.wait(74 * second);
  CHECK(t.net.hub().census().queued == 0);
  t.net.wait(2 * second);
  CHECK(t.net.hub().census().queued == 1);
  t.net.finish(worker, "a");
  CHECK(t.has_ended(runs));
  REQUIRE(worker.exited);
  CHECK(worker.exited->clean);
  auto& next = t.come(80 * second);
  REQUIRE(next.runs.size() == 1);
  t.net.finish(next, "a");
  CHECK(t.has_ended(waits));
}

TEST_CASE("what an allocation's end cuts short runs again and has cost no retry, three times") {
  timed_hub t;
  auto const call = t.submit({.retries = 1});
  for (int i = 0; i < 3; ++i) {
    auto& worker = t.come(80 * second);
    REQUIRE(worker.runs.size() == 1);
    t.net.wait(79 * second);
    t.net.lose(worker);
    CHECK_FALSE(t.has_ended(call));
  }
  for (int i = 0; i < 2; ++i) {
    auto& worker = t.come(80 * second);
    t.net.wait(5 * second);  // of a backoff
    REQUIRE(worker.runs.size() == 1);
    t.net.wait(76 * second);
    t.net.lose(worker);
  }
  REQUIRE(t.has_ended(call));
  auto const& error = t.of(call).error();
  CHECK(error.code == errc::worker_lost);
  CHECK(error.attempt == 2);
  CHECK(error.message.find("allocation_ending: the worker's allocation ended while it ran the call") == 0);
}

TEST_CASE(
    "a call that may start only once is lost with the allocation, which is the reason that it is told") {
  timed_hub t;
  auto& worker = t.come(80 * second);
  auto const call = t.submit();
  t.net.wait(79 * second);
  t.net.lose(worker);
  REQUIRE(t.has_ended(call));
  CHECK(t.of(call).error().code == errc::worker_lost);
  CHECK(t.of(call).error().message.find("allocation_ending") == 0);
}

TEST_CASE("a worker that crashes has crashed, however little time it had left") {
  timed_hub t;
  auto& worker = t.come(80 * second);
  auto const call = t.submit({.retries = 0, .idempotent = false});
  t.net.wait(79 * second);
  t.net.lose(worker, {.signal = 11});
  CHECK(t.of(call).error().message.find("allocation_ending") == std::string::npos);
  auto& other = t.come(80 * second);
  auto const early = t.submit();
  t.net.lose(other);
  CHECK(t.of(early).error().message.find("allocation_ending") == std::string::npos);
}

TEST_CASE("a worker that drains already says that it will be ended, too") {
  timed_hub t;
  auto& worker = t.come(never);
  auto const call = t.submit({.retries = 1});
  t.net.drain(worker);
  t.net.tell_of_end(worker, 30 * second);
  t.net.lose(worker);
  CHECK_FALSE(t.has_ended(call));
  auto& next = t.come(never);
  REQUIRE(next.runs.size() == 1);
  t.net.finish(next, "a");
  REQUIRE(t.has_ended(call));
  CHECK(t.of(call).ok());
}

TEST_CASE("who is told that it will be ended hands back, ends what it runs, and costs no retry") {
  timed_hub t;
  auto& worker = t.come(never);
  auto const runs = t.submit({.retries = 1});
  auto const waits = t.submit();
  t.net.tell_of_end(worker, 30 * second);
  CHECK(t.net.hub().census().queued == 1);
  t.net.lose(worker);
  auto& next = t.come(never);
  REQUIRE(next.runs.size() == 1);
  t.net.finish(next, "a");
  t.net.finish(next, "a");
  CHECK(t.of(runs).ok());
  CHECK(t.of(waits).ok());
}

TEST_CASE(
    "while there is work another worker is started before one's allocation ends, as early as they take") {
  timed_hub t(with_timed_pool(1));
  t.submit();
  REQUIRE(t.net.starts.size() == 1);
  t.net.wait(10 * second);  // until it comes
  auto& first = t.come(100 * second, t.net.starts[0]);
  REQUIRE(first.runs.size() == 1);
  t.net.wait(74 * second);
  CHECK(t.net.starts.size() == 1);
  t.net.wait(2 * second);  // 20 s before it is drained
  REQUIRE(t.net.starts.size() == 2);
  auto& second_one = t.come(100 * second, t.net.starts[1]);
  t.submit();
  CHECK(second_one.runs.empty());  // no more compute than may
  t.net.wait(20 * second);
  CHECK(second_one.runs.size() == 1);
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("without work nobody takes the place of a worker whose allocation ends") {
  timed_hub t(with_timed_pool(1));
  auto const call = t.submit();
  auto& worker = t.come(100 * second, t.net.starts[0]);
  t.net.finish(worker, "a");
  CHECK(t.has_ended(call));
  t.net.wait(99 * second);
  CHECK(worker.exited);
  CHECK(t.net.starts.size() == 1);
}

TEST_CASE("an idle worker that lasts too briefly for what waits goes where no other one may be started") {
  timed_hub t(with_timed_pool(1));
  t.net.finish((t.submit(), t.come(100 * second, t.net.starts[0])), "a");
  t.net.wait(60 * second);
  t.submit({.timeout = 50 * second});
  REQUIRE(t.net.starts.size() == 2);
  CHECK(t.come(100 * second, t.net.starts[1]).runs.size() == 1);
}

TEST_CASE("a timeout that is longer than all allocations is refused at once, in words") {
  timed_hub t(with_timed_pool(1, 60 * second));
  auto const call = t.submit({.timeout = 56 * second});
  REQUIRE(t.has_ended(call));
  CHECK(t.of(call).error().code == errc::unsatisfiable);
  CHECK(t.of(call).error().message.find("its timeout of 56 s is longer than a worker lasts here: 55 s") == 0);
  CHECK(t.net.starts.empty());
  t.submit({.timeout = 55 * second});
  CHECK(t.net.starts.size() == 1);
}

TEST_CASE("a call for which three workers came with less time than its timeout is told what they last") {
  timed_hub t(with_timed_pool(8, 100 * second));
  auto const call = t.submit({.timeout = 80 * second});
  auto const fits = t.submit({.timeout = 60 * second}, "other");
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(t.has_ended(call));
    REQUIRE(t.net.starts.size() > static_cast<std::size_t>(i));
    t.come(70 * second, t.net.starts[static_cast<std::size_t>(i)]);
    t.net.wait(second);
  }
  REQUIRE(t.has_ended(call));
  CHECK(t.of(call).error().code == errc::unsatisfiable);
  CHECK(t.of(call).error().message.find("its timeout of 80 s is longer than workers last here: 3 have come "
                                        "since it waits, the last one with 65 s") == 0);
  CHECK_FALSE(t.has_ended(fits));  // one of them has it
  CHECK(t.net.hub().census().queued == 0);
}
