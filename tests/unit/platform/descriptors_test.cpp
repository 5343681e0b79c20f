// SPDX-License-Identifier: Apache-2.0
#include "src/platform/descriptors.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "src/platform/event_counter.hpp"
#include "src/platform/process.hpp"

namespace yonder::platform {
namespace {

// In a child, where stdin, stdout and stderr may be closed.
template <class Body>
bool holds_with_standard_descriptors_closed(Body body) {
  auto const child = ::fork();
  if (child == 0) {
    for (int const fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(fd);
    ::_exit(body() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

bool fails_as_closed(ssize_t result) { return result == -1 && errno == EBADF; }

}  // namespace

TEST_CASE("standard descriptors that are closed are taken, and fail as they did") {
  CHECK(holds_with_standard_descriptors_closed([] {
    hold_standard_descriptors();
    char byte = 0;
    unique_fd const next(::open("/dev/null", O_RDWR));
    return next.get() > STDERR_FILENO && fails_as_closed(::read(STDIN_FILENO, &byte, 1)) &&
           fails_as_closed(::write(STDOUT_FILENO, &byte, 1)) &&
           fails_as_closed(::write(STDERR_FILENO, &byte, 1));
  }));
}

TEST_CASE("what is ours never becomes a standard descriptor, also where they are closed later") {
  CHECK(holds_with_standard_descriptors_closed([] {
    event_counter const counter;
    auto const memory = anonymous_memory(4096);
    auto const child = spawn({.path = "true", .arguments = {"true"}, .environment = {}});
    child_process const& process = child;
    bool const above = counter.descriptor() > STDERR_FILENO && memory.get() > STDERR_FILENO &&
                       process.handle() > STDERR_FILENO;
    return above && process.wait().status == 0;
  }));
  CHECK_FALSE(above_standard(unique_fd()));
}

TEST_CASE("a child gets its descriptors also where the standard ones are closed here") {
  CHECK(holds_with_standard_descriptors_closed([] {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    auto const given = above_standard(unique_fd(ends[0]));
    auto writable = above_standard(unique_fd(ends[1]));
    auto const nothing = open_nothing(O_WRONLY);
    bool const is_filled = ::write(writable.get(), "a", 1) == 1;
    writable.reset();
    auto const child = spawn({.path = "sh",
                              .arguments = {"sh", "-c", "test \"$(cat <&3)\" = a"},
                              .environment = {},
                              .output = nothing.get(),
                              .inherited = {given.get()}});
    return is_filled && child.wait().status == 0;
  }));
}

TEST_CASE("a limit on files' sizes refuses memory in words, and ends no program") {
  CHECK(holds_with_standard_descriptors_closed([] {
    rlimit const none{0, 0};
    ::setrlimit(RLIMIT_FSIZE, &none);
    try {
      anonymous_memory(4096);
      return false;
    } catch (std::system_error const& error) {
      return error.code() == std::errc::file_too_large;
    }
  }));
}

TEST_CASE("inheritable descriptors are those that are not close-on-exec") {
  unique_fd const kept(::open("/dev/null", O_RDONLY));
  unique_fd const closed(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto const found = inheritable_descriptors(STDERR_FILENO + 1);
  CHECK(std::count(found.begin(), found.end(), kept.get()) == 1);
  CHECK(std::count(found.begin(), found.end(), closed.get()) == 0);
  CHECK(std::count(found.begin(), found.end(), STDERR_FILENO) == 0);
}

}  // namespace yonder::platform
