// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/types.hpp"
#include "src/runtime/worker_start.hpp"
#include "yonder/detail/registry.hpp"

// Attempts that failed, as files with the very bytes that they ran on: written where $YONDER_RECORD names a
// folder, run again by `program --yonder-replay FILE`.
namespace yonder::runtime_detail {

struct recording {
  std::string build;      // of the program that ran it
  std::string task;       // its name
  std::string structure;  // of its arguments and result, in words
  std::uint64_t signature = 0;
  detail::byte_buffer arguments{};
  std::vector<detail::buffer> buffers{};
};

// As files hold them. False: that is none, or a part of one.
std::string encode_recording(recording const& made);
bool decode_recording(std::string_view bytes, recording& made);
// Throws usage_error: the file cannot be read, or is none.
recording read_recording(std::string const& file);

// Which program this is: the SHA-256 of its file, in hexadecimal digits.
std::string const& own_build();

// Whether $YONDER_RECORD asks for any.
bool records_attempts();

// An attempt that is about to run: from now on its file is there, whatever ends the process. Destroyed, it
// takes the file with it, unless an exception passes. Without $YONDER_RECORD it does nothing.
class recorded_attempt {
 public:
  recorded_attempt(detail::task_entry const& task, core::attempt_key const& key,
                   std::span<std::byte const> arguments, std::span<detail::buffer const> buffers);
  ~recorded_attempt();
  recorded_attempt(recorded_attempt const&) = delete;
  recorded_attempt& operator=(recorded_attempt const&) = delete;

 private:
  void write(detail::task_entry const& task, core::attempt_key const& key,
             std::span<std::byte const> arguments, std::span<detail::buffer const> buffers);

  std::string file_;    // empty: none
  int exceptions_ = 0;  // on their way when it began
  pid_t owner_ = 0;     // a fork of the task's leaves the file alone
};

// Runs the recorded attempt in this process, says what became of it, and exits: with 0 where it returned, 1
// where it threw, and 2, in words, where it is of another build, or of a task that is not here as it was.
[[noreturn]] void replay_and_exit(start_info const& how);

}  // namespace yonder::runtime_detail
