// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::platform {

// How a process ended: by a signal, or with a status.
struct exit_report {
  int signal = 0;
  int status = 0;
  bool known = true;  // false: somebody else had reaped it
};

// What follows "the worker": "was ended by SIGSEGV (signal 11)", "exited with status 3".
YONDER_API std::string to_string(exit_report const& how);

// A child process, ours to wait for. Users may own SIGCHLD: only this child is ever waited for.
class YONDER_API child_process {
 public:
  // By a pidfd; where the system has none, or refuses it, by a thread that waits. Throws std::system_error.
  explicit child_process(pid_t pid);

  pid_t pid() const noexcept { return pid_; }
  int handle() const noexcept { return handle_.get(); }  // readable once the process has ended

  void kill(int signal) const noexcept;
  exit_report wait() const;          // blocks until it has ended
  bool is_stopped() const noexcept;  // by a signal, and not told to continue

 private:
  pid_t pid_;
  unique_fd handle_;
  bool is_pidfd_ = true;
};

// What a child gets. It starts in its own process group, with an empty signal mask and default signal
// actions.
struct spawn_request {
  std::string path;                        // looked for in $PATH if it has no slash
  std::vector<std::string> arguments;      // argv, argv[0] included
  std::vector<std::string> environment{};  // "NAME=value", in front of this process's own
  int input = -1;                          // its stdin; -1: one of which nothing is read
  int output = -1;                         // its stdout and stderr; -1: as ours
  int errors = -1;                         // its stderr alone
  std::vector<int> inherited{};            // become its descriptors 3, 4, …; it gets no other
  std::vector<std::uint32_t> cores{};      // the only ones that it runs on; none: as the calling thread
  bool inherits_all = false;               // instead: all that is not close-on-exec, under the same numbers
};

// Throws std::system_error.
YONDER_API child_process spawn(spawn_request const& request);

// The "host:pid" under which errors speak of a process.
std::string process_name(pid_t pid);

// Monotonic, in nanoseconds.
YONDER_API std::int64_t now() noexcept;

// From the kernel's generator.
YONDER_API std::uint64_t random_number();

// An anonymous, zeroed, shared memory of `size` bytes. Throws std::system_error, also where the system keeps
// account of its memory and has not so much left.
unique_fd anonymous_memory(std::size_t size);
// The same, of that size for ever (F_SEAL_GROW, F_SEAL_SHRINK); more seals can be set.
unique_fd sealed_memory(std::size_t size);
// The same, without a size yet.
YONDER_API unique_fd empty_memory();
// Its size, for ever; pages come when they are touched. Throws where the system keeps account of memory, too:
// there all of it would have to be taken at once; and where somebody else has given it another size. Nothing
// where that was done already.
void set_size(int memory, std::size_t size);
// Whether it has that size for ever.
bool has_size(int memory, std::size_t size) noexcept;
// The same memory by a descriptor that cannot be used to write it; without /proc, by one that can.
unique_fd reopened_for_reading(int memory);

// "SIGSEGV (signal 11)" for 11; "signal 99" for what has no name.
std::string signal_name(int signal);

}  // namespace yonder::platform
