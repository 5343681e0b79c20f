// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <utility>

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

// Says in a file that its end has begun, which takes for ever.
class remote_lingerer {
 public:
  explicit remote_lingerer(std::string file) : file_(std::move(file)) {}
  remote_lingerer(remote_lingerer const&) = delete;
  remote_lingerer& operator=(remote_lingerer const&) = delete;
  ~remote_lingerer() {
    std::ofstream{file_}.flush();
    for (;;) ::pause();
  }
  int process() const { return static_cast<int>(::getpid()); }

 private:
  std::string file_;
};

namespace task {

inline constexpr yonder::service<remote_counter(int)> remote_counters{
    {.scaledown_window = std::chrono::milliseconds(20)}};
inline constexpr yonder::method<&remote_counter::next> next_count;
inline constexpr yonder::method<&remote_counter::process> counting_process;

inline constexpr yonder::service<remote_crew()> remote_crews{
    {.scaledown_window = std::chrono::milliseconds(20)}};
inline constexpr yonder::method<&remote_crew::process> crew_process;

inline constexpr yonder::service<remote_lingerer(std::string)> remote_lingerers{
    {.exit_timeout = std::chrono::milliseconds(20)}};
inline constexpr yonder::method<&remote_lingerer::process> lingering_process;

}  // namespace task
}  // namespace e2e
