// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <coroutine>
#include <future>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

namespace e2e {
namespace {

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

detached chain(std::promise<int>& result) {
  int sum = 0;
  for (int i = 0; i < 100; ++i) sum += co_await task::twice.spawn(i);
  result.set_value(sum);
}

detached fail(std::promise<std::string>& result) {
  try {
    co_await task::fail_with.spawn("out_of_range");
    result.set_value("nothing was thrown");
  } catch (std::out_of_range const& error) {
    result.set_value(error.what());
  }
}

detached wait_on(yonder::runtime& where, std::promise<yonder::errc>& result) {
  try {
    co_await task::wait_for_stop.on(where).spawn();
  } catch (yonder::error const& error) {
    result.set_value(error.code());
  }
}

// A coroutine that whoever made it destroys.
struct owned {
  struct promise_type {
    owned get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

owned wait_for(yonder::call<bool>& call, bool& resumed) {
  co_await call;
  resumed = true;
}

detached destroy_other(yonder::call<bool>& call, owned const& other, std::promise<void>& done) {
  try {
    co_await call;
  } catch (yonder::cancelled const&) {
    other.handle.destroy();
    done.set_value();
  }
}

detached end_runtime(std::unique_ptr<yonder::runtime>& own, std::promise<int>& result) {
  auto const value = co_await task::twice.on(*own).spawn(4);
  own.reset();
  result.set_value(value);
}

detached count_down(yonder::call<int>& call, std::atomic<int>& left, std::promise<void>& done) {
  co_await call;
  if (--left == 0) done.set_value();
}

}  // namespace

TEST_CASE("several coroutines may wait for one call") {
  auto call = task::twice.spawn(21);
  std::atomic<int> left{3};
  std::promise<void> done;
  for (int i = 0; i < 3; ++i) count_down(call, left, done);
  done.get_future().get();
  CHECK(call.get() == 42);
}

TEST_CASE("a coroutine that waits for a call may be destroyed") {
  auto call = task::wait_for_stop.spawn();
  bool resumed = false;
  wait_for(call, resumed).handle.destroy();
  call.cancel();
  CHECK_THROWS_AS(call.get(), yonder::cancelled);
  std::promise<int> result;
  chain(result);  // goes through the thread that resumes
  CHECK(result.get_future().get() == 9900);
  CHECK_FALSE(resumed);
}

TEST_CASE("a coroutine that goes on may destroy another one that waited for the same call") {
  auto call = task::wait_for_stop.spawn();
  bool resumed = false;
  owned other{};
  std::promise<void> done;
  destroy_other(call, other, done);
  other = wait_for(call, resumed);
  call.cancel();
  done.get_future().get();
  std::promise<int> result;
  chain(result);  // goes through the thread that resumes
  CHECK(result.get_future().get() == 9900);
  CHECK_FALSE(resumed);
}

TEST_CASE("a coroutine may end the runtime whose call it waited for") {
  auto own = std::make_unique<yonder::runtime>(yonder::runtime_options{.max = 1, .in_process = threads()});
  std::promise<int> result;
  end_runtime(own, result);
  CHECK(result.get_future().get() == 8);
}

TEST_CASE("a coroutine awaits calls, one after the other, without a thread of its own") {
  std::promise<int> result;
  chain(result);
  CHECK(result.get_future().get() == 9900);
}

TEST_CASE("co_await throws what the task threw") {
  std::promise<std::string> result;
  fail(result);
  CHECK(result.get_future().get() == "past the end");
}

TEST_CASE("coroutines go on while other threads call") {
  std::vector<std::promise<int>> results(20);
  for (auto& result : results) chain(result);
  for (int i = 0; i < 200; ++i) CHECK(task::add.remote(i, 1) == i + 1);
  for (auto& result : results) CHECK(result.get_future().get() == 9900);
}

TEST_CASE("a coroutine that waits when its runtime ends is resumed with disconnected") {
  std::promise<yonder::errc> result;
  auto ended = std::make_unique<yonder::runtime>(yonder::runtime_options{.max = 1, .in_process = threads()});
  wait_on(*ended, result);
  ended.reset();
  CHECK(result.get_future().get() == yonder::errc::disconnected);
}

}  // namespace e2e
