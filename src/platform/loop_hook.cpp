// SPDX-License-Identifier: Apache-2.0
#include "src/platform/loop_hook.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::platform {
namespace {

constexpr std::int64_t clock_second = 1'000'000'000;  // ns

void watch(int epoll, int operation, int fd, bool on) {
  epoll_event wanted{};
  wanted.events = on ? static_cast<std::uint32_t>(EPOLLIN) : 0U;
  if (::epoll_ctl(epoll, operation, fd, &wanted) != 0) throw_errno("epoll_ctl");
}

}  // namespace

loop_hook::loop_hook(int poller)
    : epoll_(above_standard(unique_fd(::epoll_create1(EPOLL_CLOEXEC)))),
      clock_(above_standard(unique_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)))),
      poller_(poller) {
  if (!epoll_) throw_errno("epoll_create1");
  if (!clock_) throw_errno("timerfd_create");
  watch(epoll_.get(), EPOLL_CTL_ADD, clock_.get(), true);
  watch(epoll_.get(), EPOLL_CTL_ADD, poller_, true);
}

// Neither can fail: the descriptors are ours, and there.
void loop_hook::wake_at(std::int64_t time) noexcept {
  auto const due = time < 0 ? 0 : std::max<std::int64_t>(time, 1);  // 0 switches it off
  itimerspec const when{{}, {static_cast<time_t>(due / clock_second), static_cast<long>(due % clock_second)}};
  ::timerfd_settime(clock_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void loop_hook::mute(bool on) noexcept {
  if (muted_ == on) return;
  muted_ = on;
  epoll_event wanted{};
  wanted.events = on ? 0U : static_cast<std::uint32_t>(EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, poller_, &wanted);
}

}  // namespace yonder::platform
