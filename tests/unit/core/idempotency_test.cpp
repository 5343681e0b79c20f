// SPDX-License-Identifier: Apache-2.0
//
// Idempotency keys: a call is made once, however often, and by however many, it is asked for. And which
// exceptions are worth another attempt.
#include "tests/unit/core/durable_scene.hpp"

namespace yonder::core::test::durables {
namespace {

struct keyed {
  std::string key = "k";
  char argument = 'a';
  call_policy policy{};
  std::uint64_t signature = 7;
  std::size_t bytes = 1;  // of the argument
};

// The digest is the hub's to compare, not to check.
void ask(raw_peer& by, std::uint64_t number, keyed const& said = {}, attempt_key const& parent = {}) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  message.head.signature = said.signature;
  if (said.policy.deadline != 0)
    message.head.remaining_us = static_cast<std::uint64_t>(said.policy.deadline / microsecond) + 1;
  byte_buffer body;
  write_call(body, "f", said.policy, {});
  std::string const digest(digest_size, said.argument);
  write_idempotency(body, std::as_bytes(std::span(digest)), said.key);
  if (parent.attempt != 0) write_parent(body, parent);
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  std::string const payload(said.bytes, said.argument);
  body.append(payload.data(), payload.size());
  message.body = std::move(body);
  by.say(std::move(message));
}

errc code_of_only(std::vector<frame> const& frames) {
  return type_of_only(frames) == frame_type::error ? failure_in(frames[0]).code : errc{};
}

// A hub without a journal, a worker, and two clients of one credential.
struct keyed_scene {
  raw_hub hub;
  raw_peer worker{hub, 1, 900, in_process};
  raw_peer one{hub, 2, 100, with_key("one")};
  raw_peer other{hub, 3, 101, with_key("one")};
  explicit keyed_scene(hub_config config = {}) : hub(std::move(config)) {
    REQUIRE(worker.hello(peer_role::worker, {{"f", 7, ""}, {"f", 8, ""}}));
    REQUIRE(one.hello(peer_role::client));
    REQUIRE(other.hello(peer_role::client));
  }
};

}  // namespace

TEST_CASE("promise 4: the same key gives the stored result until its time is over") {
  keyed_scene s;
  ask(s.one, 1);
  s.worker.answer(assigned_to(s.worker), 3);
  CHECK(type_of_only(s.one.received()) == frame_type::result);
  CHECK(s.hub.core.census().calls == 0);
  ask(s.other, 5);
  auto const told = s.other.received();
  REQUIRE(type_of_only(told) == frame_type::result);
  CHECK(told[0].head.call == call_id{101, 5});
  CHECK(told[0].payload().size() == 3);
  ask(s.one, 2);
  CHECK(type_of_only(s.one.received()) == frame_type::result);
  CHECK(assigned_to(s.worker).call.number == 0);
  CHECK(s.hub.take<out::append>().empty());

  s.hub.wait(24 * 3600 * second + second);
  CHECK(s.hub.core.census().kept == 0);
  ask(s.one, 3);
  CHECK(assigned_to(s.worker).call == call_id{100, 3});
}

TEST_CASE("promise 4: the same key with other arguments is refused, and nothing runs") {
  keyed_scene s;
  ask(s.one, 1);
  CHECK(assigned_to(s.worker).call.number == 1);
  ask(s.other, 1, {.argument = 'b'});
  CHECK(code_of_only(s.other.received()) == errc::idempotency_key_reused);
  CHECK(s.hub.core.census().calls == 1);
}

TEST_CASE("promise 4: a key means something within its credential, task and structure only") {
  keyed_scene s;
  raw_peer stranger(s.hub, 4, 102, with_key("two"));
  REQUIRE(stranger.hello(peer_role::client));
  ask(s.one, 1);
  ask(stranger, 1, {.argument = 'b'});
  ask(s.one, 2, {.argument = 'b', .signature = 8});
  ask(s.one, 3, {.key = "l", .argument = 'b'});
  CHECK(s.hub.core.census().calls == 4);
  CHECK(s.one.received().empty());
  CHECK(stranger.received().empty());
}

TEST_CASE("promise 4: who asks while the call runs joins it, and all are told") {
  keyed_scene s;
  ask(s.one, 1);
  ask(s.other, 1);
  ask(s.one, 2);
  CHECK(s.hub.core.census().calls == 1);
  s.worker.answer(assigned_to(s.worker), 4);
  CHECK(type_of_only(s.other.received()) == frame_type::result);
  auto const told = s.one.received();
  REQUIRE(told.size() == 2);
  CHECK(told[0].head.call.number + told[1].head.call.number == 3);
  CHECK(assigned_to(s.worker).call.number == 0);
}

TEST_CASE("a cancel of one of them leaves the others alone, and the last one's ends the call") {
  for (auto const caller_first : {true, false}) {
    keyed_scene s;
    ask(s.one, 1, {.policy = {.idempotent = true}});
    ask(s.other, 1, {.policy = {.idempotent = true}});
    CHECK(assigned_to(s.worker).call == call_id{100, 1});
    auto& leaves = caller_first ? s.one : s.other;
    auto& stays = caller_first ? s.other : s.one;
    leaves.cancel(1);
    CHECK(s.worker.received().empty());
    CHECK(s.hub.core.census().calls == 1);
    s.hub.wait(20 * second);
    CHECK(s.hub.core.census().calls == 1);
    stays.cancel(1);
    CHECK(type_of_only(s.worker.received()) == frame_type::cancel);
    CHECK(s.hub.core.census().calls == 0);
    ask(s.one, 2);  // it may run more than once, so it does
    CHECK(s.hub.core.census().calls == 1);
  }
}

TEST_CASE("who has cancelled, or gone, is not told, and the others are") {
  keyed_scene s;
  ask(s.one, 1);
  ask(s.other, 1);
  auto const given = assigned_to(s.worker);
  SUBCASE("cancelled") { s.one.cancel(1); }
  SUBCASE("gone") { s.hub.core.lost(s.hub.now, 2, {}, s.hub.out); }
  s.hub.wait(20 * second);
  s.worker.answer(given, 3);
  CHECK(type_of_only(s.other.received()) == frame_type::result);
  CHECK(s.one.received().empty());
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("when all that wait for it have gone the call is cancelled after the silence") {
  keyed_scene s;
  ask(s.one, 1, {.policy = {.idempotent = true}});
  ask(s.other, 1, {.policy = {.idempotent = true}});
  s.one.cancel(1);
  s.hub.core.lost(s.hub.now, 3, {}, s.hub.out);
  CHECK(s.hub.core.census().calls == 1);
  s.hub.wait(11 * second);
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("the call has as long as whoever waits longest") {
  keyed_scene s;
  ask(s.one, 1, {.policy = {.deadline = 1 * second}});
  ask(s.other, 1, {.policy = {.deadline = 30 * second}});
  s.hub.wait(20 * second);
  CHECK(s.hub.core.census().calls == 1);
  s.hub.wait(11 * second);
  CHECK(s.hub.core.census().calls == 0);
  CHECK(code_of_only(s.other.received()) == errc::deadline_exceeded);
}

TEST_CASE("an error that would come again is stored") {
  keyed_scene s;
  ask(s.one, 1);
  s.worker.fail(100, 1, errc::failed);
  CHECK(code_of_only(s.one.received()) == errc::failed);
  ask(s.one, 2);
  CHECK(code_of_only(s.one.received()) == errc::failed);
}

TEST_CASE("an error that may be retried is not stored, unless the call may run once only and may have run") {
  for (auto const idempotent : {true, false}) {
    hub_config config;
    config.quarantine_after = 1;
    keyed_scene s(config);
    ask(s.one, 1, {.policy = {.idempotent = idempotent}});
    CHECK(assigned_to(s.worker).call.number == 1);
    s.hub.core.lost(s.hub.now, 1, {.signal = 9}, s.hub.out);
    CHECK(code_of_only(s.one.received()) == errc::worker_lost);
    raw_peer next(s.hub, 5, 901, in_process);
    REQUIRE(next.hello(peer_role::worker, offers_f()));
    ask(s.one, 2, {.policy = {.idempotent = idempotent}});
    if (idempotent) {
      CHECK(s.one.received().empty());
      CHECK(assigned_to(next).call.number == 2);
    } else {
      CHECK(code_of_only(s.one.received()) == errc::worker_lost);
      CHECK(assigned_to(next).call.number == 0);
    }
  }
}

TEST_CASE("what was cancelled while it ran, and may run once only, is not run again under its key") {
  keyed_scene s;
  ask(s.one, 1);
  CHECK(assigned_to(s.worker).call.number == 1);
  s.one.cancel(1);
  ask(s.one, 2);
  CHECK(code_of_only(s.one.received()) == errc::cancelled);
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("what was cancelled before it was given to a worker is run when its key is used again") {
  keyed_scene s;
  ask(s.one, 1, {.key = "first"});
  ask(s.one, 2);
  s.one.cancel(2);
  ask(s.one, 3);
  CHECK(s.one.received().empty());
  CHECK(s.hub.core.census().calls == 2);
}

TEST_CASE("promise 10: keys and their outcomes are bounded, and past it calls are refused in words") {
  hub_config config;
  config.max_kept_bytes = 600;
  keyed_scene s(config);
  ask(s.one, 1);
  s.worker.answer(assigned_to(s.worker), 300);
  ask(s.one, 2, {.key = "l"});
  auto const told = s.one.received();
  REQUIRE(told.size() == 2);
  auto const error = failure_in(told[1]);
  CHECK(error.code == errc::overloaded);
  CHECK(error.message.find("result_ttl") != std::string::npos);
  ask(s.one, 3);
  CHECK(type_of_only(s.one.received()) == frame_type::result);
}

TEST_CASE("a task that would join its own call is told so") {
  keyed_scene s;
  ask(s.one, 1);
  auto const runs = assigned_to(s.worker);
  raw_peer inside(s.hub, 6, 103, {.reliable = true});
  REQUIRE(inside.hello(peer_role::client));
  raw_peer own(s.hub, 7, 902, {.reliable = true});
  ask(inside, 1, {}, {runs.call, runs.attempt, s.worker.epoch});
  CHECK(inside.received().empty());  // another credential: a key of its own
  hub_config config;
  keyed_scene t(config);
  raw_peer worker(t.hub, 8, 903, with_key("one"));
  t.hub.core.lost(t.hub.now, 1, {}, t.hub.out);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  ask(t.one, 1);
  auto const parent = assigned_to(worker);
  ask(t.other, 1, {}, {parent.call, parent.attempt, worker.epoch});
  CHECK(code_of_only(t.other.received()) == errc::would_deadlock);
}

TEST_CASE("a batch, a stream and a composed call have no key") {
  keyed_scene s;
  std::string const digest(digest_size, 'a');
  call_with(s.one, 1, [&](byte_buffer& body) {
    write_idempotency(body, std::as_bytes(std::span(digest)), "k");
    write_stream(body, {{1, 1}, {}});
  });
  CHECK(code_of_only(s.one.received()) == errc::protocol_violation);
}

// --- with a journal

TEST_CASE("promise 4: with a journal a key holds across restarts, also when its outcome was taken") {
  scene s;
  ask(s.client, 1);
  s.journal.sync(s.hub);
  CHECK(type_of_only(s.client.received()) == frame_type::accepted);
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.sync(s.hub);
  take(s.client, {100, 1});
  CHECK(s.hub.core.census().kept == 1);

  raw_hub next(with_journal());
  // After compaction an outcome comes alone.
  std::erase_if(s.journal.lines, [](auto const& one) { return one.what != out::append::kind::ended; });
  s.journal.tell(next, 3600 * second);
  raw_peer client(next, 5, 200, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  ask(client, 1);
  auto const told = client.received();
  REQUIRE(told.size() == 2);
  CHECK(told[0].head.type == frame_type::accepted);
  CHECK(told[1].head.type == frame_type::result);
  CHECK(told[1].payload().size() == 3);
  ask(client, 2, {.argument = 'b'});
  CHECK(code_of_only(client.received()) == errc::idempotency_key_reused);
  next.wait(24 * 3600 * second);
  CHECK(next.core.census().kept == 0);
  ask(client, 3, {.argument = 'b'});
  CHECK(next.core.census().calls == 1);
}

TEST_CASE("promise 4: a new hub's callers join what the journal has under their key") {
  scene s;
  ask(s.client, 1);
  s.journal.write(s.hub);
  s.hub.core.synced(s.hub.now, 1, s.hub.out);
  raw_hub next(with_journal());
  s.journal.tell(next);
  raw_peer client(next, 5, 200, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  ask(client, 1);
  CHECK(type_of_only(client.received()) == frame_type::accepted);
  CHECK(next.core.census().calls == 1);
  raw_peer worker(next, 6, 901, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  s.journal.sync(next);
  worker.answer(assigned_to(worker), 4);
  CHECK(client.received().empty());
  s.journal.sync(next);
  CHECK(type_of_only(client.received()) == frame_type::result);
}

TEST_CASE("promise 18: under a key, too, what may have run once is unknown to a new hub, and stays so") {
  scene s;
  ask(s.client, 1);
  s.journal.sync(s.hub);
  CHECK(assigned_to(s.worker).call.number == 1);
  raw_hub next(with_journal());
  s.journal.tell(next);
  next.wait(11 * second);  // its worker does not come back
  s.journal.sync(next);
  s.journal.sync(next);
  raw_peer client(next, 5, 200, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  for (std::uint64_t number = 1; number <= 2; ++number) {
    ask(client, number);
    auto const told = client.received();
    REQUIRE(told.size() == 2);
    CHECK(failure_in(told[1]).code == errc::worker_lost);
  }
}

TEST_CASE("promise 5: who joins before the record is synced is told accepted with the first") {
  scene s;
  ask(s.client, 1);
  ask(s.client, 2);
  CHECK(s.client.received().empty());
  s.journal.sync(s.hub);
  auto const told = s.client.received();
  REQUIRE(told.size() == 2);
  CHECK(told[0].head.type == frame_type::accepted);
  CHECK(told[1].head.type == frame_type::accepted);
}

TEST_CASE("promise 4: a stored result that only the journal has is read back for whoever uses its key") {
  memory_journal journal;
  auto config = with_journal();
  config.max_cached_bytes = 0;
  raw_hub hub(config);
  raw_peer worker(hub, 1, 900, in_process);
  raw_peer one(hub, 2, 100, with_key("one"));
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  REQUIRE(one.hello(peer_role::client));
  ask(one, 1);
  journal.sync(hub);
  worker.answer(assigned_to(worker), 300);
  journal.sync(hub);
  CHECK(one.received().size() == 2);
  take(one, {100, 1});
  CHECK(hub.core.census().kept == 1);

  raw_hub next(config);
  std::erase_if(journal.lines, [](auto const& said) { return said.what != out::append::kind::ended; });
  journal.tell(next);
  for (auto* const with : {&hub, &next}) {
    CHECK(with->core.census().kept_bytes == 0);
    raw_peer other(*with, 5, 101, with_key("one"));
    REQUIRE(other.hello(peer_role::client));
    for (std::uint64_t number = 1; number <= 3; ++number) ask(other, number);
    auto told = other.received();
    REQUIRE(told.size() == 3);
    for (auto const& said : told) CHECK(said.head.type == frame_type::accepted);
    other.cancel(2);
    journal.sync(*with);
    told = other.received();
    REQUIRE(told.size() == 2);
    CHECK(told[0].head.call == call_id{101, 1});
    CHECK(told[1].head.call == call_id{101, 3});
    for (auto const& said : told) {
      CHECK(said.head.type == frame_type::result);
      CHECK(said.payload().size() == 300);
    }
    ask(other, 4, {.argument = 'b'});
    CHECK(code_of_only(other.received()) == errc::idempotency_key_reused);
    CHECK(with->core.census().calls == 0);
  }
}

TEST_CASE("promise 4: a call whose arguments only the journal has is joined by its key, and run once") {
  memory_journal journal;
  auto config = with_journal();
  config.max_cached_bytes = 0;
  raw_hub hub(config);
  raw_peer one(hub, 2, 100, with_key("one"));
  REQUIRE(one.hello(peer_role::client));
  ask(one, 1, {.bytes = 10'000});
  journal.sync(hub);
  raw_hub next(config);
  journal.tell(next);
  for (auto* const with : {&hub, &next}) {
    CHECK(with->core.census().bytes < 1'000);
    raw_peer other(*with, 5, 101, with_key("one"));
    REQUIRE(other.hello(peer_role::client));
    ask(other, 1, {.bytes = 10'000});
    raw_peer worker(*with, 6, 901, in_process);
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    ask(other, 2, {.bytes = 10'000});
    CHECK(other.received().size() == 2);
    auto lines = journal;  // each hub has its own from here on
    lines.sync(*with);
    auto const given = worker.received();
    REQUIRE(!given.empty());
    CHECK(given.back().head.type == frame_type::assign);
    CHECK(given.back().payload().size() == 10'000);
    worker.answer(given.back().head, 5);
    lines.sync(*with);
    auto const told = other.received();
    REQUIRE(told.size() == 2);
    for (auto const& said : told) CHECK(said.payload().size() == 5);
    CHECK(with->core.census().calls == 0);
    CHECK(with->core.census().kept == 1);
  }
}

TEST_CASE("promise 4: without a journal stored results stay in memory, whatever their size") {
  hub_config config;
  config.max_cached_bytes = 0;
  keyed_scene s(config);
  ask(s.one, 1);
  s.worker.answer(assigned_to(s.worker), 300);
  CHECK(type_of_only(s.one.received()) == frame_type::result);
  ask(s.other, 1);
  auto const told = s.other.received();
  REQUIRE(type_of_only(told) == frame_type::result);
  CHECK(told[0].payload().size() == 300);
  CHECK(s.hub.core.census().kept_bytes > 300);
  CHECK(s.hub.take<out::read>().empty());
}

TEST_CASE("calls of a revoked key end for all that have joined them") {
  scene s;
  raw_peer same(s.hub, 3, 101, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  ask(s.client, 1, {.policy = {.idempotent = true}});
  ask(same, 1, {.policy = {.idempotent = true}});
  s.journal.sync(s.hub);
  s.hub.core.revoked(s.hub.now, "one", "its key was revoked", s.hub.out);
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("records of the journal's first schema are read") {
  out::append written{
      1,    out::append::kind::ended, {100, 1}, 1, frame_ref(make_control(frame_type::result)), "me", "f",
      "key"};
  auto bytes = encode_record(written);
  recovered_record said;
  REQUIRE(decode_record(std::as_bytes(std::span(bytes)), said));
  CHECK(said.key == "key");
  bytes.erase(2 + 2 + 2 + 1, 2 + 3);
  recovered_record before;
  REQUIRE(decode_record(std::as_bytes(std::span(bytes)), before, 1));
  CHECK(before.function == "f");
  CHECK(before.key.empty());
}

// --- which exceptions are worth another attempt

TEST_CASE("retry_for and no_retry_for decide by the type that was thrown") {
  for (auto const others : {false, true}) {
    keyed_scene s;
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {100, 1};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", {.retries = 3}, {});
    write_retry(body, {others, {"io_error", "std::range_error"}});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    message.body = std::move(body);
    s.one.say(std::move(message));
    auto const throws = [&](std::string type) {
      failure error;
      error.type_name = std::move(type);
      auto const given = assigned_to(s.worker);
      auto told = make_error(error);
      told.head.call = given.call;
      told.head.attempt = given.attempt;
      s.worker.say(std::move(told));
      s.hub.wait(3600 * second);
    };
    throws(others ? "std::logic_error" : "io_error");
    CHECK(s.one.received().empty());
    throws(others ? "std::range_error" : "std::logic_error");
    auto const told = s.one.received();
    REQUIRE(type_of_only(told) == frame_type::error);
    CHECK(failure_in(told[0]).attempt == 2);
  }
}

TEST_CASE("a retry rule that does not decode is refused") {
  keyed_scene s;
  call_with(s.one, 1, [&](byte_buffer& body) {
    write_retry(body, {false, {"type"}});
    body.data()[body.size() - 5] = std::byte{9};  // the length of the name's upper half
  });
  CHECK(code_of_only(s.one.received()) == errc::protocol_violation);
}

}  // namespace yonder::core::test::durables
