// SPDX-License-Identifier: Apache-2.0
//
// What the templates of yonder/when.hpp call.
#include "yonder/when.hpp"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "src/runtime/engine.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {
namespace {

std::size_t first_ended_of(std::vector<call_ref> const& calls) noexcept {
  auto const found = std::find_if(calls.begin(), calls.end(), [](auto const& one) { return is_done(*one); });
  return static_cast<std::size_t>(found - calls.begin());
}

[[noreturn]] void refuse_none() {
  throw_error({.code = errc::bad_configuration, .message = "when_any is asked to wait for one of no calls"});
}

// Calls of several runtimes: each tells when one of its own has ended. Whatever throws, none tells a bell
// that has gone.
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

    std::vector<call_ref> const& calls;
    explicit alarm(std::vector<call_ref> const& of) : calls(of) {}
    ~alarm() {
      for (auto const& one : calls) forget_to_tell(*one, &ring, this);
    }
    alarm(alarm const&) = delete;
    alarm& operator=(alarm const&) = delete;
  } bell(calls);
  for (auto const& one : calls)
    if (!tell_when_done(*one, &alarm::ring, &bell)) alarm::ring(&bell);
  std::unique_lock held(bell.mutex);
  bell.rang.wait(held, [&] { return bell.told; });
}

}  // namespace

std::size_t wait_for_any(std::vector<call_ref> const& calls) {
  if (calls.empty()) refuse_none();
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

// What the calls tell, on any threads, and maybe after the awaiter has gone: each holds it until then.
struct calls_awaiter::count {
  struct listener {
    std::shared_ptr<count> of;  // while its call is to tell
  };

  count(std::size_t calls, std::size_t few, std::coroutine_handle<> coroutine)
      : listeners(calls), wanted(few), waiting(coroutine) {}

  // The coroutine, for whoever is the one to resume it.
  std::coroutine_handle<> add(std::size_t more) {
    std::lock_guard const held(mutex);
    ended += more;
    if (!is_suspended || ended < wanted) return {};
    return std::exchange(waiting, {});
  }

  static void one_ended(void* listener_of_it) {
    auto const self = std::move(static_cast<listener*>(listener_of_it)->of);
    if (auto const coroutine = self->add(1)) coroutine.resume();
  }

  std::mutex mutex;
  std::vector<listener> listeners;  // one for each call
  std::size_t const wanted;
  std::size_t ended = 0;
  bool is_suspended = false;        // false: await_suspend() still looks at the awaiter
  std::coroutine_handle<> waiting;  // null once somebody resumes it, or it has gone
};

calls_awaiter::calls_awaiter(std::vector<call_ref> calls, std::size_t wanted)
    : calls_(std::move(calls)), wanted_(wanted) {}

calls_awaiter::~calls_awaiter() {
  if (!count_) return;
  {
    std::lock_guard const held(count_->mutex);
    count_->waiting = {};
  }
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    auto& listener = count_->listeners[i];
    if (forget_resumption(*calls_[i], &count::one_ended, &listener)) listener.of.reset();
  }
}

bool calls_awaiter::await_ready() const noexcept {
  auto const ended =
      std::count_if(calls_.begin(), calls_.end(), [](auto const& one) { return is_done(*one); });
  return static_cast<std::size_t>(ended) >= wanted_;
}

bool calls_awaiter::await_suspend(std::coroutine_handle<> waiting) {
  if (wanted_ > calls_.size()) refuse_none();
  auto const counted = count_ = std::make_shared<count>(calls_.size(), wanted_, waiting);
  std::size_t before = 0;
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    auto& listener = counted->listeners[i];
    listener.of = counted;
    if (resume_when_done(*calls_[i], &count::one_ended, &listener)) continue;
    listener.of.reset();
    ++before;
  }
  std::lock_guard const held(counted->mutex);
  counted->ended += before;
  // From here on another thread may resume the coroutine, which ends this awaiter.
  if (counted->ended < wanted_) return counted->is_suspended = true;
  counted->waiting = {};
  return false;
}

std::size_t calls_awaiter::first_ended() const noexcept { return first_ended_of(calls_); }

}  // namespace yonder::detail
