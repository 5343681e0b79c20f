// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/scheme.hpp"
#include "tests/support/held_port.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/yonder.hpp"

namespace e2e {

// A hub without workers of its own, and one that came by itself.
class site {
 public:
  // "": over TCP.
  explicit site(std::string const& address = "", std::size_t max_call_bytes = 256 << 20)
      : options_{.max = 0,
                 .bind = {address.empty() ? over(port_.address()) : address},
                 .keys = keys(),
                 .max_call_bytes = max_call_bytes} {
    yonder::transport::keygen(keys());
    hub_.emplace(options_);
  }
  ~site() { stop_worker(); }
  site(site const&) = delete;
  site& operator=(site const&) = delete;

  std::string keys() const { return folder_ / "keys"; }
  std::string address() const { return hub_->addresses().front(); }
  std::size_t workers() const { return hub_->snapshot().workers; }  // that the hub has
  // As SIGTERM does, and whatever starts it again.
  void restart_hub() {
    hub_.reset();
    hub_.emplace(options_);
  }

  void start_worker() {
    workers_.push_back(yonder::platform::spawn({.path = YONDER_REMOTE_WORKER,
                                                .arguments = {"remote_worker", "--yonder-worker", address()},
                                                .environment = {"YONDER_KEYS=" + keys()},
                                                .output = -1,
                                                .inherited = {}}));
  }
  yonder::platform::child_process take_worker() {
    auto taken = std::move(workers_.back());
    workers_.pop_back();
    return taken;
  }
  void stop_worker() {
    for (auto& worker : workers_) {
      worker.kill(SIGKILL);
      worker.wait();
    }
    workers_.clear();
  }

  yonder::runtime_options client() const {
    return {.hub = address(), .keys = keys(), .connect_timeout = std::chrono::seconds(20)};
  }

 private:
  yonder::testing::held_port port_;
  folder folder_;
  yonder::runtime_options options_;
  std::optional<yonder::runtime> hub_;
  std::vector<yonder::platform::child_process> workers_;
};

}  // namespace e2e
