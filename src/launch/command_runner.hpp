// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/launch/end_guard.hpp"
#include "src/launch/launcher.hpp"
#include "src/platform/poller.hpp"
#include "src/platform/process.hpp"

namespace yonder::launch {

// The beginning and the end of what a command prints; of more between them only how much it was.
class kept_text {
 public:
  static constexpr std::size_t head_size = std::size_t{16} << 10;

  // `most`: bytes that are kept, head_size or more.
  explicit kept_text(std::size_t most = std::size_t{64} << 10) : tail_size_(most - head_size) {}

  void append(std::string_view text);
  std::string text() const;
  bool empty() const noexcept { return head_.empty(); }
  bool is_cut() const noexcept { return left_out_ != 0; }

 private:
  std::size_t tail_size_;
  std::string head_;
  std::string tail_;
  std::size_t left_out_ = 0;
};

// What became of a command.
struct command_result {
  std::vector<std::string> command;
  std::string trouble{};  // why it could not be started; empty: it was
  platform::exit_report how{};
  bool timed_out = false;
  bool stood_still = false;  // as job_request::idle has it
  std::string output{};      // what it printed on stdout
  bool is_cut = false;       // of that: something in its middle is left out, and its lines there are no lines
  std::string errors{};      // and on stderr

  bool succeeded() const noexcept {
    return trouble.empty() && !timed_out && !stood_still && how.known && how.signal == 0 && how.status == 0;
  }
  // Whether what it printed is all that there is. What is not in a part of a list may well be there.
  bool lists() const noexcept { return succeeded() && !is_cut; }
  // All of it, for people: "$ ssh -T host true", what it printed, and "exited with status 255".
  std::string to_text() const;
};

// Bytes that are kept of what a list prints; one that is longer is not known.
inline constexpr std::size_t longest_list = std::size_t{1} << 20;

// What would act on a terminal is shown, and does not act. Lines may end as ssh ends them.
std::string legible(std::string const& text);

// As a person would type it in whatever shell: of the POSIX kind, csh or fish. No word may have a line break
// in it for csh's sake.
std::string shell_line(std::vector<std::string> const& command);

// Runs commands, without a shell, and waits for none: their pipes are watched by the driver's poller. A
// command has a process group of its own. One that has a timeout, of either kind, or is told to, ends with
// this process, however that ends, and with it what it has started. Used under the driver's lock.
class command_runner final : private platform::ready_handler {
 public:
  using job_id = std::uint64_t;

  struct job_request {
    std::vector<std::string> command;  // found in $PATH if it has no slash
    std::string input{};               // its stdin; secrets go here
    int input_file = -1;               // or an open file, which may be closed when run() has returned
    bool keeps_input_open = false;     // until close_input()
    std::vector<std::string> environment{};
    bool ends_with_us = false;                  // also without a timeout
    std::size_t keeps = std::size_t{64} << 10;  // bytes of its stdout
    std::int64_t timeout = 0;                   // nanoseconds, after which it is ended; 0: none
    std::int64_t idle =
        0;  // nanoseconds in which it reads nothing of input_file and prints nothing; likewise
    std::function<void(std::string_view)> on_output{};  // a piece of its stdout, as it comes
    std::function<void(std::string_view)> on_errors{};  // likewise of its stderr
    std::function<void(command_result&&)> done{};       // once, within on_ready() or tick()
  };

  explicit command_runner(platform::poller& poller);
  ~command_runner();
  command_runner(command_runner const&) = delete;
  command_runner& operator=(command_runner const&) = delete;

  // One that cannot be started is `done`, too.
  job_id run(job_request wanted);

  void close_input(job_id job);
  // SIGTERM to its group; SIGKILL if that does not end it within two seconds.
  void end(job_id job);

  time_point next_deadline() const;
  void tick(time_point now);

  std::size_t size() const noexcept { return jobs_.size(); }

  // Without the driver, which ends: returns once none is left, or `until` has come.
  bool is_idle() const noexcept { return jobs_.empty(); }
  void work_until(time_point until);

  // Ends all of them, and calls nobody.
  void stop();

 private:
  struct job;

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void start(job& one);
  void write_input(job& one);
  static std::uint64_t moved(job const& one);
  void drop_input(job& one);
  bool read(job& one, platform::unique_fd& from, kept_text& to);
  void reap(job& one);
  void finish(job_id id);
  void release(job& one);
  void kill(job& one);

  platform::poller& poller_;
  end_guard guard_{end_groups()};
  std::map<job_id, std::unique_ptr<job>> jobs_;
  job_id last_ = 0;
};

}  // namespace yonder::launch
