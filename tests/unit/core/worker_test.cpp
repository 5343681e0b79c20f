// SPDX-License-Identifier: Apache-2.0
#include "src/core/worker.hpp"

#include "src/core/items.hpp"
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace yonder::core;
using test::loopback;
using yonder::errc;

TEST_CASE("a worker runs one attempt at a time, and publishes a rising sequence") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "warm up");
  auto const first = worker.runs[0].mark;
  net.finish(worker, "");
  for (int i = 0; i < 3; ++i) net.submit(client, "x");
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.core->queued() == 2);
  CHECK(worker.runs[0].mark > first);
  CHECK(worker.runs[0].function == "echo");
  CHECK(worker.runs[0].signature == 7);
}

TEST_CASE("finished() for what does not run is ignored") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "x");
  net.log.clear();
  worker.core->finished(net.now, {{1, 2}, 3, 4}, frame{}, net.scratch());
  CHECK(net.scratch().empty());
  CHECK_FALSE(worker.core->idle());
}

TEST_CASE("a worker exits when its hub is gone for good, also in the middle of a run") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "x");
  worker.core->lost(net.now, worker.peer, true, errc::disconnected, "", net.scratch());
  REQUIRE(net.scratch().size() == 1);
  CHECK_FALSE(std::get<out::exit>(net.scratch()[0]).clean);
  CHECK(worker.core->next_deadline() == never);
}

TEST_CASE("a worker that finds no hub gives up") {
  worker_config config;
  config.hub_timeout = 5 * second;
  worker core(std::move(config), second);
  outputs out;
  CHECK(core.next_deadline() == 6 * second);
  core.tick(6 * second, out);
  REQUIRE(out.size() == 1);
  CHECK(std::get<out::exit>(out[0]).code == errc::hub_unreachable);
}

TEST_CASE("a worker says that an attempt ended before an answer that is long under way, and only then") {
  for (auto const reliable : {false, true}) {
    loopback net({}, reliable);
    auto& client = net.add_client();
    auto& worker = net.add_worker();
    net.submit(client, "x");
    net.finish(worker, std::string(1'000, 'v'));
    auto const said = [&] {
      return std::count_if(net.log.begin(), net.log.end(),
                           [](auto const& one) { return one.head.type == frame_type::ended; });
    };
    CHECK(said() == 0);
    auto const call = net.submit(client, "x");
    net.finish(worker, std::string(1'000'000, 'v'));
    CHECK(said() == (reliable ? 0 : 1));
    CHECK(client.outcomes.at(call.number).ok());
  }
}

TEST_CASE("an attempt of a session that ended must stop, or the worker exits") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "x");
  worker.connected = false;
  net.wait(11 * second);
  worker.connected = true;
  net.wait(1'500 * millisecond);
  CHECK(worker.stops.size() == 1);
  CHECK_FALSE(worker.exited.has_value());
  auto const next = net.submit(client, "y");
  CHECK(worker.core->queued() == 1);
  net.wait(3 * second);
  REQUIRE(worker.exited.has_value());
  CHECK_FALSE(worker.exited->clean);
  CHECK_FALSE(client.outcomes.contains(next.number));  // it was handed back, and waits
  auto& other = net.add_worker();
  net.wait(second);
  REQUIRE(other.runs.size() == 1);
  net.finish(other, "value");
  CHECK(client.outcomes.at(next.number).ok());
}

TEST_CASE("a worker that is told to end before it has found a hub ends") {
  worker core({}, 0);
  outputs out;
  core.drain(0, out);
  REQUIRE(out.size() == 1);
  CHECK(std::get<out::exit>(out[0]).clean);
}

TEST_CASE("a drained worker stays until its last result is acknowledged") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  net.drain(worker);
  net.finish(worker, "value");
  CHECK_FALSE(worker.exited.has_value());
  net.wait(200 * millisecond);
  REQUIRE(worker.exited.has_value());
  CHECK(worker.exited->clean);
  CHECK(client.outcomes.at(call.number).ok());
}

namespace {

constexpr peer_id hub_side = 3;
constexpr std::uint32_t its_epoch = 5;

// A worker elsewhere whose hub is the test, and acknowledges what it likes.
struct far_worker {
  time_point now = second;
  outputs out;
  worker core;
  std::uint32_t heard = 0;

  far_worker() : core(configured(), now) {
    core.connected(now, hub_side, false, out);
    auto welcome = make_welcome({protocol_version, second, {10, 10}, {}});
    welcome.head.attempt = 1;
    receive(std::move(welcome));
  }

  static worker_config configured() {
    worker_config config;
    config.session = 1;
    return config;
  }

  void receive(frame message) {
    message.head.epoch = its_epoch;
    core.receive(now, hub_side, std::move(message), out);
  }

  void say(frame message) {
    message.head.sequence = ++heard;
    receive(std::move(message));
  }

  // That so many of its frames have come.
  void acknowledge(std::uint32_t up_to) {
    auto message = make_control(frame_type::heartbeat);
    message.head.sequence = up_to;
    receive(std::move(message));
  }

  // A call that runs at once, and ends with a value of this size.
  void run(std::uint64_t number, std::size_t size) {
    auto message = make_control(frame_type::assign);
    byte_buffer body;
    message.head.metadata_size = begin_call(body, "f", {});
    message.body = std::move(body);
    message.head.call = {9, number};
    message.head.attempt = 1;
    say(std::move(message));
    frame value;
    value.body = test::bytes_of(std::string(size, 'v'));
    core.finished(now, {{9, number}, 1, its_epoch}, std::move(value), out);
  }

  // Second after second; the hub says that it lives.
  void wait(int seconds, std::uint32_t acknowledged) {
    for (; seconds > 0; --seconds) {
      auto const until = now + second;
      while (core.next_deadline() <= until) {
        now = std::max(now, core.next_deadline());
        core.tick(now, out);
      }
      now = until;
      acknowledge(acknowledged);
    }
  }

  bool has_left() const {
    return std::any_of(out.begin(), out.end(),
                       [](auto const& one) { return std::holds_alternative<out::exit>(one); });
  }
  std::ptrdiff_t ends_said() const {
    return std::count_if(out.begin(), out.end(), [](auto const& one) {
      auto const* const sent = std::get_if<out::send>(&one);
      return sent != nullptr && sent->head.type == frame_type::ended;
    });
  }
};

// A worker whose hub is the test.
struct lone_worker {
  outputs out;
  time_point now = second;
  worker core;
  std::uint32_t sequence = 0, hellos = 0;

  explicit lone_worker(std::uint32_t concurrency = 1, std::uint32_t max_row = 1)
      : core(
            [concurrency, max_row] {
              worker_config config;
              config.session = 1;
              config.concurrency = concurrency;
              config.max_row = max_row;
              return config;
            }(),
            now) {
    meet_hub();
  }

  void meet_hub() {
    sequence = 0;
    core.connected(now, hub_side, true, out);
    auto welcome = make_welcome({protocol_version, second, {10, 10}, {}});
    welcome.head.attempt = ++hellos;
    welcome.head.epoch = its_epoch;
    receive(std::move(welcome));
    out.clear();
  }

  void receive(frame message) {
    message.head.epoch = its_epoch;
    core.receive(now, hub_side, std::move(message), out);
  }

  // Calls from `number` on, with these arguments.
  void assign(std::uint64_t number, std::vector<std::string> const& arguments, duration remaining = 0) {
    frame message;
    message.head.type = frame_type::assign;
    message.head.attempt = 1;
    message.head.call = {9, number};
    message.head.sequence = ++sequence;
    if (remaining != 0) message.head.remaining_us = static_cast<std::uint64_t>(remaining / microsecond) + 1;
    byte_buffer body;
    message.head.metadata_size = begin_call(body, "f", {});
    if (arguments.size() > 1) {
      std::vector<std::uint32_t> sizes;
      for (auto const& one : arguments) sizes.push_back(static_cast<std::uint32_t>(one.size()));
      write_items(body, sizes);
      message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    }
    for (auto const& one : arguments) body.append(one.data(), one.size());
    message.body = std::move(body);
    receive(std::move(message));
  }

  void cancel(std::uint64_t number, std::uint32_t count, std::uint8_t flags = 0) {
    auto message = make_control(frame_type::cancel);
    set_item_count(message, count);
    message.head.call = {9, number};
    message.head.attempt = 1;
    message.head.flags = flags;
    receive(std::move(message));
  }

  static attempt_key key(std::uint64_t number) { return {{9, number}, 1, its_epoch}; }

  void finish(std::uint64_t number, std::string_view value) {
    frame made;
    made.body = test::bytes_of(value);
    core.finished(now, key(number), std::move(made), out);
  }
  // The first items of the row that begins with `number`.
  void finish_row(std::uint64_t number, std::vector<std::string> const& values) {
    std::vector<std::uint32_t> sizes;
    std::string all;
    for (auto const& one : values) {
      sizes.push_back(static_cast<std::uint32_t>(one.size()));
      all += one;
    }
    core.finished(now, key(number), sizes, std::as_bytes(std::span(all)), out);
  }
  void shorten(std::uint64_t number, std::uint32_t begun) { core.shorten(now, key(number), begun, out); }
  void fail(std::uint64_t number) { core.finished(now, key(number), failure{}, out); }

  // What was asked for since the last look, in words.
  std::vector<std::string> said() {
    std::vector<std::string> words;
    for (auto& one : out) {
      if (auto const* const run = std::get_if<out::run>(&one)) {
        words.push_back("run " + std::to_string(run->key.call.number) + " " + std::string(run->function) +
                        " \"" + test::text_of(run->message.payload()) + "\" mark " +
                        std::to_string(run->mark >> 32) + "/" + std::to_string(run->mark & 0xffffffff) +
                        (run->count == 1 ? "" : " x" + std::to_string(run->count)));
      } else if (auto* const send = std::get_if<out::send>(&one)) {
        words.push_back(answer_of(send->message()));
      } else if (auto const* const stop = std::get_if<out::stop_requested>(&one)) {
        words.push_back("stop " + std::to_string(stop->key.call.number));
      } else {
        words.emplace_back("exit");
      }
    }
    out.clear();
    return words;
  }

  static std::string answer_of(frame const& message) {
    auto const number = std::to_string(message.head.call.number);
    if (message.head.type == frame_type::drain) return "drain";
    if (message.head.type == frame_type::error) {
      auto const back = (message.head.flags & flag_not_started) != 0;
      return (back ? "back " : "error ") + number + "+" + std::to_string(read_item_count(message));
    }
    packed_items items;
    CHECK(read_items(message, items));
    return "result " + number + "+" + std::to_string(items.count) + " \"" + test::text_of(message.payload()) +
           "\"";
  }
};

using spoken = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "a worker says that an attempt ended where its answer waits behind others, and not where it leaves") {
  far_worker worker;
  worker.run(1, 100'000);
  CHECK(worker.ends_said() == 0);
  worker.run(2, 100'000);
  CHECK(worker.ends_said() == 1);
  worker.run(3, 1'000);
  CHECK(worker.ends_said() == 1);
}

TEST_CASE("a drained worker stays while its hub acknowledges more and more of its answers, and no longer") {
  far_worker worker;
  worker.run(1, 1'000'000);
  worker.core.drain(worker.now, worker.out);
  worker.say(make_control(frame_type::drain));
  std::uint32_t parts = 0;
  for (int i = 0; i < 4; ++i) worker.wait(3, ++parts);
  CHECK_FALSE(worker.has_left());
  worker.wait(2, parts);
  CHECK_FALSE(worker.has_left());
  worker.wait(2, parts);
  CHECK(worker.has_left());
}

TEST_CASE("the items of a batch run one after the other, each with its arguments and its mark") {
  lone_worker worker;
  worker.assign(20, {"a", "", "ccc"});
  CHECK(worker.core.queued() == 2);
  CHECK(worker.said() == spoken{"run 20 f \"a\" mark 1/1"});
  worker.finish(20, "A");
  CHECK(worker.said() == spoken{"run 21 f \"\" mark 1/2"});
  worker.finish(21, "");
  CHECK(worker.said() == spoken{"run 22 f \"ccc\" mark 1/3"});
  worker.finish(22, "CC");
  CHECK(worker.said() == spoken{"result 20+3 \"ACC\""});
  CHECK(worker.core.idle());
}

TEST_CASE("values wait for those that follow them, but not long, and a failure goes by itself") {
  lone_worker worker;
  worker.assign(20, {"a", "b", "c", "d", "e"});
  worker.said();
  worker.finish(20, "A");
  worker.fail(21);
  CHECK(worker.said() ==
        spoken{"run 21 f \"b\" mark 1/2", "result 20+1 \"A\"", "error 21+1", "run 22 f \"c\" mark 1/3"});
  worker.finish(22, "C");
  CHECK(worker.core.next_deadline() == worker.now + 100 * microsecond);
  worker.now += 100 * microsecond;
  worker.core.tick(worker.now, worker.out);
  CHECK(worker.said() == spoken{"run 23 f \"d\" mark 1/4", "result 22+1 \"C\""});
  worker.finish(23, "D");
  worker.now += 100 * microsecond;
  worker.finish(24, "E");
  CHECK(worker.said() == spoken{"run 24 f \"e\" mark 1/5", "result 23+2 \"DE\""});
}

TEST_CASE("a value of a single call, one with buffers and one that is large do not wait") {
  lone_worker worker;
  worker.assign(20, {"a"});
  worker.assign(30, {"b", "c", "d"});
  worker.said();
  worker.finish(20, "A");
  CHECK(worker.said() == spoken{"result 20+1 \"A\"", "run 30 f \"b\" mark 2/1"});
  frame value;
  value.buffers.resize(1);
  worker.core.finished(worker.now, lone_worker::key(30), std::move(value), worker.out);
  CHECK(worker.said() == spoken{"result 30+1 \"\"", "run 31 f \"c\" mark 2/2"});
  worker.finish(31, std::string(200'000, 'x'));
  CHECK(worker.said().size() == 2);
}

TEST_CASE("a cancel of a range hands back what waits, row by row, and stops what runs") {
  lone_worker worker;
  worker.assign(20, {"a", "b", "c", "d", "e", "f"});
  worker.said();
  worker.cancel(22, 1, flag_recall);
  CHECK(worker.said() == spoken{"back 22+1"});
  worker.cancel(10, 14);
  CHECK(worker.said() == spoken{"back 21+1", "back 23+1", "stop 20"});
  worker.cancel(20, 2);
  worker.cancel(100, 50);
  CHECK(worker.said().empty());
  worker.finish(20, "A");
  CHECK(worker.said() == spoken{"run 24 f \"e\" mark 1/5"});
  worker.cancel(24, 2, flag_recall);
  CHECK(worker.said() == spoken{"back 25+1"});
  worker.finish(24, "E");
  CHECK(worker.said() == spoken{"result 20+1 \"A\"", "result 24+1 \"E\""});
  CHECK(worker.core.idle());
}

TEST_CASE(
    "what a batch has not started when its deadline passes, or the worker drains, is handed back as one") {
  lone_worker worker;
  worker.assign(20, {"a", "b", "c"}, millisecond);
  worker.said();
  worker.now += 2 * millisecond;
  worker.finish(20, "A");
  CHECK(worker.said() == spoken{"back 21+2", "result 20+1 \"A\""});
  worker.assign(30, {"a", "b", "c"});
  worker.said();
  worker.core.drain(worker.now, worker.out);
  CHECK(worker.said() == spoken{"drain", "back 31+2"});
  worker.assign(40, {"x", "y"});
  CHECK(worker.said() == spoken{"back 40+2"});
}

TEST_CASE("a worker runs so many attempts at once as it is told to, and stops and drains them all") {
  lone_worker worker(2);
  worker.assign(20, {"a"});
  worker.assign(30, {"b"});
  worker.assign(40, {"c"});
  CHECK(worker.said() == spoken{"run 20 f \"a\" mark 1/1", "run 30 f \"b\" mark 2/1"});
  worker.cancel(30, 1);
  CHECK(worker.said() == spoken{"stop 30"});
  worker.finish(30, "B");
  CHECK(worker.said() == spoken{"result 30+1 \"B\"", "run 40 f \"c\" mark 3/1"});
  worker.core.drain(worker.now, worker.out);
  worker.receive(make_control(frame_type::drain));
  CHECK(worker.said() == spoken{"drain"});
  worker.finish(40, "C");
  CHECK_FALSE(worker.core.idle());
  CHECK(worker.said() == spoken{"result 40+1 \"C\""});
  worker.finish(20, "A");
  auto const last = worker.said();
  REQUIRE(last.size() == 3);
  CHECK(last[0] == "result 20+1 \"A\"");
  CHECK(last[2] == "exit");
}

TEST_CASE("what an attempt makes lets several run at once, unless its session has ended meanwhile") {
  for (bool const ended : {false, true}) {
    CAPTURE(ended);
    lone_worker worker;
    worker.assign(20, {"a service"});
    worker.said();
    if (ended) {
      worker.core.lost(worker.now, hub_side, false, errc::disconnected, "", worker.out);
      worker.meet_hub();
    }
    worker.core.allow(lone_worker::key(20), 2);
    worker.finish(20, "made");
    worker.said();
    worker.assign(30, {"a"});
    worker.assign(40, {"b"});
    CHECK(worker.said().size() == (ended ? 1U : 2U));
    worker.cancel(40, 1, flag_recall);
    CHECK(worker.said() == (ended ? spoken{"back 40+1"} : spoken{}));
  }
}

namespace {

// One that has measured how short the items are: the first has ended, the next ones run in a row.
struct row_worker : lone_worker {
  row_worker() : lone_worker(1, 4) {
    assign(20, {"a", "b", "c", "d", "e", "f", "g"});
    CHECK(said() == std::vector<std::string>{"run 20 f \"a\" mark 1/1"});
    now += microsecond;
    finish(20, "A");
    CHECK(said() == std::vector<std::string>{"run 21 f \"bcde\" mark 1/2 x4"});
  }
};

}  // namespace

TEST_CASE("short items run in rows, long ones do not") {
  row_worker worker;
  worker.now += microsecond;
  worker.finish_row(21, {"B", "", "DD", "E"});
  CHECK(worker.said() == spoken{"run 25 f \"fg\" mark 1/6 x2"});
  worker.now += 2 * millisecond;
  worker.finish_row(25, {"F", "G"});
  CHECK(worker.said() == spoken{"result 20+7 \"ABDDEFG\""});
  worker.assign(30, {"a", "b"});
  CHECK(worker.said() == spoken{"run 30 f \"a\" mark 2/1"});
}

TEST_CASE("a row that is shortened leaves the rest to wait, where it can be taken back") {
  row_worker worker;
  worker.shorten(21, 2);
  CHECK(worker.core.queued() == 4);
  worker.finish_row(21, {"B"});
  CHECK(worker.said().empty());
  worker.cancel(20, 20);
  CHECK(worker.said() == spoken{"back 23+4", "stop 22"});
  worker.finish(22, "C");
  CHECK(worker.said() == spoken{"result 20+3 \"ABC\""});
  CHECK(worker.core.idle());
}

TEST_CASE("what is called back of a row that was given out goes back when the row is shortened") {
  row_worker worker;
  worker.cancel(22, 3, flag_recall);  // before its first item has shown that it lasts
  CHECK(worker.said().empty());
  worker.shorten(21, 1);
  CHECK(worker.said() == spoken{"back 22+3"});
  worker.finish(21, "B");
  CHECK(worker.said() == spoken{"run 25 f \"fg\" mark 1/6 x2"});
}

TEST_CASE("a row of which nothing was begun is given out anew, also when it was the last of its frame") {
  row_worker worker;
  worker.now += microsecond;
  worker.finish_row(21, {"B", "C", "D", "E"});
  CHECK(worker.said() == spoken{"run 25 f \"fg\" mark 1/6 x2"});
  worker.shorten(25, 0);
  CHECK(worker.said() == spoken{"run 25 f \"fg\" mark 1/6 x2"});
  worker.shorten(25, 1);
  worker.finish_row(25, {"F"});
  CHECK(worker.said() == spoken{"run 26 f \"g\" mark 1/7"});
  worker.finish(26, "G");
  CHECK(worker.said() == spoken{"result 20+7 \"ABCDEFG\""});
}

TEST_CASE("what is put back of a row is the same, although what waited behind it was handed back") {
  for (auto const behind : {2U, 1U}) {
    row_worker worker;
    worker.cancel(27 - behind, behind, flag_recall);  // all that waits behind the row, or only the last
    worker.said();
    worker.shorten(21, 2);
    CHECK(worker.core.queued() == 4 - behind);
    worker.finish_row(21, {"B", "C"});
    CHECK(worker.said().front().starts_with("run 23 f \"d"));
  }
}

TEST_CASE("what a shortened row leaves behind is handed back by a worker that drains") {
  row_worker worker;
  worker.shorten(21, 1);
  worker.core.drain(worker.now, worker.out);
  CHECK(worker.said() == spoken{"drain", "back 22+5"});
  worker.finish(21, "B");
  CHECK(worker.said() == spoken{"result 20+2 \"AB\""});
}

TEST_CASE("a row that outlives its session counts for nothing, and its rest neither") {
  row_worker worker;
  worker.core.lost(worker.now, hub_side, false, errc::disconnected, "gone", worker.out);
  CHECK(worker.said().front() == "stop 21");
  worker.shorten(21, 1);
  CHECK(worker.core.queued() == 0);
  worker.finish(21, "B");
  CHECK(worker.said().empty());
  CHECK(worker.core.idle());
}

TEST_CASE("items with a hole between them make no row") {
  row_worker worker;
  worker.shorten(21, 1);
  worker.cancel(23, 1, flag_recall);
  CHECK(worker.said() == spoken{"back 23+1"});
  worker.finish(21, "B");
  CHECK(worker.said() == spoken{"run 22 f \"c\" mark 1/3"});
  worker.finish(22, "C");
  CHECK(worker.said() == spoken{"run 24 f \"e\" mark 1/5"});
}

TEST_CASE("every attempt of a session that ended must stop, each within its grace") {
  lone_worker worker(2);
  worker.assign(20, {"a", "b", "c"});
  worker.said();
  worker.core.lost(worker.now, hub_side, false, errc::disconnected, "", worker.out);
  CHECK(worker.said() == spoken{"stop 20", "stop 21"});
  worker.finish(20, "goes nowhere");
  CHECK(worker.said().empty());
  CHECK(worker.core.next_deadline() == worker.now + 2 * second);
  worker.now += 2 * second;
  worker.core.tick(worker.now, worker.out);
  CHECK(worker.said() == spoken{"exit"});
}

TEST_CASE("a batch that does not decode is refused, and hurts nothing else") {
  lone_worker worker;
  frame bad;
  bad.head.type = frame_type::assign;
  bad.head.call = {9, 7};
  byte_buffer body;
  bad.head.metadata_size = begin_call(body, "f", {});
  std::vector<std::uint32_t> const sizes{5, 5};
  write_items(body, sizes);
  bad.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append("123456789", 9);
  bad.body = std::move(body);
  worker.receive(std::move(bad));
  CHECK(worker.said() == spoken{"error 7+1"});
  CHECK(worker.core.protocol_violations() == 1);
  worker.assign(20, {"a"});
  CHECK(worker.said().size() == 1);
}
