// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

namespace yonder::http {

// Does what takes long beside the gateway's thread, one thing after the other; its own thread starts with
// the first. Used by the gateway's thread.
class side_thread {
 public:
  // `wake`: called on the other thread when take_done() has work, and by a take_done() that leaves some.
  explicit side_thread(std::function<void()> wake) : wake_(std::move(wake)) {}
  // What is being done is finished; what waits, or would go on, is not.
  ~side_thread();
  side_thread(side_thread const&) = delete;
  side_thread& operator=(side_thread const&) = delete;

  // `work`, which throws nothing, and then, by take_done(), `then`.
  void run(std::function<void()> work, std::function<void()> then);
  // Throws what a `then` throws; those behind it are left to the next one.
  void take_done();

 private:
  struct job {
    std::function<void()> work, then;
  };
  void work_off();

  std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<job> waiting_;
  std::list<job> done_;  // whose work is destroyed by take_done(), too
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace yonder::http
