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
  std::list<job> made;
  made.push_back({std::move(work), std::move(then)});
  {
    std::lock_guard const lock(mutex_);
    waiting_.splice(waiting_.end(), made);
  }
  changed_.notify_one();
}

void side_thread::work_off() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
    if (ends_) return;
    std::list<job> next;
    next.splice(next.end(), waiting_, waiting_.begin());
    lock.unlock();
    next.front().work();
    lock.lock();
    done_.splice(done_.end(), next);
    lock.unlock();
    wake_();
    lock.lock();
  }
}

void side_thread::take_done() {
  for (;;) {
    std::list<job> one;
    {
      std::lock_guard const lock(mutex_);
      if (done_.empty()) return;
      one.splice(one.end(), done_, done_.begin());
    }
    try {
      one.front().then();
    } catch (...) {
      wake_();
      throw;
    }
  }
}

}  // namespace yonder::http
