// SPDX-License-Identifier: Apache-2.0
//
// A hub that ends in good order: what has not begun goes back to its client, which gives it to the next one.
#include "src/core/client.hpp"
#include "tests/unit/core/durable_scene.hpp"

namespace yonder::core::test::durables::draining {
namespace {

constexpr duration patience = 20 * second;

// A client elsewhere, and a worker that runs one call at a time.
struct ending_hub {
  raw_hub hub;
  raw_peer worker{hub, 1, 50, in_process};
  raw_peer client{hub, 2, 100};
  std::uint32_t heard = 0;  // frames of the hub, by the client

  explicit ending_hub(hub_config config = {}) : hub(std::move(config)) {
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    REQUIRE(client.hello(peer_role::client));
  }

  void drain() { hub.core.drain(hub.now, patience, hub.out); }

  // What the client was sent, which it acknowledges.
  std::vector<frame> told() {
    auto frames = client.received();
    for (auto const& one : frames)
      if (one.head.type != frame_type::heartbeat && one.head.type != frame_type::ack)
        heard = std::max(heard, one.head.sequence);
    client.acknowledge(heard);
    return frames;
  }
  void client_hears() {
    auto message = make_control(frame_type::drain);
    client.say(std::move(message));
    told();
  }

  // The client is heard meanwhile.
  void wait(duration time) {
    for (; time > 0; time -= second) {
      told();
      hub.wait(std::min(time, second));
    }
  }
  bool drained() {
    hub.wait(50 * millisecond);
    auto const said = hub.take<out::drained>();
    return !said.empty() && said.front().in_time;
  }
};

struct given_back {
  std::uint64_t number;
  std::uint32_t count;
  friend bool operator==(given_back const&, given_back const&) = default;
};

std::vector<given_back> given_back_in(std::vector<frame> const& frames) {
  std::vector<given_back> found;
  for (auto const& one : frames)
    if (one.head.type == frame_type::error && (one.head.flags & flag_not_started) != 0)
      found.push_back({one.head.call.number, read_item_count(one)});
  return found;
}

bool says_drain(std::vector<frame> const& frames) {
  return std::any_of(frames.begin(), frames.end(),
                     [](auto const& one) { return one.head.type == frame_type::drain; });
}

using all = std::vector<given_back>;

}  // namespace

TEST_CASE("a hub that drains gives back what waits, packed, and waits for what runs") {
  ending_hub s;
  s.client.call(1);
  auto const runs = assigned_to(s.worker);
  REQUIRE(runs.call.number == 1);
  s.client.call(2);
  s.client.batch(3, 40);
  s.client.call(44);
  s.told();
  s.drain();
  auto const told = s.told();
  CHECK(says_drain(told));
  CHECK(given_back_in(told) == all{{2, 41}, {44, 1}});
  CHECK(s.hub.core.counters().given_back == 42);
  s.client_hears();
  CHECK_FALSE(s.drained());
  s.worker.answer(runs, 3);
  CHECK(type_of_only(s.client.received()) == frame_type::result);
  CHECK_FALSE(s.drained());  // until the client has that
  s.client.acknowledge(s.heard + 1);
  CHECK(s.drained());
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("what comes to a hub that drains comes back, whole or in parts") {
  ending_hub s;
  s.drain();
  s.client.call(1);
  s.client.batch(2, 3);
  CHECK(given_back_in(s.told()) == all{{1, 1}, {2, 3}});
  CHECK(assigned_to(s.worker).call.number == 0);
  raw_peer late(s.hub, 3, 101);
  REQUIRE(late.hello(peer_role::client));
  CHECK(says_drain(late.received()));
  late.call(1);
  CHECK(given_back_in(late.received()) == all{{1, 1}});
}

TEST_CASE("items that a worker has not begun are fetched, and given back when it says so") {
  ending_hub s;
  s.client.batch(1, 10);
  auto first = assigned_to(s.worker);
  REQUIRE(first.call.number == 1);
  s.worker.answer_items(100, 1, 1, 1, 10);  // so that the next ones are given together
  auto const pack = s.worker.received();
  auto const found = std::find_if(pack.begin(), pack.end(),
                                  [](auto const& one) { return one.head.type == frame_type::assign; });
  REQUIRE(found != pack.end());
  auto const items = read_item_count(*found);
  REQUIRE(items > 3);
  s.told();
  s.drain();
  auto const asked = s.worker.received();
  REQUIRE(type_of_only(asked) == frame_type::cancel);
  CHECK((asked[0].head.flags & flag_recall) != 0);
  CHECK(asked[0].head.call.number == 3);
  auto const rest = read_item_count(asked[0]);
  CHECK(rest == items - 1);
  auto told = given_back_in(s.told());  // but not those: they may have begun
  for (auto const& one : told) CHECK(one.number > items + 1);
  s.worker.fail(100, 3, errc::cancelled, 1, flag_not_started, rest);
  CHECK(given_back_in(s.told()) == all{{3, rest}});
  s.client_hears();
  CHECK_FALSE(s.drained());
  s.worker.answer_items(100, 2, 1);
  s.told();
  CHECK(s.drained());
}

TEST_CASE("durable calls are taken and left to the next hub; what was recorded as started is run") {
  memory_journal journal;
  ending_hub s(with_journal());
  s.client.call(1, durable);
  journal.sync(s.hub);
  auto const runs = assigned_to(s.worker);
  REQUIRE(runs.call.number == 1);
  s.client.call(2, durable);
  journal.sync(s.hub);
  s.told();
  s.drain();
  s.client.call(3, durable);
  journal.sync(s.hub);
  auto const told = s.told();
  CHECK(given_back_in(told).empty());
  CHECK(std::count_if(told.begin(), told.end(),
                      [](auto const& one) { return one.head.type == frame_type::accepted; }) == 1);
  s.client_hears();
  CHECK_FALSE(s.drained());  // it may not have begun yet
  s.wait(10 * second);
  CHECK(s.drained());  // its worker hands that in at the next one
  CHECK(s.hub.core.census().queued == 0);
  s.worker.answer(runs, 3);
  journal.sync(s.hub);
  CHECK(assigned_to(s.worker).call.number == 0);

  raw_hub next(with_journal());
  journal.tell(next);
  raw_peer worker(next, 6, 51, in_process);
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  journal.sync(next);
  CHECK(assigned_to(worker).call.number == 2);
}

TEST_CASE("what waits for its turn, or for another attempt, is given back as well") {
  ending_hub s;
  auto const ordered = [&](std::uint64_t number) {
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {100, number};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", {}, {});
    write_turn(body, {.order_key = "k"});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    message.body = std::move(body);
    s.client.say(std::move(message));
  };
  s.client.call(1, {.retries = 3});
  s.worker.fail(100, 1, errc::failed);
  CHECK(s.hub.core.census().delayed == 1);
  ordered(2);
  auto const runs = assigned_to(s.worker);
  ordered(3);
  s.told();
  s.drain();
  CHECK(given_back_in(s.told()) == all{{1, 1}, {3, 1}});
  s.client_hears();
  s.worker.answer({.call = {100, 2}, .attempt = 1}, 1);
  s.told();
  CHECK(s.drained());
  CHECK(s.hub.core.census().timers <= 3);  // of the sessions
  static_cast<void>(runs);
}

TEST_CASE("a call that fails while the hub drains is tried again by the next one") {
  ending_hub s;
  s.client.call(1, {.retries = 3});
  s.told();
  s.drain();
  s.client_hears();
  s.worker.fail(100, 1, errc::failed);
  CHECK(given_back_in(s.told()) == all{{1, 1}});
  CHECK(s.drained());
}

TEST_CASE("what its own process calls is run, and nobody waits for it") {
  ending_hub s;
  raw_peer own(s.hub, 9, 300, in_process);
  REQUIRE(own.hello(peer_role::client));
  s.client.call(1);
  auto const runs = assigned_to(s.worker);
  own.call(1);
  s.drain();
  CHECK(own.received().empty());
  s.client_hears();
  s.worker.answer(runs, 1);
  s.told();
  CHECK(assigned_to(s.worker).call == call_id{300, 1});
  CHECK(s.drained());
}

TEST_CASE("what does not end is waited for so long, or as long as is said then") {
  ending_hub s;
  s.client.call(1);
  s.drain();
  s.client_hears();
  s.wait(patience - second);
  CHECK(s.hub.take<out::drained>().empty());
  CHECK(s.hub.take<out::notice>().size() == 1);
  SUBCASE("until its time is over") {
    s.wait(2 * second);
    auto const said = s.hub.take<out::drained>();
    REQUIRE(said.size() == 1);
    CHECK_FALSE(said[0].in_time);
  }
  SUBCASE("or not at all any more") {
    s.hub.core.drain(s.hub.now, 0, s.hub.out);
    CHECK(s.hub.take<out::drained>().size() == 1);
  }
}

TEST_CASE("a hub that drains says so to whoever asks, and for how long it waits yet") {
  ending_hub s;
  s.client.call(1);
  auto const drains = [&] {
    for (auto const& row : rows_of(s.client, 60, tell_journal, {}))
      if (row.front() == "drains") return "for " + row.at(1);
    return std::string("no");
  };
  CHECK(drains() == "no");
  s.drain();
  s.told();
  s.hub.wait(second);
  CHECK(drains() == "for 19000");
}

TEST_CASE("a client that does not say that it has heard is waited for as long as one that is silent") {
  ending_hub s;
  s.drain();
  s.wait(9 * second);
  CHECK(s.hub.take<out::drained>().empty());
  s.wait(2 * second);
  CHECK(s.hub.take<out::drained>().size() == 1);
}

TEST_CASE(
    "a hub for which nobody waits has drained at once, and a drain that was not asked for is a breach") {
  ending_hub s;
  s.client.say(make_control(frame_type::drain));
  CHECK(s.hub.core.counters().protocol_violations == 1);
  s.drain();
  CHECK(s.hub.take<out::drained>().size() == 1);
}

TEST_CASE("tasks that wait for each other at a hub that replaces another wait for the workers of that one") {
  raw_hub hub;
  raw_peer worker(hub, 1, 50, in_process);
  raw_peer client(hub, 2, 100, in_process);
  raw_peer tasks(hub, 3, 300, in_process);
  auto by_itself = false;
  SUBCASE("they come back") { worker.epoch = 77; }
  SUBCASE("there was none") { by_itself = true; }
  REQUIRE(worker.hello(peer_role::worker, offers_f()));
  for (auto* const one : {&client, &tasks}) REQUIRE(one->hello(peer_role::client));
  client.call(1);
  attempt_key const runs{{100, 1}, assigned_to(worker).attempt, worker.epoch};
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {300, 1};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", {}, {});
  write_parent(body, runs);
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
  tasks.say(std::move(message));
  tasks.say(make_wait({runs, {}}));
  if (!by_itself) {
    hub.wait(9 * second);
    CHECK(tasks.received().empty());
    hub.wait(second);
  }
  auto const told = tasks.received();
  REQUIRE(type_of_only(told) == frame_type::error);
  CHECK(failure_in(told[0]).code == errc::would_deadlock);
}

// --- the client

namespace {

constexpr peer_id hub_peer = 4;

struct lone_client {
  outputs out;
  time_point now = second;
  client core{[] {
    client_config config;
    config.session = 9;
    return config;
  }()};
  std::uint32_t sequence = 0;
  std::uint32_t epoch = 0;

  explicit lone_client(bool reliable = false) {
    core.connected(now, hub_peer, reliable, out);
    welcome(3);
  }
  void welcome(std::uint32_t by) {
    std::uint32_t hello = 0;
    for (auto& one : out)
      if (auto* const send = std::get_if<out::send>(&one);
          send != nullptr && send->head.type == frame_type::hello)
        hello = send->head.attempt;
    auto message = make_welcome({protocol_version, second, {1000, 4 << 20}, {}});
    message.head.attempt = hello;
    message.head.epoch = epoch = by;
    sequence = 0;
    out.clear();
    core.receive(now, hub_peer, std::move(message), out);
  }
  void say(frame&& message) {
    message.head.epoch = epoch;
    message.head.sequence = ++sequence;
    core.receive(now, hub_peer, std::move(message), out);
  }
  void drain() { say(make_control(frame_type::drain)); }
  void give_back(std::uint64_t number, std::uint32_t count = 1) {
    auto message = make_error(failure_of(errc::disconnected, "not begun"));
    message.head.call = {9, number};
    message.head.flags = flag_not_started;
    set_item_count(message, count);
    say(std::move(message));
  }
  // The hub ends, and another one is there.
  void next_hub() {
    auto bye = make_bye({errc::disconnected, "the hub ended"});
    bye.head.epoch = epoch;
    bye.head.flags = flag_rejoin;
    core.receive(now, hub_peer, std::move(bye), out);
    welcome(epoch + 5);
  }
  std::uint64_t submit(call_policy policy = {}, attempt_key parent = {}) {
    call_spec spec;
    spec.function = "f";
    spec.policy = policy;
    spec.parent = parent;
    byte_buffer body;
    spec.message.head.metadata_size = begin_call(body, "f", policy);
    spec.message.body = std::move(body);
    return core.submit(now, std::move(spec), out).number;
  }
  void submit_batch(std::uint32_t count) {
    batch_spec spec;
    spec.function = "f";
    begin_call(spec.metadata, spec.function, {});
    spec.items.assign(count, {1, 0});
    spec.payloads.append("abcdefghijklmnopqrstuvwxyz", count);
    core.submit(now, spec, out);
  }
  // The numbers of the calls that were sent, and how many each frame has.
  all calls_sent() {
    all found;
    for (auto& one : out)
      if (auto* const send = std::get_if<out::send>(&one);
          send != nullptr && send->head.type == frame_type::call)
        found.push_back({send->head.call.number, read_item_count(send->message())});
    out.clear();
    return found;
  }
  std::vector<errc> ends() {
    std::vector<errc> found;
    for (auto const& one : out)
      if (auto const* const done = std::get_if<out::completed>(&one))
        found.push_back(done->result.ok() ? errc{} : done->result.error().code);
    return found;
  }
};

}  // namespace

TEST_CASE("a client keeps what a hub gives back, and gives it to the next one in its order") {
  lone_client s;
  for (int i = 0; i < 3; ++i) s.submit();
  s.submit_batch(6);  // 4 to 9
  CHECK(s.calls_sent() == all{{1, 1}, {2, 1}, {3, 1}, {4, 6}});
  s.drain();
  CHECK(s.out.size() == 1);  // that it has heard
  CHECK(std::get<out::send>(s.out[0]).head.type == frame_type::drain);
  s.out.clear();
  CHECK(s.submit() == 10);
  s.give_back(6, 4);
  s.give_back(3);
  s.give_back(2);
  CHECK(s.ends().empty());
  CHECK(s.calls_sent().empty());
  CHECK(s.core.calls_in_flight() == 10);
  s.next_hub();
  CHECK(s.ends() == std::vector(3, errc::disconnected));  // 1, 4 and 5 had begun
  CHECK(s.calls_sent() == all{{2, 1}, {3, 1}, {6, 4}, {10, 1}});
}

TEST_CASE("to a hub that drains a client gives what is durable, and what the tasks call that it runs") {
  lone_client s;
  s.drain();
  s.out.clear();
  CHECK(s.submit() == 1);
  CHECK(s.submit({.durable = true}) == 2);
  CHECK(s.submit({}, {{7, 1}, 1, 1}) == 3);
  CHECK(s.calls_sent() == all{{2, 1}, {3, 1}});
}

TEST_CASE("a call that was given back keeps its deadline, and can be cancelled") {
  lone_client s;
  s.submit({.deadline = second});
  s.submit();
  s.drain();
  s.give_back(1, 1);
  s.give_back(2, 1);
  s.out.clear();
  CHECK(s.core.cancel(s.now, {9, 2}, s.out));
  CHECK(s.calls_sent().empty());
  s.now += 2 * second;
  s.core.tick(s.now, s.out);
  CHECK(s.ends() == std::vector{errc::deadline_exceeded});
  CHECK(s.core.calls_in_flight() == 0);
}

TEST_CASE(
    "what was given back waits for a hub as long as any call does, once the one that drained has gone") {
  lone_client s;
  s.submit();
  s.drain();
  s.give_back(1);
  s.now += 60 * second;
  CHECK(s.core.next_deadline() != never);
  auto bye = make_bye({errc::disconnected, "the hub ended"});
  bye.head.epoch = s.epoch;
  bye.head.flags = flag_rejoin;
  s.core.receive(s.now, hub_peer, std::move(bye), s.out);
  s.now += 9 * second;
  s.core.tick(s.now, s.out);
  CHECK(s.ends().empty());
  s.now += second;
  s.core.tick(s.now, s.out);
  CHECK(s.ends() == std::vector{errc::hub_unreachable});
}

TEST_CASE("a call that cannot be given to another hub ends with the words of the one that gives it back") {
  lone_client s(true);
  s.submit();
  s.give_back(1);
  CHECK(s.ends() == std::vector{errc::disconnected});
}

}  // namespace yonder::core::test::durables::draining
