// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/platform/unique_fd.hpp"

namespace yonder::platform {

// Wakes a process that does not have to be trusted, and waits in a poller (add_edge) for the end that it was
// given. With an eventfd, of which both would have the same description, it could make our write block.
class wake_pipe {
 public:
  wake_pipe();  // throws std::system_error

  void wake() const noexcept;
  // For the other process. Stays open here, so that a wake never meets a pipe without a reader (SIGPIPE).
  unique_fd const& readable() const noexcept { return readable_; }

 private:
  unique_fd readable_;
  unique_fd writable_;
};

// In the process that is woken: to be called after each wake. Reads what has gathered, where it must.
class wake_reader {
 public:
  void woken(int readable) noexcept;

 private:
  unsigned unread_ = 0;  // wakes
};

}  // namespace yonder::platform
