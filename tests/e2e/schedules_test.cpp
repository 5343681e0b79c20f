// SPDX-License-Identifier: Apache-2.0
#include "yonder/schedule.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <semaphore>
#include <string>
#include <thread>

#include "yonder/yonder.hpp"

namespace e2e::schedules {
namespace {

using namespace std::chrono_literals;

std::counting_semaphore<> gate(0);
std::atomic<int> seen{0};

int count(std::string const& text, int by) {
  if (by < 0) throw std::domain_error("counts " + text + " backwards");
  return seen += by;
}
void wait_at_gate() { gate.acquire(); }

inline constexpr yonder::task<count, "e2e::schedules::count"> count_task;
inline constexpr yonder::task<wait_at_gate, "e2e::schedules::wait_at_gate"> gate_task;

yonder::runtime_options with_threads() { return {.max = 2, .in_process = true}; }

yonder::schedule_snapshot row_of(yonder::schedule const& one) {
  for (auto const& row : yonder::schedules())
    if (row.id == one.id()) return row;
  return {};
}
template <class Step>
std::string refusal(Step step) {
  try {
    step();
  } catch (yonder::usage_error const& error) {
    CHECK(error.code() == yonder::errc::bad_configuration);
    return error.what();
  }
  return "";
}

TEST_CASE("a task is called every time that a period has passed, with the arguments it was given") {
  yonder::runtime here(with_threads());
  seen = 0;
  auto const often = yonder::every(1ms, {.jitter = 1us}, count_task, "sheep", 5);
  while (seen < 15) std::this_thread::yield();
  auto const row = row_of(often);
  CHECK(row.name == "e2e::schedules::count");
  CHECK(row.when == "every 1 ms");
  CHECK(row.runs >= 3);
  CHECK(row.failed == 0);
  CHECK(row.next);
  often.stop();
  CHECK(yonder::schedules().empty());
}

TEST_CASE("what a scheduled call throws is counted and told, and it goes on") {
  yonder::runtime here(with_threads());
  auto const wrong = yonder::every(1ms, count_task, std::string("sheep"), -1);
  while (row_of(wrong).failed < 2) std::this_thread::yield();
  CHECK(row_of(wrong).last_error == "counts sheep backwards");
}

TEST_CASE("a call that has not ended is not made again") {
  yonder::runtime here(with_threads());
  auto const slow = yonder::every(1ms, gate_task);
  while (row_of(slow).skipped < 3) std::this_thread::yield();
  CHECK(row_of(slow).runs == 1);
  CHECK(row_of(slow).running == 1);
  slow.stop();
  gate.release();
}

TEST_CASE("a schedule that is paused makes calls by hand only") {
  yonder::runtime here(with_threads());
  auto const daily = yonder::cron("0 7 * * 1-5", "UTC", {.name = "daily"}, count_task, "sheep", 1);
  CHECK(row_of(daily).when == "0 7 * * 1-5 UTC");
  CHECK(row_of(daily).next > std::chrono::system_clock::now());
  daily.pause();
  CHECK(row_of(daily).paused);
  seen = 0;
  daily.fire();
  while (seen == 0 || row_of(daily).running != 0) std::this_thread::yield();
  CHECK(row_of(daily).runs == 1);
  daily.resume();
  CHECK_FALSE(row_of(daily).paused);
}

TEST_CASE("what is no schedule is refused in words, and one of a runtime that has ended does nothing") {
  auto gone = [] {
    yonder::runtime here(with_threads());
    CHECK(refusal([] { yonder::every(0ms, gate_task); }).find("1 ms to ten years") != std::string::npos);
    CHECK(refusal([] { yonder::every(24h * 40'000, gate_task); }).find("1 ms to ten years") !=
          std::string::npos);
    CHECK(refusal([] { yonder::every(1h, {.jitter = -1ns}, gate_task); }).find("jitter") !=
          std::string::npos);
    CHECK(refusal([] { yonder::cron("0 25 * * *", "UTC", gate_task); }).find("its hour is '25'") !=
          std::string::npos);
    CHECK(refusal([] { yonder::cron("", "", gate_task); }).find("it has 0 fields") != std::string::npos);
    CHECK(refusal([] {
            yonder::cron("0 7 * * *", "Nowhere", gate_task);
          }).find("there is no time zone 'Nowhere'") != std::string::npos);
    return yonder::every(1h, gate_task);
  }();
  gone.fire();
  gone.stop();
  CHECK_THROWS_AS(yonder::every(1h, gate_task), yonder::usage_error);
}

}  // namespace
}  // namespace e2e::schedules
