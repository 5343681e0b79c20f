// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/platform/event_counter.hpp"
#include "src/platform/poller.hpp"
#include "src/platform/unique_fd.hpp"

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <vector>

namespace yonder::platform {

class epoll_poller final : public poller {
 public:
  epoll_poller();

  void add(int fd, ready_handler& handler, std::uint64_t token) override;
  void add_edge(int fd, ready_handler& handler, std::uint64_t token) override;
  void want_write(int fd, ready_handler& handler, std::uint64_t token, bool on) override;
  void remove(int fd) override;
  bool poll(std::int64_t timeout_ns) override;
  int dispatch() override;
  int descriptor() const noexcept override { return epoll_.get(); }
  void ring() noexcept override { rung_.add(); }

 private:
  struct registration {
    ready_handler* handler = nullptr;
    std::uint64_t token = 0;
    std::uint32_t generation = 0;  // tells a descriptor from an earlier one of the same number
    bool writes = false;
  };

  void enter(int fd, ready_handler& handler, std::uint64_t token, std::uint32_t events);
  void control(int operation, int fd, std::uint32_t events);
  void call(epoll_event const& ready);
  int wait_for_events(std::int64_t timeout_ns);

  unique_fd epoll_;
  event_counter rung_;
  std::vector<registration> slots_;  // by descriptor
  std::array<epoll_event, 64> ready_{};
  int ready_count_ = 0;
  int next_ = 0;  // of those that are ready, to be told
};

}  // namespace yonder::platform
