// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cpu/thread_pool.hpp"

namespace {

using yonder::kernels::cpu::default_threads;
using yonder::kernels::cpu::thread_pool;

class environment {
 public:
  explicit environment(char const* value) { ::setenv("YONDER_THREADS", value, 1); }
  ~environment() { ::unsetenv("YONDER_THREADS"); }
  environment(environment const&) = delete;
  environment& operator=(environment const&) = delete;
};

}  // namespace

TEST_CASE("a loop runs each index once, whatever the width") {
  thread_pool pool;
  for (std::size_t const width : {0, 1, 2, 3, 8}) {
    for (std::size_t const count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(count);
      pool.run(count, width, [&](std::size_t index, std::size_t next) {
        CHECK_MESSAGE((next > index && next <= count), "the next index is a later one, or the count");
        runs[index].fetch_add(1);
      });
      CHECK(std::all_of(runs.begin(), runs.end(), [](auto const& each) { return each.load() == 1; }));
    }
  }
}

TEST_CASE("a loop for more threads than it has shares runs each index once") {
  thread_pool pool;
  for (std::size_t const width : {40, 300}) {
    std::vector<std::atomic<int>> runs(5000);
    pool.run(runs.size(), width, [&](std::size_t index, std::size_t) { ++runs[index]; });
    CHECK(std::all_of(runs.begin(), runs.end(), [](auto const& count) { return count == 1; }));
  }
}

TEST_CASE("no more threads than the width work on a loop") {
  thread_pool pool;
  pool.run(100, 6, [](std::size_t, std::size_t) {});  // starts five
  for (std::size_t const width : {1, 2, 3}) {
    std::mutex mutex;
    std::set<std::thread::id> seen;
    pool.run(300, width, [&](std::size_t, std::size_t) {
      std::lock_guard const lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
    CHECK(seen.size() <= width);
  }
}

TEST_CASE("the caller goes on alone while the others are busy") {
  thread_pool pool;
  std::atomic<bool> held{false};
  std::atomic<bool> released{false};
  std::thread other([&] {
    pool.run(2, 2, [&](std::size_t, std::size_t) {
      held = true;
      while (!released) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  std::atomic<int> done{0};
  pool.run(50, 1, [&](std::size_t, std::size_t) { ++done; });
  CHECK(done == 50);
  released = true;
  other.join();
}

TEST_CASE("loops of several callers, and loops inside loops, all end") {
  thread_pool pool;
  std::atomic<std::size_t> sum{0};
  std::vector<std::thread> callers;
  callers.reserve(4);
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        pool.run(8, 3, [&](std::size_t, std::size_t) {
          pool.run(4, 3, [&](std::size_t index, std::size_t) { sum += index; });
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(sum == 4 * 50 * 8 * (0 + 1 + 2 + 3));
}

TEST_CASE("what a body throws reaches the caller, and the pool works on") {
  thread_pool pool;
  for (std::size_t const bad : {0, 17, 99}) {
    CHECK_THROWS_AS(pool.run(100, 3,
                             [&](std::size_t index, std::size_t) {
                               if (index == bad) throw std::out_of_range("bad");
                             }),
                    std::out_of_range);
    std::atomic<int> done{0};
    pool.run(100, 3, [&](std::size_t, std::size_t) { ++done; });
    CHECK(done == 100);
  }
}

TEST_CASE("YONDER_THREADS sets the default; what is no number from 1 to 1024 is refused in words") {
  CHECK(default_threads() >= 1);
  {
    environment const set("3");
    CHECK(default_threads() == 3);
  }
  {
    environment const set("");
    CHECK(default_threads() >= 1);
  }
  for (char const* const value : {"0", "-1", "two", "4x", "1025", "99999999999999999999"}) {
    environment const set(value);
    CHECK_THROWS_AS(default_threads(), std::invalid_argument);
  }
}
