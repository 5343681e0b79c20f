// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/measure.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "src/platform/unique_fd.hpp"

extern char** environ;

namespace bench {
namespace {

[[noreturn]] void fail(char const* what) { throw std::system_error(errno, std::generic_category(), what); }

std::vector<char*> pointers_to(std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return pointers;
}

// `input` and `output`: its standard input and output; -1: ours.
pid_t start_program(std::vector<std::string> arguments, int input, int output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (input >= 0) ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  if (output >= 0) ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t pid = 0;
  auto const error =
      ::posix_spawnp(&pid, arguments[0].c_str(), &actions, nullptr, pointers_to(arguments).data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), arguments[0]);
  return pid;
}

void end_process(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::int64_t nanoseconds(timeval const& time) { return time.tv_sec * 1'000'000'000 + time.tv_usec * 1'000; }

}  // namespace

pinned::pinned() {
  if (::sched_getaffinity(0, sizeof before_, &before_) != 0) fail("sched_getaffinity");
  int core = CPU_SETSIZE - 1;
  while (!CPU_ISSET(core, &before_)) --core;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (::sched_setaffinity(0, sizeof one, &one) != 0) fail("sched_setaffinity");
}

pinned::~pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }

peer_process::peer_process(std::function<void()> const& serve) : pid_(::fork()) {
  if (pid_ < 0) fail("fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    serve();
  } catch (...) {
    ::_exit(EXIT_FAILURE);
  }
  ::_exit(EXIT_SUCCESS);
}

peer_process::~peer_process() { end_process(pid_); }

program_run run_program(std::vector<std::string> arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  yonder::platform::unique_fd const readable(ends[0]);
  yonder::platform::unique_fd writable(ends[1]);
  program_run run;
  run.started = now();
  auto const pid = start_program(std::move(arguments), -1, writable.get());
  writable.reset();
  char text[4096];
  for (ssize_t count; (count = ::read(readable.get(), text, sizeof text)) != 0;)
    if (count > 0) run.output.append(text, static_cast<std::size_t>(count));
  rusage used{};
  while (::wait4(pid, &run.status, 0, &used) < 0 && errno == EINTR) {
  }
  run.cpu_time = nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime);
  return run;
}

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

program::program(std::vector<std::string> arguments, int input)
    : pid_(start_program(std::move(arguments), input, -1)) {}
program::~program() { end_process(pid_); }

temporary_folder::temporary_folder()
    : path_((std::filesystem::temp_directory_path() / "yonder-bench-XXXXXX").string()) {
  if (::mkdtemp(path_.data()) == nullptr) fail("mkdtemp");
}
temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

comparison summarize(std::vector<double> const& ours, std::vector<double> const& peer) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / peer[i]);
  auto const [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  comparison result{.ours = median(ours), .peer = median(peer)};
  result.ratio = result.ours / result.peer;
  result.spread = (*most - *least) / median(ratios);
  return result;
}

latency percentiles(std::vector<std::int64_t>& times) {
  auto const at = [&](double part) {
    auto const place = times.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(times.size()));
    std::nth_element(times.begin(), place, times.end());
    return static_cast<double>(*place);
  };
  return {at(0.5), at(0.99)};
}

}  // namespace bench
