// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::platform {

// An eventfd: readable from add() to clear(). Any thread.
class YONDER_API event_counter {
 public:
  event_counter();  // throws std::system_error
  explicit event_counter(unique_fd inherited) noexcept : fd_(std::move(inherited)) {}

  void add() const noexcept;
  void clear() const noexcept;
  int descriptor() const noexcept { return fd_.get(); }

 private:
  unique_fd fd_;
};

}  // namespace yonder::platform
