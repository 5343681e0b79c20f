// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace yonder::testing {

// Sends a process-wide signal, for which there is a handler, to one thread, over and over. The handler stays:
// the last signal may reach its thread after the storm is over, and without one it ends the process.
class signal_storm {
 public:
  explicit signal_storm(pthread_t victim) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR1, &action, nullptr);
    storm_ = std::thread([this, victim] {
      while (!over_.load()) {
        ::pthread_kill(victim, SIGUSR1);
        std::this_thread::sleep_for(std::chrono::microseconds(5));
      }
    });
  }
  ~signal_storm() {
    over_.store(true);
    storm_.join();
  }
  signal_storm(signal_storm const&) = delete;
  signal_storm& operator=(signal_storm const&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread storm_;
};

}  // namespace yonder::testing
