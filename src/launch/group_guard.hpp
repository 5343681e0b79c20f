// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>

#include "src/platform/process.hpp"

namespace yonder::launch {

// Process groups that are ended when this process is no more, however it ended: by a process of its own,
// which waits for that. Used under the driver's lock.
class group_guard {
 public:
  ~group_guard();
  group_guard() = default;
  group_guard(group_guard const&) = delete;
  group_guard& operator=(group_guard const&) = delete;

  // The group of that process, which is ours to wait for. Where no guard can be had, it goes without.
  void watch(pid_t leader);
  // Before it is waited for: afterwards its number may be another one's.
  void forget(pid_t leader) { say('-', leader); }

 private:
  void say(char what, pid_t group);

  platform::unique_fd words_;  // to it; its end is ours
  std::optional<platform::child_process> process_;
};

}  // namespace yonder::launch
