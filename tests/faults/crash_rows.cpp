// SPDX-License-Identifier: Apache-2.0
//
// Tasks that end their worker.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/folder.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"

namespace faults {
namespace {

using yonder::errc;

struct ending {
  errc code = errc::worker_lost;
  int signal = 0;
  int status = 0;
};

bool is(yonder::error_details const& failure, ending const& wanted) {
  return failure.code == wanted.code && failure.signal == wanted.signal &&
         failure.exit_status == wanted.status;
}

// How long the same takes a process that nobody serves.
nanoseconds crash_bare(std::string const& how) {
  auto const begin = clock::now();
  auto const child = ::fork();
  if (child == 0) ::_exit(crash(how));
  ::waitpid(child, nullptr, 0);
  return clock::now() - begin;
}

// `before` belongs to the task, not to the report of its end.
void crash_workers(findings& seen, std::string const& how, ending const& wanted,
                   yonder::options settings = {}, nanoseconds before = {}) {
  rlimit const none{};
  ::setrlimit(RLIMIT_CORE, &none);
  e2e::folder const place;
  board const shared(place / "board");
  yonder::runtime here({.max = 1, .buffer = 0});
  stall_watch machine;
  nanoseconds longest{}, bare{};
  std::uint64_t wrong = 0, next_failed = 0;
  std::string first_wrong;
  int const times = seen.how_much().of(5, before > 0ns ? 20 : 1'000);
  for (int i = 0; i < times; ++i) {
    task::enter.on(here).remote(shared.path(), 0U);  // a worker is there
    if (wanted.code == errc::worker_lost) bare = std::max(bare, crash_bare(how));
    auto const begin = clock::now();
    auto call = task::crash.on(here).with(settings).spawn(how);
    call.wait();
    longest = std::max<nanoseconds>(longest, clock::now() - begin - before);
    auto const failure = failure_of(call);
    if (!is(failure, wanted) && ++wrong == 1) first_wrong = ": " + failure.message;
    if (task::enter.on(here).with({.deadline = 20s}).spawn(shared.path(), 1U).try_get().value_or(0) != 2)
      ++next_failed;
  }
  seen.at_most("told in", longest, 100ms, std::max(bare, machine.longest()));
  seen.equals("of " + std::to_string(times) + " told otherwise" + first_wrong, wrong, 0);
  seen.equals("next calls failed", next_failed, 0);
}

void segv(findings& seen) { crash_workers(seen, "segv", {.signal = SIGSEGV}); }
void abort_call(findings& seen) { crash_workers(seen, "abort", {.signal = SIGABRT}); }
void overflow(findings& seen) { crash_workers(seen, "overflow", {.signal = SIGSEGV}); }
void exit_badly(findings& seen) { crash_workers(seen, "exit", {.status = 7}); }
void loop(findings& seen) {
  crash_workers(seen, "loop", {.code = errc::timed_out}, {.timeout = 100ms}, 100ms);
}

// A group of processes that may have so much memory, of either version of cgroups.
class memory_group {
 public:
  explicit memory_group(std::uint64_t bytes) {
    for (std::string const root : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      path_ = root + "/yonder-faults-" + std::to_string(::getpid());
      std::error_code failed;
      if (!std::filesystem::create_directory(path_, failed)) continue;
      if (write("memory.limit_in_bytes", std::to_string(bytes)) || write("memory.max", std::to_string(bytes)))
        return;
      std::filesystem::remove(path_, failed);
    }
    throw skipped("needs root, and a cgroup with a memory controller");
  }
  ~memory_group() { ::rmdir(path_.c_str()); }
  memory_group(memory_group const&) = delete;
  memory_group& operator=(memory_group const&) = delete;

  void take(pid_t process) const {
    if (!write("cgroup.procs", std::to_string(process)))
      throw skipped("needs the right to move into a cgroup");
  }

 private:
  bool write(std::string const& file, std::string const& text) const {
    if (!std::filesystem::exists(path_ + "/" + file)) return false;
    std::ofstream out(path_ + "/" + file);
    return static_cast<bool>(out << text << std::flush);
  }

  std::string path_;
};

void out_of_memory(findings& seen) {
  memory_group const small(std::uint64_t{32} << 20);
  yonder::runtime here({.max = 1});
  stall_watch machine;
  nanoseconds longest{};
  std::uint64_t wrong = 0, next_failed = 0;
  int const times = seen.how_much().of(5, 100);
  for (int i = 0; i < times; ++i) {
    auto const process = task::process.on(here).remote();
    small.take(process);
    auto call = task::crash.on(here).spawn("memory");
    bool const ended = ends_within(process, 30s);
    auto const begin = clock::now();
    if (ended) call.wait();
    longest = std::max<nanoseconds>(longest, clock::now() - begin);
    if (!ended || !is(failure_of(call), {.signal = SIGKILL})) ++wrong;
    if (task::process.on(here).with({.deadline = 20s}).spawn().try_get().value_or(process) == process)
      ++next_failed;
  }
  seen.at_most("told in", longest, 100ms, machine.longest());
  seen.equals("of " + std::to_string(times) + " told otherwise", wrong, 0);
  seen.equals("next calls failed", next_failed, 0);
}

constexpr std::string_view told = "typed error with the signal within 100 ms; the next call works";

}  // namespace

std::vector<row> crash_rows() {
  return {
      {"segv", "a task reads at address 0", told, segv, 60s, 600s, true},
      {"abort", "a task aborts", told, abort_call, 60s, 600s},
      {"overflow", "a task overflows its stack", told, overflow, 60s, 600s},
      {"exit", "a task exits, and a static destructor does again",
       "typed error with the status within 100 ms; the next call works", exit_badly, 60s, 600s},
      {"loop", "a task loops for ever, with a timeout", "timed_out within 100 ms of it; the next call works",
       loop, 90s, 600s},
      {"memory", "a worker out of memory (cgroup of 32 MiB)", told, out_of_memory, 60s, 600s},
  };
}

}  // namespace faults
