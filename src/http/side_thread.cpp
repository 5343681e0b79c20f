// SPDX-License-Identifier: Apache-2.0
#include "src/http/side_thread.hpp"

#include <utility>

#include "src/platform/thread.hpp"

namespace yonder::http {

side_thread::~side_thread() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard const lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void side_thread::run(std::function<void()> work, std::function<void()> then) {
  if (!thread_.joinable()) thread_ = platform::start_thread("yonder-http-json", [this] { work_off(); });
  {
    std::lock_guard const lock(mutex_);
    waiting_.push_back({std::move(work), std::move(then)});
  }
  changed_.notify_one();
}

void side_thread::work_off() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
    if (ends_) return;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    next.work();
    lock.lock();
    done_.push_back(std::move(next));
    lock.unlock();
    wake_();
    lock.lock();
  }
}

void side_thread::take_done() {
  std::vector<job> done;
  {
    std::lock_guard const lock(mutex_);
    done.swap(done_);
  }
  for (auto const& one : done) one.then();
}

}  // namespace yonder::http
