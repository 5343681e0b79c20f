// SPDX-License-Identifier: Apache-2.0
//
// A program that links all of Yonder and has tasks, before it makes a runtime: nothing of the process has
// changed.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <yonder/yonder.hpp>

int twice(int number) { return 2 * number; }
inline constexpr yonder::task<twice> doubling;

extern char** environ;

namespace {

// In a folder of /proc/self.
long count(char const* folder) {
  std::filesystem::directory_iterator const entries(folder);
  return std::distance(begin(entries), end(entries));
}

bool has_handlers() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL &&
        action.sa_handler != SIG_IGN)
      return true;
  }
  return false;
}

bool blocks_signals() {
  sigset_t blocked;
  ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
  return ::sigismember(&blocked, SIGTERM) != 0 || ::sigismember(&blocked, SIGCHLD) != 0;
}

bool says(bool good, char const* what) {
  if (!good) std::fprintf(stderr, "before a runtime is made: %s\n", what);
  return good;
}

}  // namespace

int main() {
  bool good = doubling.local(21) == 42;
  good = says(count("/proc/self/task") == 1, "another thread runs") && good;
  good = says(!has_handlers(), "a signal has a handler") && good;
  good = says(!blocks_signals(), "a signal is blocked") && good;
  for (int descriptor = 3; descriptor < 64; ++descriptor) {
    auto const link = "/proc/self/fd/" + std::to_string(descriptor);
    std::error_code none;
    auto const target = std::filesystem::read_symlink(link, none).string();
    good = says(!target.starts_with("socket:") && !target.starts_with("anon_inode:"),
                "a socket or a poller is open") &&
           good;
  }
  char const* const* variable = environ;
  while (*variable != nullptr && !std::string_view(*variable).starts_with("YONDER_WORKER")) ++variable;
  return says(*variable == nullptr, "the environment tells of a worker") && good ? 0 : 1;
}
