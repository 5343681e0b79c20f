// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

// What a small call takes of the heap, here and in its worker: nothing, once both have made a few. This
// program's allocations are counted in place of the C library's, which hands on to the same functions.
#if !YONDER_IS_SANITIZED && defined(__GLIBC__)

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* block, std::size_t size);       // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* realloc(void* block, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(block, size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
}

namespace e2e {

std::uint64_t allocated() { return allocations.load(std::memory_order_relaxed); }
inline constexpr yonder::task<allocated> allocated_task;

TEST_CASE("a small call takes nothing of the heap, neither here nor in its worker" *
          doctest::skip(threads())) {
  yonder::runtime one({.max = 1});
  auto const there = [&] { return allocated_task.on(one).remote(); };
  int wrong = 0;
  auto const call = [&](int times) {
    for (int i = 0; i < times; ++i) wrong += task::add.on(one).remote(i, 1) != i + 1;
  };
  constexpr int times = 2'000;
  call(times);
  there();
  auto const before_there = there();
  auto const before_here = allocated();
  call(times);
  auto const here = allocated() - before_here;
  CHECK(wrong == 0);
  // What happens beside calls, now and then, may allocate.
  CHECK(here < times / 10);
  CHECK(there() - before_there < times / 10);
}

namespace {

std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0, pages = 0;
  file >> size >> pages;
  return pages * 4096;
}

}  // namespace

TEST_CASE("very many queued calls hold little each, and when they have gone their memory does, too" *
          doctest::skip(threads())) {
  constexpr std::size_t count = 400'000;
  constexpr std::size_t most = 256 + sizeof(int);  // bytes of each
  yonder::runtime one({.max = 1});
  REQUIRE(task::add.on(one).remote(1, 1) == 2);
  auto const before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  auto const empty = resident();
  std::vector<yonder::call<int>> calls;
  calls.reserve(count);
  for (std::size_t i = 0; i < count; ++i) calls.push_back(task::add.on(one).spawn(static_cast<int>(i), 1));
  CHECK(::mallinfo2().uordblks + ::mallinfo2().hblkhd - before < count * most);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) wrong += calls[i].get() != static_cast<int>(i + 1);
  CHECK(wrong == 0);
  auto const half = (empty + resident()) / 2;
  std::vector<yonder::call<int>>().swap(calls);
  while (resident() > half) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace e2e

#endif
