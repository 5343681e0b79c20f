// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <string>

#include "yonder/yonder.hpp"

namespace e2e {

// What workers elsewhere make, end, and make anew.
class remote_counter {
 public:
  explicit remote_counter(int from) : count_(from) {}
  int next() { return count_++; }
  int process() const { return static_cast<int>(::getpid()); }

 private:
  int count_;
};

// The same, for several callers at once.
class remote_crew {
 public:
  remote_crew() : process_(static_cast<int>(::getpid())) {}
  int process() const { return process_; }

  static constexpr unsigned concurrency = 4;

 private:
  int process_;
};

namespace task {

inline constexpr yonder::service<remote_counter(int)> remote_counters{
    {.scaledown_window = std::chrono::milliseconds(20)}};
inline constexpr yonder::method<&remote_counter::next> next_count;
inline constexpr yonder::method<&remote_counter::process> counting_process;

inline constexpr yonder::service<remote_crew()> remote_crews{
    {.scaledown_window = std::chrono::milliseconds(20)}};
inline constexpr yonder::method<&remote_crew::process> crew_process;

}  // namespace task
}  // namespace e2e
