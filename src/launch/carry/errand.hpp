// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "src/platform/event_counter.hpp"
#include "src/platform/poller.hpp"

namespace yonder::launch {

// Something that takes a while, done by a thread of its own; whoever drives a poller is told there when it is
// over. One at a time. Used under the driver's lock.
class errand final : private platform::ready_handler {
 public:
  explicit errand(platform::poller& poller);
  ~errand();  // asks what is being done to stop, and waits for it
  errand(errand const&) = delete;
  errand& operator=(errand const&) = delete;

  // `work` may throw, which is what `done` is told then; empty: it was done. `done` may begin another one.
  void begin(std::function<void(std::stop_token stop)> work, std::function<void(std::string fault)> done);
  bool is_busy() const noexcept { return thread_.joinable(); }

 private:
  void on_ready(std::uint64_t token, bool readable, bool writable) override;

  platform::poller& poller_;
  platform::event_counter over_;
  std::stop_source stop_;
  std::thread thread_;
  std::string fault_;  // written by the thread, read when it is over
  std::function<void(std::string)> done_;
};

}  // namespace yonder::launch
