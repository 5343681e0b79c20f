// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <numeric>
#include <string>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

// What ends processes: not run where workers are threads.
namespace e2e {
namespace {

// The signal that ends a child of the task: SIGTERM, or the alarm's where that does not get through.
template <class Start>
int end_by_sigterm(Start start) {
  auto const child = start();
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WTERMSIG(status);
}

int end_fork() {
  return end_by_sigterm([] {
    auto const child = ::fork();
    if (child == 0) {
      ::alarm(5);
      for (;;) ::pause();
    }
    return child;
  });
}

int end_program() {
  return end_by_sigterm([] {
    std::array<char const*, 4> const command{"sh", "-c", "kill -TERM $$; kill -ALRM $$", nullptr};
    pid_t child = 0;
    ::posix_spawnp(&child, command[0], nullptr, nullptr, const_cast<char* const*>(command.data()), environ);
    return child;
  });
}

int die_at_333(int n) {
  if (n == 333) ::raise(SIGKILL);
  return n;
}

int talk_and_die(int lines) {
  for (int i = 0; i < lines; ++i) {
    auto const line = "line " + std::to_string(i) + "\n";
    [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
  }
  return ::raise(SIGKILL);
}

// Its connection is what a worker inherits first.
int turn_deaf() {
  ::close(3);
  return ::pause();
}

// Bytes of a core dump.
std::uint64_t most_dumped() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_CORE, &limit) == 0 ? limit.rlim_cur : 1;
}

inline constexpr yonder::task<die_at_333, "die_at_333"> dies_at_333;
inline constexpr yonder::task<most_dumped, "most_dumped"> limit_of_dumps;
inline constexpr yonder::task<talk_and_die, "talk_and_die"> talks_and_dies;
inline constexpr yonder::task<turn_deaf, "turn_deaf"> turns_deaf;
[[maybe_unused]] inline constexpr yonder::task<end_fork, "end_fork"> fork_ended;
inline constexpr yonder::task<end_program, "end_program"> program_ended;

}  // namespace

TEST_CASE("SIGTERM ends what a task starts, as it does where the task is called here") {
  yonder::runtime one({.max = 1});
  auto const worker = task::process.on(one).remote();
#ifndef __SANITIZE_THREAD__  // which keeps a signal back until the next call: the child may pause by then
  CHECK(fork_ended.on(one).remote() == SIGTERM);
#endif
  CHECK(program_ended.on(one).remote() == SIGTERM);
  CHECK(task::process.on(one).remote() == worker);
}

TEST_CASE("a worker leaves no core dump, whatever the program that started it would leave") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &before) == 0);
  rlimit const all{before.rlim_max, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_CORE, &all) == 0);
  {
    yonder::runtime one({.max = 1});
    CHECK(limit_of_dumps.on(one).remote() == 0);
  }
  CHECK(most_dumped() == all.rlim_cur);
  REQUIRE(::setrlimit(RLIMIT_CORE, &before) == 0);
}

TEST_CASE("promise 13: a crash kills one attempt and is reported with its signal and the last words") {
  auto const failure = failure_of([] { task::crash.remote("abort"); });
  CHECK(failure.code == yonder::errc::worker_lost);
  CHECK(failure.signal == SIGABRT);
  CHECK(failure.message.find("the worker was ended by SIGABRT (signal 6)") == 0);
  CHECK(failure.task == "e2e::crash");
  CHECK(failure.attempt == 1);
  CHECK(failure.stderr_tail.find("the last words") != std::string::npos);
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE(
    "promise 2: of many calls that travel together a crash loses those that had started, and no other") {
  yonder::runtime one({.max = 1});
  std::vector<int> numbers(2000);
  std::iota(numbers.begin(), numbers.end(), 0);
  int index = 0;
  int lost = 0;
  for (auto const& result : dies_at_333.on(one).map(numbers).on_error(yonder::on_error::collect)) {
    CAPTURE(index);
    if (!result) {
      CHECK(result.error().code() == yonder::errc::worker_lost);
      CHECK(index <= 333);
      ++lost;
    }
    if (index == 333) CHECK_FALSE(result.has_value());
    ++index;
  }
  CHECK(index == 2000);
  CHECK(lost >= 1);
  CHECK(dies_at_333.on(one).with({.idempotent = true}).remote(1) == 1);
}

TEST_CASE("promise 3: a worker that somebody stops is fenced, and replaced") {
  yonder::runtime one({.max = 1});
  auto const stopped = task::process.on(one).remote();
  auto const failure =
      failure_of([&] { task::crash.on(one).remote("stop"); });  // by itself: it has begun then
  CHECK(failure.code == yonder::errc::worker_lost);
  CHECK(failure.message.find("the worker was stopped by a signal") == 0);
  CHECK(task::process.on(one).remote() != stopped);
}

TEST_CASE("promise 13: of a worker that wrote much before its end the last lines are told") {
  auto const failure = failure_of([] { talks_and_dies.remote(3000); });
  CHECK(failure.stderr_tail.ends_with("line 2999\n"));
  CHECK(failure.stderr_tail.find("line 0\n") == std::string::npos);
  CHECK(failure.stderr_tail.size() <= 4096);
}

TEST_CASE("a worker that closes its connection is lost, and ended") {
  yonder::runtime one({.max = 1});
  watched_process const worker(task::process.on(one).remote());
  CHECK(failure_of([&] { turns_deaf.on(one).with({.deadline = 30s}).remote(); }).code ==
        yonder::errc::worker_lost);
  CHECK(worker.ends_within(30s));
}

TEST_CASE("promise 2: a lost attempt is not made again by itself") {
  CHECK_THROWS_AS(task::crash.remote("kill"), yonder::worker_lost);
  CHECK(failure_of([] { task::crash.remote("kill"); }).signal == SIGKILL);
}

TEST_CASE("std::exit in a task is a lost attempt") {
  auto const failure = failure_of([] { task::crash.remote("exit"); });
  CHECK(failure.code == yonder::errc::worker_lost);
  CHECK(failure.signal == 0);
  CHECK(failure.exit_status == 3);
  CHECK(failure.message.find("the worker exited with status 3") == 0);
}

TEST_CASE("promise 2: retries make a lost attempt again") {
  auto const failure = failure_of([] { task::crash.with({.retries = 1}).remote("kill"); });
  CHECK(failure.code == yonder::errc::worker_lost);
  CHECK(failure.attempt == 2);
}

TEST_CASE("promise 8: running work that ignores its stop is killed after the grace period") {
  auto call = task::ignore_stop.spawn();
  until_running(call);
  call.cancel();
  CHECK_THROWS_AS(call.get(), yonder::cancelled);
  yonder::runtime one({.max = 1});
  auto stuck = task::ignore_stop.on(one).spawn();
  until_running(stuck);
  stuck.cancel();
  CHECK(task::add.on(one).remote(1, 2) == 3);  // once the only worker has been replaced
}

TEST_CASE("promise 11: SIGTERM drains a worker: what runs is finished, and the process exits") {
  yonder::runtime one({.max = 1});
  watched_process const worker(task::process.on(one).remote());
  CHECK(task::terminate_self.on(one).remote(5) == 5);
  CHECK(worker.ends_within(10s));
  CHECK(task::add.on(one).remote(1, 2) == 3);
}

TEST_CASE("a task may retire its worker: its call is answered, the process ends, another one goes on") {
  yonder::runtime one({.max = 1});
  watched_process const worker(task::process.on(one).remote());
  auto call = task::retire.on(one).spawn();
  auto next = task::process.on(one).spawn();
  CHECK(call.get() == yonder::to_string(call.id()));
  CHECK(worker.ends_within(10s));
  CHECK(next.get() != ::getpid());
  CHECK(task::add.on(one).remote(1, 2) == 3);
}

TEST_CASE("promise 15: the worker answers the hub while a task computes") {
  auto call = task::wait_for_stop.spawn();
  until_running(call);
  call.cancel();  // reaches the task in time: otherwise its worker would be killed, and the next line would
                  // see it
  CHECK_THROWS_AS(call.get(), yonder::cancelled);
}

TEST_CASE("a worker bears its program's name") {
  auto const name_of = [](std::string const& process) {
    std::string name;
    std::getline(std::ifstream("/proc/" + process + "/comm"), name);
    return name;
  };
  CHECK(name_of(std::to_string(task::process.remote())) == name_of("self"));
}

TEST_CASE("workers are let go when they have been idle") {
  yonder::runtime brief({.max = 1, .scaledown_window = 20ms});
  watched_process const worker(task::process.on(brief).remote());
  CHECK(worker.ends_within(10s));
  CHECK(task::add.on(brief).remote(1, 2) == 3);
}

TEST_CASE("workers are gone when their runtime is") {
  auto ended = std::make_unique<yonder::runtime>(yonder::runtime_options{.max = 2});
  watched_process const worker(task::process.on(*ended).remote());
  auto running = task::wait_for_stop.on(*ended).spawn();
  until_running(running);
  ended.reset();
  CHECK(worker.ends_within(0ms));
}

TEST_CASE("in a fork of this process the runtime is inert" *
          doctest::skip(YONDER_IS_SANITIZED)) {  // whose run-time does not fork with threads
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto const result = task::add.try_remote(1, 2);
    ::_exit(!result && result.error().code() == yonder::errc::no_runtime ? 0 : 1);
  }
  int status = -1;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(task::add.remote(1, 2) == 3);
}

}  // namespace e2e
