// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <link.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/e2e/program.hpp"
#include "yonder/yonder.hpp"

// Programs that are started in unusual ways.
namespace e2e {
namespace {

constexpr char right[] = "main runs\n42\n";

// A file that is gone with the test.
class scratch_file {
 public:
  scratch_file() : name_(std::filesystem::temp_directory_path() / "yonder-starts-XXXXXX") {
    ::close(::mkstemp(name_.data()));
  }
  ~scratch_file() { std::filesystem::remove(name_); }
  scratch_file(scratch_file const&) = delete;
  scratch_file& operator=(scratch_file const&) = delete;

  std::string const& name() const { return name_; }
  std::string content() const {
    std::stringstream text;
    text << std::ifstream(name_).rdbuf();
    return text.str();
  }

 private:
  std::string name_;
};

// Our own loader, as the program's name for one.
std::string loader() {
  std::string found;
  ::dl_iterate_phdr(
      [](dl_phdr_info* image, std::size_t, void* to) {
        std::string const name = image->dlpi_name;
        if (name.find("/ld-") != name.npos) *static_cast<std::string*>(to) = name;
        return 0;
      },
      &found);
  return found;
}

// Without what workers print.
std::string answer_of(program& started) {
  auto all = started.read_all();
  for (std::string const line : {"to stdout\n", "to stderr\n"})
    if (auto const at = all.find(line); at != all.npos) all.erase(at, line.size());
  return all;
}

}  // namespace

TEST_CASE("a program whose stdin, stdout or stderr is closed calls and ends, and its files stay its own") {
  for (std::string const closed : {"2>&-", "<&- 2>&-", "<&- >&- 2>&-", "<&-", ">&-"}) {
    CAPTURE(closed);
    scratch_file const file;
    program daemon("/bin/sh", {"YONDER_TEST_FILE=" + file.name()},
                   {"-c", "exec \"$0\" " + closed, YONDER_STARTS});
    daemon.read_all();
    CHECK(daemon.wait().status == 0);
    CHECK(file.content() == right);
  }
}

TEST_CASE("workers get nothing of their program's descriptors") {
  program ordinary(YONDER_STARTS);
  CHECK(answer_of(ordinary) == right);
}

TEST_CASE("workers run where newer system calls are missing or refused") {
  for (int const error : {EPERM, ENOSYS}) {
    program old(YONDER_REFUSE, {}, {std::to_string(error), YONDER_STARTS});
    auto const said = answer_of(old);
    if (old.wait().status == 77) {
      MESSAGE("skipped: this system lets nobody filter system calls");
      return;
    }
    CHECK(said == right);
  }
}

TEST_CASE("where no memory can be shared with workers their sockets serve alone, and the log says so once") {
  program limited("/bin/sh", {}, {"-c", "ulimit -f 64; exec \"$0\"", YONDER_STARTS});
  auto const said = answer_of(limited);
  auto const notice = said.find("no memory is shared with workers");
  CHECK(notice != said.npos);
  CHECK(said.find("no memory is shared", notice + 1) == said.npos);
  CHECK(said.find("42\n") != said.npos);
}

TEST_CASE("a crash is told with its signal where there are no pidfds") {
  program old(YONDER_REFUSE, {"YONDER_TEST_CRASH=1"}, {std::to_string(ENOSYS), YONDER_STARTS});
  auto const said = answer_of(old);
  if (old.wait().status == 77) return;
  CHECK(said.find("SIGABRT") != said.npos);
  CHECK(said.find("\n42\n") != said.npos);
}

TEST_CASE("a program that the loader was told to start has workers") {
  auto const name = loader();
  REQUIRE(!name.empty());
  program loaded(name, {}, {YONDER_STARTS});
  CHECK(answer_of(loaded) == right);
}

TEST_CASE("a program that was moved since its start has workers") {
  auto const folder = std::filesystem::path(YONDER_STARTS).parent_path();
  auto const here = folder / "moved_while_it_ran";
  std::filesystem::copy_file(YONDER_STARTS, here, std::filesystem::copy_options::overwrite_existing);
  program moved(here, {"YONDER_TEST_REMOVE=" + here.string()});
  CHECK(answer_of(moved) == right);
  CHECK(!std::filesystem::exists(here));
}

int only_here(int number) { return number; }
inline constexpr yonder::task<only_here> only_here_task;

TEST_CASE("a task that workers of another program lack is unknown, and the caller is told what links it") {
  yonder::runtime others({.max = 1, .worker_command = {YONDER_STARTS}});
  auto const refused = only_here_task.on(others).with({.deadline = std::chrono::seconds(60)}).try_remote(1);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code() == yonder::errc::unknown_function);
  CHECK(refused.error().details().message.find("link a static library that holds tasks whole") !=
        std::string::npos);
}

#ifndef __SANITIZE_THREAD__  // which needs a thread of its own
TEST_CASE("a worker that gets no thread says so in words") {
  program host(YONDER_STARTS,
               {"YONDER_TEST_COMMAND=sh", std::string("YONDER_TEST_BY=") + YONDER_REFUSE + " threads"});
  auto const said = answer_of(host);
  if (said.find("exited with status 77") != said.npos) {
    MESSAGE("skipped: this system lets nobody filter system calls");
    return;
  }
  CAPTURE(said);
  CHECK(said.find("worker_start_failed") != said.npos);
  CHECK(said.find("the worker exited with status 1 before it was ready") != said.npos);
  CHECK(said.find("yonder worker: unsatisfiable: the system refuses what a runtime needs") != said.npos);
}
#endif

TEST_CASE("objects of static storage hold a runtime and calls, and may call when there is no runtime left") {
  program statics(YONDER_STARTS, {"YONDER_TEST_STATICS=yes"});
  auto const said = statics.read_all();
  CHECK(said.find("3\nno_runtime: no yonder::runtime stands in this process") == 0);
  CHECK(statics.wait().status == 0);
}

TEST_CASE("workers may be another program") {
  program host(YONDER_STARTS, {"YONDER_TEST_COMMAND=sh"});
  auto said = answer_of(host);
  CHECK(said.find("started by a command\n") != said.npos);
  CHECK(said.find("42\n") != said.npos);
  program lost(YONDER_STARTS, {"YONDER_TEST_COMMAND=no-such-program"});
  said = answer_of(lost);
  CHECK(said.find("worker_start_failed") != said.npos);
  CHECK(said.find("'no-such-program': No such file") != said.npos);
}

TEST_CASE(
    "a program that starts itself once more has workers, and so has one whose command cleans its "
    "environment") {
  program again(YONDER_STARTS, {"YONDER_TEST_AGAIN=yes"});
  CHECK(answer_of(again) == right);
  program clean(YONDER_STARTS, {"YONDER_TEST_COMMAND=sh", "YONDER_TEST_BY=env -i"});
  CHECK(answer_of(clean).find("\n42\n") != std::string::npos);
}

TEST_CASE("the worker's flag works in both spellings, and is refused in words at another place") {
  auto const said = [](std::vector<std::string> const& arguments) {
    program started(YONDER_STARTS, {}, arguments);
    auto all = answer_of(started);
    return all + "status " + std::to_string(started.wait().status);
  };
  std::string const address = "tcp://127.0.0.1:9";
  auto const linked_without = "to reach '" + address + "' this program must be linked with yonder::zmq";
  CHECK(said({"--yonder-worker", address}).find(linked_without) != std::string::npos);
  CHECK(said({"--yonder-worker=" + address}).find(linked_without) != std::string::npos);
  for (auto const& wrong : {std::vector<std::string>{"--verbose", "--yonder-worker", address},
                            {"--verbose", "--yonder-worker=" + address},
                            {"--yonder-worker="},
                            {"--yonder-worker"}}) {
    auto const words = said(wrong);
    CAPTURE(words);
    CHECK(words.find("yonder worker: bad_configuration: --yonder-worker ") == 0);
    CHECK(words.find("write it as the first argument") != words.npos);
    CHECK(words.ends_with("status 2"));
  }
  CHECK(said({"--", "--yonder-worker", address}) == std::string(right) + "status 0");
  CHECK(said({"--yonder-workers"}) == std::string(right) + "status 0");
}

}  // namespace e2e
