// SPDX-License-Identifier: Apache-2.0
//
// A worker of a hub elsewhere, of another build: one task that the tests lack, one with another structure.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/noted.hpp"
#include "tests/e2e/remote_service.hpp"
#include "tests/e2e/tasks.hpp"

namespace {

// Leaves a process that has ended once its parent has; returns its number.
int leave_orphan() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return 0;
  auto const child = ::fork();
  if (child == 0) {
    auto const parent = ::getpid();
    if (auto const orphan = ::fork(); orphan != 0) {
      [[maybe_unused]] auto const told = ::write(ends[1], &orphan, sizeof orphan);
      ::_exit(0);
    }
    while (::getppid() == parent) std::this_thread::yield();
    ::_exit(0);
  }
  pid_t orphan = 0;
  if (::read(ends[0], &orphan, sizeof orphan) != sizeof orphan) return 0;
  ::waitpid(child, nullptr, 0);
  for (int const end : ends) ::close(end);
  return orphan;
}

// Prints in one of the ways there are, and then, if it is to, stays until it is told to stop.
int say(std::string const& how, std::string const& text, bool stays) {
  if (how == "cout") std::cout << text << std::flush;
  if (how == "printf") std::printf("%s", text.c_str());
  if (how == "stderr") std::fputs(text.c_str(), stderr);
  if (how == "child") [[maybe_unused]]
    auto const status = std::system(("printf %s '" + text + "' >&2").c_str());
  if (how == "flood")
    for (int i = 0; i < 4096; ++i) std::fputs((std::string(1023, 'x') + "\n").c_str(), stderr);
  if (how == "flood") std::fputs(text.c_str(), stderr);
  while (stays && !yonder::this_call::stop_requested()) std::this_thread::yield();
  return 0;
}

yonder::ref<std::vector<double>> make_ones(int size) {
  return yonder::put(std::vector<double>(static_cast<std::size_t>(size), 1.0));
}

}  // namespace

[[maybe_unused]] constexpr yonder::task<say, "e2e.say"> says;
[[maybe_unused]] constexpr yonder::task<leave_orphan, "e2e.leave_orphan"> orphans;
[[maybe_unused]] constexpr yonder::task<[](int n) { return n; }, "e2e.structure"> structure;
[[maybe_unused]] constexpr yonder::task<[] { return 0; }, "e2e.only_there"> only_there;
[[maybe_unused]] constexpr yonder::task<make_ones, "e2e.ones_there"> ones_there;

int main(int argc, char** argv) {
  // The process that was started, and not the worker that it starts, is as the first one of a container.
  if (std::getenv("YONDER_TEST_FIRST_PROCESS") != nullptr) {
    ::unsetenv("YONDER_TEST_FIRST_PROCESS");
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  yonder::runtime const here(argc, argv);
}
