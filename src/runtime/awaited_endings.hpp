// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

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

 private:
  sigset_t endings_{};
  sigset_t before_{};
};

}  // namespace yonder::runtime_detail
