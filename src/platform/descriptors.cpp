// SPDX-License-Identifier: Apache-2.0
#include "src/platform/descriptors.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

namespace yonder::platform {
namespace {

constexpr int first_other = STDERR_FILENO + 1;

bool is_inheritable(int fd) noexcept {
  int const flags = ::fcntl(fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

// One past the highest number that a descriptor can have.
int end_of_numbers() noexcept {
  constexpr rlim_t most = rlim_t{1} << 20;
  rlimit limit{most, most};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(limit.rlim_cur < most ? limit.rlim_cur : most);
}

}  // namespace

// As the C library does for programs with more rights than whoever started them: opened for the wrong
// direction.
void hold_standard_descriptors() noexcept {
  for (int const fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    auto const nothing = open_nothing(fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    int const taken = ::fcntl(nothing.get(), F_DUPFD, fd);
    if (taken >= 0 && taken != fd) ::close(taken);  // another thread was faster
  }
}

unique_fd open_nothing(int direction) noexcept {
  if (auto device = above_standard(unique_fd(::open("/dev/null", direction | O_CLOEXEC)))) return device;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  unique_fd readable(ends[0]);
  unique_fd writable(ends[1]);
  return above_standard(std::move(direction == O_RDONLY ? readable : writable));
}

unique_fd above_standard(unique_fd fd) noexcept {
  if (!fd || fd.get() >= first_other) return fd;
  return unique_fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, first_other));
}

std::vector<int> inheritable_descriptors(int first) {
  std::vector<int> found;
  std::unique_ptr<DIR, int (*)(DIR*)> const folder(::opendir("/proc/self/fd"), &::closedir);
  if (folder == nullptr) {
    for (int fd = first; fd < end_of_numbers(); ++fd)
      if (is_inheritable(fd)) found.push_back(fd);
    return found;
  }
  while (auto const* const entry = ::readdir(folder.get())) {
    int const fd = std::atoi(entry->d_name);  // 0 for . and ..
    if (fd >= first && is_inheritable(fd)) found.push_back(fd);
  }
  return found;
}

}  // namespace yonder::platform
