// SPDX-License-Identifier: Apache-2.0
//
// What the templates of yonder/when.hpp call.
#include "yonder/when.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "src/runtime/engine.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {
namespace {

std::size_t first_ended_of(std::vector<call_ref> const& calls) noexcept {
  auto const found = std::find_if(calls.begin(), calls.end(), [](auto const& one) { return is_done(*one); });
  return static_cast<std::size_t>(found - calls.begin());
}

// Calls of several runtimes: each tells when one of its own has ended.
void sleep_until_any(std::vector<call_ref> const& calls) {
  struct alarm {
    std::mutex mutex;
    std::condition_variable rang;
    bool told = false;
    static void ring(void* of) {
      auto& self = *static_cast<alarm*>(of);
      std::lock_guard const held(self.mutex);
      self.told = true;
      self.rang.notify_one();
    }
  } bell;
  for (auto const& one : calls)
    if (!tell_when_done(*one, &alarm::ring, &bell)) alarm::ring(&bell);
  {
    std::unique_lock held(bell.mutex);
    bell.rang.wait(held, [&] { return bell.told; });
  }
  for (auto const& one : calls) forget_to_tell(*one, &alarm::ring, &bell);
}

}  // namespace

std::size_t wait_for_any(std::vector<call_ref> const& calls) {
  if (calls.empty())
    throw_error(
        {.code = errc::bad_configuration, .message = "when_any is asked to wait for one of no calls"});
  auto const here = calls.front()->where();
  auto const together =
      std::all_of(calls.begin(), calls.end(), [&](auto const& one) { return one->where() == here; });
  for (auto place = first_ended_of(calls);; place = first_ended_of(calls)) {
    if (place != calls.size()) return place;
    if (!together) {
      sleep_until_any(calls);
      continue;
    }
    std::vector<call_state*> waiting;
    for (auto const& one : calls) waiting.push_back(one.get());
    here->wait_any(waiting);
  }
}

calls_awaiter::~calls_awaiter() {
  if (!waiting_) return;
  for (auto const& one : calls_) forget_resumption(*one, &one_ended, this);
}

bool calls_awaiter::await_ready() const noexcept {
  auto const ended =
      std::count_if(calls_.begin(), calls_.end(), [](auto const& one) { return is_done(*one); });
  return static_cast<std::size_t>(ended) >= wanted_;
}

bool calls_awaiter::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  std::size_t before = 0;
  for (auto const& one : calls_)
    if (!resume_when_done(*one, &one_ended, this)) ++before;
  // True where the last of them was told by another thread meanwhile, or not yet: that one resumes.
  return ended_.fetch_add(before + 1) + before < wanted_;
}

std::size_t calls_awaiter::first_ended() const noexcept { return first_ended_of(calls_); }

void calls_awaiter::one_ended(void* awaiter) { static_cast<calls_awaiter*>(awaiter)->end_one(); }

// The suspension counts as one: whoever makes the sum full resumes, once.
void calls_awaiter::end_one() {
  if (ended_.fetch_add(1) == wanted_) waiting_.resume();
}

}  // namespace yonder::detail
