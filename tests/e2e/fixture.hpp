// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "src/platform/unique_fd.hpp"
#include "yonder/yonder.hpp"

namespace e2e {

inline bool threads() { return std::getenv("YONDER_E2E_THREADS") != nullptr; }

// Another process, watched without being its parent.
class watched_process {
 public:
  explicit watched_process(int pid) : handle_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

  // Waits until it has ended; false: it has not within `limit`.
  bool ends_within(std::chrono::milliseconds limit) const {
    if (!handle_) return true;
    pollfd end{handle_.get(), POLLIN, 0};
    return ::poll(&end, 1, static_cast<int>(limit.count())) == 1;
  }

 private:
  yonder::platform::unique_fd handle_;
};

// The error of a call that must fail.
template <class Call>
yonder::error_details failure_of(Call call) {
  try {
    call();
  } catch (yonder::error const& error) {
    return error.details();
  }
  return {.message = "the call did not fail"};
}

}  // namespace e2e
