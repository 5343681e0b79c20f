// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/platform/poller.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::transport {

// What a name stands for.
struct lookup_result {
  std::vector<std::string> addresses;  // literals, in the order in which the system would try them
  std::string error;                   // in words, where there are none
};

// Takes as long as the system does.
lookup_result look_up(std::string const& host) noexcept;
// The addresses of a host, or none. Waits for the system's answer.
YONDER_API std::vector<std::string> addresses_of(std::string const& host);

// Looks names up, after a pause, in a thread of its own: both may take long. One at a time; used by one
// driver.
class YONDER_API name_lookup {
 public:
  // `bell` rings when there is a result, and must outlive this.
  explicit name_lookup(platform::doorbell& bell);
  ~name_lookup();  // waits for nothing
  name_lookup(name_lookup const&) = delete;
  name_lookup& operator=(name_lookup const&) = delete;

  // Forgets what is under way. An empty name stands for nothing: only the pause is kept.
  void start(std::string host, std::chrono::milliseconds pause);
  void stop() noexcept;

  bool done() const noexcept;
  std::optional<lookup_result> take();

 private:
  struct task;
  void run();

  platform::doorbell& bell_;
  std::shared_ptr<task> task_;  // none: nothing is under way
};

}  // namespace yonder::transport
