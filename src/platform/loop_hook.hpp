// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/platform/unique_fd.hpp"

#include <cstdint>

namespace yonder::platform {

// What a loop of the program's own waits for in place of a poller's poll(): a descriptor that is readable
// while the poller has something, unless it is muted, and from a given time on. The loop may be any that
// waits for descriptors. Used under the driver's lock, but for descriptor().
class loop_hook {
 public:
  // `poller`: its descriptor. Throws std::system_error.
  explicit loop_hook(int poller);

  int descriptor() const noexcept { return epoll_.get(); }

  // Readable from then on, in nanoseconds of the monotonic clock, whatever else. The past: at once; a
  // negative time: never. The last one counts.
  void wake_at(std::int64_t time) noexcept;

  // Whether it is blind to the poller: somebody else sleeps there.
  void mute(bool on) noexcept;

 private:
  unique_fd epoll_;
  unique_fd clock_;
  int poller_;
  bool muted_ = false;
};

}  // namespace yonder::platform
