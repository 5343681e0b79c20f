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

// An argument whose class does something of its own.
enum class deed { nothing, throws_when_copied, throws_when_written, waits_when_written, asks_when_destroyed };
std::atomic<bool> armed{false};
std::atomic<int> written{0};
std::counting_semaphore<> writing(0), may_write(0);
struct Parcel {
  deed does = deed::nothing;
  Parcel() = default;
  explicit Parcel(deed what) : does(what) {}
  Parcel(Parcel&& other) noexcept : does(std::exchange(other.does, deed::nothing)) {}
  Parcel(Parcel const& other) : does(other.does) {
    if (armed && does == deed::throws_when_copied) throw 1;
  }
  Parcel& operator=(Parcel const&) = default;
  ~Parcel() {
    if (does == deed::asks_when_destroyed && armed) yonder::schedules();
  }
  template <class Archive>
  void save(Archive& archive) const {
    if (does == deed::throws_when_written) throw 2;
    if (does == deed::waits_when_written) {
      writing.release();
      may_write.acquire();
    }
    ++written;
    archive(0);
  }
  template <class Archive>
  void load(Archive& archive) {
    int nothing = 0;
    archive(nothing);
  }
};
int deliver(Parcel const&) { return ++seen; }

inline constexpr yonder::task<deliver, "e2e::schedules::deliver"> deliver_task;
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

TEST_CASE("what a class of the arguments throws is the failure of that call, and of no other schedule") {
  yonder::runtime here(with_threads());
  auto const copied = yonder::every(1h, deliver_task, Parcel(deed::throws_when_copied));
  auto const wrong = yonder::every(1h, deliver_task, Parcel(deed::throws_when_written));
  auto const right = yonder::every(1h, count_task, "sheep", 1);
  armed = true;
  seen = 0;
  copied.fire();
  while (seen == 0) std::this_thread::yield();
  wrong.fire();
  while (row_of(wrong).failed == 0) std::this_thread::yield();
  CHECK(row_of(wrong).last_error == "not derived from std::exception");
  CHECK(row_of(wrong).running == 0);
  right.fire();
  while (seen == 1) std::this_thread::yield();
  CHECK(row_of(copied).failed == 0);
  armed = false;
}

TEST_CASE("a class of the arguments may ask for the schedules, and waits alone") {
  yonder::runtime here(with_threads());
  auto const asking = yonder::every(1h, deliver_task, Parcel(deed::asks_when_destroyed));
  auto const waiting = yonder::every(1h, deliver_task, Parcel(deed::waits_when_written));
  armed = true;
  waiting.fire();
  writing.acquire();
  CHECK(row_of(waiting).running == 1);
  asking.stop();
  may_write.release();
  armed = false;
  CHECK(yonder::schedules().size() == 1);
}

TEST_CASE("what was due when its schedule was stopped or paused is not called any more") {
  yonder::runtime here(with_threads());
  auto const first =
      yonder::every(1ms, {.overlap = yonder::overlap::allow}, deliver_task, Parcel(deed::waits_when_written));
  writing.acquire();
  auto const stopped = yonder::every(1ms, deliver_task, Parcel());
  auto const paused = yonder::every(1ms, deliver_task, Parcel());
  auto const is_due = [](auto const& one) {
    auto const next = row_of(one).next;
    return next <= std::chrono::system_clock::now();
  };
  while (!is_due(stopped) || !is_due(paused)) std::this_thread::yield();
  may_write.release();
  writing.acquire();  // it is called again, and those behind it are due
  written = 0;
  stopped.stop();
  paused.pause();
  first.stop();
  auto const last = yonder::every(1h, count_task, "sheep", 1);
  last.fire();
  may_write.release();
  while (row_of(last).running != 0) std::this_thread::yield();
  CHECK(written == 1);
  CHECK(row_of(paused).runs == 0);
  CHECK(row_of(paused).running == 0);
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
