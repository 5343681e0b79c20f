// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/core/hub.hpp"
#include "transports/transport.hpp"

namespace yonder::runtime_detail {

// What became of workers, besides the frames that they send. A worker may have a second connection, by which
// its tasks call tasks: of start 0.
struct pool_event {
  enum class kind : std::uint8_t { connected, lost, start_failed, notice, held, waits, placed, ended };
  kind what{};
  transport::peer_id peer = 0;  // connected, lost
  std::uint64_t start =
      0;  // connected, start_failed; elsewhere held, waits, placed, ended: out::start_worker::start
  core::peer_loss loss{};  // lost; start_failed, ended: its stderr_tail
  std::string text{};      // start_failed, notice, held, waits, ended
};

// Starts and ends the embedded hub's workers, and moves the frames between. Used under the engine's lock.
class worker_pool {
 public:
  virtual ~worker_pool() = default;

  virtual void start(core::out::start_worker const& wanted) = 0;
  virtual void kill(transport::peer_id peer, std::string_view reason) = 0;
  // What was started for this start has not connected in time: it is ended.
  virtual void abandon(std::uint64_t start) = 0;

  // Appends what happened since. A worker's frames are received before its loss is told. One that throws
  // (there is no memory) goes on when it is called again, with what it has appended.
  virtual void take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) = 0;

  // As of an endpoint.
  virtual bool arm(transport::doorbell& bell) = 0;
  virtual transport::endpoint& endpoint() = 0;

  // How many workers live.
  virtual std::size_t size() const = 0;

  // Ends all of them and waits until they are gone.
  virtual void stop() = 0;
};

}  // namespace yonder::runtime_detail
