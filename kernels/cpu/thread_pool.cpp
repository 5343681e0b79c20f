// SPDX-License-Identifier: Apache-2.0
#include "cpu/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace yonder::kernels::cpu {
namespace {

constexpr std::size_t most_threads = 1024;
// About what waking a sleeping thread costs.
constexpr auto spin_time = std::chrono::microseconds(50);

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class Condition>
bool spin_until(Condition const& condition) noexcept {
  auto const end = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int i = 0; i < 16; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

std::size_t usable_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<std::size_t>(CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

// While it lives, threads that this one starts leave signals to the others.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(signals_blocked const&) = delete;
  signals_blocked& operator=(signals_blocked const&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

struct thread_pool::threads {
  std::vector<std::thread> all;
};

std::size_t thread_pool::share::first(std::size_t otherwise) const noexcept {
  std::uint64_t const range = range_.load(std::memory_order_relaxed);
  return is_empty(range) ? otherwise : begin_of(range);
}

bool thread_pool::share::take_first(std::size_t& index) noexcept {
  std::uint64_t range = range_.load(std::memory_order_relaxed);
  while (!is_empty(range)) {
    index = begin_of(range);
    if (range_.compare_exchange_weak(range, pack(index + 1, end_of(range)), std::memory_order_relaxed))
      return true;
  }
  return false;
}

bool thread_pool::share::take_last(std::size_t& index) noexcept {
  std::uint64_t range = range_.load(std::memory_order_relaxed);
  while (!is_empty(range)) {
    index = end_of(range) - 1;
    if (range_.compare_exchange_weak(range, pack(begin_of(range), index), std::memory_order_relaxed))
      return true;
  }
  return false;
}

void thread_pool::loop::divide(std::size_t threads) noexcept {
  shares = std::min(threads, most_shares);
  share_of.begin(shares);
  for (std::size_t i = 0; i < shares; ++i) share_of[i].assign(count * i / shares, count * (i + 1) / shares);
}

bool thread_pool::loop::take(std::size_t own, std::size_t& index) noexcept {
  if (share_of[own].take_first(index)) return true;
  for (std::size_t i = 1; i < shares; ++i) {
    if (share_of[(own + i) % shares].take_last(index)) return true;
  }
  return false;
}

bool thread_pool::loop::empty() const noexcept {
  for (std::size_t i = 0; i < shares; ++i)
    if (!share_of[i].empty()) return false;
  return true;
}

thread_pool::thread_pool() = default;

thread_pool& thread_pool::shared() {
  // Never destroyed: threads may be inside while the process ends, and are not there in a forked child.
  static auto* const pool = new thread_pool();
  return *pool;
}

thread_pool::~thread_pool() {
  {
    std::lock_guard const lock(mutex_);
    ending_ = true;
    published_.fetch_add(1, std::memory_order_release);
  }
  work_came_.notify_all();
  if (threads_) {
    for (auto& thread : threads_->all) thread.join();
  }
}

void thread_pool::run(loop& work, std::size_t width) {
  std::size_t const helpers = std::max<std::size_t>(1, std::min(width, work.count)) - 1;
  if (helpers > started_.load(std::memory_order_relaxed)) start(helpers);
  work.room = helpers;
  work.divide(helpers + 1);
  if (helpers != 0) publish(work);
  work_on(work, 0);
  if (helpers != 0) finish(work);
  if (work.failure) std::rethrow_exception(work.failure);
}

// With fewer, where the system gives no more.
void thread_pool::start(std::size_t helpers) {
  std::lock_guard const lock(mutex_);
  if (!threads_) threads_ = std::make_unique<threads>();
  signals_blocked const blocked;
  try {
    while (threads_->all.size() < std::min(helpers, most_threads))
      threads_->all.emplace_back([this] { serve(); });
  } catch (std::system_error const&) {
  }
  started_.store(helpers, std::memory_order_relaxed);
}

void thread_pool::publish(loop& work) {
  bool wake = false;
  {
    std::lock_guard const lock(mutex_);
    work.older = newest_;
    newest_ = &work;
    published_.fetch_add(1, std::memory_order_release);
    wake = asleep_ != 0;
  }
  if (wake) work_came_.notify_all();
}

void thread_pool::work_on(loop& work, std::size_t own) noexcept {
  try {
    for (std::size_t index = 0; work.take(own, index);)
      work.call(work.body, index, work.share_of[own].first(work.count));
  } catch (...) {
    for (std::size_t i = 0; i < work.shares; ++i) work.share_of[i].assign(0, 0);
    std::lock_guard const lock(mutex_);
    if (!work.failure) work.failure = std::current_exception();
  }
}

void thread_pool::finish(loop& work) {
  {
    std::lock_guard const lock(mutex_);
    loop** at = &newest_;
    while (*at != &work) at = &(*at)->older;
    *at = work.older;
  }
  auto const alone = [&] { return work.helpers.load(std::memory_order_acquire) == 0; };
  if (spin_until(alone)) return;
  std::unique_lock lock(mutex_);
  helper_left_.wait(lock, alone);
}

thread_pool::loop* thread_pool::find() const noexcept {
  for (loop* each = newest_; each != nullptr; each = each->older) {
    if (each->room != 0 && !each->empty()) return each;
  }
  return nullptr;
}

void thread_pool::serve() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    loop* const work = find();
    if (work == nullptr) {
      wait_for_work(lock);
      continue;
    }
    std::size_t const own = work->room-- % work->shares;  // 0 is the caller's
    work->helpers.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    work_on(*work, own);
    lock.lock();
    work->helpers.fetch_sub(1, std::memory_order_release);  // the loop may be gone from here on
    helper_left_.notify_all();
  }
}

void thread_pool::wait_for_work(std::unique_lock<std::mutex>& lock) {
  std::size_t const seen = published_.load(std::memory_order_relaxed);
  auto const came = [&] { return published_.load(std::memory_order_acquire) != seen; };
  lock.unlock();
  bool const found = spin_until(came);
  lock.lock();
  if (found) return;
  ++asleep_;
  work_came_.wait(lock, came);
  --asleep_;
}

std::size_t default_threads() {
  char const* const stated = std::getenv("YONDER_THREADS");
  if (stated == nullptr || *stated == '\0') return std::min(usable_cpus(), most_threads);
  std::string_view const text = stated;
  std::size_t count = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count == 0 || count > most_threads) {
    throw std::invalid_argument("YONDER_THREADS: found '" + std::string(text) +
                                "'; expected a number from 1 to " + std::to_string(most_threads));
  }
  return count;
}

}  // namespace yonder::kernels::cpu
