// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "src/platform/process.hpp"

namespace yonder::launch {

// What is done about things when this process is no more, however it ended: by a process of its own, which
// waits for that. Used under the driver's lock.
class end_guard {
 public:
  // `lines` of a shell, which find the things in $all; nothing is done if there are none.
  explicit end_guard(std::string lines) : lines_(std::move(lines)) {}
  ~end_guard();
  end_guard(end_guard const&) = delete;
  end_guard& operator=(end_guard const&) = delete;

  // A word without blanks. Where no such process can be had, it goes without.
  void add(std::string_view what);
  void remove(std::string_view what) { say('-', what); }

 private:
  void say(char how, std::string_view what);

  std::string lines_;
  platform::unique_fd words_;  // to it; its end is ours
  std::optional<platform::child_process> process_;
};

// For the leaders of process groups, which are ours to wait for, and are removed before that is done:
// afterwards their numbers may be others'. The groups are told to end, and two seconds later they are killed.
std::string end_groups();

}  // namespace yonder::launch
