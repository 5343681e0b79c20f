// SPDX-License-Identifier: Apache-2.0
// What callers say of maps that go on, and to whom their hub tells it.
#include "src/core/call_orders.hpp"
#include "tests/unit/core/three_callers.hpp"

#include <algorithm>

namespace maps {

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

struct scene : three_callers {
  void tell(loopback::client_end& who, map_report const& report) {
    CHECK(ask(who, tell_map, encode_map(report)).ok());
  }
  std::vector<map_census> seen_by(loopback::client_end& who) {
    auto& answer = ask(who, list_maps, {});
    REQUIRE(answer.ok());
    std::vector<map_census> seen;
    REQUIRE(decode_maps(answer.value().payload(), seen));
    return seen;
  }
};

map_report report(std::uint64_t number, std::uint64_t done) {
  return {.number = number,
          .task = "echo",
          .done = done,
          .failed = 1,
          .total = 10,
          .running = 1'500'000,
          .elapsed = 2 * second};
}

}  // namespace

TEST_CASE("a map that goes on is told as its caller said it last, and is as much older as that is") {
  scene s;
  s.tell(s.caller, report(7, 3));
  s.tell(s.caller, report(7, 4));
  s.net.wait(3 * second);
  auto const seen = s.seen_by(s.boss);
  REQUIRE(seen.size() == 1);
  auto const& one = seen[0].said;
  CHECK(one.number == 7);
  CHECK(one.task == "echo");
  CHECK(one.done == 4);
  CHECK(one.failed == 1);
  CHECK(one.total == 10);
  CHECK(one.running == 1'500'000);
  CHECK(one.elapsed / second == 5);
  CHECK(seen[0].session == s.net.submit(s.caller, "a").session);
  CHECK(seen[0].credential == "key of a caller");
}

TEST_CASE("a map that is over, or whose caller is gone, is told of no more") {
  scene s;
  s.tell(s.caller, report(1, 3));
  s.tell(s.other, report(1, 3));
  CHECK(s.seen_by(s.boss).size() == 2);
  auto last = report(1, 10);
  last.over = true;
  s.tell(s.caller, last);
  REQUIRE(s.seen_by(s.boss).size() == 1);
  CHECK(s.seen_by(s.boss)[0].credential == "key of another");
  s.net.lose(s.other);
  CHECK(s.seen_by(s.boss).empty());
}

TEST_CASE("a map of which nobody has told anything for long is taken for over") {
  scene s;
  s.tell(s.caller, report(1, 3));
  s.net.wait(200 * second);
  s.tell(s.caller, report(2, 3));
  CHECK(s.seen_by(s.boss).size() == 2);
  s.net.wait(101 * second);
  REQUIRE(s.seen_by(s.boss).size() == 1);
  CHECK(s.seen_by(s.boss)[0].said.number == 2);
}

TEST_CASE("who is no operator sees his own maps alone") {
  scene s;
  s.tell(s.caller, report(1, 3));
  CHECK(s.seen_by(s.other).empty());
  CHECK(s.seen_by(s.caller).size() == 1);
}

TEST_CASE("of one caller 64 maps are kept, whose reports go on to count") {
  scene s;
  for (std::uint64_t number = 1; number <= 70; ++number) s.tell(s.caller, report(number, 1));
  s.tell(s.other, report(1, 1));
  s.tell(s.caller, report(64, 2));
  auto const seen = s.seen_by(s.caller);
  REQUIRE(seen.size() == 64);
  CHECK(seen.back().said.number == 64);
  CHECK(seen.back().said.done == 2);
  CHECK(s.seen_by(s.boss).size() == 65);
}

TEST_CASE("what does not decode as a map is refused") {
  scene s;
  auto const whole = encode_map(report(1, 1));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(s.ask(s.caller, tell_map, whole.substr(0, size)).error().code == errc::protocol_violation);
  CHECK(s.ask(s.caller, tell_map, whole + "x").error().code == errc::protocol_violation);
  auto two = whole;
  two.back() = 2;
  CHECK(s.ask(s.caller, tell_map, two).error().code == errc::protocol_violation);
  CHECK(s.seen_by(s.boss).empty());
  std::vector<map_census> read;
  auto const all = encode_maps({{report(1, 1), 5, "somebody"}});
  for (std::size_t size = 1; size < all.size(); ++size)
    CHECK_FALSE(decode_maps(std::as_bytes(std::span(all)).first(size), read));
  auto longest = report(1, 1);
  longest.task.assign(5000, 'x');
  map_report found;
  auto const cut = encode_map(longest);
  REQUIRE(decode_map(std::as_bytes(std::span(cut)), found));
  CHECK(found.task.size() == map_report::longest_task);
}

TEST_CASE("how far the calls of a worker are is told beside them, until they have ended") {
  scene s;
  auto& worker = s.net.add_worker();
  auto const progress = [&] {
    auto& answer = s.ask(s.boss, list_workers, {});
    text_rows rows;
    REQUIRE(decode_rows(answer.value().payload(), rows));
    REQUIRE(rows.size() == 1);
    REQUIRE(rows[0].size() == std::size(worker_columns));
    return rows[0].back();
  };
  auto const first = s.net.submit(s.caller, "a");
  CHECK(progress().empty());
  s.net.report(worker, {419'999, "42 of 100 pages"});
  CHECK(progress() == "41 %, 42 of 100 pages");
  auto& explained = s.ask(s.boss, explain_call, encode_call_id(first));
  text_rows rows;
  REQUIRE(decode_rows(explained.value().payload(), rows));
  CHECK(std::count(rows.begin(), rows.end(), std::vector<std::string>{"progress", "41 %, 42 of 100 pages"}) ==
        1);
  s.net.report(worker, {1'000'000, ""});
  CHECK(progress() == "100 %");
  s.net.finish(worker, "done");
  CHECK(progress().empty());
  // What an attempt has said that was lost is not its successor's.
  s.net.submit(s.caller, "b", {.retries = 1});
  s.net.report(worker, {900'000, "nearly done"});
  CHECK(progress() == "90 %, nearly done");
  s.net.lose(worker);
  auto& next = s.net.add_worker();
  s.net.wait(5 * second);  // of a backoff
  REQUIRE(next.runs.size() == 1);
  CHECK(progress().empty());
  s.net.report(next, {100'000, ""});
  CHECK(progress() == "10 %");
}

}  // namespace maps
