// SPDX-License-Identifier: Apache-2.0
#include "src/platform/epoll_poller.hpp"

#include "src/platform/system_call.hpp"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include "src/platform/descriptors.hpp"

namespace yonder::platform {

namespace {

constexpr std::uint64_t bell_mark = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::uint32_t reading = EPOLLIN | EPOLLRDHUP;

std::uint64_t mark_of(int fd, std::uint32_t generation) {
  return (std::uint64_t{generation} << 32) | static_cast<std::uint32_t>(fd);
}

int whole_milliseconds(std::int64_t timeout_ns) {
  if (timeout_ns < 0) return -1;
  auto const rounded_up = timeout_ns / ns_per_ms + (timeout_ns % ns_per_ms != 0);
  return static_cast<int>(std::min<std::int64_t>(rounded_up, std::numeric_limits<int>::max()));
}

}  // namespace

epoll_poller::epoll_poller() : epoll_(above_standard(unique_fd(::epoll_create1(EPOLL_CLOEXEC)))) {
  if (!epoll_) throw_errno("epoll_create1");
  // Edge-triggered: each write ends one wait, and nobody has to read the counter.
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLET;
  wanted.data.u64 = bell_mark;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, rung_.descriptor(), &wanted) != 0) throw_errno("epoll_ctl");
}

void epoll_poller::add(int fd, ready_handler& handler, std::uint64_t token) {
  enter(fd, handler, token, reading);
}

void epoll_poller::add_edge(int fd, ready_handler& handler, std::uint64_t token) {
  enter(fd, handler, token, reading | EPOLLET);
}

void epoll_poller::enter(int fd, ready_handler& handler, std::uint64_t token, std::uint32_t events) {
  auto const index = static_cast<std::size_t>(fd);
  if (index >= slots_.size()) slots_.resize(index + 1);
  auto& found = slots_[index];
  auto const known = found.handler != nullptr;
  found = {&handler, token, found.generation + 1, false};
  try {
    control(known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events);
  } catch (...) {
    found.handler = nullptr;
    throw;
  }
}

void epoll_poller::want_write(int fd, ready_handler& handler, std::uint64_t token, bool on) {
  auto const index = static_cast<std::size_t>(fd);
  if (index >= slots_.size() || slots_[index].handler == nullptr) add(fd, handler, token);
  auto& found = slots_[index];
  found.handler = &handler;
  found.token = token;
  if (found.writes == on) return;
  control(EPOLL_CTL_MOD, fd, on ? reading | EPOLLOUT : reading);
  found.writes = on;
}

void epoll_poller::remove(int fd) {
  auto const index = static_cast<std::size_t>(fd);
  if (index >= slots_.size() || slots_[index].handler == nullptr) return;
  slots_[index].handler = nullptr;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool epoll_poller::poll(std::int64_t timeout_ns) {
  if (next_ < ready_count_) return true;  // a handler threw
  ready_count_ = next_ = 0;
  auto const count = wait_for_events(timeout_ns);
  if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
  ready_count_ = std::max(count, 0);
  return ready_count_ > 0;
}

// Edges are told once by the kernel: what a throw leaves untold is kept here, and whoever waits for
// descriptor() hears of it by the bell.
int epoll_poller::dispatch() try {
  auto const first = next_;
  for (; next_ < ready_count_; ++next_) call(ready_[static_cast<std::size_t>(next_)]);
  return ready_count_ - first;
} catch (...) {
  ring();
  throw;
}

void epoll_poller::control(int operation, int fd, std::uint32_t events) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.u64 = mark_of(fd, slots_[static_cast<std::size_t>(fd)].generation);
  if (::epoll_ctl(epoll_.get(), operation, fd, &wanted) != 0) throw_errno("epoll_ctl");
}

void epoll_poller::call(epoll_event const& ready) {
  if (ready.data.u64 == bell_mark) return;
  auto const found =
      slots_[static_cast<std::uint32_t>(ready.data.u64)];  // a copy: the handler may add others
  if (found.handler == nullptr || found.generation != ready.data.u64 >> 32) return;
  auto const readable = (ready.events & ~EPOLLOUT) != 0;  // hang-up and error are learnt by reading
  found.handler->on_ready(found.token, readable, (ready.events & EPOLLOUT) != 0);
}

int epoll_poller::wait_for_events(std::int64_t timeout_ns) {
  auto const capacity = static_cast<int>(ready_.size());
  if (timeout_ns <= 0 || timeout_ns % ns_per_ms == 0)
    return ::epoll_wait(epoll_.get(), ready_.data(), capacity, whole_milliseconds(timeout_ns));
  timespec const timeout{static_cast<time_t>(timeout_ns / ns_per_s),
                         static_cast<long>(timeout_ns % ns_per_s)};
  auto const count = ::epoll_pwait2(epoll_.get(), ready_.data(), capacity, &timeout, nullptr);
  if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
  return ::epoll_wait(epoll_.get(), ready_.data(), capacity,
                      whole_milliseconds(timeout_ns));  // Linux before 5.11, or refused
}

std::unique_ptr<poller> make_poller() { return std::make_unique<epoll_poller>(); }

}  // namespace yonder::platform
