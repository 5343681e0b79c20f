// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>

#include "yonder/detail/export.hpp"

namespace yonder::platform {

// A fork's child has the memory of the process that it was made from, but neither its threads nor a right to
// its descriptors, and locks stay as those threads left them. What may be reached in a fork therefore asks
// first whose it is.
//
// Marks what this process made: is_ours() is false in every fork of it, and in forks of those.
class process_mark {
 public:
  process_mark();
  bool is_ours() const noexcept;

 private:
  std::uint64_t forks_;
};

// Keeps `mutex`, which lives for ever, free in a fork: whoever forks holds it meanwhile. Once for each; they
// are taken in the order of these calls.
void hold_while_forking(std::mutex& mutex);

// A fork of this process closes `fd` at once, until close_in_no_fork(fd), however often it was asked to: a
// descriptor by which others notice that this process has ended, however long its forks live.
YONDER_API void close_in_forks(int fd);
YONDER_API void close_in_no_fork(int fd) noexcept;

}  // namespace yonder::platform
