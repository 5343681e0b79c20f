// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/platform/unique_fd.hpp"
#include "transports/transport.hpp"

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <vector>

namespace yonder::platform {

// The one wait of a runtime: level-triggered epoll, and an eventfd by which any thread ends the wait.
//
// Threads: poll() is for one thread at a time and needs no lock; wake() is for any thread; everything else is
// called under the driver's lock, also while another thread is inside poll().
class epoll_poller final : public transport::poller {
 public:
  epoll_poller();

  // Adding a descriptor that is there replaces its handler and waits for reading only. Throws
  // std::system_error.
  void add(int fd, transport::ready_handler& handler, std::uint64_t token) override;
  void want_write(int fd, transport::ready_handler& handler, std::uint64_t token, bool on) override;
  void remove(int fd) override;

  // Blocks until a descriptor is ready, wake() was called, or the time is over (negative: no limit;
  // nanoseconds). Calls no handler. True if there is something to dispatch.
  bool poll(std::int64_t timeout_ns);

  // Calls the handlers of what the last poll() found, and returns how many. Handlers may add and remove: one
  // that was removed in this round is not called any more.
  int dispatch();

  // poll(), then dispatch().
  int wait(std::int64_t timeout_ns);

  // Ends the present poll(), or the next one if there is none.
  void wake() noexcept;

 private:
  struct registration {
    transport::ready_handler* handler = nullptr;
    std::uint64_t token = 0;
    std::uint32_t generation = 0;  // tells a descriptor from an earlier one of the same number
    bool writes = false;
  };

  void control(int operation, int fd, bool writes);
  void call(epoll_event const& ready);
  int wait_for_events(std::int64_t timeout_ns);

  unique_fd epoll_;
  unique_fd wake_;
  std::vector<registration> slots_;  // by descriptor
  std::array<epoll_event, 64> ready_{};
  int ready_count_ = 0;
};

}  // namespace yonder::platform
