// SPDX-License-Identifier: Apache-2.0
// For how long workers ran what for whom.
#include "src/core/usage.hpp"

#include "src/core/pool_orders.hpp"
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;
using test::loopback;

namespace {

std::string in_short(std::vector<usage_row> const& rows) {
  std::string text;
  for (auto const& one : rows)
    text += (text.empty() ? "" : ", ") + std::to_string(one.day) + " " + one.task + " " + one.credential +
            "/" + one.key + " " + std::to_string(one.attempts) + "x " +
            std::to_string(one.worker_microseconds / 1000) + "ms";
  return text;
}

}  // namespace

TEST_CASE("what runs is counted for its day, its task, its credential and its key") {
  loopback net;
  auto& one = net.add_client({}, "ada");
  auto& other = net.add_client({}, "bob");
  auto& worker = net.add_worker();
  net.hub().begin_day(100);
  net.submit(one, "a");
  net.wait(5 * millisecond);
  net.finish(worker, "done");
  net.submit(other, "b", call_turn{.fairness_key = "shop"});
  net.wait(7 * millisecond);
  net.finish(worker, "done");
  net.hub().begin_day(101);
  net.hub().begin_day(99);  // a clock that was set back
  net.submit(one, "c");
  net.wait(2 * millisecond);
  net.finish(worker, "done");
  CHECK(in_short(net.hub().usage()) ==
        "100 echo ada/ 1x 5ms, 100 echo bob/shop 1x 7ms, 101 echo ada/ 1x 2ms");
}

TEST_CASE("what fails, is cancelled or is lost has used its worker; what was not started has not") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "fails");
  net.wait(1 * millisecond);
  failure thrown;
  thrown.message = "no";
  net.finish(worker, std::move(thrown));
  CHECK(in_short(net.hub().usage()) == "0 echo / 1x 1ms");
  auto const taken_back = net.submit(caller, "cancelled");
  net.wait(2 * millisecond);
  net.cancel(caller, taken_back);
  net.finish(worker, "late");
  CHECK(in_short(net.hub().usage()) == "0 echo / 2x 3ms");
  net.submit(caller, "lost");
  net.submit(caller, "behind it");
  net.wait(4 * millisecond);
  net.lose(worker, {.started = std::uint64_t{0}});
  CHECK(in_short(net.hub().usage()) == "0 echo / 2x 3ms");
}

TEST_CASE("whoever makes up names fills no memory: the oldest days go, then the rest of a day has none") {
  usage_tally used;
  used.begin_day(1);
  for (std::size_t i = 0; i < 100; ++i) used.count("task" + std::to_string(i), "", "", 1, second, 0);
  used.begin_day(2);
  for (std::size_t i = 0; i < usage_tally::most_rows + 50; ++i)
    used.count("task" + std::to_string(i), "", "", 1, second, 2);
  auto const rows = used.rows();
  CHECK(rows.size() <= usage_tally::most_rows + 1);
  CHECK(rows.front().day == 2);
  CHECK(rows.front().task.empty());
  CHECK(rows.front().attempts == 50);
  CHECK(rows.front().gpu_microseconds == 100'000'000);
}

TEST_CASE("usage is read as it was written, and nothing else is taken for it") {
  std::vector<usage_row> const rows{{1, "f", "ada", "", 3, 4, 5}, {2, "", "", "key", 6, 7, 8}};
  auto const text = encode_usage(rows);
  std::vector<usage_row> read;
  REQUIRE(decode_usage(std::as_bytes(std::span(text)), read));
  CHECK(in_short(read) == in_short(rows));
  for (std::size_t size = 0; size < text.size(); ++size) {
    read.clear();
    CHECK_FALSE(decode_usage(std::as_bytes(std::span(text)).first(size), read));
  }
}

TEST_CASE("an operator elsewhere asks for it by a call; nobody else is told") {
  loopback net;
  auto& caller = net.add_client({}, "ada");
  auto& boss = net.add_client({}, "boss", true);
  auto& worker = net.add_worker();
  net.submit(caller, "a");
  net.wait(3 * millisecond);
  net.finish(worker, "done");
  auto const asked = net.submit(boss, "", {}, list_usage, 0);
  auto const& answer = boss.outcomes.at(asked.number);
  REQUIRE(answer.ok());
  std::vector<usage_row> read;
  REQUIRE(decode_usage(answer.value().payload(), read));
  CHECK(in_short(read) == "0 echo ada/ 1x 3ms");
  auto const refused = net.submit(caller, "", {}, list_usage, 0);
  REQUIRE_FALSE(caller.outcomes.at(refused.number).ok());
  CHECK(caller.outcomes.at(refused.number).error().code == yonder::errc::unauthorized);
}
