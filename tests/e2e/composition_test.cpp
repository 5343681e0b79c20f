// SPDX-License-Identifier: Apache-2.0
//
// Calls as arguments of calls, and waits for several of them.
#include <doctest/doctest.h>

#include <chrono>
#include <coroutine>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace e2e::composing {
namespace {

std::vector<double> ramp(int size) {
  std::vector<double> made(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) made[static_cast<std::size_t>(i)] = i;
  return made;
}
double sum_of_three(std::vector<double> const& a, double factor, std::vector<double> const& b) {
  return (total(a) + total(b)) * factor;
}
int add_within(int a) { return task::add.remote(task::twice.spawn(a), task::twice.spawn(1)); }

bool negate(bool value) { return !value; }
bool leave_calls_behind();

constexpr yonder::task<negate, "e2e.negate"> negated;
constexpr yonder::task<ramp, "e2e.ramp"> ramps;
constexpr yonder::task<sum_of_three, "e2e.sum_of_three"> weighed;
constexpr yonder::task<add_within, "e2e.add_within"> adding_within;
constexpr yonder::task<leave_calls_behind, "e2e.leave_calls_behind"> leaving_calls_behind;

// Ends while two calls of it, of which one waits for the other, are under way.
bool leave_calls_behind() {
  static std::vector<yonder::call<bool>> kept;
  kept.push_back(task::wait_for_stop.spawn());
  kept.push_back(negated.spawn(kept.back()));
  return kept.size() % 2 == 0;
}

// A coroutine that starts at once and is destroyed with its handle.
struct fire {
  struct promise_type {
    fire get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    // Who waits for `ended` may destroy it from then on.
    struct last_words : std::suspend_always {
      void await_suspend(std::coroutine_handle<>) const noexcept { ended = true; }
    };
    last_words final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
  ~fire() { handle.destroy(); }
  void run() const {
    while (!done()) std::this_thread::yield();
  }
  bool done() const { return ended.load(); }
  static inline std::atomic<bool> ended{false};
};

fire await_several(std::vector<yonder::call<int>>& calls, std::vector<int>& results, std::size_t& first) {
  first = co_await yonder::when_any(calls);
  results = co_await yonder::when_all(calls);
}

fire await_none(std::vector<yonder::call<int>>& none, yonder::errc& code) {
  try {
    (void)co_await yonder::when_any(none);
  } catch (yonder::error const& refused) {
    code = refused.code();
  }
}

fire count_the_first(std::vector<yonder::call<int>>& calls, int& times) {
  (void)co_await yonder::when_any(calls);
  ++times;
}

}  // namespace

TEST_CASE("a call is an argument where its result is expected") {
  CHECK(task::add.remote(task::twice.spawn(20), 2) == 42);
  CHECK(task::add.remote(task::twice.spawn(1), task::twice.spawn(2)) == 6);
  auto kept = task::twice.spawn(3);
  auto sum = task::add.spawn(kept, kept);
  CHECK(sum.get() == 12);
  CHECK(kept.get() == 6);
  CHECK(task::shout.remote(task::shout.spawn(task::shout.spawn("a"))) == "a!!!");
}

TEST_CASE("one that has ended is an argument, too") {
  auto ended = task::twice.spawn(4);
  ended.wait();
  CHECK(task::add.remote(ended, 1) == 9);
  CHECK(task::add.remote(ended, task::twice.spawn(1)) == 10);
  CHECK(task::add.remote(task::twice.spawn(1), std::move(ended)) == 10);
}

TEST_CASE("chains that are made in a burst all end") {
  std::vector<yonder::call<int>> chains;
  for (int i = 0; i < 300; ++i) {
    auto next = task::twice.spawn(i);
    for (int depth = 0; depth < 5; ++depth) next = task::add.spawn(std::move(next), 1);
    chains.push_back(std::move(next));
  }
  for (int i = 0; i < 300; ++i) CHECK(chains[static_cast<std::size_t>(i)].get() == 2 * i + 5);
}

TEST_CASE("large values find their places") {
  constexpr int size = 100'000;
  auto const expected = total(ramp(size));
  CHECK(weighed.remote(ramps.spawn(size), 2.0, ramps.spawn(3)) == (expected + 3) * 2);
  auto const own = ramp(size);
  CHECK(weighed.remote(own, 1.0, ramps.spawn(size)) == 2 * expected);
  CHECK(weighed.remote(ramps.spawn(size), 1.0, own) == 2 * expected);
}

TEST_CASE("what an argument throws is thrown by the call that waits for it") {
  auto const refused = failure_of([] { task::add.remote(task::fail_with.spawn("int"), 1); });
  CHECK(refused.message.find("an argument was not made") != std::string::npos);
  CHECK(task::add.try_remote(task::fail_with.spawn("out_of_range"), 1).has_value() == false);
  auto endless = task::wait_for_stop.spawn();
  endless.cancel();
  CHECK(task::twice.remote(2) == 4);
}

TEST_CASE("a chain of any length ends with its first call") {
  auto endless = task::wait_for_stop.spawn();
  auto next = negated.spawn(endless);
  for (int depth = 0; depth < 20'000; ++depth) next = negated.spawn(std::move(next));
  endless.cancel();
  CHECK(failure_of([&] { next.get(); }).message.size() < 200);
  CHECK(task::twice.remote(2) == 4);
}

TEST_CASE("a call that waits for another is cancelled by itself") {
  auto endless = task::wait_for_stop.spawn();
  auto waits = negated.spawn(endless);
  waits.cancel();
  CHECK(failure_of([&] { waits.get(); }).code == yonder::errc::cancelled);
  CHECK_FALSE(endless.ready());
  auto other = negated.spawn(endless);
  endless.cancel();
  CHECK(failure_of([&] { other.get(); }).code == yonder::errc::cancelled);
}

TEST_CASE("within a task, too") { CHECK(adding_within.remote(20) == 42); }

TEST_CASE("what a task leaves behind ends with it, also where one waits for the other") {
  for (int i = 0; i < 3; ++i) CHECK(leaving_calls_behind.remote());
  CHECK(task::twice.remote(2) == 4);
}

TEST_CASE("of another runtime") {
  yonder::runtime other({.max = 1, .in_process = true});
  CHECK(task::add.remote(task::twice.on(other).spawn(3), 1) == 7);
}

TEST_CASE("when_all has the results in order, or the first error") {
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(task::twice.spawn(i));
  CHECK(yonder::when_all(calls).get() == std::vector<int>{0, 2, 4, 6, 8});
  auto number = task::twice.spawn(2);
  auto text = task::shout.spawn("a");
  CHECK(yonder::when_all(number, text).get() == std::tuple<int, std::string>(4, "a!"));
  calls.push_back(task::fail_with.spawn("out_of_range"));
  CHECK_THROWS_AS(yonder::when_all(calls).get(), std::out_of_range);
}

TEST_CASE("when_any says which has ended") {
  std::vector<yonder::call<bool>> calls;
  calls.push_back(task::wait_for_stop.spawn());
  calls.push_back(task::wait_for_stop.spawn());
  calls[1].cancel();
  CHECK(yonder::when_any(calls).get() == 1);
  calls[0].cancel();
  std::vector<yonder::call<int>> const none;
  CHECK(failure_of([&] { (void)yonder::when_any(none).get(); }).code == yonder::errc::bad_configuration);
}

TEST_CASE("a coroutine waits for several calls") {
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(task::twice.spawn(i));
  std::vector<int> results;
  std::size_t first = 9;
  fire::ended = false;
  auto const waiting = await_several(calls, results, first);
  waiting.run();
  CHECK(first < 4);
  CHECK(results == std::vector<int>{0, 2, 4, 6});
  std::vector<yonder::call<int>> none;
  auto code = yonder::errc::failed;
  fire::ended = false;
  auto const refused = await_none(none, code);
  refused.run();
  CHECK(code == yonder::errc::bad_configuration);
}

TEST_CASE("a coroutine that waits for any of many goes on once, however they end meanwhile") {
  for (int round = 0; round < 200; ++round) {
    std::vector<yonder::call<int>> calls;
    for (int i = 0; i < 64; ++i) calls.push_back(task::twice.spawn(i));
    int times = 0;
    {
      fire::ended = false;
      auto const waiting = count_the_first(calls, times);
      waiting.run();
    }
    for (auto& one : calls) one.wait();
    CHECK(times == 1);
  }
}

}  // namespace e2e::composing
