// SPDX-License-Identifier: Apache-2.0
#include "src/http/side_thread.hpp"

#include <algorithm>
#include <iterator>
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

bool side_thread::has_room(std::string const& whose, std::size_t bytes) const {
  auto const found = bytes_.find(whose);
  auto const own = found == bytes_.end() ? 0 : found->second;
  auto const left = most_bytes - std::min(most_bytes, all_bytes_);
  return all_bytes_ == 0 || (bytes <= left && own <= left - bytes);
}

void side_thread::run(job&& one) {
  if (!thread_.joinable()) thread_ = platform::start_thread("yonder-http-json", [this] { work_off(); });
  std::list<job> made;
  made.push_back(std::move(one));
  auto const& added = made.front();
  std::list<turn> first;
  first.push_back({added.whose, {}});
  bytes_[added.whose] += added.bytes;
  all_bytes_ += added.bytes;
  {
    std::lock_guard const lock(mutex_);
    auto own = std::find_if(turns_.begin(), turns_.end(),
                            [&](auto const& each) { return each.whose == added.whose; });
    if (own == turns_.end()) {
      own = first.begin();
      bool const is_before = !turns_.empty() && turns_.back().is_worked_on;
      turns_.splice(is_before ? std::prev(turns_.end()) : turns_.end(), first);
    }
    own->jobs.splice(own->jobs.end(), made);
  }
  changed_.notify_one();
}

void side_thread::release(job const& one) {
  auto const own = bytes_.find(one.whose);
  if (own == bytes_.end()) return;  // it had none
  all_bytes_ -= one.bytes;
  own->second -= one.bytes;
  if (own->second == 0) bytes_.erase(own);
}

void side_thread::forget(void const* of) {
  std::list<job> forgotten;
  {
    std::lock_guard const lock(mutex_);
    for (auto each = turns_.begin(); each != turns_.end();) {
      auto& jobs = each->jobs;
      for (auto one = jobs.begin(); one != jobs.end();) {
        auto const next = std::next(one);
        if (one->of == of) forgotten.splice(forgotten.end(), jobs, one);
        one = next;
      }
      each = jobs.empty() && !each->is_worked_on ? turns_.erase(each) : std::next(each);
    }
  }
  for (auto const& one : forgotten) release(one);
}

void side_thread::work_off() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ends_ || !turns_.empty(); });
    if (ends_) return;
    std::list<job> next;
    auto const own = turns_.begin();
    next.splice(next.end(), own->jobs, own->jobs.begin());
    turns_.splice(turns_.end(), turns_, own);
    own->is_worked_on = true;
    lock.unlock();
    next.front().work();
    lock.lock();
    own->is_worked_on = false;
    if (own->jobs.empty()) turns_.erase(own);
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
    release(one.front());
    try {
      one.front().then();
    } catch (...) {
      wake_();
      throw;
    }
  }
}

}  // namespace yonder::http
