// SPDX-License-Identifier: Apache-2.0
//
// Durable calls that may start only once and were with a worker when their hub was killed: what the worker
// says of them to the next one, and what that makes of it.
#include "src/core/worker.hpp"
#include "tests/unit/core/durable_scene.hpp"

namespace yonder::core::test::durables::adoption {
namespace {

constexpr call_id meant{100, 1};

// `told`: what the hub says behind its welcome.
bool hello_with(raw_peer& worker, std::vector<held_attempt> held, std::vector<frame>& told) {
  hello_message said;
  said.role = peer_role::worker;
  said.session = worker.session;
  said.name = "raw";
  said.functions = offers_f();
  said.held = std::move(held);
  auto message = make_hello(said);
  message.head.attempt = 1;
  worker.hub.core.receive(worker.hub.now, worker.id, std::move(message), worker.hub.out);
  told.clear();
  for (auto& one : worker.received()) {
    if (one.head.type != frame_type::welcome) {
      told.push_back(std::move(one));
      continue;
    }
    worker.epoch = one.head.epoch;
    worker.acknowledge(0);
  }
  return worker.epoch != 0;
}

void answer_held(raw_peer& worker, call_id call, std::size_t payload) {
  frame message;
  message.head.type = frame_type::result;
  message.head.call = call;
  message.head.attempt = 1;
  message.head.flags = flag_held;
  byte_buffer body;
  body.extend(payload);
  message.body = std::move(body);
  worker.say(std::move(message));
}

std::size_t count_of(std::vector<frame> const& frames, frame_type what) {
  std::size_t count = 0;
  for (auto const& one : frames) count += one.head.type == what ? 1 : 0;
  return count;
}

// A hub that was started again while one worker had the call `meant`.
struct restarted {
  scene before;
  raw_hub hub{with_journal()};
  raw_peer worker{hub, 6, 900, in_process};
  raw_peer client{hub, 5, 100, with_key("one")};
  memory_journal& journal{before.journal};
  std::vector<frame> told;

  explicit restarted(call_policy policy = durable) {
    before.client.call(1, policy);
    journal.sync(before.hub);
    CHECK(assigned_to(before.worker).call == meant);
    journal.tell(hub);
  }
  void come_back() {
    REQUIRE(client.hello(peer_role::client));
    call_again(client, 1, durable);
    CHECK(type_of_only(client.received()) == frame_type::accepted);
  }
};

}  // namespace

TEST_CASE("what a worker still runs when its hub comes back is taken over, and has one outcome") {
  restarted s;
  REQUIRE(hello_with(s.worker, {{meant, 1}}, s.told));
  s.come_back();
  raw_peer other(s.hub, 7, 901, in_process);
  REQUIRE(other.hello(peer_role::worker, offers_f()));
  s.hub.wait(9 * second);
  for (auto* const peer : {&s.worker, &s.client, &other}) peer->acknowledge(0);
  s.hub.wait(9 * second);  // it is not sought any more
  CHECK(assigned_to(other).call.number == 0);
  CHECK(s.client.received().empty());
  answer_held(s.worker, meant, 5);
  CHECK(s.worker.received().empty());  // it keeps that until the journal has it
  s.journal.sync(s.hub);
  auto const answers = s.client.received();
  REQUIRE(type_of_only(answers) == frame_type::result);
  CHECK(answers[0].payload().size() == 5);
  CHECK(type_of_only(s.worker.received()) == frame_type::taken);
  CHECK(s.hub.core.census().attempts == 0);
  s.client.call(2, durable_and_repeatable);
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().attempts == 1);  // it goes on as any worker does
}

TEST_CASE("an outcome that came when nobody waited for it any more changes nothing") {
  restarted s;
  s.come_back();
  s.hub.wait(9 * second);
  s.client.acknowledge(0);
  s.hub.wait(2 * second);
  s.journal.sync(s.hub);
  CHECK(failure_in(s.client.received().at(0)).code == errc::worker_lost);
  raw_peer late(s.hub, 8, 900, in_process);
  REQUIRE(hello_with(late, {{meant, 1}}, s.told));
  CHECK(count_of(s.told, frame_type::cancel) == 1);
  answer_held(late, meant, 5);
  CHECK(count_of(late.received(), frame_type::taken) == 1);
  CHECK(s.hub.core.counters().fenced == 1);
  CHECK(s.hub.core.census().attempts == 0);
}

TEST_CASE(
    "a worker that comes back without what was recorded for it ends that as unknown, and runs nothing of "
    "it") {
  restarted s;
  s.come_back();
  raw_peer other(s.hub, 7, 901, in_process);
  REQUIRE(hello_with(other, {}, s.told));
  CHECK(s.journal.sync(s.hub) == 0);  // that one never had it
  REQUIRE(hello_with(s.worker, {}, s.told));
  CHECK(count_of(s.told, frame_type::assign) == 0);
  s.journal.sync(s.hub);
  auto const told = failure_in(s.client.received().at(0));
  CHECK(told.code == errc::worker_lost);
  CHECK(told.message ==
        "the hub ended while the call may have run, and its worker came back without it; whether it ran is "
        "unknown");
  s.hub.wait(20 * second);
  CHECK(assigned_to(other).call.number == 0);
  CHECK(assigned_to(s.worker).call.number == 0);
}

TEST_CASE("what a worker had that has ended is unknown as soon as whoever takes its place says so") {
  restarted s;
  s.come_back();
  raw_peer next(s.hub, 7, 901, in_process);
  hello_message said;
  said.role = peer_role::worker;
  said.session = 901;
  said.functions = offers_f();
  said.predecessor = {.session = 900, .signal = 9};
  auto message = make_hello(said);
  message.head.attempt = 1;
  s.hub.core.receive(s.hub.now, 7, std::move(message), s.hub.out);
  s.journal.sync(s.hub);
  CHECK(failure_in(s.client.received().at(0)).code == errc::worker_lost);
}

TEST_CASE("what was with a process of the hub's own is unknown as soon as there is another hub") {
  auto config = with_journal();
  config.pools = {{.functions = offers_f(), .max_workers = 1}};
  memory_journal journal;
  {
    raw_hub before(config);
    raw_peer client(before, 2, 100, with_key("one"));
    REQUIRE(client.hello(peer_role::client));
    client.call(1, durable);
    journal.sync(before);
    auto const starts = before.take<out::start_worker>();
    REQUIRE(starts.size() == 1);
    raw_peer worker(before, 3, 900, {.reliable = true, .start = starts[0].start});
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    journal.sync(before);
    CHECK(assigned_to(worker).call == meant);
  }
  raw_hub hub(config);
  journal.tell(hub);
  journal.sync(hub);
  CHECK(hub.core.census().kept == 1);
  CHECK(hub.take<out::start_worker>().empty());
}

TEST_CASE("what the journal says of one worker is given to that one, whoever else has nothing to do") {
  scene s;
  raw_peer other(s.hub, 3, 901, in_process);
  s.client.call(1, durable);
  s.journal.write(s.hub);
  s.hub.core.synced(s.hub.now, 1, s.hub.out);
  s.journal.write(s.hub);  // of its start, by the only worker that there is
  REQUIRE(other.hello(peer_role::worker, offers_f()));
  s.hub.core.synced(s.hub.now, 2, s.hub.out);
  CHECK(assigned_to(s.worker).call == meant);
  CHECK(s.journal.write(s.hub) == 0);
}

TEST_CASE(
    "where the worker has gone that the journal names, another one is named before it is given the call") {
  scene s;
  raw_peer other(s.hub, 3, 901, in_process);
  s.client.call(1, durable);
  s.journal.write(s.hub);
  s.hub.core.synced(s.hub.now, 1, s.hub.out);
  s.journal.write(s.hub);
  REQUIRE(other.hello(peer_role::worker, offers_f()));
  s.hub.core.lost(s.hub.now, 1, {.signal = 9}, s.hub.out);
  s.hub.core.synced(s.hub.now, 2, s.hub.out);
  CHECK(assigned_to(other).call.number == 0);
  CHECK(s.journal.sync(s.hub) == 1);
  CHECK(assigned_to(other).call == meant);
}

TEST_CASE("a worker that is lost with what it was adopted with has lost that") {
  restarted s;
  s.come_back();
  REQUIRE(hello_with(s.worker, {{meant, 1}}, s.told));
  s.hub.core.lost(s.hub.now, 6, {.signal = 9}, s.hub.out);
  s.journal.sync(s.hub);
  CHECK(failure_in(s.client.received().at(0)).code == errc::worker_lost);
}

TEST_CASE("the timeout of an attempt that is taken over counts from when it began") {
  restarted s({.timeout = 8 * second, .durable = true});
  s.come_back();
  REQUIRE(hello_with(s.worker, {{meant, 1, 5 * second}}, s.told));
  s.hub.wait(2 * second);
  CHECK(count_of(s.worker.received(), frame_type::cancel) == 0);
  s.hub.wait(2 * second);
  s.journal.sync(s.hub);
  CHECK(count_of(s.worker.received(), frame_type::cancel) == 1);
  CHECK(failure_in(s.client.received().at(0)).code == errc::timed_out);
}

TEST_CASE("a call is taken over from one worker, of the same attempt and no other call") {
  restarted s;
  s.come_back();
  REQUIRE(hello_with(s.worker, {{meant, 1}, {{100, 9}, 1}}, s.told));
  raw_peer other(s.hub, 7, 901, in_process);
  REQUIRE(hello_with(other, {{meant, 1}}, s.told));
  answer_held(other, meant, 4);
  s.journal.sync(s.hub);
  CHECK(s.client.received().empty());
  answer_held(s.worker, meant, 5);
  s.journal.sync(s.hub);
  CHECK(s.client.received().at(0).payload().size() == 5);
}

TEST_CASE("a call that is cancelled while its worker is sought is not run again, and is stopped there") {
  restarted s;
  s.come_back();
  s.client.cancel(1);
  s.journal.sync(s.hub);
  REQUIRE(hello_with(s.worker, {{meant, 1}}, s.told));
  CHECK(count_of(s.told, frame_type::cancel) == 1);
  CHECK(count_of(s.told, frame_type::assign) == 0);
}

namespace {

// A worker, and what it says to hubs that come and go.
struct lasting_worker {
  time_point now = second;
  outputs out;
  std::uint32_t sequence = 0, epoch = 0;
  hello_message last_hello;
  std::uint32_t hello_number = 0;
  bool reliable = false;
  worker core;

  explicit lasting_worker(bool over_reliable) : reliable(over_reliable), core(config(), now) {}

  static worker_config config() {
    worker_config made;
    made.session = 1;
    made.functions = offers_f();
    return made;
  }
  void connect(peer_id peer) {
    core.connected(now, peer, reliable, out);
    for (auto& one : out)
      if (auto* const send = std::get_if<out::send>(&one);
          send != nullptr && send->head.type == frame_type::hello) {
        last_hello = {};
        CHECK(read_hello(send->message(), last_hello));
        hello_number = send->head.attempt;
      }
    out.clear();
  }
  void welcome(peer_id peer) {
    auto message = make_welcome({protocol_version, second, {10, 10}, {}});
    message.head.attempt = hello_number;
    message.head.epoch = ++epoch;
    sequence = 0;
    core.receive(now, peer, std::move(message), out);
  }
  void receive(peer_id peer, frame message) {
    message.head.epoch = epoch;
    message.head.sequence = ++sequence;
    core.receive(now, peer, std::move(message), out);
  }
  void assign(peer_id peer, std::uint64_t number, call_policy policy) {
    frame message;
    message.head.type = frame_type::assign;
    message.head.attempt = 1;
    message.head.call = {100, number};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", policy, {});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    message.body = std::move(body);
    receive(peer, std::move(message));
  }
  void say_taken(peer_id peer, std::uint64_t number) {
    auto message = make_control(frame_type::taken);
    message.head.call = {100, number};
    message.head.attempt = 1;
    receive(peer, std::move(message));
  }
  void finish(std::uint64_t number, std::uint32_t in_epoch) {
    frame value;
    byte_buffer body;
    body.extend(3);
    value.body = std::move(body);
    core.finished(now, {{100, number}, 1, in_epoch}, std::move(value), out);
  }
  template <class Output>
  std::size_t count() const {
    std::size_t found = 0;
    for (auto const& one : out) found += std::holds_alternative<Output>(one) ? 1 : 0;
    return found;
  }
  std::size_t results() {
    std::size_t found = 0;
    for (auto& one : out)
      if (auto* const send = std::get_if<out::send>(&one);
          send != nullptr && send->head.type == frame_type::result)
        found += (send->head.flags & flag_held) != 0 ? 1 : 0;
    out.clear();
    return found;
  }
};

}  // namespace

TEST_CASE("a worker goes on with what may start only once, and tells the next hub") {
  for (auto const reliable : {false, true}) {
    CAPTURE(reliable);
    lasting_worker w(reliable);
    w.connect(1);
    CHECK(w.last_hello.held.empty());
    w.welcome(1);
    w.assign(1, 1, durable);
    w.assign(1, 2, durable);
    CHECK(w.count<out::run>() == 1);
    w.out.clear();
    w.core.lost(w.now, 1, false, errc::disconnected, "", w.out);
    w.connect(2);
    REQUIRE(w.last_hello.held.size() == 1);
    CHECK(w.last_hello.held[0].call == meant);
    w.finish(1, 1);                   // between hello and welcome
    CHECK(w.count<out::run>() == 0);  // what it has not spoken of is not begun
    w.out.clear();
    w.welcome(2);
    CHECK(w.count<out::stop_requested>() == 0);
    CHECK(w.results() == 1);
    CHECK(w.core.idle());
    w.core.lost(w.now, 2, false, errc::disconnected, "", w.out);
    w.connect(3);
    CHECK(w.last_hello.held.size() == 1);  // nobody has said that it is on disk
    w.welcome(3);
    CHECK(w.results() == 1);
    w.say_taken(3, 1);
    w.core.lost(w.now, 3, false, errc::disconnected, "", w.out);
    w.connect(4);
    CHECK(w.last_hello.held.empty());
  }
}

TEST_CASE("what a worker runs that is not durable, or may run again, ends with its session") {
  lasting_worker w(true);
  w.connect(1);
  w.welcome(1);
  w.assign(1, 1, durable_and_repeatable);
  w.out.clear();
  w.core.lost(w.now, 1, false, errc::disconnected, "", w.out);
  CHECK(w.count<out::stop_requested>() == 1);
  w.connect(2);
  CHECK(w.last_hello.held.empty());
}

TEST_CASE("a hub that does not want what a worker has gone on with stops it") {
  lasting_worker w(true);
  w.connect(1);
  w.welcome(1);
  w.assign(1, 1, durable);
  w.core.lost(w.now, 1, false, errc::disconnected, "", w.out);
  w.connect(2);
  w.welcome(2);
  w.out.clear();
  auto message = make_control(frame_type::cancel);
  message.head.call = meant;
  message.head.attempt = 1;
  w.receive(2, std::move(message));
  CHECK(w.count<out::stop_requested>() == 1);
  w.finish(1, 1);
  CHECK(w.results() == 1);
}

}  // namespace yonder::core::test::durables::adoption
