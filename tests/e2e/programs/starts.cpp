// SPDX-License-Identifier: Apache-2.0
//
// Is started in unusual ways. Its result, or the error, goes to stdout, or to a file where it is given one.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/tasks.hpp"

namespace {

int noisy(int n) {
  std::printf("to stdout\n");
  std::fprintf(stderr, "to stderr\n");
  return 2 * n;
}
constexpr yonder::task<noisy, "noisy"> noisily;

std::string variable(char const* name) {
  char const* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string answer() {
  if (!variable("YONDER_TEST_CRASH").empty()) {
    try {
      e2e::task::crash.remote("abort");
    } catch (yonder::worker_lost const& error) {
      std::puts(error.what());
    }
  }
  try {
    return std::to_string(noisily.remote(21));
  } catch (yonder::error const& error) {
    return error.what();
  }
}

// Whether the worker that now lives holds none of the pipes that a program of ours would inherit.
bool has_pipes_to_itself(std::vector<std::array<int, 2>> const& pipes) {
  for (auto const& ends : pipes) {
    ::close(ends[1]);
    pollfd end{ends[0], POLLIN, 0};
    if (::poll(&end, 1, 0) != 1 || (end.revents & POLLHUP) == 0) return false;
  }
  return true;
}

// Whose destructor calls, when main is over.
struct late_caller {
  bool calls = false;
  late_caller() = default;
  late_caller(late_caller const&) = delete;
  late_caller& operator=(late_caller const&) = delete;
  ~late_caller() {
    if (!calls) return;
    auto const outcome = e2e::task::add.try_remote(1, 2);
    ::dprintf(STDOUT_FILENO, "%s\n", outcome ? "a value" : outcome.error().what());
  }
};

// In the order in which they are made: the last goes first.
std::optional<yonder::call<int>> kept;
late_caller late;
std::optional<yonder::runtime> lasting;

int hold_statically(int argc, char** argv) {
  lasting.emplace(argc, argv, yonder::runtime_options{.max = 1});
  kept.emplace(e2e::task::add.spawn(1, 2));
  late.calls = true;
  ::dprintf(STDOUT_FILENO, "%d\n", kept->get());
  return 0;
}

}  // namespace

// A program that starts itself once more before anything else, to change what only a start can.
void start_again(char** argv) {
  auto const self = std::to_string(::getpid());
  if (variable("YONDER_TEST_AGAIN").empty() || variable("YONDER_TEST_AGAIN") == self) return;
  ::setenv("YONDER_TEST_AGAIN", self.c_str(), 1);
  if (std::atoi(variable("YONDER_TEST_DEPTH").c_str()) > 3)
    ::_exit(1);  // workers that take themselves for more
  ::execv("/proc/self/exe", argv);
}

int main(int argc, char** argv) {
  start_again(argv);
  if (!variable("YONDER_TEST_STATICS").empty()) return hold_statically(argc, argv);
  if (!yonder::is_worker())
    ::setenv("YONDER_TEST_DEPTH",
             std::to_string(std::atoi(variable("YONDER_TEST_DEPTH").c_str()) + 1).c_str(), 1);
  yonder::runtime_options options{.max = 1};
  if (auto const command = variable("YONDER_TEST_COMMAND"); !command.empty())
    options.worker_command = {command, "-c", "echo started by a command >&2; exec $YONDER_TEST_BY \"$0\"",
                              argv[0]};
  yonder::runtime here(argc, argv, options);
  std::vector<std::array<int, 2>> pipes(8);
  for (auto& ends : pipes)
    if (::pipe(ends.data()) != 0) return 1;
  int file = STDOUT_FILENO;
  if (auto const name = variable("YONDER_TEST_FILE"); !name.empty())
    file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dprintf(file, "main runs\n");
  if (::chdir("/") != 0) return 1;
  if (auto const own_file = variable("YONDER_TEST_REMOVE"); !own_file.empty()) ::unlink(own_file.c_str());
  ::dprintf(file, "%s\n", answer().c_str());
  if (here.worker_count() == 1 && !has_pipes_to_itself(pipes)) ::dprintf(file, "its pipes were inherited\n");
}
