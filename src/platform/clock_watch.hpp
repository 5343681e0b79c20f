// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/platform/unique_fd.hpp"

namespace yonder::platform {

// Sees that the system's wall clock is set, and that the machine has slept.
class clock_watch {
 public:
  clock_watch();  // throws std::system_error

  // Readable once it was; then again after clear() only.
  int descriptor() const noexcept { return fd_.get(); }
  void clear() const noexcept;

 private:
  unique_fd fd_;
};

}  // namespace yonder::platform
