// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace yonder::runtime_detail {

// One thread that runs what it is given, in order: code of users, which must not hold up whoever pumps.
// Thread-safe, but for stop().
class executor_thread {
 public:
  explicit executor_thread(char const* name);
  ~executor_thread() { stop(); }
  executor_thread(executor_thread const&) = delete;
  executor_thread& operator=(executor_thread const&) = delete;

  // No thread is started from then on: whoever calls run_due() runs what was posted. Before anything else.
  void run_by_hand() noexcept;
  void run_due();

  // So that post() needs no new thread. Throws std::system_error.
  void start();
  // Nothing runs any more after stop(). What `work` throws costs a line on stderr.
  void post(std::function<void()> work);

  // Here, as the thread would.
  static void run(std::function<void()> const& work);

  // Runs what was posted, then ends the thread and waits for it, unless it is the caller's own.
  void stop() noexcept;

 private:
  struct state;
  static void serve(state& shared);

  char const* name_;
  std::shared_ptr<state> shared_;
  std::thread thread_;
};

}  // namespace yonder::runtime_detail
