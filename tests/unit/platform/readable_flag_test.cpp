// SPDX-License-Identifier: Apache-2.0
#include "src/platform/readable_flag.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

namespace yonder::platform {
namespace {

struct pipe_ends {
  unique_fd readable, writable;
  pipe_ends() {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    readable.reset(ends[0]);
    writable.reset(ends[1]);
  }
  void write() const { REQUIRE(::write(writable.get(), "x", 1) == 1); }
  void read_empty() const {
    char bytes[4096];
    while (::read(readable.get(), bytes, sizeof bytes) > 0) {
    }
  }
};

// Null, and said once, where the system refuses.
std::unique_ptr<readable_flag> flag_of(pipe_ends const& pipe) {
  auto made = readable_flag::make(pipe.readable.get());
  if (!made) MESSAGE("this system has no io_uring for us: nothing is tested");
  return made;
}

}  // namespace

TEST_CASE("a flag is down until something is written, and is lowered by who has read that") {
  pipe_ends const pipe;
  auto const flag = flag_of(pipe);
  if (!flag) return;
  CHECK_FALSE(flag->is_up());
  for (int i = 0; i < 1000; ++i) {
    pipe.write();
    REQUIRE(flag->is_up());
    pipe.read_empty();
    REQUIRE(flag->is_up());
    flag->lower();
    REQUIRE_FALSE(flag->is_up());
    flag->lower();
    REQUIRE_FALSE(flag->is_up());
  }
}

TEST_CASE("a flag stays up as long as something is left") {
  pipe_ends const pipe;
  pipe.write();
  auto const flag = flag_of(pipe);
  if (!flag) return;
  CHECK(flag->is_up());
  flag->lower();
  CHECK(flag->is_up());
  flag->lower();
  CHECK(flag->is_up());
  pipe.read_empty();
  flag->lower();
  CHECK_FALSE(flag->is_up());
}

TEST_CASE("a flag is up once a write has returned, on another thread or in another process") {
  pipe_ends const pipe;
  auto const flag = flag_of(pipe);
  if (!flag) return;
  for (int i = 0; i < 100; ++i) {
    std::thread([&] { pipe.write(); }).join();
    REQUIRE(flag->is_up());
    pipe.read_empty();
    flag->lower();
    REQUIRE_FALSE(flag->is_up());
  }
  for (int i = 0; i < 20; ++i) {
    auto const child = ::fork();
    if (child == 0) ::_exit(::write(pipe.writable.get(), "x", 1) == 1 ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    REQUIRE(status == 0);
    REQUIRE(flag->is_up());
    pipe.read_empty();
    flag->lower();
    REQUIRE_FALSE(flag->is_up());
  }
}

TEST_CASE("a flag goes up with the end of the last writer") {
  pipe_ends pipe;
  auto const flag = flag_of(pipe);
  if (!flag) return;
  pipe.writable.reset();
  CHECK(flag->is_up());
}

TEST_CASE("another thread than its own does not lower a flag, and its own still can") {
  pipe_ends const pipe;
  auto const flag = flag_of(pipe);
  if (!flag) return;
  pipe.write();
  std::thread([&] {
    pipe.read_empty();
    flag->lower();
  }).join();
  CHECK(flag->is_up());
  flag->lower();
  CHECK_FALSE(flag->is_up());
}

}  // namespace yonder::platform
