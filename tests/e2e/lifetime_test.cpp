// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

// Programs that end in unusual ways. Their paths come from CMake.
namespace e2e {
namespace {

std::filesystem::path temporary_folder() {
  std::string name = std::filesystem::temp_directory_path() / "yonder-lifetime-XXXXXX";
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  return name;
}

}  // namespace

TEST_CASE("when a program and its whole process group are killed, no worker and no file is left") {
  auto const folder = temporary_folder();
  program victim(YONDER_VICTIM, {"TMPDIR=" + folder.string(), "XDG_RUNTIME_DIR=" + folder.string()});
  std::istringstream said(victim.read_line());
  int first = 0;
  int second = 0;
  said >> first >> second;
  REQUIRE(!said.fail());
  CHECK(first != second);
  watched_process const one(first);
  watched_process const other(second);
  victim.kill_group();
  victim.wait();
  CHECK(one.ends_within(10s));
  CHECK(other.ends_within(10s));
  CHECK(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
}

TEST_CASE("the least number of workers is there without a call") {
  yonder::runtime const here({.min = 2, .max = 3, .in_process = true});
  while (here.worker_count() < 2) std::this_thread::yield();
  CHECK(here.worker_count() == 2);
}

TEST_CASE("a runtime with fewer workers at most than at least is refused in words") {
  auto const failure = failure_of([] { yonder::runtime const here({.min = 3, .max = 2}); });
  CHECK(failure.code == yonder::errc::bad_configuration);
  CHECK(failure.message.find("max is 2, min 3") != std::string::npos);
}

TEST_CASE("calls go to the oldest runtime that stands") {
  auto first = std::make_unique<yonder::runtime>(yonder::runtime_options{.max = 1, .in_process = true});
  yonder::runtime const second({.max = 1, .in_process = true});
  CHECK(task::add.remote(1, 2) == 3);
  first.reset();
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE("a runtime that is not the current one takes the calls that name it, and no others") {
  yonder::runtime librarys({.max = 1, .in_process = true, .is_current = false});
  CHECK(task::add.on(librarys).remote(1, 2) == 3);
  auto const refused = task::add.try_remote(1, 2);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code() == yonder::errc::no_runtime);
  yonder::runtime const hosts({.max = 1, .in_process = true});
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE("whoever wants no limits says the largest numbers") {
  constexpr auto none = std::numeric_limits<std::size_t>::max();
  yonder::runtime unlimited({.max = 1,
                             .in_process = true,
                             .max_calls = none,
                             .max_bytes = none,
                             .max_call_bytes = none,
                             .max_decoded_bytes = none});
  CHECK(task::doubled.on(unlimited).remote(std::vector<float>(200'000, 1)).back() == 2);
}

TEST_CASE("a runtime may end between a call's finding it and the call") {
  auto ends = std::make_unique<yonder::runtime>(yonder::runtime_options{.max = 1, .in_process = true});
  auto const found = yonder::detail::current_engine();
  ends.reset();
  REQUIRE(found.use_count() > 0);  // it is held
  auto const& entry = task::add.entry();
  auto const call = yonder::detail::submit(found, entry, {}, yonder::detail::begin_call(entry, {}),
                                           yonder::detail::departure::awaited);
  auto const* const failure = yonder::detail::failure_of(*call);
  REQUIRE(failure != nullptr);
  CHECK(failure->code == yonder::errc::disconnected);
}

TEST_CASE("threads may call while runtimes come and go") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        auto const result = task::add.try_remote(1, 2);
        if (result) REQUIRE(*result == 3);
      }
    });
  }
  for (int i = 0; i < 200; ++i) yonder::runtime const brief({.max = 1, .in_process = true});
  stop = true;
  for (auto& caller : callers) caller.join();
}

// A sanitizer's run-time does not fork with threads: what it had locked stays locked in the child.
#if !YONDER_IS_SANITIZED
TEST_CASE("a fork is told that its runtime is not its own, and may make one") {
  yonder::runtime const parents({.max = 1, .in_process = true});
  CHECK(task::add.remote(1, 2) == 3);
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto const refused = task::add.try_remote(1, 2);
    auto const told = !refused && refused.error().code() == yonder::errc::no_runtime;
    yonder::runtime const own({.max = 1, .in_process = true});
    ::_exit(told && task::add.remote(1, 2) == 3 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE("in forks of a program with workers every call is inert, and the program's own go on") {
  program forks(YONDER_FORKS);
  CHECK(forks.read_all() == "all as it should be\n");
  CHECK(forks.wait().status == 0);
}
#endif

TEST_CASE("workers end with their program, though a fork of it lives on") {
  program victim(YONDER_FORKS, {"YONDER_TEST_FORK=lives on"});
  std::istringstream said(victim.read_line());
  int worker = 0;
  said >> worker;
  REQUIRE(!said.fail());
  watched_process const watched(worker);
  victim.kill();
  CHECK(watched.ends_within(10s));
  CHECK(victim.read_line() == "the fork lives");
}

TEST_CASE("two tasks with one name are refused at start, in words") {
  program twins(YONDER_TWINS);
  CHECK(twins.read_all().find("two functions of this program are tasks of the name 'twin'") !=
        std::string::npos);
  CHECK(twins.wait().status == 0);
}

TEST_CASE("a worker that cannot start is reported with what it wrote") {
  program no_worker(YONDER_NO_WORKER);
  auto const said = no_worker.read_all();
  CHECK(said.find("worker_start_failed") != std::string::npos);
  CHECK(said.find("status 9") != std::string::npos);
  CHECK(said.find("a worker runs main up to its yonder::runtime") != std::string::npos);
  auto const words = said.find("no licence for this machine", said.find("worker_start_failed"));
  CHECK(words != std::string::npos);
  CHECK(said.find("no licence for this machine", words + 1) == std::string::npos);
  CHECK(said.find("stderr ended with") == said.rfind("stderr ended with"));
  CHECK(no_worker.wait().status == 0);
}

TEST_CASE("what workers print goes to stderr, and what they start is no worker") {
  program printer(YONDER_STDOUT);
  auto const said = printer.read_all();
  CHECK(said.find("from a worker\n") != std::string::npos);
  CHECK(said.find("apart, clean\n") != std::string::npos);
  CHECK(printer.wait().status == 0);
}

TEST_CASE("a full or closed stderr neither stops calls nor ends the program") {
  program full(YONDER_FULL_STDERR);
  auto const said = full.read_all();
  CHECK(said ==
        "a stderr that nobody reads stops no call\n"
        "what was held is written once it is read, and what was dropped is told\n"
        "a closed stderr ends nobody\n");
  CHECK(full.wait().status == 0);
}

TEST_CASE("what a task prints appears at once, and workers end as programs do") {
  program parting(YONDER_FAREWELL);
  CHECK(parting.read_line() == "printed by a task");
  CHECK(parting.read_line() == "the runtime ends");
  auto const rest = parting.read_all();
  CHECK(rest.find("a static object is destroyed in a worker\n") != std::string::npos);
  CHECK(rest.find("atexit in a worker\n") != std::string::npos);
  CHECK(rest.find("without a line's end") != std::string::npos);
  CHECK(parting.wait().status == 0);
}

}  // namespace e2e
