// SPDX-License-Identifier: Apache-2.0
#include "src/platform/wake_pipe.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <system_error>
#include <utility>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::platform {
namespace {

// Of wakes that lie in a pipe, which has room for sixteen times as many at least.
constexpr unsigned most_unread = 256;

// Whether a write to a pipe that is not empty is told to those that wait for edges. Some systems (Linux 5.5
// to 5.13) tell of the first one only.
bool tells_every_write() noexcept try {
  wake_pipe const pipe;
  unique_fd const epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pipe.readable().get(), &event) != 0) return false;
  for (int i = 0; i < 2; ++i) {
    pipe.wake();
    if (retry([&] { return ::epoll_wait(epoll.get(), &event, 1, 0); }) != 1) return false;
  }
  return true;
} catch (std::system_error const&) {
  return false;
}

}  // namespace

wake_pipe::wake_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw_errno("pipe2");
  readable_ = unique_fd(ends[0]);
  writable_ = unique_fd(ends[1]);
  readable_ = above_standard(std::move(readable_));
  writable_ = above_standard(std::move(writable_));
  if (!readable_ || !writable_) throw_errno("fcntl(F_DUPFD_CLOEXEC)");
}

// One that is full wakes, too.
void wake_pipe::wake() const noexcept {
  [[maybe_unused]] auto const written = ::write(writable_.get(), "", 1);
}

void wake_reader::woken(int readable) noexcept {
  static unsigned const most = tells_every_write() ? most_unread : 1;
  if (++unread_ < most) return;
  unread_ = 0;
  std::array<std::byte, 4096> bytes;
  [[maybe_unused]] auto const taken = ::read(readable, bytes.data(), bytes.size());
}

}  // namespace yonder::platform
