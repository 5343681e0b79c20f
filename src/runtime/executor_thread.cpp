// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/executor_thread.hpp"

#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "src/platform/fork.hpp"
#include "src/platform/thread.hpp"

namespace yonder::runtime_detail {
namespace {

void complain(char const* what) {
  auto const line = std::string("yonder: what a call resumed threw, and nobody caught it: ") + what + "\n";
  [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

struct executor_thread::state {
  std::mutex mutex;
  std::condition_variable due;
  std::deque<std::function<void()>> waiting;
  platform::process_mark mark;
  bool started = false;
  bool by_hand = false;
  bool stopping = false;
};

void executor_thread::run(std::function<void()> const& work) {
  try {
    work();
  } catch (std::exception const& error) {
    complain(error.what());
  } catch (...) {
    complain("an exception of no std type");
  }
}

executor_thread::executor_thread(char const* name) : name_(name), shared_(std::make_shared<state>()) {}

void executor_thread::run_by_hand() noexcept { shared_->by_hand = true; }

void executor_thread::run_due() {
  auto const shared = shared_;
  for (std::unique_lock held(shared->mutex); !shared->waiting.empty(); held.lock()) {
    auto next = std::move(shared->waiting.front());
    shared->waiting.pop_front();
    held.unlock();
    run(next);
  }
}

void executor_thread::start() {
  std::lock_guard const held(shared_->mutex);
  if (shared_->started || shared_->by_hand || shared_->stopping) return;
  thread_ = platform::start_thread(name_, [shared = shared_] { serve(*shared); });
  shared_->started = true;
}

void executor_thread::post(std::function<void()> work) {
  start();
  std::lock_guard const held(shared_->mutex);
  if (shared_->stopping) return;
  shared_->waiting.push_back(std::move(work));
  shared_->due.notify_one();
}

void executor_thread::serve(state& shared) {
  std::unique_lock held(shared.mutex);
  for (;;) {
    shared.due.wait(held, [&] { return shared.stopping || !shared.waiting.empty(); });
    if (shared.waiting.empty()) return;
    auto next = std::move(shared.waiting.front());
    shared.waiting.pop_front();
    held.unlock();
    run(next);
    if (!shared.mark.is_ours()) ::_exit(EXIT_SUCCESS);  // it has forked: the child ends where it waits again
    next = nullptr;                                     // what it holds is the user's, too
    held.lock();
  }
}

void executor_thread::stop() noexcept {
  {
    std::lock_guard const held(shared_->mutex);
    shared_->stopping = true;
    shared_->due.notify_one();
  }
  if (shared_->by_hand) return run_due();
  if (thread_.get_id() == std::this_thread::get_id())
    thread_.detach();
  else if (thread_.joinable())
    thread_.join();
}

}  // namespace yonder::runtime_detail
