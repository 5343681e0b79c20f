// SPDX-License-Identifier: Apache-2.0
//
// The engine: what goes on when a call has ended without a thread that waits for it.
#include "src/platform/process.hpp"
#include "src/runtime/engine.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {

bool engine::resume_when_done(call_state& call, resumption const& next) {
  if (!next.at_once) executor_.start();
  lock held(mutex_);
  return add_resumption(call, next);
}

// Under the lock. False: it has ended.
bool engine::add_resumption(call_state& call, resumption const& next) {
  if (call.done.load(std::memory_order_relaxed)) return false;
  if (!call.extras) call.extras = std::make_unique<call_extras>();
  call.extras->resumptions.push_back(next);
  lead_.await(1);
  housekeeper_wakes_.notify_one();
  return true;
}

// Whether it was still to be resumed: it is not any more.
bool engine::forget_resumption(call_state& call, resumption const& gone) {
  lock held(mutex_);
  auto const waited = call.extras ? std::erase(call.extras->resumptions, gone) : 0;
  lead_.no_longer_await(waited);
  return std::erase(resumptions_, gone) + waited != 0;
}

// The coroutines that waited for it go on by the executor, which is called on a thread that drives nothing.
void engine::continue_later(call_state& call) noexcept {
  auto& waiting = call.extras->resumptions;
  lead_.no_longer_await(waiting.size());
  while (!waiting.empty()) {
    auto const due = waiting.front();
    if (due.at_once) {
      waiting.pop_front();
      due.resume(due.argument);
    } else {
      resumptions_.splice(resumptions_.end(), waiting, waiting.begin());
      ++unposted_;
    }
  }
  post_resumptions();
}

// What there is no memory for is posted by a later turn.
void engine::post_resumptions() noexcept try {
  for (; unposted_ != 0; --unposted_) {
    if (hook_) hook_->wake_at(0);
    executor_.post([self = shared_from_this()] {
      if (self->config_.executor)
        self->config_.executor(continuation(self));
      else
        self->resume_one();
    });
  }
} catch (std::exception const&) {
}

// Nobody turns any more.
void engine::resume_here(lock& held) {
  while (unposted_ != 0) {
    --unposted_;
    held.unlock();
    runtime_detail::executor_thread::run([this] { resume_one(); });
    held.lock();
  }
}

void engine::resume_one() {
  resumption next{};
  {
    lock const held(mutex_);
    if (resumptions_.empty()) return;  // its coroutine was destroyed meanwhile
    next = resumptions_.front();
    resumptions_.pop_front();
  }
  next.resume(next.argument);
}

}  // namespace yonder::detail

namespace yonder {

void continuation::operator()() const {
  if (!owner_) detail::throw_moved_from("continuation");
  if (owner_->is_ours()) owner_->resume_one();
}

}  // namespace yonder
