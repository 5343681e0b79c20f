// SPDX-License-Identifier: Apache-2.0
#include "src/core/client.hpp"

#include "src/core/items.hpp"
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using yonder::errc;

namespace {

constexpr peer_id hub_peer = 4;

struct lone_client {
  outputs out;
  time_point now = second;
  client core;

  explicit lone_client(client_config config = {})
      : core([&] {
          config.session = 9;
          config.hub = "tcp://nowhere:1";
          return std::move(config);
        }()) {}

  call_id submit(call_policy policy = {}, std::size_t payload = 0) {
    call_spec spec;
    spec.function = "f";
    spec.policy = policy;
    spec.cookie = 77;
    byte_buffer body;
    spec.message.head.metadata_size = begin_call(body, "f", policy);
    if (payload != 0) std::memset(body.extend(payload), 0, payload);
    spec.message.body = std::move(body);
    return core.submit(now, std::move(spec), out);
  }

  std::uint32_t hellos() {
    std::uint32_t last = 0;
    for (auto& one : out) {
      auto* const send = std::get_if<out::send>(&one);
      if (send != nullptr && send->head.type == frame_type::hello) last = send->head.attempt;
    }
    return last;
  }

  void welcome(std::uint32_t epoch, std::uint8_t flags = 0, frame_limits limits = {}) {
    auto message = make_welcome({protocol_version, second, {100, 4 << 20}, limits});
    message.head.attempt = hellos();
    message.head.epoch = epoch;
    message.head.flags = flags;
    out.clear();
    core.receive(now, hub_peer, std::move(message), out);
  }

  std::vector<out::completed const*> completed() const {
    std::vector<out::completed const*> found;
    for (auto const& one : out) {
      if (auto const* const done = std::get_if<out::completed>(&one)) found.push_back(done);
    }
    return found;
  }

  std::size_t calls_sent() const {
    std::size_t count = 0;
    for (auto const& one : out) {
      auto const* const send = std::get_if<out::send>(&one);
      if (send != nullptr && send->head.type == frame_type::call) ++count;
    }
    return count;
  }
};

batch_spec batch_of(std::vector<std::string> const& arguments, call_policy policy = {}) {
  batch_spec spec;
  spec.function = "f";
  spec.signature = 5;
  spec.policy = policy;
  begin_call(spec.metadata, spec.function, policy);
  std::uint64_t cookie = 1'000;
  for (auto const& one : arguments) {
    spec.items.push_back({static_cast<std::uint32_t>(one.size()), ++cookie});
    spec.payloads.append(one.data(), one.size());
  }
  return spec;
}

}  // namespace

TEST_CASE("calls wait for the welcome, and then go in order") {
  lone_client client;
  client.submit();
  client.submit();
  CHECK(client.out.empty());
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  CHECK(client.core.ready());
  CHECK(client.calls_sent() == 2);
}

TEST_CASE("without a hub a call ends as hub_unreachable after the connect timeout, not before") {
  lone_client client;
  client.submit();
  CHECK(client.core.next_deadline() == client.now + 10 * second);
  client.now += 10 * second - 1;
  client.core.tick(client.now, client.out);
  CHECK(client.out.empty());
  client.now += 1;
  client.core.tick(client.now, client.out);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().code == errc::hub_unreachable);
  CHECK(client.completed()[0]->result.error().message.find(
            "no hub answered at 'tcp://nowhere:1' within 10000 ms") == 0);
  CHECK(client.completed()[0]->cookie == 77);
}

TEST_CASE("a call that no hub took says what the last attempt to reach one met") {
  lone_client client;
  client.submit();
  client.core.lost(client.now, 7, false, errc::disconnected, "the name is not known", client.out);
  client.now += 10 * second;
  client.core.tick(client.now, client.out);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().message.ends_with("; the last attempt: the name is not known"));
}

TEST_CASE("of a durable call whose hub stays away it is said that it goes on, and by which id it is found") {
  lone_client client;
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3);
  auto const taken = client.submit({.durable = true});
  client.core.submit(client.now, batch_of({"a", "b"}, {.durable = true}), client.out);
  client.submit();
  auto accepted = make_control(frame_type::accepted);
  accepted.head.epoch = 3;
  accepted.head.sequence = 1;
  accepted.head.call = taken;
  set_item_count(accepted, 1);
  client.core.receive(client.now, hub_peer, std::move(accepted), client.out);
  client.core.lost(client.now, hub_peer, false, errc::disconnected, "", client.out);
  client.now += 10 * second;
  client.core.tick(client.now, client.out);
  auto const ended = client.completed();
  REQUIRE(ended.size() == 4);
  std::string const silent = "the hub fell silent, for 10 s (runtime_options::connect_timeout); ";
  auto const goes_on = "goes on with the hub: find it by its id when that is back, 0000000000000009";
  for (auto const* const one : ended) {
    auto const& error = one->result.error();
    CHECK(error.code == errc::disconnected);
    auto const number = "000000000000000" + std::to_string(one->call.number);
    switch (one->call.number) {
      case 1: CHECK(error.message == silent + "the call is durable, and " + goes_on + number); break;
      case 4: CHECK(error.message == silent + "whether the call ran is unknown"); break;
      default:
        CHECK(error.message ==
              silent + "the call is durable, and if its record was written it " + goes_on + number);
    }
  }
}

TEST_CASE("a refused key ends every call, now and later") {
  lone_client client;
  client.submit();
  client.core.unreachable(client.now, true, errc::unauthorized, "the key was refused", client.out);
  client.submit();
  REQUIRE(client.completed().size() == 2);
  CHECK(client.completed()[0]->result.error().code == errc::unauthorized);
  CHECK(client.completed()[1]->result.error().message == "the key was refused");
}

TEST_CASE("a hub of another protocol version says so, and every call ends") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.submit();
  auto bye = make_bye({errc::protocol_mismatch, "this hub speaks version 2"});
  bye.head.attempt = client.hellos();
  client.core.receive(client.now, hub_peer, std::move(bye), client.out);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().code == errc::protocol_mismatch);
}

TEST_CASE("a connection that ended for good ends every call as disconnected") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  client.submit();
  client.core.lost(client.now, hub_peer, true, errc::hub_unreachable, "", client.out);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().code == errc::disconnected);
}

TEST_CASE(
    "a hub that no longer knows the session: what may have run is unknown, what may be repeated is "
    "repeated") {
  lone_client client;
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3);
  client.submit();
  call_policy twice;
  twice.retries = 1;
  client.submit(twice);
  client.core.lost(client.now, hub_peer, false, errc::disconnected, "", client.out);
  client.out.clear();
  auto const never_sent = client.submit();
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(8);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->call.number == 1);
  CHECK(client.completed()[0]->result.error().code == errc::disconnected);
  CHECK(client.calls_sent() == 2);
  CHECK(never_sent.number == 3);
}

TEST_CASE("a resumed session repeats what the hub lacks, and no call ends") {
  lone_client client;
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3);
  client.submit();
  client.core.lost(client.now, hub_peer, false, errc::disconnected, "", client.out);
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3, flag_resumed);
  CHECK(client.completed().empty());
  CHECK(client.calls_sent() == 1);
}

TEST_CASE("an answer that comes twice, or after a cancel, completes nothing") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  auto const call = client.submit();
  CHECK(client.core.cancel(client.now, call, client.out));
  CHECK_FALSE(client.core.cancel(client.now, call, client.out));
  for (int i = 0; i < 2; ++i) {
    auto result = make_control(frame_type::result);
    result.head.epoch = 3;
    result.head.call = call;
    client.core.receive(client.now, hub_peer, std::move(result), client.out);
  }
  CHECK(client.completed().size() == 1);
  CHECK(client.core.calls_in_flight() == 0);
}

TEST_CASE("a large call that is cancelled while it leaves is taken back, and costs the link nothing more") {
  lone_client client;
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3);
  auto const call = client.submit({}, 3 << 20);
  client.out.clear();
  CHECK(client.core.cancel(client.now, call, client.out));
  std::vector<frame_type> said;
  for (auto& one : client.out)
    if (auto* const send = std::get_if<out::send>(&one)) said.push_back(send->head.type);
  CHECK(said == std::vector{frame_type::chunk});
}

TEST_CASE("the client keeps the deadline by itself when the hub does not answer") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  call_policy policy;
  policy.deadline = second;
  client.submit(policy);
  client.now += second + 60 * millisecond;
  client.core.tick(client.now, client.out);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().code == errc::deadline_exceeded);
}

TEST_CASE("hello is said again until a welcome comes, over unreliable links") {
  lone_client client;
  client.core.connected(client.now, hub_peer, false, client.out);
  client.out.clear();
  client.now += second;
  client.core.tick(client.now, client.out);
  CHECK(client.hellos() == 1);
}

TEST_CASE(
    "a call past what the hub receives is too large, before and after the welcome, and harms nothing behind "
    "it") {
  lone_client client;
  auto const early = client.submit({}, 1 << 20);
  client.submit();
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3, 0, {min_frame_bytes, 10});
  CHECK(client.calls_sent() == 1);
  auto const late = client.submit({}, 1 << 20);
  auto const done = client.completed();
  REQUIRE(done.size() == 2);
  CHECK(done[0]->call == early);
  CHECK(done[1]->call == late);
  for (auto const* const one : done) {
    CHECK(one->result.error().code == errc::too_large);
    CHECK(one->result.error().message.find("; the hub receives at most 262144") != std::string::npos);
  }
  CHECK(client.core.calls_in_flight() == 1);
}

TEST_CASE("a call of more buffers than the hub takes is too large") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3, 0, {min_frame_bytes, 1});
  call_spec spec;
  spec.function = "f";
  byte_buffer body;
  spec.message.head.metadata_size = begin_call(body, "f", {});
  spec.message.body = std::move(body);
  spec.message.buffers.resize(2);
  client.core.submit(client.now, std::move(spec), client.out);
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().message ==
        "the arguments take 2 buffers; the hub receives at most 1");
}

TEST_CASE("the hub's credit is a level: the last one counts") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  auto credit = make_credit({1, 1 << 20});
  credit.head.epoch = 3;
  client.core.receive(client.now, hub_peer, std::move(credit), client.out);
  client.submit();
  client.submit();
  REQUIRE(client.completed().size() == 1);
  CHECK(client.completed()[0]->result.error().code == errc::overloaded);
}

TEST_CASE("frames of another version, but hello and bye, are not understood") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  auto const call = client.submit();
  auto result = make_control(frame_type::result);
  result.head.version = 1;
  result.head.epoch = 3;
  result.head.call = call;
  client.core.receive(client.now, hub_peer, std::move(result), client.out);
  CHECK(client.completed().empty());
}

TEST_CASE("shutdown completes every call and says bye") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  client.submit();
  client.out.clear();
  client.core.shutdown(client.now, "the program goes home", client.out);
  auto const completed = client.completed();
  REQUIRE(completed.size() == 1);
  CHECK(completed[0]->result.error().message.starts_with("the program goes home"));
  CHECK(std::get<out::send>(client.out[0]).head.type == frame_type::bye);
  CHECK(client.core.next_deadline() == never);
}

namespace {

// The frames that a client sent since the last look: "call 1+3 abc", "cancel 2+1".
std::vector<std::string> sent_by(lone_client& client) {
  std::vector<std::string> words;
  for (auto& one : client.out) {
    auto* const send = std::get_if<out::send>(&one);
    if (send == nullptr) continue;
    auto const& message = send->message();
    auto const number = std::to_string(message.head.call.number);
    if (message.head.type == frame_type::call) {
      packed_items items;
      CHECK(read_items(message, items));
      CHECK(message.head.signature == 5);
      words.push_back("call " + number + "+" + std::to_string(items.count) + " " +
                      test::text_of(message.payload()));
    } else if (message.head.type == frame_type::cancel) {
      words.push_back("cancel " + number + "+" + std::to_string(read_item_count(message)));
    }
  }
  client.out.clear();
  return words;
}

frame packed_result(std::uint64_t number, std::vector<std::string> const& values) {
  frame made;
  made.head.type = frame_type::result;
  made.head.epoch = 3;
  made.head.call = {9, number};
  byte_buffer body;
  std::vector<std::uint32_t> sizes;
  for (auto const& one : values) sizes.push_back(static_cast<std::uint32_t>(one.size()));
  write_items(body, sizes);
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  for (auto const& one : values) body.append(one.data(), one.size());
  made.body = std::move(body);
  return made;
}

// What has completed since the last look: "1 A", "2 cancelled".
std::vector<std::string> outcomes_of(lone_client& client) {
  std::vector<std::string> words;
  for (auto& one : client.out) {
    auto* const done = std::get_if<out::completed>(&one);
    if (done == nullptr) continue;
    auto const number = std::to_string(done->call.number) + " ";
    words.push_back(number + (done->result.ok() ? test::text_of(done->result.value().payload())
                                                : std::string(to_string(done->result.error().code))));
  }
  client.out.clear();
  return words;
}

using told = std::vector<std::string>;

}  // namespace

TEST_CASE("the items of a batch travel as one frame, and each has an outcome of its own") {
  for (auto const reliable : {true, false}) {
    lone_client client;
    client.core.connected(client.now, hub_peer, reliable, client.out);
    client.welcome(3);
    client.out.clear();
    auto const first = client.core.submit(client.now, batch_of({"a", "", "ccc", "d"}), client.out);
    CHECK(first.number == 1);
    CHECK(sent_by(client) == told{"call 1+4 acccd"});
    CHECK(client.core.calls_in_flight() == 4);
    auto values = packed_result(1, {"A", "B"});
    values.head.sequence = 1;
    client.core.receive(client.now, hub_peer, std::move(values), client.out);
    REQUIRE(client.completed().size() == 2);
    CHECK(client.completed()[1]->cookie == 1'002);
    CHECK(outcomes_of(client) == told{"1 A", "2 B"});
    auto error = make_error({});
    error.head.epoch = 3;
    error.head.call = {9, 3};
    error.head.sequence = 2;
    client.core.receive(client.now, hub_peer, std::move(error), client.out);
    CHECK(outcomes_of(client) == told{"3 failed"});
    values = packed_result(2, {"again", "again", "D", "no such call"});
    values.head.sequence = 3;
    client.core.receive(client.now, hub_peer, std::move(values), client.out);
    CHECK(outcomes_of(client) == told{"4 D"});
    CHECK(client.core.calls_in_flight() == 0);
    CHECK(client.core.bytes_in_flight() == 0);
    CHECK(client.core.protocol_violations() == 0);
  }
}

TEST_CASE(
    "a batch that waits for a hub goes whole, without those that were cancelled, and large ones in several "
    "frames") {
  lone_client client;
  client.core.submit(client.now, batch_of({"a", "b", "c"}), client.out);
  auto const second_one = client.core.submit(client.now, batch_of({"d", "e", "f"}), client.out);
  CHECK(client.core.cancel(client.now, {second_one.session, second_one.number + 1}, client.out));
  CHECK(outcomes_of(client) == told{"5 cancelled"});
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  CHECK(sent_by(client) == told{"call 1+3 abc", "call 4+1 d", "call 6+1 f"});
  client.core.submit(
      client.now, batch_of({std::string(100'000, 'x'), std::string(28'000, 'y'), std::string(100'000, 'z')}),
      client.out);
  auto const sent = sent_by(client);
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].find("call 7+2 ") == 0);
  CHECK(sent[1].find("call 9+1 z") == 0);
}

TEST_CASE("a range of calls is cancelled in one frame, also when the deadline ends them") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  client.core.submit(client.now, batch_of({"a", "b", "c", "d"}), client.out);
  client.out.clear();
  CHECK(client.core.cancel(client.now, {9, 2}, 100, client.out) == 3);
  CHECK(sent_by(client) == told{"cancel 2+3"});
  CHECK(client.core.cancel(client.now, {9, 1}, 4, client.out) == 1);
  client.out.clear();
  client.core.submit(client.now, batch_of({"a", "b", "c"}, {.deadline = second}), client.out);
  client.out.clear();
  client.now += 2 * second;
  client.core.tick(client.now, client.out);
  auto const done = client.completed();
  CHECK(done.size() == 3);
  CHECK(sent_by(client) == told{"cancel 5+3"});
}

TEST_CASE("items past the credit are overloaded, those before are not") {
  client_config modest;
  modest.max_calls = 3;
  lone_client client(modest);
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  client.out.clear();
  client.core.submit(client.now, batch_of({"a", "b", "c", "d", "e"}), client.out);
  CHECK(client.core.calls_in_flight() == 3);
  std::size_t refused = 0;
  for (auto const* const one : client.completed()) {
    CHECK(one->result.error().code == errc::overloaded);
    CHECK(one->call.number > 3);
    ++refused;
  }
  CHECK(refused == 2);
  CHECK(sent_by(client) == told{"call 1+3 abc"});
}

TEST_CASE("what is left of a batch is repeated item by item when the hub has lost it") {
  lone_client client;
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(3);
  client.core.submit(client.now, batch_of({"a", "b", "c", "d"}, {.idempotent = true}), client.out);
  auto values = packed_result(2, {"B", "C"});
  values.head.sequence = 1;
  client.core.receive(client.now, hub_peer, std::move(values), client.out);
  client.out.clear();
  client.core.lost(client.now, hub_peer, false, errc::disconnected, "", client.out);
  client.core.connected(client.now, hub_peer, false, client.out);
  client.welcome(8);
  CHECK(sent_by(client) == told{"call 1+1 a", "call 4+1 d"});
}

TEST_CASE("a batch that may start once, of a session that was lost, is unknown as a whole") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  client.core.submit(client.now, batch_of({"a", "b"}), client.out);
  client.out.clear();
  client.core.lost(client.now, hub_peer, false, errc::disconnected, "", client.out);
  CHECK(outcomes_of(client) == told{"1 disconnected", "2 disconnected"});
}

TEST_CASE("a packed result that does not decode is a violation, and ends its first call") {
  lone_client client;
  client.core.connected(client.now, hub_peer, true, client.out);
  client.welcome(3);
  client.core.submit(client.now, batch_of({"a", "b"}), client.out);
  client.out.clear();
  auto values = packed_result(1, {"A", "B"});
  values.body = byte_buffer::copy_of(values.body.bytes().first(values.body.size() - 1));
  client.core.receive(client.now, hub_peer, std::move(values), client.out);
  CHECK(outcomes_of(client) == told{"1 protocol_violation"});
  CHECK(client.core.protocol_violations() == 1);
}

TEST_CASE("a batch goes through hub and worker and comes back, over both kinds of connection") {
  for (auto const reliable : {true, false}) {
    test::loopback net({}, reliable);
    auto& client = net.add_client();
    auto& worker = net.add_worker();
    batch_spec spec;
    spec.function = "echo";
    spec.signature = 7;
    begin_call(spec.metadata, spec.function, {});
    for (int i = 0; i < 20; ++i) {
      auto const text = std::to_string(i);
      spec.items.push_back({static_cast<std::uint32_t>(text.size()), 0});
      spec.payloads.append(text.data(), text.size());
    }
    client.core->submit(net.now, spec, net.scratch());
    net.carry_out(client);
    net.pump();
    for (int i = 0; i < 20; ++i) {
      if (worker.runs.empty()) net.wait(2 * millisecond);
      REQUIRE(worker.runs.size() == 1);
      net.finish(worker, test::text_of(worker.runs[0].message.payload()) + "!");
    }
    net.wait(2 * millisecond);
    REQUIRE(client.outcomes.size() == 20);
    for (auto& [number, outcome] : client.outcomes) {
      REQUIRE(outcome.ok());
      CHECK(test::text_of(outcome.value().payload()) == std::to_string(number - 1) + "!");
    }
    CHECK(net.hub().census().calls == 0);
    CHECK(worker.core->idle());
  }
}
