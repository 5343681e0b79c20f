// SPDX-License-Identifier: Apache-2.0
//
// Its worker prints with stdio, and has things to do when it ends. What came of it goes to stdout.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "tests/e2e/tasks.hpp"

namespace {

struct lasting {
  lasting() = default;
  lasting(lasting const&) = delete;
  lasting& operator=(lasting const&) = delete;
  ~lasting() { std::puts("a static object is destroyed in a worker"); }
};

int print() {
  static lasting const object;
  std::atexit([] { std::puts("atexit in a worker"); });
  std::puts("printed by a task");
  std::fputs("without a line's end", stdout);
  return 0;
}
constexpr yonder::task<print, "print"> printing;

// Up to the end of a line, or of all.
std::string read_until(int fd, char end) {
  std::string text;
  for (char c = 0; ::read(fd, &c, 1) == 1 && c != end;) text += c;
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  auto here = std::make_unique<yonder::runtime>(argc, argv, yonder::runtime_options{.max = 1});
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return 1;
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  printing.remote();
  std::printf("%s\nthe runtime ends\n", read_until(ends[0], '\n').c_str());
  here.reset();
  ::close(STDERR_FILENO);
  std::printf("%s\n", read_until(ends[0], '\0').c_str());
}
