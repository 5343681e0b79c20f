// SPDX-License-Identifier: Apache-2.0
#include "src/platform/thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <utility>

namespace yonder::platform {
namespace {

// While it lives, threads that are started take no signals.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    for (int const own_fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
      ::sigdelset(&all, own_fault);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(signals_blocked const&) = delete;
  signals_blocked& operator=(signals_blocked const&) = delete;

 private:
  sigset_t before_{};
};

void report(char const* name, char const* what) noexcept {
  try {
    auto const line = std::string("yonder: the thread '") + name + "' ended by an exception: " + what + "\n";
    [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {  // no memory for a line
  }
}

}  // namespace

std::thread start_thread(char const* name, std::function<void()> body) {
  signals_blocked const none;
  return std::thread([name, body = std::move(body)] {
    ::pthread_setname_np(::pthread_self(), name);
    try {
      body();
    } catch (std::exception const& error) {
      report(name, error.what());
    } catch (...) {
      report(name, "of no std type");
    }
  });
}

}  // namespace yonder::platform
