// SPDX-License-Identifier: Apache-2.0
//
// How durable calls end that are refused, cancelled, revoked or found, and where the journal fails; and what
// a hub says of calls in every stage.
#include "tests/unit/core/durable_scene.hpp"

#include "src/core/composition.hpp"

namespace yonder::core::test::durables {

TEST_CASE("a call in every stage is explained, and cancelled once where it has not ended") {
  auto few_tokens = with_journal();
  few_tokens.retry_tokens = few_tokens.retry_tokens_per_call = 0;
  auto few_bytes = with_journal();
  few_bytes.max_client_bytes = 4096;
  auto const in_order = [](byte_buffer& body) { write_turn(body, {.order_key = "k"}); };
  auto const check = [](staged& s, std::string const& state, bool ended = false) {
    INFO(state);
    CHECK(s.state() == state);
    auto const failed = s.hub.core.counters().failed;
    CHECK(s.is_cancelled() != ended);
    CHECK(s.is_cancelled() == false);
    CHECK(s.hub.core.counters().failed == failed + (ended ? 0 : 1));
  };
  {
    staged s;
    s.client.call(1);
    check(s, "queued");
  }
  {
    staged s;
    s.client.call(1);
    call_with(s.client, 2, [](byte_buffer& body) {
      awaited_argument const one{.number = 1};
      write_arguments(body, std::span(&one, 1));
    });
    s.meant.number = 2;
    check(s, "waits for the values of other calls");
  }
  {
    staged s;
    call_with(s.client, 1, in_order);
    call_with(s.client, 2, in_order);
    s.meant.number = 2;
    check(s, "waits for its turn");
  }
  {
    staged s(few_bytes, false);
    s.work();
    s.client.call(1);
    s.answer(5000);  // which is not acknowledged
    s.client.call(2);
    s.meant.number = 2;
    check(s, "waits for its caller");
  }
  {
    staged s;
    s.client.call(1, durable);
    check(s, "being written to the journal");
  }
  {
    staged s;
    s.work();
    s.client.call(1);
    check(s, "with a worker");
  }
  {
    staged s;
    s.work();
    s.client.call(1, {.retries = 3});
    s.fail();
    check(s, "waits for its next attempt");
  }
  {
    staged s(few_tokens);
    s.work();
    s.client.call(1, {.retries = 3});
    s.fail();
    check(s, "waits for a retry token");
  }
  {
    staged s;
    s.work();
    s.client.call(1, durable_and_repeatable);
    s.journal.sync(s.hub);
    s.answer();
    check(s, "has ended; its outcome is being written to the journal", true);
    s.client.received();
    s.journal.sync(s.hub);
    CHECK(type_of_only(s.client.received()) == frame_type::result);
  }
  {
    staged s;
    s.work();
    s.client.call(1);
    s.hub.core.lost(s.hub.now, 2, {}, s.hub.out);
    s.answer();
    check(s, "ended", true);
  }
}

TEST_CASE("a deadline ends nothing that has ended, also where one of a pack is asked for by itself") {
  constexpr call_policy in_time{.idempotent = true, .durable = true};
  for (auto const is_durable : {false, true}) {
    scene s;
    auto const pack = [&] {
      frame message;
      message.head.type = frame_type::call;
      message.head.call = {100, 1};
      message.head.signature = 7;
      message.head.remaining_us = 1'000'000;
      byte_buffer body;
      write_call(body, "f", is_durable ? in_time : call_policy{}, {});
      write_items(body, std::vector<std::uint32_t>(3, 8));
      message.head.metadata_size = static_cast<std::uint32_t>(body.size());
      body.extend(24);
      message.body = std::move(body);
      return message;
    };
    s.client.say(pack());
    s.journal.sync(s.hub);
    if (!is_durable) s.hub.core.lost(s.hub.now, 2, {}, s.hub.out);
    for (std::uint32_t done = 0; done < 3;) {
      for (auto const& one : s.worker.received()) {
        if (one.head.type != frame_type::assign) continue;
        s.worker.answer_items(100, one.head.call.number, read_item_count(one));
        done += read_item_count(one);
      }
    }
    raw_peer same(s.hub, 4, 102, with_key("one"));
    REQUIRE(same.hello(peer_role::client));
    find(same, 7, {100, 2});
    s.hub.wait(2 * second);
    s.journal.sync(s.hub);
    CHECK(type_of_only(same.received()) == frame_type::result);
    CHECK(s.hub.core.counters().failed == 0);
  }
}

TEST_CASE("of a pack that the queue takes a part of, that part is in the journal") {
  auto config = with_journal();
  config.pools.push_back({.id = 5, .functions = offers_f(), .max_workers = 1, .max_queue = 3});
  raw_hub hub(config);
  memory_journal journal;
  raw_peer client(hub, 2, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f(), 1, hub.take<out::start_worker>().at(0).token));
  auto const before = hub.core.census().calls;
  client.received();
  client.batch(10, 8, durable_and_repeatable);
  auto const taken = hub.core.census().calls - before;
  REQUIRE(taken > 0);
  REQUIRE(taken < 8);
  // What is refused is no durable call: it is told at once, and nothing is kept of it.
  CHECK(client.received().size() == 8 - taken);
  CHECK(journal.write(hub) == 1);
  CHECK(hub.core.census().kept == 0);
  raw_hub next(config);
  journal.tell(next);
  CHECK(next.core.census().calls == taken);
}

TEST_CASE("a refused durable call is not in the journal, and its outcome is not kept") {
  scene s;
  s.client.call(9, durable);
  s.journal.sync(s.hub);
  s.client.received();
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {100, 10};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", durable, {});
  write_batching(body, {.max_items = 4, .max_weight = 3, .weight = 5});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
  s.client.say(std::move(message));
  auto const answers = s.client.received();
  REQUIRE(type_of_only(answers) == frame_type::error);
  CHECK(failure_in(answers[0]).code == errc::unsatisfiable);
  CHECK(s.journal.sync(s.hub) == 0);
  CHECK(s.hub.core.census().kept == 0);
}

TEST_CASE("where the journal has failed, queued calls that may start once end, and workers are free") {
  scene s;
  s.client.call(1, durable);
  s.client.call(2, durable);
  s.client.call(3, durable);
  s.journal.sync(s.hub);
  auto const first = assigned_to(s.worker);
  s.client.received();
  s.hub.core.journal_failed(s.hub.now, "the disk is full", s.hub.out);
  auto const failed = s.hub.core.counters().failed;
  s.worker.answer(first, 3);
  CHECK(s.hub.core.counters().completed == 0);
  CHECK(s.hub.core.counters().failed == 3);
  CHECK(failed <= 3);
  auto const answers = s.client.received();
  CHECK(answers.size() == 3);
  for (auto const& one : answers) CHECK(failure_in(one).code == errc::disconnected);
  CHECK(s.hub.core.census().calls == 0);
  s.client.call(4);
  CHECK(assigned_to(s.worker).call.number == 4);
}

TEST_CASE("where the journal has failed, of what only that knows nobody is told that it is unknown") {
  scene s;
  auto const state = [&] { return value_in(rows_of(s.client, 60, tell_journal, {}), "state"); };
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  CHECK(state() == journal_state::open);
  s.worker.answer(assigned_to(s.worker), 3);
  s.hub.core.refuse_durable("there is no room");
  CHECK(state() == journal_state::refuses);
  s.hub.core.journal_failed(s.hub.now, "the disk is full", s.hub.out);
  auto const failed = rows_of(s.client, 61, tell_journal, {});
  CHECK(value_in(failed, "state") == journal_state::failed);
  CHECK(value_in(failed, "why") == "the disk is full");
  auto const check = [](frame const& told) {
    REQUIRE(told.head.type == frame_type::error);
    auto const error = failure_in(told);
    CHECK(error.code == errc::disconnected);
    CHECK(error.message.find("journal has failed: the disk is full") != std::string::npos);
    CHECK(error.message.find("find it by its id then") != std::string::npos);
  };
  raw_peer same(s.hub, 4, 102, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  find(same, 7, {100, 1});
  auto const found = same.received();
  REQUIRE(found.size() == 1);
  check(found[0]);
  check(answer_of(same, 8, explain_call, {100, 1}));
  check(answer_of(same, 9, cancel_call, {100, 1}));
  s.hub.core.lost(s.hub.now, 2, {}, s.hub.out);
  raw_peer back(s.hub, 5, 100, with_key("one"));
  REQUIRE(back.hello(peer_role::client));
  call_again(back, 1, durable_and_repeatable);
  auto const told = back.received();
  REQUIRE(told.size() == 1);
  check(told[0]);

  raw_hub without;
  raw_peer client(without, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  CHECK(value_in(rows_of(client, 1, tell_journal, {}), "state") == journal_state::none);
}

TEST_CASE("a call that has ended and whose outcome is kept is explained, and there is nothing to cancel") {
  staged s;
  s.work();
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.answer();
  s.journal.sync(s.hub);
  s.hub.wait(90 * second);
  raw_peer other(s.hub, 7, 107, with_key("two"));
  REQUIRE(other.hello(peer_role::client));
  CHECK(rows_of(other, 1, explain_call, s.meant).empty());
  CHECK(rows_of(other, 2, cancel_call, s.meant).empty());
  for (auto const& what : {explain_call, cancel_call}) {
    for (auto* const who : {&s.client, &s.boss}) {
      auto const rows = rows_of(*who, 55, what, s.meant);
      CHECK(value_in(rows, "call") == "00000000000000640000000000000001");
      CHECK(value_in(rows, "task") == "f");
      CHECK(value_in(rows, "state") == "succeeded");
      CHECK(value_in(rows, "ended") == "90 s ago");
      CHECK(value_in(rows, "attempt") == "1");
      CHECK(value_in(rows, "its outcome is kept for") == "23 h");
      CHECK(value_in(rows, "credential") == "one");
    }
  }
  CHECK(s.hub.core.census().kept == 1);
  raw_hub next(with_journal());
  s.journal.tell(next, 3600 * second);
  raw_peer boss(next, 3, 102, {.reliable = true, .identity = "boss", .is_operator = true});
  REQUIRE(boss.hello(peer_role::client));
  CHECK(value_in(rows_of(boss, 1, explain_call, s.meant), "ended") == "60 min ago");
  CHECK(value_in(rows_of(boss, 2, explain_call, s.meant), "attempt") == "1");
}

TEST_CASE("a call that was not recorded when the journal failed has an end in its trace") {
  auto config = with_journal();
  config.traces = true;
  raw_hub hub(config);
  raw_peer client(hub, 2, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {100, 1};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", durable, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
  client.say(std::move(message));
  hub.core.journal_failed(hub.now, "the disk is full", hub.out);
  auto const traced = hub.take<out::traced>();
  REQUIRE(traced.size() == 1);
  CHECK(traced[0].code == errc::disconnected);
  auto const answers = client.received();
  REQUIRE(answers.size() == 1);
  auto const told = failure_in(answers[0]).message;
  CHECK(told.find("if its record was written") != std::string::npos);
  CHECK(told.ends_with("find it by its id then, 00000000000000640000000000000001"));
}

TEST_CASE("who finds a call that has ended has its outcome at once, and its caller has it, too") {
  scene s;
  s.client.call(1);
  s.hub.core.lost(s.hub.now, 2, {}, s.hub.out);
  s.worker.answer(assigned_to(s.worker), 3);
  raw_peer same(s.hub, 4, 102, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  find(same, 7, {100, 1});
  auto const found = same.received();
  REQUIRE(type_of_only(found) == frame_type::result);
  CHECK(found[0].head.call == call_id{102, 7});
  CHECK(found[0].payload().size() == 3);
  raw_peer again(s.hub, 5, 100, with_key("one"));
  REQUIRE(again.hello(peer_role::client));
  call_again(again, 1, {});
  auto const answers = again.received();
  REQUIRE(type_of_only(answers) == frame_type::result);
  CHECK(answers[0].head.call == call_id{100, 1});
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("promise 17: who has found a call is told that it was cancelled once the journal says so") {
  for (auto const has_ended : {false, true}) {
    scene s;
    s.client.call(1, durable_and_repeatable);
    s.journal.sync(s.hub);
    raw_peer same(s.hub, 4, 102, with_key("one"));
    REQUIRE(same.hello(peer_role::client));
    find(same, 7, {100, 1});
    auto const given = assigned_to(s.worker);
    if (has_ended) s.worker.answer(given, 3);
    s.client.received();
    s.client.cancel(1);
    CHECK(same.received().empty());
    s.journal.sync(s.hub);
    auto const told = same.received();
    REQUIRE(type_of_only(told) == (has_ended ? frame_type::result : frame_type::error));
    if (!has_ended) CHECK(failure_in(told[0]).code == errc::cancelled);
    CHECK(s.client.received().empty());
    raw_hub next(with_journal());
    s.journal.tell(next);
    CHECK(next.core.census().calls == 0);
    CHECK(next.core.census().kept == 1);
  }
}

TEST_CASE("calls of a revoked key are cancelled also where nobody waits for them") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.client.call(2, durable_and_repeatable);
  s.journal.sync(s.hub);
  raw_peer other(s.hub, 3, 101, with_key("two"));
  REQUIRE(other.hello(peer_role::client));
  other.call(1);
  s.hub.core.lost(s.hub.now, 2, {}, s.hub.out);
  CHECK(s.hub.core.census().calls == 3);
  s.hub.core.revoked(s.hub.now, "one", "its key was revoked", s.hub.out);
  CHECK(s.hub.core.census().calls == 1);
  s.journal.sync(s.hub);
  raw_hub next(with_journal());
  s.journal.tell(next);
  CHECK(next.core.census().calls == 0);
}

TEST_CASE("what a hub's own end cuts short is the next one's to decide, as after a crash") {
  scene s;
  s.client.call(1, {.retries = 0, .idempotent = false, .durable = true});
  s.journal.sync(s.hub);
  s.journal.write(s.hub);
  s.hub.core.shutdown(s.hub.now, s.hub.out);
  CHECK(s.journal.write(s.hub) == 0);
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("promise 18: the value of a durable call that went into another reads as such") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  call_with(s.client, 2, [](byte_buffer& body) {
    awaited_argument const one{.number = 1, .sole = true};
    write_arguments(body, std::span(&one, 1));
  });
  s.client.received();
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.sync(s.hub);
  auto const told = s.client.received();
  REQUIRE(type_of_only(told) == frame_type::result);
  CHECK((told[0].head.flags & flag_elsewhere) != 0);
  CHECK(told[0].payload().empty());
  CHECK(assigned_to(s.worker).call.number == 2);
  CHECK(s.hub.core.census().kept == 0);  // the other one has it
  s.journal.sync(s.hub);
  CHECK(s.journal.lines.back().what == out::append::kind::forgotten);
}

TEST_CASE("promise 10: calls that are asked for by their ids count against their client's credit") {
  auto config = with_journal();
  config.max_client_calls = 3;
  raw_hub hub(config);
  memory_journal journal;
  raw_peer client(hub, 2, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  client.call(1, durable_and_repeatable);
  journal.sync(hub);
  client.received();
  find(client, 2, {100, 1});
  find(client, 3, {100, 1});
  CHECK(client.received().empty());
  find(client, 4, {100, 1});
  auto const refused = client.received();
  REQUIRE(type_of_only(refused) == frame_type::error);
  CHECK(failure_in(refused[0]).code == errc::overloaded);
  worker.answer(assigned_to(worker), 3);
  journal.sync(hub);
  CHECK(client.received().size() == 3);  // its own, and what was asked for
  find(client, 5, {100, 1});
  CHECK(type_of_only(client.received()) == frame_type::result);
}

TEST_CASE("an operator who looks at somebody's outcome leaves it to whom it belongs") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.sync(s.hub);
  raw_peer boss(s.hub, 3, 102, {.reliable = true, .identity = "boss", .is_operator = true});
  REQUIRE(boss.hello(peer_role::client));
  find(boss, 1, {100, 1});
  CHECK(type_of_only(boss.received()) == frame_type::result);
  take(boss, {100, 1});
  CHECK(s.hub.core.census().kept == 1);
  take(s.client, {100, 1});
  CHECK(s.hub.core.census().kept == 0);
}

TEST_CASE("a durable call that a task has made keeps its own deadline, also in the next hub") {
  scene s;
  s.client.call(1, {.deadline = 5 * second, .idempotent = true});
  auto const parent = assigned_to(s.worker);
  raw_peer inside(s.hub, 3, 101, in_process);
  REQUIRE(inside.hello(peer_role::client));
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {101, 1};
  message.head.signature = 7;
  message.head.remaining_us = 60'000'000;
  byte_buffer body;
  write_call(body, "f", durable_and_repeatable, {});
  write_parent(body, {parent.call, parent.attempt, parent.epoch});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(1);
  message.body = std::move(body);
  inside.say(std::move(message));
  s.journal.sync(s.hub);
  s.hub.wait(30 * second);
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().kept == 0);
  s.hub.wait(40 * second);
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().kept == 1);
}

TEST_CASE(
    "calls of the journal that are traced have an end there, and those that no worker lasts for are named") {
  auto config = with_journal();
  config.traces = true;
  memory_journal journal;
  raw_hub hub(config);
  raw_peer client(hub, 2, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  raw_peer worker(hub, 1, 900, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  client.call(1, {.timeout = 3600 * second, .idempotent = true, .durable = true});
  journal.sync(hub);
  hub.take<out::traced>();

  config.pools = {{.id = 1, .functions = offers_f(), .max_workers = 1, .allocation = 60 * second}};
  raw_hub next(config);
  journal.tell(next);
  auto const notices = next.take<out::notice>();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].text.find("its timeout of 3600 s is longer than a worker lasts here") !=
        std::string::npos);
  raw_peer other(next, 7, 902, in_process);
  REQUIRE(other.hello(peer_role::worker, offers_f()));
  auto const given = assigned_to(other);
  REQUIRE(given.call == call_id{100, 1});
  other.answer(given, 3);
  std::size_t ended = 0;
  for (auto const& one : next.take<out::traced>()) ended += one.attempt == 0 ? 1 : 0;
  CHECK(ended == 1);
}

}  // namespace yonder::core::test::durables
