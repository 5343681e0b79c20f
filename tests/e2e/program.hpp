// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "src/platform/process.hpp"
#include "src/platform/unique_fd.hpp"

namespace e2e {

// A program that a test starts, and what it says on stdout and stderr.
class program {
 public:
  explicit program(std::string const& path, std::vector<std::string> environment = {},
                   std::vector<std::string> const& arguments = {}) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "a program's pipe");
    yonder::platform::unique_fd const writable(ends[1]);
    output_.reset(ends[0]);
    std::vector<std::string> words{path};
    words.insert(words.end(), arguments.begin(), arguments.end());
    // Its stderr goes the same way; the tests look for lines.
    process_.emplace(yonder::platform::spawn({.path = path,
                                              .arguments = std::move(words),
                                              .environment = std::move(environment),
                                              .output = writable.get(),
                                              .inherited = {}}));
  }

  std::string read_line() {
    std::string line;
    for (char c = 0; ::read(output_.get(), &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  // What a machine that is busy has a hub say first: a call waits.
  std::string read_line_past_log() {
    auto line = read_line();
    while (line.starts_with("log: ")) line = read_line();
    return line;
  }

  std::string read_all() {
    std::string all;
    char text[4096];
    for (ssize_t count = 0; (count = ::read(output_.get(), text, sizeof text)) > 0;)
      all.append(text, static_cast<std::size_t>(count));
    return all;
  }

  pid_t pid() const { return process_->pid(); }
  yonder::platform::exit_report wait() { return process_->wait(); }
  void kill() { process_->kill(SIGKILL); }
  void end() { process_->kill(SIGTERM); }
  // The whole process group, which it leads.
  void kill_group() { ::kill(-process_->pid(), SIGKILL); }

 private:
  yonder::platform::unique_fd output_;
  std::optional<yonder::platform::child_process> process_;
};

}  // namespace e2e
