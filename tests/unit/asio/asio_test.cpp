// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <yonder/asio.hpp>

#include <dirent.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <coroutine>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>
#include <yonder/this_call.hpp>

#if BOOST_VERSION >= 108100
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#endif

namespace asio = boost::asio;

namespace asio_tasks {

double half(double x) {
  if (x < 0) throw std::invalid_argument("negative");
  return x / 2;
}
void nothing() {}
std::size_t sizes(std::string_view text, std::span<int const> numbers) {
  return text.size() + numbers.size();
}
void until_stopped() {
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
}

inline constexpr yonder::task<half> halved;
inline constexpr yonder::task<nothing> did_nothing;
inline constexpr yonder::task<sizes> total;
inline constexpr yonder::task<until_stopped> waits;

}  // namespace asio_tasks

using namespace asio_tasks;

namespace {

yonder::runtime& here() {
  static yonder::runtime one({.max = 1, .in_process = true});
  return one;
}

std::string text_of(std::exception_ptr const& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (std::exception const& error) {
    return error.what();
  }
}

}  // namespace

namespace {

// Threads of this process that drive a runtime, or resume coroutines.
int threads_that_drive() {
  std::unique_ptr<DIR, int (*)(DIR*)> const folder(::opendir("/proc/self/task"), &::closedir);
  int found = 0;
  while (auto const* const entry = ::readdir(folder.get())) {
    std::ifstream file("/proc/self/task/" + std::string(entry->d_name) + "/comm");
    std::string name;
    std::getline(file, name);
    found += name == "yonder" || name == "yonder-resume" ? 1 : 0;
  }
  return found;
}

// A loop, and a runtime that it drives.
struct driven {
  yonder::runtime_options options{.max = 2, .in_process = true, .is_current = false, .own_thread = false};
  int const threads_before = threads_that_drive();
  asio::io_context loop;
  std::optional<yonder::runtime> runtime{options};
  yonder::asio_driver driver{*runtime, loop.get_executor()};

  ~driven() { CHECK(threads_that_drive() == threads_before); }
};

// A coroutine of no library: it goes on wherever what it awaits resumes it.
struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace

TEST_CASE("a loop drives a runtime that has no thread of its own: callbacks run in it") {
  driven one;
  int ended = 0;
  for (int i = 0; i < 100; ++i)
    halved.on(*one.runtime)
        .async(2 * i, asio::bind_executor(one.loop, [&, i](std::exception_ptr const&, double value) {
                 CHECK(value == i);
                 if (++ended == 100) one.driver.stop();
               }));
  one.loop.run();
  CHECK(ended == 100);
}

TEST_CASE("a loop that drives a runtime goes on until its driver is stopped") {
  driven one;
  CHECK(one.loop.run_for(std::chrono::milliseconds(1)) >= 1);
  CHECK_FALSE(one.loop.stopped());
  one.driver.stop();
  one.loop.run();
  CHECK(one.loop.stopped());
}

TEST_CASE("a future is fulfilled by the loop that drives, for another thread") {
  driven one;
  std::thread other([&] {
    CHECK(halved.on(*one.runtime).async(4, asio::use_future).get() == 2);
    CHECK(halved.on(*one.runtime).remote(6) == 3);  // it drives itself, and hands back
    CHECK(halved.on(*one.runtime).async(8, asio::use_future).get() == 4);
    one.driver.stop();
  });
  one.loop.run();
  other.join();
}

TEST_CASE("a call may be waited for inside the loop that drives") {
  driven one;
  double found = 0;
  asio::post(one.loop, [&] {
    found = halved.on(*one.runtime).remote(4);
    for (double const value : halved.on(*one.runtime).map(std::vector<double>{2, 4, 6})) found += value;
    halved.on(*one.runtime)
        .async(100, asio::bind_executor(one.loop, [&](std::exception_ptr const&, double value) {
                 found += value;
                 one.driver.stop();
               }));
  });
  one.loop.run();
  CHECK(found == 2 + 1 + 2 + 3 + 50);
}

TEST_CASE("several threads run the loop, others wait for calls, and none is forgotten") {
  driven one;
  std::atomic<int> left{400};
  auto const calls = [&](int count, bool waits_itself) {
    for (int i = 0; i < count; ++i) {
      if (waits_itself) {
        CHECK(halved.on(*one.runtime).remote(2) == 1);
        if (--left == 0) one.loop.stop();
      } else {
        halved.on(*one.runtime)
            .async(2, asio::bind_executor(one.loop, [&](std::exception_ptr const&, double) {
                     if (--left == 0) one.loop.stop();
                   }));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&] { one.loop.run(); });
  for (int i = 0; i < 4; ++i) threads.emplace_back([&, i] { calls(100, i % 2 == 0); });
  for (auto& each : threads) each.join();
  CHECK(left == 0);
}

TEST_CASE("a coroutine of no library goes on in the loop that drives") {
  driven one;
  std::thread::id resumed;
  auto const run = [&]() -> detached {
    CHECK(co_await halved.on(*one.runtime).spawn(4) == 2);
    resumed = std::this_thread::get_id();
    one.driver.stop();
  };
  run();
  one.loop.run();
  CHECK(resumed == std::this_thread::get_id());
}

TEST_CASE("a call that the loop waits for is cancelled") {
  driven one;
  std::string text;
  auto running = waits.on(*one.runtime).spawn();
  auto const run = [&]() -> detached {
    try {
      co_await running;
    } catch (std::exception const& error) {
      text = error.what();
    }
    one.driver.stop();
  };
  asio::post(one.loop, [&] { running.cancel(); });
  run();
  one.loop.run();
  CHECK(text.find("cancelled") != std::string::npos);
}

TEST_CASE("a handler ends the runtime that its loop drives: what waits ends, and the loop returns") {
  driven one;
  std::string text;
  waits.on(*one.runtime).async(asio::bind_executor(one.loop, [&](std::exception_ptr const& thrown) {
    text = text_of(thrown);
  }));
  halved.on(*one.runtime).async(1, asio::bind_executor(one.loop, [&](std::exception_ptr const&, double) {
                                  one.runtime.reset();
                                }));
  one.loop.run();
  CHECK(text.find("disconnected") != std::string::npos);
}

TEST_CASE("a coroutine ends the runtime in the turn of the loop that resumed it") {
  driven one;
  bool ended = false;
  auto const run = [&]() -> detached {
    co_await halved.on(*one.runtime).spawn(4);
    one.runtime.reset();
    ended = true;
  };
  run();
  one.loop.run();
  CHECK(ended);
}

TEST_CASE("a runtime with a thread of its own has no driver beside it") {
  asio::io_context loop;
  CHECK_THROWS_AS(yonder::asio_driver(here(), loop.get_executor()), yonder::usage_error);
  CHECK_THROWS_AS(here().drive(), yonder::usage_error);
}

TEST_CASE("a callback runs on its executor, after async has returned") {
  asio::io_context context;
  bool returned = false;
  double found = 0;
  halved.on(here()).async(6,
                          asio::bind_executor(context, [&](std::exception_ptr const& thrown, double value) {
                            CHECK(returned);
                            CHECK(thrown == nullptr);
                            CHECK(context.get_executor().running_in_this_thread());
                            found = value;
                          }));
  returned = true;
  context.run();  // waits for the call: its work is counted
  CHECK(found == 3);
}

TEST_CASE("what the task throws comes as an exception_ptr") {
  asio::io_context context;
  std::string text;
  halved.on(here()).async(-1, asio::bind_executor(context, [&](std::exception_ptr const& thrown, double) {
    text = text_of(thrown);
  }));
  context.run();
  CHECK(text == "negative");
}

TEST_CASE("a call that cannot be made ends in its handler, too") {
  asio::io_context context;
  yonder::runtime ended({.max = 0, .in_process = true});
  bool failed = false;
  halved.on(ended).async(1, asio::bind_executor(context, [&](std::exception_ptr const& thrown, double) {
                           failed = thrown != nullptr;
                         }));
  context.run();
  CHECK(failed);
}

TEST_CASE("a future is fulfilled without an executor of its own") {
  CHECK(halved.on(here()).async(4, asio::use_future).get() == 2);
  did_nothing.on(here()).async(asio::use_future).get();
#ifndef __SANITIZE_THREAD__  // an exception's count lies in libstdc++, where ThreadSanitizer does not see it
  CHECK_THROWS_AS(halved.on(here()).async(-4, asio::use_future).get(), std::invalid_argument);
#endif
}

TEST_CASE("views are owned while the call waits") {
  auto future = [] {
    std::string const text("four");
    std::vector<int> const numbers{1, 2, 3};
    return total.on(here()).async(std::string_view(text), std::span<int const>(numbers), asio::use_future);
  }();
  CHECK(future.get() == 7);
}

#ifdef BOOST_ASIO_HAS_CO_AWAIT  // Boost 1.74 knows them under GCC only
TEST_CASE("a coroutine of Asio awaits in the loop that drives the runtime") {
  driven one;
  double sum = 0;
  asio::co_spawn(
      one.loop,
      [&]() -> asio::awaitable<void> {
        for (int i = 1; i <= 3; ++i) sum += co_await halved.on(*one.runtime).async(i, asio::use_awaitable);
      },
      [&](std::exception_ptr const& thrown) {
        CHECK(thrown == nullptr);
        one.driver.stop();
      });
  one.loop.run();
  CHECK(sum == 3);
}

TEST_CASE("a coroutine awaits, and catches") {
  asio::io_context context;
  double sum = 0;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        for (int i = 1; i <= 3; ++i) sum += co_await halved.on(here()).async(i, asio::use_awaitable);
        co_await did_nothing.on(here()).async(asio::use_awaitable);
        try {
          co_await halved.on(here()).async(-1, asio::use_awaitable);
        } catch (std::invalid_argument const&) {
          sum += 100;
        }
      },
      [](std::exception_ptr const& thrown) { CHECK(thrown == nullptr); });
  context.run();
  CHECK(sum == 103);
}
#endif

TEST_CASE("many calls end on a strand, one at a time") {
  asio::io_context context;
  auto strand = asio::make_strand(context);
  int ended = 0;
  for (int i = 0; i < 100; ++i)
    halved.on(here()).async(i,
                            asio::bind_executor(strand, [&](std::exception_ptr const&, double) { ++ended; }));
  std::thread other([&] { context.run(); });
  context.run();
  other.join();
  CHECK(ended == 100);
}

TEST_CASE("a runtime that ends completes what waits") {
  asio::io_context context;
  std::string text;
  {
    yonder::runtime ending({.max = 1, .in_process = true});
    waits.on(ending).async(
        asio::bind_executor(context, [&](std::exception_ptr const& thrown) { text = text_of(thrown); }));
  }
  context.run();
  CHECK(text.find("disconnected") != std::string::npos);
}

#if BOOST_VERSION >= 108100
TEST_CASE("a cancellation slot cancels a call of a runtime that the loop drives") {
  driven one;
  asio::cancellation_signal stop;
  std::string text;
  waits.on(*one.runtime)
      .async(asio::bind_cancellation_slot(
          stop.slot(), asio::bind_executor(one.loop, [&](std::exception_ptr const& thrown) {
            text = text_of(thrown);
            one.driver.stop();
          })));
  asio::post(one.loop, [&] { stop.emit(asio::cancellation_type::terminal); });
  one.loop.run();
  CHECK(text.find("cancelled") != std::string::npos);
}

TEST_CASE("a cancellation slot cancels the call") {
  asio::io_context context;
  asio::cancellation_signal stop;
  std::string text;
  waits.on(here()).async(asio::bind_cancellation_slot(
      stop.slot(),
      asio::bind_executor(context, [&](std::exception_ptr const& thrown) { text = text_of(thrown); })));
  asio::post(context, [&] { stop.emit(asio::cancellation_type::terminal); });
  context.run();
  CHECK(text.find("cancelled") != std::string::npos);
}

TEST_CASE("a deferred call starts when it is told to, as a tuple") {
  asio::io_context context;
  auto later = halved.on(here()).async(8, asio::deferred);
  double found = 0;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        found = co_await std::move(later)(asio::use_awaitable);
        auto [thrown, value] = co_await halved.on(here()).async(-1, asio::as_tuple(asio::use_awaitable));
        CHECK(text_of(thrown) == "negative");
      },
      [](std::exception_ptr const& thrown) { CHECK(thrown == nullptr); });
  context.run();
  CHECK(found == 4);
}

namespace {

template <class T>
struct counting_allocator {
  using value_type = T;
  int* live;
  explicit counting_allocator(int* count) : live(count) {}
  template <class U>
  counting_allocator(counting_allocator<U> const& other) : live(other.live) {}
  T* allocate(std::size_t n) {
    ++*live;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) {
    --*live;
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(counting_allocator const& a, counting_allocator const& b) {
    return a.live == b.live;
  }
};

}  // namespace

TEST_CASE("what waits lies in the handler's allocator, and is gone before the handler runs") {
  asio::io_context context;
  int live = 0;
  int seen = -1;
  halved.on(here()).async(
      2, asio::bind_allocator(
             counting_allocator<char>(&live),
             asio::bind_executor(context, [&](std::exception_ptr const&, double) { seen = live; })));
  CHECK(live == 1);
  context.run();
  CHECK(seen == 0);
}
#endif
