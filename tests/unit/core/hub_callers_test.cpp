// SPDX-License-Identifier: Apache-2.0
// Whose a call is, who waits for it, and what becomes of it while nobody does.
#include "tests/unit/core/loopback.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using test::loopback;
using test::raw_hub;
using test::raw_peer;
using yonder::errc;

namespace {

peer_link const in_process{.reliable = true};

std::vector<function_info> offers_f() { return {{"f", 7, ""}}; }

peer_link keyed(std::string identity, bool reliable = false) {
  peer_link link;
  link.reliable = reliable;
  link.identity = std::move(identity);
  return link;
}

header assigned_to(raw_peer& worker) {
  for (auto const& message : worker.received()) {
    if (message.head.type == frame_type::assign) return message.head;
  }
  return {};
}

// A call of a client elsewhere, in as many parts as it takes, or as are wanted.
void say_large_call(raw_peer& client, std::uint64_t number, std::size_t payload, int parts = 100) {
  frame message;
  byte_buffer body;
  write_call(body, "f", {}, {});
  message.head.type = frame_type::call;
  message.head.call = {client.session, number};
  message.head.signature = 7;
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(payload / 2);
  message.body = std::move(body);
  byte_buffer block;
  block.extend(payload / 2);
  message.buffers.push_back({block.data(), block.size(), std::make_shared<byte_buffer>(std::move(block))});
  message.head.buffer_count = 1;
  share_body(message);
  outgoing_transfer transfer;
  for (auto left = parts; left != 0 && !transfer.done(message); --left)
    client.say(transfer.next(message.head, message));
}

std::vector<errc> codes_for(raw_peer& client) {
  std::vector<errc> found;
  for (auto const& message : client.received()) {
    failure error;
    if (message.head.type == frame_type::error && read_error(message, error)) found.push_back(error.code);
  }
  return found;
}

}  // namespace

TEST_CASE("a large block that nobody needs any more is handed to who frees such, a smaller one is not") {
  std::vector<std::size_t> freed;
  {
    hub_config config;
    config.free_large = [&](byte_buffer&& block) { freed.push_back(block.size()); };
    raw_hub hub(std::move(config));
    raw_peer client(hub, 1, 1);
    REQUIRE(client.hello(peer_role::client));
    say_large_call(client, 1, large_block / 2);
    say_large_call(client, 2, large_block);
    CHECK(hub.core.census().calls == 2);
    CHECK(freed.empty());
  }
  REQUIRE(freed.size() == 1);
  CHECK(freed[0] >= large_block);
}

TEST_CASE("promise 19: a call whose caller has been gone for the silence is cancelled") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "running");
  net.submit(client, "queued");
  net.lose(client);
  net.wait(9 * second);
  CHECK(net.hub().census().calls == 2);
  CHECK(worker.stops.empty());
  net.wait(2 * second);
  auto const left = net.hub().census();
  CHECK(left.calls == 0);
  CHECK(left.queued == 0);
  CHECK(left.bytes == 0);
  CHECK(left.attempts == 1);
  CHECK(worker.stops.size() == 1);
  net.finish(worker, "");
  CHECK(net.hub().census().idle_workers == 1);
  CHECK(net.hub().census().timers == 0);
}

TEST_CASE("promise 19: over a link that loses frames a client may be away for the silence, and goes on") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  client.connected = false;
  net.wait(8 * second);
  net.finish(worker, "value");
  client.connected = true;
  net.wait(2 * second);
  REQUIRE(client.outcomes.count(call.number) == 1);
  CHECK(client.outcomes.at(call.number).ok());
}

TEST_CASE("promise 20: nobody of another identity tells of a worker's end") {
  for (auto const* who : {"somebody", "else"}) {
    raw_hub hub;
    raw_peer worker(hub, 1, 900, keyed("somebody"));
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    raw_peer next(hub, 2, 901, keyed(who));
    hello_message said;
    said.role = peer_role::worker;
    said.session = 901;
    said.functions = offers_f();
    said.predecessor.session = 900;
    auto message = make_hello(said);
    message.head.attempt = 1;
    hub.core.receive(hub.now, 2, std::move(message), hub.out);
    auto const theirs = std::string_view(who) == "somebody";
    CHECK(hub.core.census().workers == (theirs ? 1 : 2));
  }
}

TEST_CASE("a client that says bye takes its calls with it at once") {
  raw_hub hub;
  raw_peer client(hub, 1, 100);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  CHECK(hub.core.census().calls == 1);
  client.say(make_bye({errc::disconnected, "enough"}));
  CHECK(hub.core.census().calls == 0);
}

TEST_CASE("a caller that comes back in a new session asks for its calls again, and they run once") {
  raw_hub hub;
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  raw_peer client(hub, 2, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  client.call(2);
  auto const first = assigned_to(worker);
  hub.core.lost(hub.now, 2, {}, hub.out);
  worker.answer(first, 3);  // while nobody is there
  auto const second_call = assigned_to(worker);
  raw_peer again(hub, 3, 100, in_process);
  REQUIRE(again.hello(peer_role::client, {}, 2));
  again.call(1);
  again.call(2);
  auto answers = again.received();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].head.type == frame_type::result);
  CHECK(answers[0].head.call.number == 1);
  CHECK(answers[0].payload().size() == 3);
  CHECK(assigned_to(worker).call.number == 0);
  worker.answer(second_call, 4);
  answers = again.received();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].head.call.number == 2);
  CHECK(hub.core.census().calls == 0);
  CHECK(hub.core.census().bytes == 0);
  CHECK(hub.core.counters().calls == 2);
}

TEST_CASE("promise 20: a hello with another client's session changes nothing for that client") {
  for (auto const role : {peer_role::client, peer_role::worker}) {
    for (auto const* const identity : {"", "thief"}) {
      CAPTURE(std::string(identity));
      raw_hub hub;
      raw_peer client(hub, 1, 100, keyed(*identity == '\0' ? "" : "owner"));
      REQUIRE(client.hello(peer_role::client));
      client.call(1);
      raw_peer thief(hub, 2, 100, keyed(identity));
      CHECK_FALSE(thief.hello(role, offers_f(), 9));
      CHECK(hub.core.census().clients == 1);
      CHECK(hub.core.census().calls == 1);
      raw_peer worker(hub, 3, 900, in_process);
      REQUIRE(worker.hello(peer_role::worker, offers_f()));
      worker.answer(assigned_to(worker), 5);
      auto const answers = client.received();
      REQUIRE(answers.size() == 1);
      failure error;
      if (answers[0].head.type == frame_type::error && read_error(answers[0], error)) FAIL(error.message);
      CHECK(answers[0].head.type == frame_type::result);
    }
  }
}

TEST_CASE("promise 20: calls of a client that is away are nobody else's") {
  raw_hub hub;
  raw_peer client(hub, 1, 100, keyed("owner", true));
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  hub.core.lost(hub.now, 1, {}, hub.out);
  raw_peer thief(hub, 2, 100, keyed("thief"));
  CHECK_FALSE(thief.hello(peer_role::client, {}, 9));
  raw_peer again(hub, 3, 100, keyed("owner"));
  CHECK(again.hello(peer_role::client, {}, 2));
}

TEST_CASE("promise 10: outcomes that a client does not take count against its credit, and its calls wait") {
  hub_config config;
  config.max_client_calls = 10;
  config.max_client_bytes = std::size_t{1} << 20;
  raw_hub hub(std::move(config));
  raw_peer client(hub, 1, 100);
  REQUIRE(client.hello(peer_role::client));
  raw_peer worker(hub, 2, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  std::uint64_t number = 0;
  std::uint32_t taken = 0;
  for (; number < 100 && hub.core.census().queued + hub.core.census().calls < 10;) {
    client.call(++number);
    if (auto const head = assigned_to(worker); head.call.number != 0) {
      worker.answer(head, std::size_t{64} << 10);
      ++taken;
    }
  }
  CHECK(taken == 16);  // 1 MiB of 64 KiB each
  CHECK(number == 26);
  CHECK(hub.core.census().client_bytes < (std::size_t{1} << 20) + 16 * 1'024);
  client.received();
  client.acknowledge(8);
  auto const next = assigned_to(worker);
  CHECK(next.call.number == 17);
  hub.wait(20 * second);  // it falls silent: nothing is kept for it
  CHECK(hub.core.census().client_bytes == 0);
}

TEST_CASE("promise 10: what large calls are announced to take counts, and who comes too late is overloaded") {
  hub_config config;
  config.max_bytes = std::size_t{3} << 20;
  raw_hub hub(std::move(config));
  raw_peer silent(hub, 1, 100);
  raw_peer client(hub, 2, 200);
  REQUIRE(silent.hello(peer_role::client));
  REQUIRE(client.hello(peer_role::client));
  constexpr std::size_t size = std::size_t{2} << 20;
  say_large_call(silent, 1, size, 1);  // announced, and never filled
  CHECK(hub.core.census().bytes >= size);
  auto const before = hub.core.census().bytes;
  say_large_call(client, 1, size, 3);
  CHECK(hub.core.census().bytes < before + 1'000);
}

TEST_CASE("promise 10: a large call for which there is no room is overloaded, and the next one is not") {
  hub_config config;
  config.max_bytes = std::size_t{3} << 20;
  raw_hub hub(std::move(config));
  raw_peer silent(hub, 1, 100);
  raw_peer client(hub, 2, 200);
  REQUIRE(silent.hello(peer_role::client));
  REQUIRE(client.hello(peer_role::client));
  constexpr std::size_t size = std::size_t{2} << 20;
  say_large_call(silent, 1, size, 2);
  say_large_call(client, 1, size);
  CHECK(codes_for(client) == std::vector{errc::overloaded});
  client.acknowledge(1);
  client.call(2);
  hub.wait(9 * second);
  client.acknowledge(1);
  hub.wait(2 * second);  // the other one has been silent for too long
  say_large_call(client, 3, size);
  CHECK(codes_for(client).empty());
  CHECK(hub.core.census().calls == 2);
  CHECK(hub.core.counters().protocol_violations == 0);
}

TEST_CASE("promise 10: who takes nothing and goes on asking is let go") {
  hub_config config;
  config.max_client_calls = 10;
  raw_hub hub(std::move(config));
  raw_peer client(hub, 1, 100);
  REQUIRE(client.hello(peer_role::client));
  for (std::uint64_t number = 1; number < 5'000; ++number) client.call(number);
  CHECK(hub.core.census().clients == 0);
  CHECK(hub.core.census().frames_held <= 10);
  CHECK(hub.core.counters().protocol_violations == 1);
}

TEST_CASE("a call under a number that is in flight is a violation") {
  raw_hub hub;
  raw_peer client(hub, 1, 100);
  REQUIRE(client.hello(peer_role::client));
  client.call(2);
  client.call(1);
  CHECK(hub.core.counters().protocol_violations == 0);
  client.call(2);
  CHECK(hub.core.counters().protocol_violations == 1);
  CHECK(hub.core.census().clients == 0);
}

TEST_CASE("promise 5: a durable call is accepted once its record is synced, and is not started before") {
  hub_config config;
  config.journal = true;
  raw_hub hub(std::move(config));
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  raw_peer client(hub, 2, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1, {.durable = true});
  auto records = hub.take<out::append>();
  REQUIRE(records.size() == 1);
  CHECK(records[0].what == out::append::kind::call);
  CHECK(records[0].body->head.call.number == 1);
  CHECK(client.received().empty());

  hub.core.synced(hub.now, records[0].record, hub.out);
  auto const answers = client.received();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].head.type == frame_type::accepted);
  CHECK(answers[0].head.call.number == 1);
  CHECK(assigned_to(worker).call.number == 0);  // it may be started once: the journal says so first
  records = hub.take<out::append>();
  REQUIRE(records.size() == 1);
  CHECK(records[0].what == out::append::kind::started);

  hub.core.synced(hub.now, records[0].record, hub.out);
  auto const head = assigned_to(worker);
  REQUIRE(head.call.number == 1);
  worker.answer(head, 3);
  records = hub.take<out::append>();
  REQUIRE(records.size() == 1);
  CHECK(records[0].what == out::append::kind::ended);
  CHECK(records[0].body->payload().size() == 3);
  hub.core.synced(hub.now, records[0].record, hub.out);
  CHECK(hub.core.census().calls == 0);
}

TEST_CASE("promise 5: calls that are not durable cost the journal nothing") {
  hub_config config;
  config.journal = true;
  raw_hub hub(std::move(config));
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  raw_peer client(hub, 2, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  CHECK(assigned_to(worker).call.number == 1);
  CHECK(hub.take<out::append>().empty());
}

TEST_CASE("a worker that does not connect in time is to be ended, and another is asked for") {
  hub_config config;
  config.start_timeout = 2 * second;
  config.pools.push_back({.id = 5, .functions = offers_f(), .max_workers = 1});
  raw_hub hub(std::move(config));
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  auto const starts = hub.take<out::start_worker>();
  REQUIRE(starts.size() == 1);
  CHECK(starts[0].pool == 5);
  hub.wait(3 * second);
  auto const late = hub.take<out::abandon_start>();
  REQUIRE(late.size() == 1);
  CHECK(late[0].start == starts[0].start);
  auto const more = hub.take<out::start_worker>();
  REQUIRE(more.size() == 1);
  raw_peer stranger(hub, 2, 900);
  CHECK_FALSE(stranger.hello(peer_role::worker, offers_f(), 1, starts[0].token));  // its start is over
  CHECK(hub.core.census().workers == 0);
  CHECK(hub.core.census().starting == 1);
  raw_peer worker(hub, 3, 901);
  REQUIRE(worker.hello(peer_role::worker, offers_f(), 1, more[0].token));
  CHECK(hub.core.census().starting == 0);
  raw_peer copied(hub, 4, 902);
  CHECK_FALSE(copied.hello(peer_role::worker, offers_f(), 1, more[0].token));  // whose worker has come
  raw_peer itself(hub, 5, 903);
  CHECK(itself.hello(peer_role::worker, offers_f()));
}

TEST_CASE(
    "a credential that was issued for a start lets in the worker of that start, once, and nobody else") {
  hub_config config;
  config.pools.push_back({.id = 5, .functions = offers_f(), .max_workers = 2, .elsewhere = true});
  raw_hub hub(std::move(config));
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  client.call(2);
  hub.wait(second);
  auto const starts = hub.take<out::start_worker>();
  REQUIRE(starts.size() == 2);
  peer_id next = 1;
  auto const comes = [&](std::uint64_t issued_for, std::uint64_t token) {
    ++next;
    peer_link const how{.identity = "issued " + std::to_string(issued_for), .issued_for = issued_for};
    return raw_peer(hub, next, 900 + next, how).hello(peer_role::worker, offers_f(), 1, token);
  };
  CHECK_FALSE(comes(starts[0].start, 0));
  CHECK_FALSE(comes(starts[0].start, starts[1].token));
  CHECK_FALSE(comes(starts[0].start + 77, starts[0].token));
  CHECK(hub.core.census().workers == 0);
  CHECK(comes(starts[0].start, starts[0].token));
  CHECK_FALSE(comes(starts[0].start, starts[0].token));
  CHECK(comes(starts[1].start, starts[1].token));
  CHECK(hub.core.census().workers == 2);
}

namespace {

hub_config with_pool_elsewhere() {
  hub_config config;
  config.start_timeout = 2 * second;
  config.pools.push_back(
      {.id = 5, .functions = offers_f(), .max_workers = 1, .elsewhere = true, .start_timeout = 7 * second});
  return config;
}

}  // namespace

TEST_CASE("nobody is impatient with a worker elsewhere before it is placed") {
  raw_hub hub(with_pool_elsewhere());
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  auto const starts = hub.take<out::start_worker>();
  REQUIRE(starts.size() == 1);
  CHECK(starts[0].elsewhere);
  hub.wait(1'000 * second);
  CHECK(hub.take<out::abandon_start>().empty());
  hub.core.worker_placed(hub.now, starts[0].start, hub.out);
  hub.wait(6 * second);
  CHECK(hub.take<out::abandon_start>().empty());
  hub.wait(2 * second);
  CHECK(hub.take<out::abandon_start>().at(0).start == starts[0].start);
}

TEST_CASE("one call starts one worker elsewhere, however long that takes to come") {
  auto config = with_pool_elsewhere();
  config.pools.front().max_workers = 3;
  config.pools.front().scale_delay = second;
  raw_hub hub(std::move(config));
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  auto const start = hub.take<out::start_worker>().at(0);
  hub.core.worker_placed(hub.now, start.start, hub.out);
  hub.wait(5 * second);
  raw_peer worker(hub, 2, 900);
  worker.answers = false;
  REQUIRE(worker.hello(peer_role::worker, offers_f(), 1, start.token));
  hub.wait(100 * millisecond);  // the welcome is on its way
  CHECK(hub.take<out::start_worker>().empty());
  SUBCASE("") {
    worker.acknowledge(0);
    CHECK(assigned_to(worker).call.number == 1);
    hub.wait(5 * second);
    CHECK(hub.take<out::start_worker>().empty());
  }
  SUBCASE("which does not go on for ever") {
    hub.wait(second);
    CHECK(hub.take<out::start_worker>().size() == 1);
  }
}

TEST_CASE("where more calls wait than a worker that comes can take, the next one is not put off") {
  auto config = with_pool_elsewhere();
  config.pools.front().max_workers = 3;
  config.pools.front().scale_delay = second;
  raw_hub hub(std::move(config));
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  for (std::uint64_t number = 1; number <= 3; ++number) client.call(number);
  hub.wait(second / 2);
  auto const start = hub.take<out::start_worker>().at(0);
  raw_peer worker(hub, 2, 900);
  worker.answers = false;
  REQUIRE(worker.hello(peer_role::worker, offers_f(), 1, start.token));
  hub.wait(second / 2);
  CHECK(hub.take<out::start_worker>().size() == 1);
}

TEST_CASE("a start elsewhere that takes too long is ended, and has failed with what that shows, or without") {
  raw_hub hub(with_pool_elsewhere());
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  for (int i = 0; i < 3; ++i) {
    hub.wait(second);
    auto const start = hub.take<out::start_worker>().at(0);
    hub.core.worker_placed(hub.now, start.start, hub.out);
    hub.wait(8 * second);
    CHECK(hub.take<out::abandon_start>().at(0).start == start.start);
    CHECK(client.received().empty());
    raw_peer stranger(hub, 10 + static_cast<peer_id>(i), 900 + static_cast<std::uint64_t>(i));
    CHECK_FALSE(stranger.hello(peer_role::worker, {}, 1, start.token));
    CHECK(hub.core.census().starting == 1);
    if (i == 1)
      hub.wait(11 * second);
    else
      hub.core.worker_ended(hub.now, start.start, "(x-1) ended:\nwaiting for licence", {}, hub.out);
    CHECK(hub.take<out::abandon_start>().empty());
  }
  failure error;
  REQUIRE(read_error(client.received().at(0), error));
  CHECK(error.code == errc::worker_start_failed);
  CHECK(
      error.message.ends_with("3 times in a row; the last time the worker did not connect in time; it (x-1) "
                              "ended:\nwaiting for licence"));
}

TEST_CASE("what a worker elsewhere ran on is ended with its session") {
  raw_hub hub(with_pool_elsewhere());
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  auto const start = hub.take<out::start_worker>().at(0);
  raw_peer worker(hub, 2, 900);
  REQUIRE(worker.hello(peer_role::worker, offers_f(), 1, start.token));
  CHECK(hub.take<out::worker_came>().at(0).start == start.start);
  CHECK(assigned_to(worker).call.number == 1);
  CHECK(hub.take<out::abandon_start>().empty());
  hub.wait(60 * second);  // it says nothing more
  CHECK(hub.take<out::abandon_start>().at(0).start == start.start);
}

TEST_CASE("a worker elsewhere whose launcher has seen its end is lost at once, with what that says") {
  raw_hub hub(with_pool_elsewhere());
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  auto const start = hub.take<out::start_worker>().at(0);
  raw_peer worker(hub, 2, 900);
  REQUIRE(worker.hello(peer_role::worker, offers_f(), 1, start.token));
  CHECK(assigned_to(worker).call.number == 1);
  hub.core.worker_ended(hub.now, start.start, "ended: its machine burns", {}, hub.out);
  auto const answers = client.received();
  REQUIRE(answers.size() == 1);
  failure error;
  REQUIRE(read_error(answers[0], error));
  CHECK(error.code == errc::worker_lost);
  CHECK(error.message.find("ended: its machine burns") != std::string::npos);
  CHECK(hub.core.census().workers == 0);
  CHECK(hub.take<out::abandon_start>().empty());
  hub.core.worker_ended(hub.now, start.start, "again", {}, hub.out);  // which is nothing
  CHECK(hub.core.census().workers == 0);
}

TEST_CASE("a start elsewhere that ends before its worker has come has failed") {
  raw_hub hub(with_pool_elsewhere());
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  for (int i = 0; i < 3; ++i) {
    hub.wait(second);
    hub.core.worker_ended(hub.now, hub.take<out::start_worker>().at(0).start, "ended: no quota", {}, hub.out);
  }
  failure error;
  REQUIRE(read_error(client.received().at(0), error));
  CHECK(error.code == errc::worker_start_failed);
  CHECK(error.message.ends_with("3 times in a row; the last time ended: no quota"));
}

TEST_CASE("an embedded hub's own functions are known while only somebody else's worker is there") {
  hub_config config;
  config.pools.push_back({.functions = offers_f(), .max_workers = 1});
  raw_hub hub(std::move(config));
  raw_peer foreign(hub, 1, 900);
  REQUIRE(foreign.hello(peer_role::worker, {{"theirs", 3, ""}}));
  raw_peer client(hub, 2, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  CHECK(client.received().empty());
  CHECK(hub.take<out::start_worker>().size() == 1);
}

TEST_CASE("calls for a function whose last worker had to go are told why") {
  raw_hub hub;
  raw_peer worker(hub, 1, 900);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  raw_peer other(hub, 2, 901, in_process);
  REQUIRE(other.hello(peer_role::worker, {{"g", 1, ""}}));
  raw_peer client(hub, 3, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1, {.timeout = second});
  worker.acknowledge(1);
  hub.wait(3 * second + 500 * millisecond);
  CHECK(hub.core.counters().workers_killed == 0);  // that it is to stop is on its way
  worker.acknowledge(2);
  hub.wait(second);
  worker.acknowledge(2);
  hub.wait(second + 500 * millisecond);  // its grace period has passed: it is let go
  CHECK(hub.core.counters().workers_killed == 1);
  client.received();
  client.call(2);
  hub.wait(11 * second);
  auto const answers = client.received();
  REQUIRE(answers.size() == 1);
  failure error;
  REQUIRE(read_error(answers[0], error));
  CHECK(error.code == errc::unknown_function);
  CHECK(error.message.find("did not stop within its grace period") != std::string::npos);
}

TEST_CASE("promise 15: the time that a call takes to its worker is not its attempt's") {
  raw_hub hub;
  raw_peer worker(hub, 1, 900);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  raw_peer client(hub, 2, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1, {.timeout = second});
  for (int i = 0; i < 5; ++i) {  // alive, and has not got it
    hub.wait(second);
    worker.acknowledge(0);
  }
  CHECK(client.received().empty());
  worker.acknowledge(1);
  hub.wait(900 * millisecond);
  CHECK(client.received().empty());
  hub.wait(200 * millisecond);
  auto const answers = client.received();
  REQUIRE(answers.size() == 1);
  failure error;
  REQUIRE(read_error(answers[0], error));
  CHECK(error.code == errc::timed_out);
}

TEST_CASE("promise 19: a durable call goes on without its caller, who has its outcome when he is back") {
  hub_config config;
  config.journal = true;
  raw_hub hub(std::move(config));
  raw_peer client(hub, 2, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1, {.idempotent = true, .durable = true});
  client.call(2, {.idempotent = true});
  hub.core.synced(hub.now, hub.take<out::append>().at(0).record, hub.out);
  hub.core.lost(hub.now, 2, {}, hub.out);
  hub.wait(25 * second);
  CHECK(hub.core.census().calls == 1);
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  worker.answer(assigned_to(worker), 3);
  hub.core.synced(hub.now, hub.take<out::append>().at(0).record, hub.out);
  raw_peer again(hub, 3, 100, in_process);
  REQUIRE(again.hello(peer_role::client, {}, 2));
  again.call(1, {.idempotent = true, .durable = true});
  CHECK(again.received().size() == 1);
  CHECK(hub.core.census().calls == 0);
}

TEST_CASE("sessions are bounded like connections, also where connections come and go") {
  hub_config config;
  config.max_peers = 3;
  raw_hub hub(std::move(config));
  for (peer_id id = 1; id <= 5; ++id) {
    raw_peer client(hub, id, 100 + id);
    CHECK(client.hello(peer_role::client) == (id <= 3));
    hub.core.lost(hub.now, id, {}, hub.out);
  }
  CHECK(hub.core.census().clients == 3);
  hub.wait(11 * second);
  CHECK(hub.core.census().clients == 0);
}

TEST_CASE("a hub that stood still takes what has come before it judges who did not answer") {
  for (auto const answered : {true, false}) {
    loopback net;
    auto& client = net.add_client();
    auto& worker = net.add_worker();
    net.cancel(client, net.submit(client, "told to stop"));
    net.now += 10 * second;  // past its grace
    outputs out;
    net.hub().tick(net.now, out);
    CHECK(net.hub().counters().workers_killed == 0);
    CHECK(net.hub().next_deadline() <= net.now);
    if (answered) net.finish(worker, "");
    net.hub().tick(net.now, out);
    CHECK(net.hub().counters().workers_killed == (answered ? 0 : 1));
  }
}
