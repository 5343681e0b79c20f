// SPDX-License-Identifier: Apache-2.0
#include "src/platform/clock_watch.hpp"

#include <sys/timerfd.h>

#include <cstdint>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::platform {

// A timer for a day that never comes, which is cancelled when the clock is set (timerfd_create(2)).
clock_watch::clock_watch()
    : fd_(above_standard(unique_fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)))) {
  if (!fd_) throw_errno("timerfd_create");
  itimerspec far_away{};
  far_away.it_value.tv_sec = std::int64_t{1} << 33;
  if (::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far_away, nullptr) != 0)
    throw_errno("timerfd_settime");
}

void clock_watch::clear() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] auto const read = ::read(fd_.get(), &count, sizeof count);  // ECANCELED: it was set
}

}  // namespace yonder::platform
