// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/row.hpp"

// What the rows ask of the machine that they run on.
namespace faults {

// The path of this program.
std::string own_path();

// Runs a tool to its end; what it said where it failed. Throws `skipped` where it is not installed.
std::string run_tool(std::vector<std::string> const& command);
// Throws, in its words, where the tool fails.
void must_run(std::vector<std::string> const& command);

pid_t parent_of(pid_t process);
bool is_alive(pid_t process);
// Waits for somebody else's child; false: it has not ended within `limit`.
bool ends_within(pid_t process, nanoseconds limit);
// Those that descend from it, itself left out.
std::vector<pid_t> descendants_of(pid_t process);
std::uint64_t resident_bytes(pid_t process);
// Of the processor, since it began.
nanoseconds processor_time(pid_t process);

// For how long at a time nobody ran here who wanted to: a thread that sleeps for 1 ms, and looks at the
// clock.
class stall_watch {
 public:
  stall_watch();
  ~stall_watch();
  stall_watch(stall_watch const&) = delete;
  stall_watch& operator=(stall_watch const&) = delete;

  // The longest; of a percentile.
  nanoseconds longest();
  nanoseconds percentile(double percent);

 private:
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  sample_of_times late_;
  std::thread thread_;
};

// This process on a network of its own, and another machine's beside it, by a link: 10.213.0.1 and .2. To be
// made before anything that has threads. Throws `skipped` where that takes rights or tools that are not
// there.
class two_networks {
 public:
  two_networks();
  ~two_networks();
  two_networks(two_networks const&) = delete;
  two_networks& operator=(two_networks const&) = delete;

  static std::string own_address(std::string const& port = "*") { return "tcp://10.213.0.1:" + port; }
  // What runs the command over there.
  std::vector<std::string> there(std::vector<std::string> command) const;

  void set_link(bool up) const;
  // Of what comes in on this side; `percent` of 100 is all of it.
  void drop_here(int percent) const;
  void drop_there(int percent) const;

 private:
  pid_t keeper_ = 0;  // of the other network
};

}  // namespace faults
