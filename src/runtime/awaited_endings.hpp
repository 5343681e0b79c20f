// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "src/platform/unique_fd.hpp"

namespace yonder::detail {
class engine;
}

namespace yonder::runtime_detail {

// SIGTERM, SIGINT and, unless it is ignored (nohup), SIGHUP, with which a terminal closes: blocked in this
// thread as long as it lives.
class awaited_endings {
 public:
  awaited_endings() {
    ::sigemptyset(&endings_);
    ::sigaddset(&endings_, SIGTERM);
    ::sigaddset(&endings_, SIGINT);
    struct sigaction now {};
    if (::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&endings_, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &endings_, &before_);
  }
  ~awaited_endings() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  awaited_endings(awaited_endings const&) = delete;
  awaited_endings& operator=(awaited_endings const&) = delete;
  void wait() const {
    int signal = 0;
    ::sigwait(&endings_, &signal);
  }
  // Until the next one comes, the descriptor is readable, or so long. Which one has come; 0: none has.
  int wait(int descriptor, std::chrono::milliseconds longest) const {
    platform::unique_fd const signals(::signalfd(-1, &endings_, SFD_CLOEXEC | SFD_NONBLOCK));
    auto const until = std::chrono::steady_clock::now() + longest;
    for (auto left = longest; left.count() > 0;
         left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now())) {
      pollfd both[] = {{signals.get(), POLLIN, 0}, {descriptor, POLLIN, 0}};
      auto const ready = ::poll(both, 2, static_cast<int>(left.count()));
      if (ready < 0 && errno == EINTR) continue;
      signalfd_siginfo taken{};  // or it would end the process when it is let through
      bool const has_come =
          (both[0].revents & POLLIN) != 0 && ::read(signals.get(), &taken, sizeof taken) == sizeof taken;
      return has_come ? static_cast<int>(taken.ssi_signo) : 0;
    }
    return 0;
  }
  // Which one has come; 0: none has.
  int come() const {
    timespec const none{};
    return std::max(0, ::sigtimedwait(&endings_, nullptr, &none));
  }

 private:
  sigset_t endings_{};
  sigset_t before_{};
};

// Drains the runtime's own hub, so that clients elsewhere notice nothing but that the next one is awaited.
// Another signal ends that at once.
void end_in_good_order(detail::engine& engine, awaited_endings const& endings);

}  // namespace yonder::runtime_detail
