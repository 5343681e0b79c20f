// SPDX-License-Identifier: Apache-2.0
#include "src/launch/command_runner.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace yonder;
using launch::command_result;
using launch::command_runner;

struct running_commands {
  std::unique_ptr<platform::poller> poller = platform::make_poller();
  command_runner runner{*poller};
  std::vector<command_result> done;

  command_runner::job_id run(command_runner::job_request wanted) {
    wanted.done = [this](command_result&& result) { done.push_back(std::move(result)); };
    return runner.run(std::move(wanted));
  }
  template <class Condition>
  void until(Condition condition) {
    while (!condition()) {
      auto const next = runner.next_deadline();
      poller->wait(next == launch::never ? -1 : std::max<std::int64_t>(0, next - platform::now()));
      runner.tick(platform::now());
    }
  }
  command_result result() {
    until([&] { return !done.empty(); });
    return std::exchange(done, {}).front();
  }
};

TEST_CASE("a command's end, and all that it printed, are known") {
  running_commands here;
  here.run({.command = {"sh", "-c", "echo here; echo there >&2; exit 3"}});
  auto const result = here.result();
  CHECK_FALSE(result.succeeded());
  CHECK(result.how.status == 3);
  CHECK(result.output == "here\n");
  CHECK(result.errors == "there\n");
  CHECK(result.to_text() == "$ sh -c 'echo here; echo there >&2; exit 3'\nhere\nthere\nexited with status 3");
}

TEST_CASE("a command that is not there is done, too") {
  running_commands here;
  here.run({.command = {"/no/such/program", "it's"}});
  auto const result = here.result();
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_text().find("$ /no/such/program 'it'\\''s'\ncould not be started: ") == 0);
}

TEST_CASE("what a command prints does not act on the terminal of whoever is told of it") {
  running_commands here;
  here.run({.command = {"printf", "\\033[31mred\\tis\\000 no\\nsch\303\266n\\rx\\r\\n"}});
  auto const result = here.result();
  CHECK(result.output == std::string("\033[31mred\tis\0 no\nsch\303\266n\rx\r\n", 26));
  CHECK(result.to_text().find("\n\\x1b[31mred\tis\\x00 no\nsch\303\266n\\x0dx\n") != std::string::npos);
}

TEST_CASE("no shell sees a command's words") {
  running_commands here;
  here.run({.command = {"printf", "%s|", "$HOME; `id`", "*"}});
  CHECK(here.result().output == "$HOME; `id`|*|");
}

TEST_CASE("whatever shell somebody has reads a line as the words that it was made of") {
  std::vector<std::string> const words{"it's",  "#!/bin/sh", "a\\b",    "\\\\", "\\'",
                                       "end\\", "$HOME",     "`id`",    "~",    "*?[a]{b,c}",
                                       "a b\t", "\"",        ";&|<>()", "^x^y", ""};
  auto const line = launch::shell_line(words);
  CHECK(launch::shell_line({"=ls", "--a=b"}) == "'=ls' --a=b");  // a command's path, to zsh
  CHECK(launch::shell_line({"a!b", "\\d", "x\\\\"}) == "'a'\\!'b' '\\d' 'x'\\\\''\\\\''");
  std::string told;
  for (auto const& word : words) told += word + "|";
  for (char const* const shell : {"sh", "bash", "zsh", "tcsh", "csh", "fish", "ksh"}) {
    running_commands here;
    here.run({.command = {shell, "-c", "printf '%s|' " + line}});
    auto const result = here.result();
    if (result.trouble.empty()) CHECK_MESSAGE(result.output == told, shell << ": " << result.errors);
  }
}

TEST_CASE("what a command is given to read may be more than a pipe holds") {
  running_commands here;
  std::string const text(1 << 20, 'x');
  here.run({.command = {"sh", "-c", "wc -c"}, .input = text});
  CHECK(std::stoul(here.result().output) == text.size());
}

TEST_CASE("what is run before a program leaves it its input, its words and what was set; a failure ends it") {
  running_commands here;
  auto const run = [&](std::vector<std::string> const& lines) {
    here.run({.command = launch::run_behind(lines, {"SET=by us"},
                                            {"sh", "-c", "cat; echo \"$A\" \"$1\"", "w", "a  b"}),
              .input = "the order\n"});
    return here.result();
  };
  CHECK(launch::run_behind({}, {"SET=by us"}, {"app"}) == std::vector<std::string>{"app"});
  auto const good = run({"cat; A='x y'", "export A; f() { A=$A$A; }", "f"});
  CHECK_MESSAGE(good.succeeded(), good.to_text());
  CHECK(good.output == "the order\nx yx y a  b\n");
  // A file that is sourced has no arguments, and may do with its own what it likes; nor does a profile win.
  auto const sourced = run({"F=$(mktemp); echo 'echo $#; set -- x --; SET=by_it; export SET' >\"$F\"",
                            ". \"$F\"", "rm \"$F\"", "shift $#", "A=$SET; export A"});
  CHECK_MESSAGE(sourced.succeeded(), sourced.to_text());
  CHECK(sourced.output == "0\nthe order\nby_it a  b\n");
  auto const bad = run({"echo no such module >&2; (exit 3)", "echo not here"});
  CHECK(bad.how.status == 3);
  CHECK(bad.errors == "no such module\n");
  CHECK(bad.output.empty());
}

TEST_CASE("a command that reads nothing does not end us, and its end is its own") {
  running_commands here;
  here.run({.command = {"true"}, .input = std::string(1 << 20, 'x')});
  CHECK(here.result().succeeded());
}

TEST_CASE("an input that is kept open is closed when that is said") {
  running_commands here;
  auto const job = here.run({.command = {"cat"},
                             .input = "order\n",
                             .keeps_input_open = true,
                             .on_output = [&](std::string_view piece) { CHECK(piece == "order\n"); }});
  here.runner.close_input(job);
  CHECK(here.result().output == "order\n");
}

TEST_CASE("of a long output the beginning and the end are kept") {
  running_commands here;
  here.run({.command = {"sh", "-c", "echo first; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last"}});
  auto const result = here.result();
  CHECK(result.succeeded());
  CHECK_FALSE(result.lists());
  CHECK(result.to_text().ends_with("exited with status 0, and printed more than is kept"));
  auto const& output = result.output;
  CHECK(output.size() < 70'000);
  CHECK(output.starts_with("first\n"));
  CHECK(output.ends_with("x\nlast\n"));
  CHECK(output.find(" bytes …]") != std::string::npos);
}

TEST_CASE("of a list all is kept, and shown by its beginning and its end") {
  running_commands here;
  here.run({.command = {"seq", "100000"}, .keeps = launch::longest_list});
  auto const result = here.result();
  CHECK(result.lists());
  CHECK(result.output.find("\n50000\n") != std::string::npos);
  CHECK(result.to_text().size() < 70'000);
}

// Takes no second descriptor.
class full_poller final : public platform::poller {
 public:
  void add(int, platform::ready_handler&, std::uint64_t) override {
    if (++added_ == 2) throw std::system_error(ENOSPC, std::generic_category(), "epoll_ctl");
  }
  void add_edge(int, platform::ready_handler&, std::uint64_t) override {}
  void want_write(int, platform::ready_handler&, std::uint64_t, bool) override {}
  void remove(int) override {}
  bool poll(std::int64_t) override { return false; }
  int dispatch() override { return 0; }
  int descriptor() const noexcept override { return -1; }
  void ring() noexcept override {}

 private:
  int added_ = 0;
};

TEST_CASE("a command that cannot be watched is not left running") {
  full_poller poller;
  command_runner runner(poller);
  std::vector<command_result> done;
  runner.run({.command = {"sleep", "1000"},
              .done = [&](command_result&& result) { done.push_back(std::move(result)); }});
  runner.tick(platform::now());
  REQUIRE(done.size() == 1);
  CHECK(done[0].trouble.find("epoll_ctl") != std::string::npos);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // there is no child
}

TEST_CASE("a command that takes too long is ended with all that it has started") {
  running_commands here;
  here.run({.command = {"sh", "-c", "sleep 1000 & echo $!; wait"}, .timeout = 1});
  auto const result = here.result();
  CHECK(result.timed_out);
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_text().ends_with("took too long, and was ended"));
}

TEST_CASE("a command that does nothing more is ended, and one that goes on reading is not") {
  running_commands here;
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  REQUIRE(::write(::fileno(file), "ab", 2) == 2);
  REQUIRE(::lseek(::fileno(file), 0, SEEK_SET) == 0);
  bool has_read = false;
  constexpr auto hour = 3600 * launch::second;
  here.run({.command = {"sh", "-c", "dd bs=1 count=1 of=/dev/null 2>&1 && echo read; exec sleep 1000"},
            .input_file = ::fileno(file),
            .idle = hour,
            .on_output = [&](std::string_view text) { has_read = text.find("read") != text.npos; }});
  here.until([&] { return has_read; });
  auto const later = platform::now() + hour;
  here.runner.tick(later);  // it has moved since it began
  CHECK(here.runner.next_deadline() == later + hour);
  here.runner.tick(later + hour);
  auto const result = here.result();
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_text().ends_with("did nothing more, and was ended"));
  std::fclose(file);
}

// Waits until it has ended, whoever reaps it.
void await_end(int pid) {
  platform::unique_fd const process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) {
    CHECK(errno == ESRCH);
    return;
  }
  pollfd ended{process.get(), POLLIN, 0};
  CHECK(::poll(&ended, 1, -1) == 1);
}

TEST_CASE("a command is ended with this process, however that ends, with what it has started" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  enum class why { timeout, idle, told };
  for (auto const how : {why::timeout, why::idle, why::told}) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    platform::unique_fd const readable(ends[0]);
    platform::unique_fd writable(ends[1]);
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      running_commands here;
      std::string printed;
      here.run({.command = {"sh", "-c", "sleep 1000 & echo $$ $!; wait"},
                .ends_with_us = how == why::told,
                .timeout = how == why::timeout ? 1'000 * launch::second : 0,
                .idle = how == why::idle ? 1'000 * launch::second : 0,
                .on_output = [&](std::string_view text) { printed += text; }});
      here.until([&] { return printed.ends_with('\n'); });
      [[maybe_unused]] auto const count = ::write(writable.get(), printed.data(), printed.size());
      ::raise(SIGKILL);
    }
    writable.reset();
    char text[64] = "";
    while (std::string_view(text).find('\n') == std::string_view::npos)
      REQUIRE(::read(readable.get(), text + std::strlen(text), sizeof text - 1 - std::strlen(text)) > 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    std::istringstream both(text);
    for (int pid = 0; both >> pid;) await_end(pid);
  }
}

TEST_CASE("a command whose children keep its output open has ended when it has") {
  running_commands here;
  here.run({.command = {"sh", "-c", "sleep 1000 & echo $!"}});
  auto const result = here.result();
  CHECK(result.succeeded());
  ::kill(std::stoi(result.output), SIGKILL);
}

TEST_CASE("a command that is told to end, and does not, is ended by force") {
  running_commands here;
  bool ready = false;
  auto const job =
      here.run({.command = {"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1000; done"},
                .on_output = [&](std::string_view) { ready = true; }});
  here.until([&] { return ready; });
  here.runner.end(job);
  CHECK(here.result().how.signal == SIGKILL);
}

TEST_CASE("a command that ends when it is told to leaves nothing of its group that does not") {
  running_commands here;
  std::string printed;
  // The reader's end comes when nobody holds the pipe any more.
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  auto const pipe = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(ends[1]);
  auto const job = here.run(
      {.command =
           {"sh", "-c",
            "trap 'exit 0' TERM; (trap '' TERM; echo ready; while :; do sleep 1000; done) 9>\"$0\" & wait",
            pipe},
       .on_output = [&](std::string_view piece) { printed += piece; }});
  here.until([&] { return !printed.empty(); });
  ::close(ends[1]);
  here.runner.end(job);
  CHECK(here.result().succeeded());
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 0);
  ::close(ends[0]);
}

TEST_CASE("without a driver commands are worked on, and given up") {
  running_commands here;
  here.run({.command = {"echo", "done"}});
  here.runner.work_until(platform::now() + 60 * launch::second);
  CHECK(here.done.at(0).output == "done\n");
  here.run({.command = {"sleep", "1000"}});
  here.runner.work_until(platform::now() + 1);
  CHECK(here.runner.size() == 1);
  here.runner.stop();
  CHECK(here.runner.size() == 0);
  CHECK(here.done.size() == 1);
}

}  // namespace
