// SPDX-License-Identifier: Apache-2.0
#include "src/core/hub.hpp"

#include "src/core/words.hpp"
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace yonder::core;
using test::bytes_of_hex;
using test::loopback;
using test::text_of;
using yonder::errc;

namespace {

hub_config launching(std::size_t most) {
  hub_config config;
  config.pools.push_back({.max_workers = most});
  return config;
}

failure const& error_of(loopback::client_end& client, call_id call) {
  return client.outcomes.at(call.number).error();
}

bool contains(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a call over reliable links is four frames: call, assign, result, result") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.log.clear();
  net.submit(client, "x");
  net.finish(worker, "y");
  net.wait(10 * second);
  REQUIRE(net.log.size() == 4);
  CHECK(net.log[0].head.type == frame_type::call);
  CHECK(net.log[1].head.type == frame_type::assign);
  CHECK(net.log[2].head.type == frame_type::result);
  CHECK(net.log[3].head.type == frame_type::result);
  CHECK(net.log[3].from == 'h');
}

TEST_CASE("over unreliable links a burst of calls is acknowledged together") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.log.clear();
  for (int i = 0; i < 50; ++i) {
    net.submit(client, "x");
    net.finish(worker, "y");
  }
  net.wait(100 * millisecond);
  CHECK(net.log.size() == 4 * 50 + 4);
  CHECK(net.hub().census().frames_held == 0);
}

TEST_CASE("short calls wait in a worker, long ones in the hub") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "unknown duration");
  net.submit(client, "waits in the hub");
  CHECK(net.hub().census().queued == 1);
  net.finish(worker, "");
  CHECK(net.hub().census().queued == 0);
  for (int i = 0; i < 100; ++i) net.submit(client, "short");
  CHECK(worker.core->queued() == 63);
  while (!worker.runs.empty()) {
    net.now += 10 * millisecond;
    net.finish(worker, "");
  }
  net.submit(client, "long");
  net.submit(client, "long");
  CHECK(worker.core->queued() == 0);
}

TEST_CASE("calls that wait behind a long one are fetched back when another worker is idle") {
  loopback net;
  auto& client = net.add_client();
  auto& busy = net.add_worker();
  net.submit(client, "warm up");
  net.finish(busy, "");
  net.submit(client, "suddenly long");
  net.submit(client, "waits");
  REQUIRE(busy.core->queued() == 1);
  auto& idle = net.add_worker();
  net.wait(10 * millisecond);
  CHECK(busy.core->queued() == 0);
  REQUIRE(idle.runs.size() == 1);
  CHECK(text_of(idle.runs[0].message.payload()) == "waits");
  CHECK(busy.stops.empty());
}

namespace {

// A hub of one worker that is thought to run calls in no time, and runs one.
struct surprised_hub {
  loopback net;
  loopback::client_end& client;
  loopback::worker_end& worker;
  explicit surprised_hub(std::size_t most = 1)
      : net(config_of(most)), client(net.add_client()), worker(come(net, client)) {
    for (int i = 0; i < 3; ++i) {
      if (i != 0) net.submit(client, "short");
      net.finish(worker, "done");
    }
    net.submit(client, "long");
  }
  static hub_config config_of(std::size_t most) {
    hub_config config;
    config.pools = {{.functions = loopback::offers(), .max_workers = most}};
    return config;
  }
  static loopback::worker_end& come(loopback& net, loopback::client_end& client) {
    net.submit(client, "first");
    return net.add_worker(loopback::offers(), net.starts.back());
  }
};

}  // namespace

TEST_CASE(
    "what waits behind a call that takes longer than was thought is fetched back, and another worker "
    "started") {
  surprised_hub t(2);
  t.net.submit(t.client, "a");
  t.net.submit(t.client, "b");
  CHECK(t.net.hub().census().queued == 0);  // they wait in the worker
  auto const starts = t.net.starts.size();
  t.net.wait(5 * millisecond);
  CHECK(t.net.hub().census().queued == 2);
  REQUIRE(t.net.starts.size() > starts);
  auto& other = t.net.add_worker(loopback::offers(), t.net.starts.back());
  REQUIRE(other.runs.size() == 1);
  CHECK(text_of(other.runs.front().message.payload()) == "a");
  CHECK(t.worker.runs.size() == 1);
}

TEST_CASE(
    "nothing is put behind a call that takes longer than was thought, so that priorities hold after it") {
  surprised_hub t;
  t.net.submit(t.client, "before", call_turn{.priority = 1});
  t.net.wait(5 * millisecond);
  t.net.submit(t.client, "low", call_turn{.priority = 0});
  t.net.submit(t.client, "high", call_turn{.priority = 9});
  t.net.wait(5 * millisecond);
  CHECK(t.net.hub().census().queued == 3);
  std::string served;
  for (int i = 0; i < 3; ++i) {
    t.net.finish(t.worker, "done");
    REQUIRE_FALSE(t.worker.runs.empty());
    served += " " + std::string(text_of(t.worker.runs.front().message.payload()));
    t.net.wait(5 * millisecond);
  }
  CHECK(served == " high before low");
}

TEST_CASE(
    "what waits in the only worker stays there while nothing else waits than what is served after it "
    "anyway") {
  surprised_hub t;
  t.net.submit(t.client, "a");
  t.net.submit(t.client, "b");
  t.net.wait(5 * millisecond);
  t.net.submit(t.client, "c");
  t.net.submit(t.client, "d");
  auto looks = 0;
  for (auto const until = t.net.now + second; t.net.hub().next_deadline() <= until; ++looks) {
    t.net.now = std::max(t.net.now, t.net.hub().next_deadline());
    t.net.tick();
  }
  CHECK(looks < 10);  // heartbeats
  CHECK(t.net.hub().census().queued == 2);
  CHECK(t.worker.core->queued() == 2);
  SUBCASE("it runs next, without a way to the hub and back") {
    t.net.finish(t.worker, "done");
    REQUIRE_FALSE(t.worker.runs.empty());
    CHECK(text_of(t.worker.runs.front().message.payload()) == "a");
  }
  SUBCASE("another function's go in their turn") {
    t.net.submit(t.client, "other", {}, "other", 8);
    t.net.wait(5 * millisecond);
    CHECK(t.net.hub().census().queued == 5);
  }
  SUBCASE("what is more urgent goes before it") {
    t.net.submit(t.client, "high", call_turn{.priority = 9});
    t.net.wait(5 * millisecond);
    CHECK(t.net.hub().census().queued == 5);
    t.net.finish(t.worker, "done");
    REQUIRE_FALSE(t.worker.runs.empty());
    CHECK(text_of(t.worker.runs.front().message.payload()) == "high");
  }
  SUBCASE("another worker takes it once it has nothing else") {
    auto& other = t.net.add_worker();
    std::string ran;
    for (int i = 0; i < 4; ++i) {
      t.net.wait(5 * millisecond);
      REQUIRE_FALSE(other.runs.empty());
      ran += text_of(other.runs.front().message.payload());
      t.net.finish(other, "done");
    }
    CHECK(ran == "cdab");
  }
}

TEST_CASE("queued calls are run first in, first out, across functions") {
  loopback net;
  auto& client = net.add_client();
  net.submit(client, "1");
  net.submit(client, "2", {}, "other", 8);
  net.submit(client, "3");
  auto& worker = net.add_worker();
  for (auto const* const expected : {"1", "2", "3"}) {
    REQUIRE_FALSE(worker.runs.empty());
    CHECK(text_of(worker.runs[0].message.payload()) == expected);
    net.now += 5 * millisecond;
    net.finish(worker, "");
  }
}

TEST_CASE("a call goes only to a worker that has its function") {
  loopback net;
  auto& client = net.add_client();
  auto& a = net.add_worker({{"a", 1, ""}});
  auto& b = net.add_worker({{"b", 2, ""}, {"a", 9, ""}});
  net.submit(client, "for b", {}, "b", 2);
  net.submit(client, "for a", {}, "a", 1);
  REQUIRE(a.runs.size() == 1);
  REQUIRE(b.runs.size() == 1);
  CHECK(text_of(a.runs[0].message.payload()) == "for a");
}

TEST_CASE("of two builds, a call goes to the one whose function has its structure") {
  loopback net;
  auto& client = net.add_client();
  auto& older = net.add_worker({{"f", 1, ""}});
  auto& newer = net.add_worker({{"f", 2, ""}});
  net.submit(client, "for the newer", {}, "f", 2);
  net.submit(client, "for the older", {}, "f", 1);
  REQUIRE(older.runs.size() == 1);
  REQUIRE(newer.runs.size() == 1);
  CHECK(text_of(older.runs[0].message.payload()) == "for the older");
  CHECK(text_of(newer.runs[0].message.payload()) == "for the newer");
}

TEST_CASE("an unknown function fails at once, and the answer says what there is") {
  loopback net;
  auto& client = net.add_client();
  net.add_worker();
  auto const call = net.submit(client, "x", {}, "ecko", 7);
  auto const& error = error_of(client, call);
  CHECK(error.code == errc::unknown_function);
  CHECK(error.function == "ecko");
  CHECK(contains(error.message, "\"ecko\""));
  CHECK(contains(error.message, "echo"));
  CHECK(net.hub().census().functions == 2);
}

TEST_CASE("another structure is a mismatch, and the answer shows both") {
  loopback net;
  auto& client = net.add_client();
  net.add_worker({{"echo", 70, "number -> text"}});
  auto const call = net.submit(client, "x");
  auto const& error = error_of(client, call);
  CHECK(error.code == errc::signature_mismatch);
  CHECK(contains(error.message, "number -> text"));
  CHECK(contains(error.message, "text -> text"));
}

TEST_CASE("without a worker a call waits, and is judged when one comes") {
  loopback net;
  auto& client = net.add_client();
  auto const call = net.submit(client, "x", {}, "nobody has it", 1);
  net.wait(5 * second);
  CHECK(client.outcomes.empty());
  net.add_worker();
  CHECK(error_of(client, call).code == errc::unknown_function);
}

TEST_CASE("calls wait a while for a function whose only worker went") {
  loopback net;
  auto& client = net.add_client();
  auto& only = net.add_worker({{"a", 1, ""}});
  net.add_worker({{"b", 2, ""}});
  net.lose(only);
  auto const call = net.submit(client, "x", {}, "a", 1);
  net.wait(5 * second);
  CHECK(client.outcomes.empty());
  auto& again = net.add_worker({{"a", 1, ""}});
  REQUIRE(again.runs.size() == 1);
  net.lose(again);
  CHECK(error_of(client, call).code == errc::worker_lost);
  auto const second_call = net.submit(client, "x", {}, "a", 1);
  net.wait(11 * second);
  CHECK(error_of(client, second_call).code == errc::unknown_function);
}

TEST_CASE("a call that waits five seconds while nobody can take it is told, once, with the reason") {
  loopback net;
  auto& client = net.add_client();
  net.submit(client, "x");
  net.wait(5 * second - 1);
  CHECK(net.notices.empty());
  net.submit(client, "y");
  net.wait(1);
  REQUIRE(net.notices.size() == 1);
  CHECK(net.notices[0] ==
        "a call of 'echo' has waited 5 s, and there is no worker that could take it: none is connected");
  net.wait(60 * second);
  CHECK(net.notices.size() == 1);

  auto& only = net.add_worker();
  net.finish(only, "");
  net.finish(only, "");
  net.wait(60 * second);
  CHECK(net.notices.size() == 1);
  CHECK(net.hub().next_deadline() == never);
}

TEST_CASE("clients elsewhere whose calls wait are told so too, and no others") {
  for (auto const reliable : {false, true}) {
    loopback net({}, reliable);
    auto& waiting = net.add_client();
    auto& other = net.add_client();
    net.submit(waiting, "x");
    net.submit(waiting, "y");
    net.wait(6 * second);
    CHECK(net.notices.size() == 1);
    CHECK(other.notices.empty());
    REQUIRE(waiting.notices.size() == (reliable ? 0 : 1));  // here, whoever runs the hub is told
    if (!reliable) CHECK(waiting.notices[0] == "the hub says: " + net.notices[0]);
  }
}

TEST_CASE("calls that wait for workers that are busy are not told, until these have gone") {
  loopback net;
  auto& client = net.add_client();
  auto& busy = net.add_worker();
  net.submit(client, "long");
  net.submit(client, "behind it");
  net.wait(60 * second);
  CHECK(net.notices.empty());
  net.add_worker({{"b", 2, ""}});
  net.lose(busy);
  net.wait(6 * second);
  REQUIRE(net.notices.size() == 1);
  CHECK(
      net.notices[0].find("none of the 1 that are connected has this task; of the last one that had it: ") !=
      std::string::npos);
}

TEST_CASE("a call that waits for a worker to start is told what became of the starts") {
  loopback net(launching(1));
  auto& client = net.add_client();
  net.submit(client, "x");
  net.wait(5 * second);
  REQUIRE(net.notices.size() == 1);
  CHECK(net.notices[0].ends_with("one is being started, and has not answered yet"));
}

TEST_CASE("a call that waits for a worker under way is told what that waits for") {
  loopback net(launching(1));
  auto& client = net.add_client();
  net.submit(client, "x");
  net.hub().worker_waits(net.starts.at(0), "its job 17 waits: PENDING (Priority)");
  net.wait(5 * second);
  REQUIRE(net.notices.size() == 1);
  CHECK(net.notices[0].ends_with("one is being started: its job 17 waits: PENDING (Priority)"));
}

TEST_CASE("the first waiting call asks for a worker, those that go on waiting for more, up to the limit") {
  loopback net(launching(3));
  auto& client = net.add_client();
  CHECK(net.starts.empty());
  for (int i = 0; i < 10; ++i) net.submit(client, "x");
  CHECK(net.starts.size() == 1);
  net.wait(10 * millisecond);
  CHECK(net.starts.size() == 3);
  for (auto const start : net.starts) net.add_worker(loopback::offers(), start);
  CHECK(net.hub().census().starting == 0);
  CHECK(net.hub().counters().workers_started == 3);
  net.wait(second);
  CHECK(net.starts.size() == 3);
}

TEST_CASE("an idle worker is let go, and exits cleanly") {
  auto config = launching(2);
  config.pools[0].scaledown_window = second;
  loopback net(std::move(config));
  auto& client = net.add_client();
  net.submit(client, "x");
  auto& worker = net.add_worker(loopback::offers(), net.starts.at(0));
  net.finish(worker, "");
  net.wait(900 * millisecond);
  CHECK_FALSE(worker.exited.has_value());
  net.wait(200 * millisecond);
  REQUIRE(worker.exited.has_value());
  CHECK(worker.exited->clean);
  CHECK(net.hub().census().workers == 0);
}

TEST_CASE("min_workers are started without a call, and stay") {
  auto config = launching(2);
  config.pools[0].min_workers = 1;
  config.pools[0].scaledown_window = second;
  loopback net(std::move(config));
  net.add_client();
  REQUIRE(net.starts.size() == 1);
  auto& worker = net.add_worker(loopback::offers(), net.starts[0]);
  net.wait(5 * second);
  CHECK_FALSE(worker.exited.has_value());
}

TEST_CASE("three failed starts in a row fail the waiting calls with what the worker wrote") {
  loopback net(launching(1));
  auto& client = net.add_client();
  auto const call = net.submit(client, "x");
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(client.outcomes.empty());
    REQUIRE(net.starts.size() == i + 1);
    net.hub().worker_start_failed(net.now, net.starts[i], "it exited", "libfoo.so: not found", net.scratch());
    net.tick();
    net.wait(second);
  }
  auto const& error = error_of(client, call);
  CHECK(error.code == errc::worker_start_failed);
  CHECK(error.message == "no worker could be started, 3 times in a row; the last time it exited");
  CHECK(error.stderr_tail == "libfoo.so: not found");
  net.submit(client, "y");
  CHECK(net.starts.size() == 4);
}

TEST_CASE("a worker that ends before hello is a failed start") {
  loopback net(launching(1));
  auto& client = net.add_client();
  net.submit(client, "x");
  net.hub().connected(net.now, 77, {true, net.starts.at(0)}, net.scratch());
  peer_loss loss;
  loss.stderr_tail = "cannot";
  net.hub().lost(net.now, 77, loss, net.scratch());
  CHECK(net.hub().counters().start_failures == 1);
  CHECK(net.hub().census().starting == 0);
}

TEST_CASE("backoffs are random, doubled and capped") {
  std::set<duration> waits;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    hub_config config;
    config.seed = seed;
    loopback net(std::move(config));
    auto& client = net.add_client();
    auto& worker = net.add_worker();
    call_policy policy;
    policy.retries = 8;
    net.submit(client, "x", policy);
    for (int attempt = 0; attempt < 8; ++attempt) {
      failure error;
      error.code = errc::failed;
      net.finish(worker, std::move(error));
      auto const began = net.now;
      auto const most = std::min<duration>(second << attempt, 60 * second);
      while (worker.runs.empty() && net.now - began <= most + second) net.wait(10 * millisecond);
      REQUIRE(worker.runs.size() == 1);
      CHECK(net.now - began <= most + 20 * millisecond);
      waits.insert(net.now - began);
    }
  }
  CHECK(waits.size() > 80);
}

TEST_CASE("a hub that ends in good order is awaited, like one that crashed") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const started = net.submit(client, "x");
  auto const again = net.submit(client, "x", {.idempotent = true});
  net.restart_hub();
  CHECK(client.outcomes.empty());
  CHECK(worker.runs.size() == 1);
  for (auto const& end : net.clients) net.connect(*end);
  for (auto const& end : net.workers) net.connect(*end);
  net.pump();
  CHECK(error_of(client, started).code == errc::disconnected);
  CHECK(contains(error_of(client, started).message, "whether the call ran is unknown"));
  CHECK(worker.stops.size() == 1);
  net.finish(worker, "goes nowhere");
  net.finish(worker, "value");
  CHECK(client.outcomes.at(again.number).ok());
  auto const next = net.submit(client, "x");
  net.finish(worker, "value");
  CHECK(client.outcomes.at(next.number).ok());
  CHECK_FALSE(worker.exited.has_value());
}

TEST_CASE(
    "over a reliable connection a hub's end ends what it may have started, and the next hub takes the rest") {
  loopback net;
  auto& client = net.add_client();
  net.add_worker();
  auto const call = net.submit(client, "x");
  net.restart_hub();
  client.core->lost(net.now, client.peer, false, errc::disconnected, "", net.scratch());
  net.carry_out(client);
  CHECK(error_of(client, call).code == errc::disconnected);
  net.connect(client);
  net.pump();
  CHECK(client.core->ready());
}

TEST_CASE("a hub that has ended takes nothing more: it is not the one that is awaited") {
  loopback net({}, false);
  auto& client = net.add_client();
  net.hub().shutdown(net.now, net.scratch());
  net.tick();
  net.connect(client);
  net.wait(5 * second);
  CHECK_FALSE(client.core->ready());
  CHECK(net.hub().census().clients == 0);
}

TEST_CASE("a peer of version 1 is refused in words") {
  // A worker's hello as version 1 wrote it.
  auto const part = bytes_of_hex(
      "594e44520100010000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000550000004b510870000000001080010000000211800800000099000000000000001280040000000100010014"
      "00080000002a00000000000000130007000000686f73742f34321600150000000700000000000000010066696e74202d"
      "3e20696e74");
  frame message;
  REQUIRE(decode_header(part, message.head) == frame_fault::bad_version);
  message.body = byte_buffer::copy_of(part.bytes().subspan(64));
  loopback net;
  net.hub().connected(net.now, 50, {true, 0}, net.scratch());
  net.inject(50, std::move(message));
  REQUIRE(net.closes.size() == 1);
  CHECK(net.closes[0].reason == "this hub speaks protocol version 2, the other end 1 to 1");
  CHECK(net.log.back().head.type == frame_type::bye);
}

TEST_CASE("what one end cannot receive, the hub refuses and does not send") {
  loopback net;
  client_config narrow;
  narrow.limits = {min_frame_bytes, 4};
  auto& client = net.add_client(narrow);
  auto& other = net.add_client();
  auto& worker = net.add_worker();
  auto const big = std::string(min_frame_bytes, 'x');

  auto const large_result = net.submit(client, "x");
  net.finish(worker, big);
  CHECK(error_of(client, large_result).code == errc::too_large);
  CHECK(
      contains(error_of(client, large_result).message, "the result takes 262208 bytes; the client receives"));

  auto const large_exception = net.submit(client, "x");
  failure error;
  error.type_name = "std::runtime_error";
  error.payload = bytes_of(big);
  net.finish(worker, std::move(error));
  CHECK(error_of(client, large_exception).type_name == "std::runtime_error");
  CHECK(error_of(client, large_exception).payload.size() == 0);

  net.lose(worker);
  auto& small = net.add_worker(loopback::offers(), 0, narrow.limits);
  auto const large_call = net.submit(other, big);
  CHECK(error_of(other, large_call).code == errc::too_large);
  CHECK(contains(error_of(other, large_call).message, "; the worker receives at most 262144"));
  CHECK(small.runs.empty());
  auto const call = net.submit(other, "x");
  net.finish(small, "y");
  CHECK(other.outcomes.at(call.number).ok());
}

TEST_CASE("a worker answers too_large for a result that its hub cannot receive") {
  hub_config config;
  config.limits = {min_frame_bytes, 4};
  loopback net(std::move(config));
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  net.finish(worker, std::string(min_frame_bytes, 'x'));
  CHECK(error_of(client, call).code == errc::too_large);
  CHECK(contains(error_of(client, call).message,
                 "the result takes 262208 bytes; the hub receives at most 262144"));
}

TEST_CASE("a hub that ends lets the workers that it had started end by themselves") {
  loopback net(launching(1));
  auto& client = net.add_client();
  net.submit(client, "x");
  auto& worker = net.add_worker(loopback::offers(), net.starts.at(0));
  net.finish(worker, "");
  net.hub().shutdown(net.now, net.scratch());
  net.tick();
  CHECK(worker.exited.has_value());
  CHECK(net.kills.empty());
  CHECK(net.hub().census().peers == 0);
}

TEST_CASE("a time is told in the largest unit that is exact") {
  CHECK(in_words(2 * second) == "2 s");
  CHECK(in_words(1500 * millisecond) == "1500 ms");
  CHECK(in_words(250 * microsecond) == "250 us");
  CHECK(in_words(7) == "7 ns");
  CHECK(roughly_in_words(54'530'149 * microsecond) == "54 s");
  CHECK(roughly_in_words(10 * second - 1) == "9999 ms");
  CHECK(roughly_in_words(90 * second) == "90 s");
  CHECK(roughly_in_words(7) == "7 ns");
}

TEST_CASE("an error that comes of a limit states it") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const limited = net.submit(client, "x", {.timeout = 250 * millisecond});
  net.wait(300 * millisecond);
  CHECK(error_of(client, limited).message == "the attempt outlasted its timeout of 250 ms");
  net.finish(worker, "");
  auto const late = net.submit(client, "x", {.deadline = 2 * second});
  net.wait(3 * second);
  CHECK(error_of(client, late).message == "after 2 s, the call's deadline passed");

  hub_config small;
  small.max_calls = 1;
  loopback crowded(std::move(small));
  client_config modest;
  modest.max_bytes = 1000;
  auto& other = crowded.add_client(modest);
  for (int i = 0; i < 2; ++i) crowded.submit(other, "x");
  CHECK(contains(other.outcomes.begin()->second.error().message,
                 "the hub holds at most 1 calls of all clients"));
  CHECK(contains(error_of(other, crowded.submit(other, std::string(1000, 'x'))).message,
                 "runtime_options::max_bytes"));
}

TEST_CASE("a hundred thousand queued calls are cancelled one by one") {
  loopback net;
  auto& client = net.add_client();
  std::vector<call_id> calls;
  calls.reserve(100'000);
  for (int i = 0; i < 100'000; ++i) calls.push_back(net.submit(client, "x"));
  CHECK(net.hub().census().queued == 100'000);
  for (auto const& call : calls) net.cancel(client, call);
  CHECK(net.hub().census().calls == 0);
}
