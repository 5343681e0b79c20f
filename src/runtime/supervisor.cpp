// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "src/core/words.hpp"
#include "src/platform/descriptors.hpp"
#include "src/platform/poller.hpp"
#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"
#include "src/runtime/stderr_relay.hpp"
#include "src/runtime/worker_order.hpp"
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

// What ssh itself exits with where it does not reach the other end, and where a signal has ended what it ran
// there.
constexpr int ssh_failed = 255;

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

class supervisor final : private platform::ready_handler {
 public:
  supervisor() {
    ::signal(SIGCHLD, SIG_DFL);  // ignored, nobody would learn how a worker ended
    auto set = passed_on();
    ::sigaddset(&set, SIGCHLD);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signals_ =
        platform::above_standard(platform::unique_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)));
    if (!signals_) platform::throw_errno("signalfd");
    if (how_started().hub == launched_address) take_order();
    make_channel();
    make_page();
    make_pipes();
    poller_->add(signals_.get(), *this, of_signals);
    watch_output();
    poller_->add(relayed_.get(), *this, of_relayed);
    if (order_ && order_->ends_with_input) poller_->add(STDIN_FILENO, *this, of_input);
  }

  [[noreturn]] void run() {
    restart_delay delay;
    start();
    for (;;) {
      auto const began = platform::now();
      while (worker_) watch(platform::now() + look_again);
      if (ending_ != 0 || order_ || has_said_so()) end(how_);
      auto const worked = page_->started.load() != 0;
      tell_next();
      auto pause = delay.after(platform::now() - began, worked);
      say_soon("the worker " + platform::to_string(how_) + "; another one is started", pause);
      for (auto why = restart_after(pause); !why.empty(); why = restart_after(pause)) {
        pause = delay.after(0, false);
        say_soon("no worker could be started: " + why + "; tried again", pause);
      }
    }
  }

 private:
  static constexpr std::uint64_t of_signals = 0, of_output = 1, of_worker = 2, of_input = 3, of_relayed = 4;
  static constexpr std::int64_t look_again = second / 2;  // whether it is stopped

  // Of a worker that a launcher has started. It holds a key, which nothing but a memory ever holds here.
  void take_order() {
    std::string text;
    char piece[4096];
    while (!is_whole_order(text) && text.size() <= max_order_size) {
      await_input();
      auto const count = platform::retry([&] { return ::read(STDIN_FILENO, piece, sizeof piece); });
      if (count < 0) platform::throw_errno("stdin, which is to say what this worker does");
      if (count == 0) break;
      text.append(piece, static_cast<std::size_t>(count));
    }
    if (auto const fault = decode_worker_order(text, order_.emplace()); !fault.empty())
      throw std::runtime_error("what came by stdin is no order for a worker: " + fault);
    order_memory_ = passed_down(platform::empty_memory());
    for (std::string_view left = text; !left.empty();) {
      auto const count =
          platform::retry([&] { return ::write(order_memory_.get(), left.data(), left.size()); });
      if (count < 0) platform::throw_errno("write, of a worker's order");
      left.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  // Nobody may ever write to it: a signal ends us meanwhile.
  void await_input() {
    for (;;) {
      std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) platform::throw_errno("poll");
      if (watched[1].revents != 0) pass_on();
      if (ending_ != 0) end_as({.signal = ending_});
      if (watched[0].revents != 0) return;
    }
  }

  // Whoever started us has ended, or wants us to: nobody waits for what the worker still does.
  void take_input() {
    char piece[256];
    auto const count = ::read(STDIN_FILENO, piece, sizeof piece);
    if (count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN))) return;
    poller_->remove(STDIN_FILENO);
    ending_ = SIGTERM;
    if (worker_) worker_->kill(SIGKILL);
  }

  // What ends the machine is tried until it does: a machine may cost as long as it runs. False: a signal came
  // first.
  bool end_machine() {
    constexpr std::int64_t longest = 60 * second;
    ending_ = 0;
    for (auto pause = second; ending_ == 0; pause = std::min(longest, 2 * pause)) {
      std::string why;
      try {
        auto const run = platform::spawn({.path = order_->end.front(), .arguments = order_->end});
        pollfd ended{run.handle(), POLLIN, 0};
        auto const took_too_long =
            platform::retry([&] { return ::poll(&ended, 1, static_cast<int>(longest / 1'000'000)); }) == 0;
        if (took_too_long) run.kill(SIGKILL);
        auto const how = run.wait();
        if (how.known && how.signal == 0 && how.status == 0) return true;
        why = took_too_long ? "took too long" : platform::to_string(how);
      } catch (std::exception const& error) {
        why = std::string("could not be started: ") + error.what();
      }
      say_soon("what is to end this machine, '" + order_->end.front() + "', " + why + "; tried again", pause);
      for (auto const until = platform::now() + pause; ending_ == 0 && platform::now() < until;) watch(until);
    }
    return false;
  }

  // By which a worker says that it ends for good. It keeps the number in the worker, where lower ones may be
  // what the program was given.
  void make_channel() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) platform::throw_errno("pipe2");
    readable_.reset(ends[0]);
    platform::unique_fd const writable(ends[1]);
    writable_ = passed_down(writable);
  }

  static platform::unique_fd passed_down(platform::unique_fd const& fd) {
    constexpr int unlikely = 10;
    platform::unique_fd made(::fcntl(fd.get(), F_DUPFD, unlikely));
    if (!made) platform::throw_errno("fcntl(F_DUPFD)");
    return made;
  }

  void make_page() {
    memory_ = passed_down(platform::anonymous_memory(page_size));
    page_ = static_cast<supervised_page*>(map_memory(memory_.get()));
    page_->magic = page_magic;
  }

  struct pipe_ends {
    platform::unique_fd readable;  // without waiting
    platform::unique_fd writable;
  };
  static pipe_ends make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) platform::throw_errno("pipe2");
    platform::unique_fd const readable(ends[0]), writable(ends[1]);
    ::fcntl(readable.get(), F_SETFL, O_NONBLOCK);
    return {passed_down(readable), passed_down(writable)};
  }

  // All workers print to one, so that what they have started goes on printing when they have ended. Each
  // reads it as long as it lives, and says by the other what it has read.
  void make_pipes() {
    auto printed = make_pipe();
    output_ = std::move(printed.readable);
    their_output_ = std::move(printed.writable);
    ::fcntl(their_output_.get(), F_SETFD, FD_CLOEXEC);  // it becomes their stdout and stderr
    auto relay = make_pipe();
    relayed_ = std::move(relay.readable);
    ::fcntl(relayed_.get(), F_SETFD, FD_CLOEXEC);
    relay_end_ = std::move(relay.writable);
  }

  void watch_output() {
    if (!std::exchange(output_watched_, true)) poller_->add(output_.get(), *this, of_output);
  }

  // Why there is none again: the system gives no process for now. Empty: there is one.
  std::string restart_after(std::int64_t pause) {
    for (auto const until = platform::now() + pause; ending_ == 0 && platform::now() < until;) watch(until);
    if (ending_ != 0) end({.signal = ending_});
    try {
      start();
      return {};
    } catch (std::exception const& error) {
      return error.what();
    }
  }

  void say_soon(std::string const& what, std::int64_t pause) {
    relay_.pass("yonder worker: " + what + (pause > 0 ? " in " + core::in_words(pause) : "") + "\n");
  }

  void start() {
    auto command = own_image().start();
    auto const& ours = how_started().arguments;
    command.arguments.insert(command.arguments.end(), ours.begin(), ours.end());
    page_->session = page_->started = page_->epoch = 0;
    page_->reads_printed = 0;
    words_.clear();
    stopped_ = 0;
    worker_.emplace(platform::spawn({.path = command.path,
                                     .arguments = std::move(command.arguments),
                                     .environment = {std::string(supervised_name) + "=" +
                                                     supervised_value({.channel = writable_.get(),
                                                                       .page = memory_.get(),
                                                                       .order = order_memory_.get(),
                                                                       .printed = output_.get(),
                                                                       .relay = relay_end_.get()},
                                                                      ::getpid())},
                                     .output = their_output_.get(),
                                     .inherits_all = true}));
    poller_->add(worker_->handle(), *this, of_worker);
  }

  // Until something happens, or a time has come.
  void watch(std::int64_t until) {
    poller_->wait(std::max<std::int64_t>(0, until - platform::now()));
    if (worker_ && platform::now() >= until) end_if_stopped();
  }

  void on_ready(std::uint64_t token, bool, bool) override {
    if (token == of_signals) pass_on();
    if (token == of_output) take_output();
    if (token == of_relayed) forward(relayed_);
    if (token == of_worker) reap();
    if (token == of_input) take_input();
  }

  void pass_on() {
    signalfd_siginfo taken{};
    while (::read(signals_.get(), &taken, sizeof taken) == sizeof taken) {
      auto const signal = static_cast<int>(taken.ssi_signo);
      if (signal == SIGCHLD) {
        reap_orphans();
        continue;
      }
      if (worker_) worker_->kill(signal);
      if (std::find(endings.begin(), endings.end(), signal) != endings.end()) ending_ = signal;
    }
  }

  void take_output() {
    if (!worker_ || page_->reads_printed == 0) return forward(output_);
    poller_->remove(output_.get());
    output_watched_ = false;
  }

  // What the worker prints; the end of it is kept.
  void forward(platform::unique_fd const& from) {
    char text[4096];
    for (int i = 0; i < 16; ++i) {
      auto const count = ::read(from.get(), text, sizeof text);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      pass({text, static_cast<std::size_t>(count)});
    }
  }
  void pass(std::string_view text) {
    relay_.pass(text);
    words_.append(text);
    constexpr auto most = sizeof(supervised_page::last_words) - 1;
    if (words_.size() > most) words_.erase(0, words_.size() - most);
  }

  void reap() {
    poller_->remove(worker_->handle());
    how_ = worker_->wait();
    worker_.reset();
    forward(relayed_);
    pass(page_->in_hand.left(words_));
    page_->in_hand = {};
    forward(output_);
    watch_output();
    reap_orphans();
  }

  // What tasks have started and left becomes ours where we are the first process, as in a container.
  void reap_orphans() noexcept {
    siginfo_t ended{};
    while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) {
      if (worker_ && ended.si_pid == worker_->pid()) return;  // and what is behind it
      ::waitpid(ended.si_pid, nullptr, WNOHANG);
      ended = {};
    }
  }

  // A worker that somebody has stopped serves nobody, and says nothing: it is replaced.
  void end_if_stopped() {
    stopped_ = worker_->is_stopped() ? stopped_ + 1 : 0;
    if (stopped_ == 2) worker_->kill(SIGKILL);
  }

  // What the next worker tells the hub of this one.
  void tell_next() {
    page_->last_session = page_->session;
    page_->last_epoch = page_->epoch;
    page_->last_started = page_->started;
    page_->last_signal = how_.signal;
    page_->last_status = how_.known && how_.signal == 0 ? how_.status : -1;
    auto const put = [](auto& place, std::string const& text) {
      auto const size = std::min(text.size(), sizeof place - 1);
      std::memcpy(place, text.data(), size);
      place[size] = 0;
    };
    put(page_->last_reason, stopped_ == 2 ? "was stopped by a signal, and ended" : platform::to_string(how_));
    put(page_->last_words, words_);
  }

  bool has_said_so() const noexcept {
    char byte = 0;
    return ::read(readable_.get(), &byte, 1) == 1;
  }

  // ssh tells a signal as it does a connection that is cut off: it is said in words, and by a status.
  [[noreturn]] void end_for_ssh(platform::exit_report const& how) {
    auto const is_hidden = how.signal != 0 || how.status == ssh_failed;
    if (is_hidden && ending_ == 0) say("the worker " + platform::to_string(how));
    if (how.signal != 0) ::_exit(128 + how.signal);
    end_as({.status = how.status == ssh_failed ? ssh_failed - 1 : how.status, .known = how.known});
  }

  [[noreturn]] void end(platform::exit_report const& how) {
    auto const is_done = order_ && !order_->end.empty() && end_machine();
    relay_.finish(platform::now() + second / 10);
    if (is_done) ::_exit(EXIT_SUCCESS);  // what has started us need not do it again
    if (order_ && order_->ends_with_input) end_for_ssh(how);
    end_as(how);
  }

  std::unique_ptr<platform::poller> poller_ = platform::make_poller();
  stderr_relay relay_{*poller_};
  platform::unique_fd signals_;
  platform::unique_fd readable_;
  platform::unique_fd writable_;
  platform::unique_fd memory_;
  std::optional<worker_order> order_;  // of one that a launcher has started
  platform::unique_fd order_memory_;
  platform::unique_fd output_;  // what workers, and what they have started, print
  platform::unique_fd their_output_;
  bool output_watched_ = false;
  platform::unique_fd relayed_;  // what a worker has read of it
  platform::unique_fd relay_end_;
  supervised_page* page_ = nullptr;
  std::optional<platform::child_process> worker_;
  platform::exit_report how_;  // the last one has ended
  std::string words_;          // the last of what it said
  int stopped_ = 0;            // looks in a row that found it stopped
  int ending_ = 0;             // the last signal that asked us to end
};

}  // namespace

std::int64_t restart_delay::after(std::int64_t lived, bool worked) noexcept {
  constexpr int doublings = 6;  // 64 s
  constexpr std::int64_t longest = 60 * second;
  if (lived >= second || worked) short_lived_ = 0;
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
