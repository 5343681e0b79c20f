// SPDX-License-Identifier: Apache-2.0
#include "src/platform/stderr_writer.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/platform/descriptors.hpp"
#include "src/platform/no_sigpipe.hpp"

namespace yonder::platform {
namespace {

bool is_writable(int fd) noexcept {
  pollfd room{fd, POLLOUT, 0};
  return ::poll(&room, 1, 0) == 1;
}

// An epoll of the descriptor's writability alone.
unique_fd writability_of(int fd) noexcept {
  auto epoll = above_standard(unique_fd(::epoll_create1(EPOLL_CLOEXEC)));
  epoll_event wanted{};
  wanted.events = EPOLLOUT;
  if (epoll && ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &wanted) != 0) epoll.reset();
  return epoll;
}

}  // namespace

stderr_writer::stderr_writer() noexcept {
  open();
  if (kind_ != kind::none && kind_ != kind::file) readiness_ = writability_of(fd_.get());
}

void stderr_writer::open() noexcept {
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0) return;
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    // The same pipe or terminal by a description of our own, which may be non-blocking.
    fd_ = above_standard(unique_fd(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
    if (fd_) kind_ = kind::non_blocking;
    if (fd_ || errno == ENXIO) return;  // a FIFO that nobody reads
  }
  fd_.reset(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!fd_) return;
  kind_ = S_ISREG(status.st_mode) ? kind::file : S_ISSOCK(status.st_mode) ? kind::socket : kind::shared;
}

std::optional<std::size_t> stderr_writer::write(std::string_view text) const noexcept {
  if (kind_ == kind::none) return std::nullopt;
  no_sigpipe const guard;
  for (;;) {
    auto const count = try_write(text);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) return std::nullopt;
  }
}

ssize_t stderr_writer::try_write(std::string_view text) const noexcept {
  if (kind_ == kind::socket) return ::send(fd_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (kind_ == kind::shared) {
    // What is writable takes so much without waiting, unless another writer comes between.
    if (!is_writable(fd_.get())) return 0;
    text = text.substr(0, PIPE_BUF);
  }
  return ::write(fd_.get(), text.data(), text.size());
}

}  // namespace yonder::platform
