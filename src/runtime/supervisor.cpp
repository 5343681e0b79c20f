// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>

#include "src/core/words.hpp"
#include "src/platform/descriptors.hpp"
#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"
#include "src/runtime/worker_start.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr std::array endings{SIGTERM, SIGINT, SIGHUP, SIGQUIT};
constexpr std::array others{SIGUSR1, SIGUSR2};

constexpr std::int64_t second = 1'000'000'000;

bool is_ignored(int signal) noexcept {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// What is passed on; not what whoever started us has us ignore (nohup).
sigset_t passed_on() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  for (int const signal : endings)
    if (!is_ignored(signal)) ::sigaddset(&set, signal);
  for (int const signal : others)
    if (!is_ignored(signal)) ::sigaddset(&set, signal);
  return set;
}

// By the same signal, for whoever waits for us; but for that an exit status, as of a shell.
[[noreturn]] void end_as(platform::exit_report const& how) {
  if (how.signal == 0) ::_exit(how.known ? how.status : EXIT_FAILURE);
  rlimit const none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::signal(how.signal, SIG_DFL);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, how.signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(how.signal);
  ::_exit(128 + how.signal);
}

class supervisor {
 public:
  supervisor() {
    auto const set = passed_on();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signals_ =
        platform::above_standard(platform::unique_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)));
    if (!signals_) platform::throw_errno("signalfd");
    make_channel();
  }

  [[noreturn]] void run() {
    restart_delay delay;
    for (;;) {
      auto const began = platform::now();
      auto const worker = start();
      watch(&worker, -1);
      auto const how = worker.wait();
      if (ending_ != 0 || has_said_so()) end_as(how);
      auto const pause = delay.after(platform::now() - began);
      say("the worker " + platform::to_string(how) + "; another one is started" +
          (pause > 0 ? " in " + core::in_words(pause) : ""));
      watch(nullptr, platform::now() + pause);
      if (ending_ != 0) end_as({.signal = ending_});
    }
  }

 private:
  // By which a worker says that it ends for good. It keeps the number in the worker, where lower ones may be
  // what the program was given.
  void make_channel() {
    constexpr int unlikely = 10;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) platform::throw_errno("pipe2");
    readable_.reset(ends[0]);
    platform::unique_fd const writable(ends[1]);
    writable_.reset(::fcntl(writable.get(), F_DUPFD, unlikely));
    if (!writable_) platform::throw_errno("fcntl(F_DUPFD)");
  }

  platform::child_process start() const {
    auto command = own_image().start();
    auto const& ours = how_started().arguments;
    command.arguments.insert(command.arguments.end(), ours.begin(), ours.end());
    return platform::spawn(
        {.path = command.path,
         .arguments = std::move(command.arguments),
         .environment = {std::string(supervised_name) + "=" + supervised_value(writable_.get(), ::getpid())},
         .inherits_all = true});
  }

  // Until the worker has ended, if there is one, or a time has come (-1: never); without one also until a
  // signal asks us to end.
  void watch(platform::child_process const* worker, std::int64_t until) {
    for (;;) {
      std::array<pollfd, 2> watched{
          {{signals_.get(), POLLIN, 0}, {worker != nullptr ? worker->handle() : -1, POLLIN, 0}}};
      auto const left =
          until < 0 ? -1 : std::max<std::int64_t>(0, (until - platform::now() + 999'999) / 1'000'000);
      int const ready = ::poll(watched.data(), watched.size(), static_cast<int>(left));
      if (watched[0].revents != 0) pass_on(worker);
      if (watched[1].revents != 0 || (ready == 0 && left == 0)) return;
      if (worker == nullptr && ending_ != 0) return;
    }
  }

  void pass_on(platform::child_process const* worker) {
    signalfd_siginfo taken{};
    while (::read(signals_.get(), &taken, sizeof taken) == sizeof taken) {
      auto const signal = static_cast<int>(taken.ssi_signo);
      if (worker != nullptr) worker->kill(signal);
      if (std::find(endings.begin(), endings.end(), signal) != endings.end()) ending_ = signal;
    }
  }

  bool has_said_so() const noexcept {
    char byte = 0;
    return ::read(readable_.get(), &byte, 1) == 1;
  }

  platform::unique_fd signals_;
  platform::unique_fd readable_;
  platform::unique_fd writable_;
  int ending_ = 0;  // the last signal that asked us to end
};

}  // namespace

std::int64_t restart_delay::after(std::int64_t lived) noexcept {
  constexpr int doublings = 6;  // 64 s
  constexpr std::int64_t longest = 60 * second;
  if (lived >= second) short_lived_ = 0;
  if (short_lived_++ == 0) return 0;
  return std::min(longest, second << std::min(short_lived_ - 2, doublings));
}

void supervise() {
  try {
    supervisor().run();
  } catch (std::exception const& error) {
    say(std::string("no worker could be started: ") + error.what());
    ::_exit(EXIT_FAILURE);
  }
}

void end_for_good() noexcept {
  int const channel = how_started().supervisor;
  if (channel >= 0) [[maybe_unused]]
    auto const written = ::write(channel, "", 1);
}

}  // namespace yonder::runtime_detail
