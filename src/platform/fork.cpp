// SPDX-License-Identifier: Apache-2.0
#include "src/platform/fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <vector>

namespace yonder::platform {
namespace {

// How many forks lie between this process and the one that loaded us.
constinit std::atomic<std::uint64_t> forks{0};

constinit std::mutex state_mutex;
constinit std::array<std::mutex*, 4> held{};
constinit std::size_t held_count = 0;

std::vector<int>& closed_in_forks() {
  static auto* const descriptors = new std::vector<int>;  // for ever: a fork may come late
  return *descriptors;
}

void before_fork() {
  state_mutex.lock();
  for (std::size_t i = 0; i < held_count; ++i) held[i]->lock();
}

void release() {
  for (std::size_t i = held_count; i > 0; --i) held[i - 1]->unlock();
  state_mutex.unlock();
}

void in_child() {
  forks.fetch_add(1, std::memory_order_relaxed);
  for (int const fd : closed_in_forks()) ::close(fd);
  closed_in_forks().clear();  // the numbers may soon be somebody else's
  release();
}

void watch_forks() {
  static int const registered = ::pthread_atfork(before_fork, release, in_child);
  (void)registered;
}

}  // namespace

process_mark::process_mark() : forks_(forks.load(std::memory_order_relaxed)) { watch_forks(); }

bool process_mark::is_ours() const noexcept { return forks_ == forks.load(std::memory_order_relaxed); }

void hold_while_forking(std::mutex& mutex) {
  watch_forks();
  std::lock_guard const lock(state_mutex);
  if (held_count == held.size()) std::abort();  // make it larger
  held[held_count++] = &mutex;
}

void close_in_forks(int fd) {
  watch_forks();
  std::lock_guard const lock(state_mutex);
  auto& all = closed_in_forks();
  if (std::find(all.begin(), all.end(), fd) == all.end()) all.push_back(fd);
}

void close_in_no_fork(int fd) noexcept {
  std::lock_guard const lock(state_mutex);
  std::erase(closed_in_forks(), fd);
}

}  // namespace yonder::platform
