// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/core/schedule_table.hpp"
#include "src/platform/clock_watch.hpp"
#include "src/platform/event_counter.hpp"
#include "yonder/schedule.hpp"

namespace yonder::runtime_detail {

// The schedules of one runtime, and the thread that makes their calls. What is due is decided by
// core::schedule_table. Any thread.
class schedules {
 public:
  using start_call = std::function<detail::call_ref()>;

  schedules();  // throws std::system_error
  ~schedules();

  // Makes no calls any more; those that run go on.
  void stop();

  std::uint64_t add(core::schedule_spec&& spec, start_call start);
  bool change(std::uint64_t id, detail::schedule_change change);
  std::vector<schedule_snapshot> look();

 private:
  // Of users: copied and destroyed where the mutex is not held.
  using shared_start = std::shared_ptr<start_call const>;
  struct job {
    shared_start start;
    std::uint64_t failed = 0;
    std::string last_error{};
  };
  // A call that was made.
  struct run_of {
    schedules* owner;
    std::uint64_t id;
    detail::call_ref call;
    std::list<run_of>::iterator self{};
    run_of* next_ended = nullptr;  // of the list of those that have ended
  };

  void run();
  bool look_at_clocks(std::size_t& due, core::time_point& next);
  bool begin_next();
  void begin(std::uint64_t id, start_call const& start);
  void take_ended(std::list<run_of>& ended);
  void note_failure(std::uint64_t id, std::string const& why);
  void note_end(std::uint64_t id, std::string const* error);
  void sleep_until(core::time_point next) const;
  static void told(void* run);
  static core::clock_reading clocks();

  platform::event_counter wakes_;
  platform::clock_watch clock_watch_;
  std::mutex mutex_;
  core::schedule_table table_;
  std::map<std::uint64_t, job> jobs_;
  core::schedule_table::ids by_hand_, due_;  // whose runs are to begin
  bool stopping_ = false;

  std::list<run_of> runs_;  // of the thread
  std::mutex ended_mutex_;
  run_of* last_ended_ = nullptr;
  std::thread thread_;
};

}  // namespace yonder::runtime_detail
