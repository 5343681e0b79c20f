// SPDX-License-Identifier: Apache-2.0
//
// Its workers print more than its stderr takes: a pipe that nobody reads, that is read later, that is closed.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "src/platform/unique_fd.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace {

std::size_t print_much(int lines, std::string const& text) {
  for (int i = 0; i < lines; ++i) std::fprintf(stderr, "%s %999d\n", text.c_str(), i);
  return text.size();
}
constexpr yonder::task<print_much, "print_much"> much;

struct read_end {
  yonder::platform::unique_fd fd;
  std::string rest() const {
    std::string all;
    char text[4096];
    for (ssize_t count = 0; (count = ::read(fd.get(), text, sizeof text)) > 0;)
      all.append(text, static_cast<std::size_t>(count));
    return all;
  }
};

read_end become_stderr() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  return {yonder::platform::unique_fd(ends[0])};
}

bool contains(std::string const& all, std::string const& text) { return all.find(text) != all.npos; }

}  // namespace

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 1});
  auto reader = become_stderr();
  much.with({.deadline = 30s}).remote(3000, "never read");  // 3 MB: past what is held
  std::puts("a stderr that nobody reads stops no call");

  std::string seen;
  std::thread late([&] { seen = reader.rest(); });
  much.remote(100, "read late");
  auto next = become_stderr();  // which ends the reading, once all is written
  late.join();
  if (contains(seen, "never read") && contains(seen, "bytes that workers printed were dropped"))
    std::puts("what was held is written once it is read, and what was dropped is told");

  next.fd.reset();
  much.remote(100, "to nobody");
  std::puts("a closed stderr ends nobody");
}
