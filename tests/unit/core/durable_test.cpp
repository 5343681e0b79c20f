// SPDX-License-Identifier: Apache-2.0
//
// Durable calls: what the hub writes down, what it tells before and after that, and what a hub makes of it
// that is started anew.
#include "tests/unit/core/durable_scene.hpp"

namespace yonder::core::test::durables {

TEST_CASE("promise 5: a hub without a journal refuses durable calls, and says what to do") {
  raw_hub hub;
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  client.call(1, durable);
  auto const answers = client.received();
  REQUIRE(type_of_only(answers) == frame_type::error);
  CHECK(failure_in(answers[0]).code == errc::unsatisfiable);
  CHECK(failure_in(answers[0]).message.find("--journal") != std::string::npos);
  CHECK(hub.core.census().calls == 0);
}

TEST_CASE("promise 17: an outcome is told once its record is synced, and kept until it is taken") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  CHECK(type_of_only(s.client.received()) == frame_type::accepted);
  s.worker.answer(assigned_to(s.worker), 3);
  CHECK(s.client.received().empty());
  CHECK(s.journal.sync(s.hub) == 1);
  auto const answers = s.client.received();
  REQUIRE(type_of_only(answers) == frame_type::result);
  CHECK(answers[0].payload().size() == 3);
  CHECK(s.hub.core.census().calls == 0);
  CHECK(s.hub.core.census().kept == 1);
  take(s.client, {100, 1});
  CHECK(s.hub.core.census().kept == 0);
  CHECK(s.journal.sync(s.hub) == 1);
  raw_hub next(with_journal());
  s.journal.tell(next);
  CHECK(next.core.census().calls == 0);
  CHECK(next.core.census().kept == 0);
}

TEST_CASE("promise 5: a new hub runs what was accepted, and its caller waits as if nothing had happened") {
  scene s;
  s.client.call(1, durable);
  s.client.call(2, durable_and_repeatable);
  s.journal.write(s.hub);
  s.hub.core.synced(s.hub.now, 2, s.hub.out);  // and the records of their starts are lost
  raw_hub next(with_journal());
  s.journal.tell(next);
  CHECK(next.core.census().calls == 2);
  raw_peer client(next, 5, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  call_again(client, 1, durable);
  call_again(client, 2, durable_and_repeatable);
  CHECK(client.received().size() == 2);  // accepted, both
  raw_peer worker(next, 6, 901, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  for (int i = 0; i < 2; ++i) {
    s.journal.sync(next);
    worker.answer(assigned_to(worker), 4);
  }
  s.journal.sync(next);
  auto const answers = client.received();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].head.type == frame_type::result);
  CHECK(answers[1].head.type == frame_type::result);
  CHECK(next.core.census().calls == 0);
}

TEST_CASE("promise 18: what may have been started once only is unknown to a new hub, and never run again") {
  scene s;
  s.client.call(1, durable);
  s.journal.sync(s.hub);
  REQUIRE(assigned_to(s.worker).call.number == 1);
  raw_hub next(with_journal());
  s.journal.tell(next);
  raw_peer worker(next, 6, 901, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  raw_peer client(next, 5, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  call_again(client, 1, durable);
  CHECK(type_of_only(client.received()) == frame_type::accepted);
  s.journal.sync(next);
  next.wait(9 * second);
  CHECK(client.received().empty());  // its worker may come back
  client.acknowledge(0);
  worker.acknowledge(0);
  next.wait(2 * second);
  s.journal.sync(next);
  auto const answers = client.received();
  REQUIRE(type_of_only(answers) == frame_type::error);
  CHECK(failure_in(answers[0]).code == errc::worker_lost);
  CHECK(assigned_to(worker).call.number == 0);
}

TEST_CASE("promise 18: of many that wait, only what a worker is about to be given is recorded as started") {
  scene s;
  for (std::uint64_t i = 1; i <= 20; ++i) s.client.call(i, durable);
  s.journal.sync(s.hub);
  std::size_t started = 0;
  for (auto const& one : s.journal.lines) started += one.what == out::append::kind::started ? 1 : 0;
  CHECK(started == 1);
  CHECK(s.hub.core.census().queued == 19);
}

TEST_CASE("the starts of all packs that a worker is about to be given wait for the disk together") {
  scene s;
  s.client.call(1, durable);
  s.journal.sync(s.hub);
  s.worker.answer(assigned_to(s.worker), 1);  // how long a run takes is known from now on
  s.journal.sync(s.hub);
  for (std::uint64_t i = 0; i < 10; ++i) s.client.batch(2 + 8 * i, 8, durable);
  CHECK(s.journal.write(s.hub) == 10);
  s.hub.core.synced(s.hub.now, s.journal.last, s.hub.out);
  CHECK(s.journal.write(s.hub) == 10);
  s.worker.received();
  s.hub.core.synced(s.hub.now, s.journal.last, s.hub.out);
  std::size_t assigned = 0;
  for (auto const& one : s.worker.received()) assigned += one.head.type == frame_type::assign ? 1 : 0;
  CHECK(assigned == 10);
}

TEST_CASE("promise 20: a call is found by its id by the same credential, and by no other") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.client.call(2, durable_and_repeatable);
  s.journal.sync(s.hub);
  auto const first = assigned_to(s.worker);
  raw_peer other(s.hub, 3, 101, with_key("two"));
  REQUIRE(other.hello(peer_role::client));
  find(other, 1, {100, 1});
  auto const refused = other.received();
  REQUIRE(type_of_only(refused) == frame_type::error);
  CHECK(failure_in(refused[0]).code == errc::unknown_call);
  CHECK(failure_in(refused[0]).message.find("00000000000000640000000000000001") != std::string::npos);

  raw_peer same(s.hub, 4, 102, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  find(same, 7, {100, 1});
  CHECK(same.received().empty());
  s.worker.answer(first, 3);
  s.journal.sync(s.hub);
  auto const found = same.received();
  REQUIRE(type_of_only(found) == frame_type::result);
  CHECK(found[0].head.call == call_id{102, 7});
  CHECK(found[0].head.signature == 7);
  CHECK(found[0].payload().size() == 3);
  CHECK(s.client.received().back().head.call == call_id{100, 1});

  find(same, 8, {100, 1});  // it is kept
  CHECK(type_of_only(same.received()) == frame_type::result);
  take(other, {100, 1});
  CHECK(s.hub.core.census().kept == 1);
  take(same, {100, 1});
  CHECK(s.hub.core.census().kept == 0);
  find(same, 9, {100, 1});
  CHECK(type_of_only(same.received()) == frame_type::error);
}

TEST_CASE("who has found a call cancels it, and its caller is told") {
  scene s;
  s.client.call(1, durable);
  s.client.call(2, durable);
  s.journal.sync(s.hub);
  s.client.received();
  raw_peer same(s.hub, 4, 102, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  find(same, 1, {100, 2});
  same.cancel(1);
  s.journal.sync(s.hub);
  auto const answers = s.client.received();
  REQUIRE(type_of_only(answers) == frame_type::error);
  CHECK(failure_in(answers[0]).code == errc::cancelled);
  CHECK(answers[0].head.call == call_id{100, 2});
}

TEST_CASE("promise 19: durable calls go on when their caller has gone, also where he says so") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  auto message = make_bye({errc::disconnected, "the client ended"});
  message.head.epoch = s.client.epoch;
  s.hub.core.receive(s.hub.now, 2, std::move(message), s.hub.out);
  s.hub.wait(60 * second);
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.sync(s.hub);
  raw_peer same(s.hub, 4, 102, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  find(same, 1, {100, 1});
  CHECK(type_of_only(same.received()) == frame_type::result);
}

TEST_CASE("an outcome that nobody takes is forgotten when its time is over, whatever restarts") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.sync(s.hub);
  s.hub.wait(23 * 3600 * second);
  CHECK(s.hub.core.census().kept == 1);
  raw_hub next(with_journal());
  s.journal.tell(next, 23 * 3600 * second);
  next.wait(3500 * second);
  CHECK(next.core.census().kept == 1);
  next.wait(200 * second);
  CHECK(next.core.census().kept == 0);
}

TEST_CASE("a batch is taken in parts, and the rest of it is found after a restart") {
  scene s;
  s.client.batch(1, 4, durable_and_repeatable);
  CHECK(s.journal.sync(s.hub) == 1);
  for (std::uint64_t done = 0; done < 4;) {
    for (auto const& one : s.worker.received()) {
      if (one.head.type != frame_type::assign) continue;
      auto const count = read_item_count(one);
      s.worker.answer_items(100, one.head.call.number, count);
      done += count;
    }
  }
  s.journal.sync(s.hub);
  take(s.client, {100, 2}, 2);
  s.journal.sync(s.hub);
  raw_hub next(with_journal());
  s.journal.tell(next);
  CHECK(next.core.census().kept == 2);
  raw_peer same(next, 4, 102, with_key("one"));
  REQUIRE(same.hello(peer_role::client));
  for (std::uint64_t i = 1; i <= 4; ++i) {
    find(same, i, {100, i});
    auto const answers = same.received();
    auto const is_kept = i == 1 || i == 4;
    REQUIRE(type_of_only(answers) == (is_kept ? frame_type::result : frame_type::error));
    if (is_kept) CHECK(load_le<std::uint64_t>(answers[0].payload().data()) == i);
  }
}

TEST_CASE("what was cancelled does not come back, and what was accepted is not made a second time") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.client.call(2, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.client.cancel(2);
  s.journal.sync(s.hub);
  raw_hub next(with_journal());
  s.journal.tell(next);
  CHECK(next.core.census().calls == 1);
  raw_peer client(next, 5, 100, with_key("one"));
  REQUIRE(client.hello(peer_role::client));
  call_again(client, 2, durable_and_repeatable);
  auto const answers = client.received();
  REQUIRE(type_of_only(answers) == frame_type::error);
  CHECK(failure_in(answers[0]).code == errc::unknown_call);
}

TEST_CASE("where the journal fails, durable calls are refused, and what it holds goes on with the next hub") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.client.call(2, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.client.received();
  s.worker.answer(assigned_to(s.worker), 3);
  s.client.call(3, durable_and_repeatable);
  s.hub.take<out::append>();
  s.hub.core.journal_failed(s.hub.now, "the disk is full", s.hub.out);
  s.client.call(4, durable_and_repeatable);
  auto const answers = s.client.received();
  REQUIRE(answers.size() == 3);
  CHECK(failure_in(answers[0]).code == errc::disconnected);  // its outcome is not on disk
  CHECK(failure_in(answers[1]).code == errc::disconnected);
  CHECK(failure_in(answers[2]).code == errc::overloaded);
  CHECK(failure_in(answers[2]).message.find("the disk is full") != std::string::npos);
  raw_hub next(with_journal());
  s.journal.tell(next);
  CHECK(next.core.census().calls == 2);
}

TEST_CASE("a new hub waits for the workers of durable calls as long as it takes") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  raw_hub next(with_journal());
  s.journal.tell(next);
  raw_peer stranger(next, 6, 901, in_process);
  REQUIRE(stranger.hello(peer_role::worker, {{"g", 3, ""}}));
  next.wait(3600 * second);
  CHECK(next.core.census().calls == 1);
  raw_peer worker(next, 7, 902, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  CHECK(assigned_to(worker).call == call_id{100, 1});
}

TEST_CASE("calls are listed for their credential, and for the operator all of them") {
  scene s;
  s.client.call(1, durable_and_repeatable);
  s.journal.sync(s.hub);
  s.client.call(2);
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.sync(s.hub);
  raw_peer other(s.hub, 3, 101, with_key("two"));
  raw_peer boss(s.hub, 4, 102, {.reliable = true, .identity = "boss", .is_operator = true});
  for (auto* const who : {&s.client, &other, &boss}) {
    if (who != &s.client) REQUIRE(who->hello(peer_role::client));
    who->received();
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {who->session, 50};
    byte_buffer body;
    write_call(body, list_calls, {}, {});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    message.body = std::move(body);
    who->say(std::move(message));
    auto const answers = who->received();
    REQUIRE(type_of_only(answers) == frame_type::result);
    call_listing list;
    REQUIRE(decode_calls(answers[0].payload(), list));
    CHECK(list.all == (who == &other ? 0 : 2));
    for (auto const& one : list.calls) {
      CHECK(one.task == "f");
      CHECK(one.durable == (one.id.number == 1));
      CHECK(one.state == (one.id.number == 1 ? call_state::succeeded : call_state::running));
      CHECK(one.tries == 1);
    }
  }
}

TEST_CASE("records that are cut, or say something else, are refused") {
  scene s;
  s.client.call(1, durable);
  s.journal.write(s.hub);
  auto const& bytes = s.journal.lines.front().bytes;
  recovered_record said;
  for (std::size_t size = 1; size < bytes.size(); ++size)
    CHECK_FALSE(decode_record(std::as_bytes(std::span(bytes).first(size)), said));
  auto const longer = bytes + "x";
  CHECK_FALSE(decode_record(std::as_bytes(std::span(longer)), said));
}

}  // namespace yonder::core::test::durables
