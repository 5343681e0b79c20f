// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace yonder::http {

// Does what takes long beside the gateway's thread, one thing after the other; its own thread starts with
// the first. Those for whom it is done take turns. Used by the gateway's thread.
class side_thread {
 public:
  struct job {
    std::string whose{};       // the name of a credential
    void const* of = nullptr;  // as forget() has it
    std::size_t bytes = 0;     // that are held until it is done
    std::function<void()> work{}, then{};
  };

  // `wake`: called on the other thread when take_done() has work, and by a take_done() that leaves some.
  explicit side_thread(std::function<void()> wake) : wake_(std::move(wake)) {}
  // What is being done is finished; what waits, or would go on, is not.
  ~side_thread();
  side_thread(side_thread const&) = delete;
  side_thread& operator=(side_thread const&) = delete;

  // Whether so many more bytes can wait. Of what there is room for nobody has more than he leaves to others.
  bool has_room(std::string const& whose, std::size_t bytes) const;
  // Its `work`, which throws nothing, and then, by take_done(), its `then`.
  void run(job&& one);
  // What waits of those is not done.
  void forget(void const* of);
  // Throws what a `then` throws; those behind it are left to the next one.
  void take_done();

  static constexpr std::size_t most_bytes = std::size_t{256} << 20;

 private:
  struct turn {
    std::string whose;
    std::list<job> jobs;
    bool is_worked_on = false;  // the last of all, whether there are more or none
  };
  void work_off();
  void release(job const& one);

  std::function<void()> wake_;
  std::map<std::string, std::size_t> bytes_;  // by whose they are
  std::size_t all_bytes_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<turn> turns_;
  std::list<job> done_;  // whose work is destroyed by take_done(), too
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace yonder::http
