// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/platform/stderr_writer.hpp"
#include "transports/transport.hpp"

namespace yonder::runtime_detail {

// Passes on to stderr what workers print, and waits for nobody: what stderr does not take at once is held,
// and written when there is room. Past a limit it is dropped, and a line says how much. Used under the
// engine's lock.
class stderr_relay final : private transport::ready_handler {
 public:
  explicit stderr_relay(transport::poller& poller) noexcept : poller_(poller) {}
  ~stderr_relay();
  stderr_relay(stderr_relay const&) = delete;
  stderr_relay& operator=(stderr_relay const&) = delete;

  void pass(std::string_view text);

  // Waits until all is written or `until` has come; drops the rest.
  void finish(std::int64_t until);

 private:
  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void hold(std::string_view text);
  void write();
  void watch();
  void close() noexcept;

  transport::poller& poller_;
  std::optional<platform::stderr_writer> sink_;  // while something is held
  bool watched_ = false;
  std::string held_;
  std::size_t dropped_ = 0;  // bytes
};

}  // namespace yonder::runtime_detail
