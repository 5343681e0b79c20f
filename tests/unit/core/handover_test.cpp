// SPDX-License-Identifier: Apache-2.0
//
// What outlasts its hub without a journal: how a hub that ends hands it over, and how the next one brings
// worker and caller together.
#include "src/core/call_orders.hpp"
#include "tests/unit/core/durable_scene.hpp"

namespace yonder::core::test::handovers {
namespace {

using namespace durables;

constexpr call_id meant{100, 1};
constexpr std::uint32_t ticket = 77;

// What the peer was sent but for signs of life; it acknowledges that.
std::vector<frame> told(raw_peer& peer) {
  auto frames = peer.received();
  std::uint32_t heard = 0;
  for (auto const& one : frames)
    if (one.head.type != frame_type::heartbeat && one.head.type != frame_type::ack &&
        one.head.type != frame_type::welcome)
      heard = std::max(heard, one.head.sequence);
  if (heard != 0) peer.acknowledge(heard);
  std::erase_if(frames, [](auto const& one) {
    return one.head.type == frame_type::heartbeat || one.head.type == frame_type::ack;
  });
  return frames;
}

frame const* find(std::vector<frame> const& frames, frame_type what) {
  auto const found =
      std::find_if(frames.begin(), frames.end(), [&](auto const& one) { return one.head.type == what; });
  return found == frames.end() ? nullptr : &*found;
}

// A hub that ends while a worker elsewhere runs a call of a client elsewhere.
struct ending {
  raw_hub hub;
  raw_peer worker{hub, 1, 50};
  raw_peer client{hub, 2, 100};
  header assigned;

  explicit ending(call_policy const& policy = {}) {
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    REQUIRE(client.hello(peer_role::client));
    client.call(1, policy);
    auto const frames = told(worker);
    REQUIRE(find(frames, frame_type::assign) != nullptr);
    assigned = find(frames, frame_type::assign)->head;
    hub.core.drain(hub.now, 5 * second, hub.out);
    client.say(make_control(frame_type::drain));
    told(client);
  }
  std::vector<frame> wait(duration time, raw_peer& of) {
    std::vector<frame> all;
    for (; time > 0; time -= 500 * millisecond) {
      hub.wait(500 * millisecond);
      auto frames = told(of);
      std::move(frames.begin(), frames.end(), std::back_inserter(all));
      told(&of == &worker ? client : worker);
    }
    return all;
  }
  void reply(header const& keep) {
    auto message = make_control(frame_type::keep);
    message.head.call = keep.call;
    message.head.attempt = keep.attempt;
    worker.say(std::move(message));
  }
  std::optional<bool> in_time() {
    hub.wait(20 * millisecond);
    auto const said = hub.take<out::drained>();
    return said.empty() ? std::nullopt : std::optional(said.front().in_time);
  }
};

bool hello_holding(raw_peer& worker, std::uint32_t with, duration ran = 0) {
  hello_message said;
  said.role = peer_role::worker;
  said.session = worker.session;
  said.name = "raw";
  said.functions = offers_f();
  said.held = {{meant, 1, ran, with}};
  auto message = make_hello(said);
  message.head.attempt = 1;
  worker.hub.core.receive(worker.hub.now, worker.id, std::move(message), worker.hub.out);
  for (auto const& one : worker.received())
    if (one.head.type == frame_type::welcome) worker.epoch = one.head.epoch;
  worker.acknowledge(0);
  return worker.epoch != 0;
}

void claim(raw_peer& client, std::uint32_t with, call_policy const& policy = {}) {
  frame message;
  message.head.type = frame_type::call;
  message.head.flags = flag_claimed;
  message.head.attempt = with;
  message.head.call = {client.session, 1};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", policy, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(1);
  message.body = std::move(body);
  client.say(std::move(message));
}

log_page logs_of(raw_peer& client, std::uint64_t number) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {client.session, number};
  byte_buffer body;
  write_call(body, read_logs, {.idempotent = true}, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  auto const order = encode_log_order({meant});
  body.append(order.data(), order.size());
  message.body = std::move(body);
  client.say(std::move(message));
  log_page page;
  auto const answers = told(client);
  auto const* const result = find(answers, frame_type::result);
  REQUIRE(result != nullptr);
  REQUIRE(decode_log_page(result->payload(), page));
  return page;
}

void answer_held(raw_peer& worker) {
  frame message;
  message.head.type = frame_type::result;
  message.head.call = meant;
  message.head.attempt = 1;
  message.head.flags = flag_held;
  byte_buffer body;
  body.extend(5);
  message.body = std::move(body);
  worker.say(std::move(message));
}

// The hub that comes next.
struct next_hub {
  raw_hub hub;
  raw_peer worker{hub, 1, 50};
  raw_peer client{hub, 2, 100};
  raw_peer other{hub, 3, 60, in_process};  // runs what the hub queues

  next_hub() { REQUIRE(other.hello(peer_role::worker, offers_f())); }
  void come() { REQUIRE(client.hello(peer_role::client)); }
  bool is_run_again() { return assigned_to(other).call == meant; }
  void wait(duration time) {
    for (; time > 0; time -= 500 * millisecond) {
      hub.wait(500 * millisecond);
      for (auto* const one : {&worker, &client})
        if (one->epoch != 0) one->acknowledge(0);
      other.acknowledge(0);
    }
  }
};

}  // namespace

TEST_CASE("what still runs when a hub ends is handed over to its worker, and then to its caller") {
  ending s;
  auto const to_worker = s.wait(5 * second, s.worker);
  auto const* const keep = find(to_worker, frame_type::keep);
  REQUIRE(keep != nullptr);
  CHECK(keep->head.call == meant);
  CHECK(keep->head.attempt == s.assigned.attempt);
  CHECK(keep->head.signature != 0);
  CHECK(find(told(s.client), frame_type::keep) == nullptr);
  CHECK_FALSE(s.in_time().has_value());  // nobody has heard of it
  s.reply(keep->head);
  auto const to_client = s.client.received();
  auto const* const kept = find(to_client, frame_type::keep);
  REQUIRE(kept != nullptr);
  CHECK(kept->head.call == meant);
  CHECK(kept->head.signature == keep->head.signature);
  CHECK_FALSE(s.in_time().has_value());
  s.client.acknowledge(kept->head.sequence);
  CHECK(s.in_time() == true);
}

TEST_CASE("of what its worker has answered meanwhile nothing is handed over") {
  ending s;
  auto const to_worker = s.wait(5 * second, s.worker);
  REQUIRE(find(to_worker, frame_type::keep) != nullptr);
  s.worker.answer(s.assigned, 3);
  auto const to_client = told(s.client);
  CHECK(find(to_client, frame_type::keep) == nullptr);
  CHECK(find(to_client, frame_type::result) != nullptr);
  CHECK(s.in_time() == true);
}

TEST_CASE("a worker that says nothing to that is waited for a second, and its call ends with the hub") {
  ending s;
  REQUIRE(find(s.wait(5 * second, s.worker), frame_type::keep) != nullptr);
  CHECK_FALSE(s.in_time().has_value());
  CHECK(find(s.wait(second, s.client), frame_type::keep) == nullptr);
  CHECK(s.in_time() == false);
}

TEST_CASE("the next hub brings a worker and the caller together, whoever comes first") {
  next_hub s;
  SUBCASE("the worker") {
    REQUIRE(hello_holding(s.worker, ticket));
    s.wait(9 * second);
    s.come();
    claim(s.client, ticket);
    answer_held(s.worker);
  }
  SUBCASE("the worker, with the outcome") {
    REQUIRE(hello_holding(s.worker, ticket));
    answer_held(s.worker);
    CHECK(find(s.worker.received(), frame_type::taken) != nullptr);
    s.wait(9 * second);
    s.come();
    claim(s.client, ticket);
  }
  SUBCASE("the caller") {
    s.come();
    claim(s.client, ticket);
    s.wait(9 * second);
    REQUIRE(hello_holding(s.worker, ticket));
    s.wait(9 * second);
    answer_held(s.worker);
  }
  auto const answers = told(s.client);
  REQUIRE(find(answers, frame_type::result) != nullptr);
  CHECK(find(answers, frame_type::result)->payload().size() == 5);
  CHECK_FALSE(s.is_run_again());
  CHECK(s.hub.core.census().calls == 0);
  CHECK(s.hub.core.census().attempts == 0);
}

TEST_CASE("what two workers say that they hold, or one says twice, is one's") {
  next_hub s;
  raw_peer twin(s.hub, 4, 70);
  REQUIRE(hello_holding(s.worker, ticket));
  REQUIRE(hello_holding(twin, ticket));
  CHECK(s.hub.core.census().attempts == 2);  // one of which is told to stop
  answer_held(twin);
  answer_held(s.worker);
  s.come();
  claim(s.client, ticket);
  CHECK(find(told(s.client), frame_type::result) != nullptr);
  CHECK(s.hub.core.census().attempts == 0);
}

TEST_CASE("an attempt that a hello lists twice counts once") {
  next_hub s;
  hello_message said;
  said.role = peer_role::worker;
  said.session = s.worker.session;
  said.functions = offers_f();
  said.held = {{meant, 1, 0, ticket}, {meant, 1, 0, ticket}, {meant, 1, 0, ticket + 1}};
  auto message = make_hello(said);
  message.head.attempt = 1;
  s.hub.core.receive(s.hub.now, s.worker.id, std::move(message), s.hub.out);
  for (auto const& one : s.worker.received())
    if (one.head.type == frame_type::welcome) s.worker.epoch = one.head.epoch;
  REQUIRE(s.worker.epoch != 0);
  CHECK(s.hub.core.census().attempts == 1);
  answer_held(s.worker);
  s.wait(12 * second);
  CHECK(s.hub.core.census().attempts == 0);
}

TEST_CASE("a claimed call waits for its worker also where nobody else has its task") {
  raw_hub hub;
  raw_peer client(hub, 2, 100);
  raw_peer stranger(hub, 3, 60, in_process);
  REQUIRE(stranger.hello(peer_role::worker, {{"another", 7, ""}}));
  REQUIRE(client.hello(peer_role::client));
  for (int i = 0; i < 11; ++i) {  // callers know by then what is unknown
    hub.wait(second);
    client.acknowledge(0);
  }
  claim(client, ticket);
  CHECK(find(told(client), frame_type::error) == nullptr);
  raw_peer worker(hub, 1, 50);
  REQUIRE(hello_holding(worker, ticket));
  answer_held(worker);
  CHECK(find(told(client), frame_type::result) != nullptr);
}

TEST_CASE("a call that is made anew is told apart from what its worker has of it") {
  raw_hub hub;
  raw_peer worker(hub, 1, 50);
  raw_peer client(hub, 2, 100);
  REQUIRE(hello_holding(worker, ticket));
  answer_held(worker);  // its caller was told no ticket
  REQUIRE(client.hello(peer_role::client));
  client.call(1);
  auto const frames = told(worker);
  auto const* const assigned = find(frames, frame_type::assign);
  REQUIRE(assigned != nullptr);
  CHECK(assigned->head.call == meant);
  CHECK(assigned->head.attempt == 2);
  worker.answer(assigned->head, 3);
  auto const answers = told(client);
  REQUIRE(find(answers, frame_type::result) != nullptr);
  CHECK(find(answers, frame_type::result)->payload().size() == 3);
  for (int i = 0; i < 11; ++i) {
    hub.wait(second);
    worker.acknowledge(0);
  }
  CHECK(hub.core.census().attempts == 0);
}

TEST_CASE("what is printed before its caller comes is its caller's") {
  next_hub s;
  REQUIRE(hello_holding(s.worker, ticket));
  auto printed = make_printed("half of it\n", 0, 1);
  printed.head.call = meant;
  printed.head.attempt = 1;
  s.worker.say(std::move(printed));
  s.come();
  auto page = logs_of(s.client, 2);
  CHECK(page.entries.empty());
  CHECK(page.state == log_state::awaited);
  claim(s.client, ticket);
  page = logs_of(s.client, 3);
  REQUIRE(page.entries.size() == 1);
  CHECK(page.entries.front().text == "half of it\n");
  CHECK(page.state == log_state::open);
  answer_held(s.worker);
  told(s.client);
  CHECK(logs_of(s.client, 4).state == log_state::ended);
}

TEST_CASE("by another ticket nobody is brought together with anybody") {
  next_hub s;
  REQUIRE(hello_holding(s.worker, ticket));
  s.come();
  claim(s.client, ticket + 1);
  answer_held(s.worker);
  s.wait(9 * second);
  CHECK(find(told(s.client), frame_type::result) == nullptr);
  s.wait(2 * second);
  auto const frames = told(s.client);
  auto const* const ended = find(frames, frame_type::error);
  REQUIRE(ended != nullptr);
  CHECK(failure_in(*ended).code == errc::worker_lost);
  CHECK(failure_in(*ended).message.ends_with("whether it ran is unknown"));
  CHECK_FALSE(s.is_run_again());
  CHECK(s.hub.core.census().attempts == 0);
}

TEST_CASE("what nobody claims is told to stop when its caller had time to come") {
  next_hub s;
  REQUIRE(hello_holding(s.worker, ticket));
  s.wait(9 * second);
  CHECK(find(s.worker.received(), frame_type::cancel) == nullptr);
  s.wait(2 * second);
  auto const frames = s.worker.received();
  auto const* const stop = find(frames, frame_type::cancel);
  REQUIRE(stop != nullptr);
  CHECK(stop->head.call == meant);
  answer_held(s.worker);
  CHECK(s.hub.core.census().attempts == 0);
}

TEST_CASE("a claimed call whose worker does not come is run again where that is allowed, and only there") {
  next_hub s;
  s.come();
  auto const policy = call_policy{.retries = 1};
  claim(s.client, ticket, policy);
  s.wait(9 * second);
  CHECK_FALSE(s.is_run_again());
  s.wait(3 * second);
  CHECK(s.is_run_again());
}

TEST_CASE("the timeout of what is claimed goes on from when it began") {
  next_hub s;
  REQUIRE(hello_holding(s.worker, ticket, 4 * second));
  s.come();
  claim(s.client, ticket, {.timeout = 6 * second});
  s.wait(1500 * millisecond);
  CHECK(find(told(s.client), frame_type::error) == nullptr);
  s.wait(second);
  auto const frames = told(s.client);
  REQUIRE(find(frames, frame_type::error) != nullptr);
  CHECK(failure_in(*find(frames, frame_type::error)).code == errc::timed_out);
}

TEST_CASE("the outcome of a worker that is lost before its caller comes is lost with it") {
  next_hub s;
  REQUIRE(hello_holding(s.worker, ticket));
  answer_held(s.worker);
  s.hub.core.lost(s.hub.now, 1, {}, s.hub.out);
  s.come();
  s.wait(12 * second);  // it is not heard
  CHECK(s.hub.core.census().workers == 1);
  claim(s.client, ticket);
  CHECK(find(told(s.client), frame_type::result) == nullptr);
}

TEST_CASE("only such a call is claimed as a hub hands over") {
  next_hub s;
  s.come();
  SUBCASE("with a ticket") { claim(s.client, 0); }
  SUBCASE("of no journal") { claim(s.client, ticket, {.durable = true}); }
  auto const frames = told(s.client);
  REQUIRE(find(frames, frame_type::error) != nullptr);
  CHECK(failure_in(*find(frames, frame_type::error)).code == errc::protocol_violation);
}

}  // namespace yonder::core::test::handovers
