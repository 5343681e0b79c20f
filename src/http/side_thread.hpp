// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace yonder::http {

// Does what takes long beside the gateway's thread, one thing after the other; its own thread starts with
// the first. Used by the gateway's thread.
class side_thread {
 public:
  // `wake`: called on the other thread when take_done() has work.
  explicit side_thread(std::function<void()> wake) : wake_(std::move(wake)) {}
  // What is being done is finished; what waits, or would go on, is not.
  ~side_thread();
  side_thread(side_thread const&) = delete;
  side_thread& operator=(side_thread const&) = delete;

  // `work`, which throws nothing, and then, by take_done(), `then`.
  void run(std::function<void()> work, std::function<void()> then);
  void take_done();

 private:
  struct job {
    std::function<void()> work, then;
  };
  void work_off();

  std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<job> waiting_;
  std::vector<job> done_;  // whose work is destroyed by take_done(), too
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace yonder::http
