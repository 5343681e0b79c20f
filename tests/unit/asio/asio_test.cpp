// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <yonder/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
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
  static yonder::runtime one({.workers = 1, .in_process = true});
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
  yonder::runtime ended({.workers = 0, .in_process = true});
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
    yonder::runtime ending({.workers = 1, .in_process = true});
    waits.on(ending).async(
        asio::bind_executor(context, [&](std::exception_ptr const& thrown) { text = text_of(thrown); }));
  }
  context.run();
  CHECK(text.find("disconnected") != std::string::npos);
}

#if BOOST_VERSION >= 108100
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
