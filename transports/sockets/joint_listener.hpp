// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transports/remote.hpp"
#include "transports/sockets/socket_server.hpp"

namespace yonder::transport {

// One hub that is listened for over ZeroMQ and over sockets. A worker's key that is issued is good for both.
class joint_listener final : public listener {
 public:
  // `addresses`: as they were asked for, of either kind.
  joint_listener(std::vector<std::string> const& addresses, std::unique_ptr<listener> over_zmq,
                 std::unique_ptr<socket_server> over_sockets);

  std::vector<std::string> addresses() const override;
  peer_rights rights_of(std::string_view identity) override;
  std::vector<std::string> warnings() const override;
  worker_key issue_worker_key(std::uint64_t start) override;
  void withdraw_worker_key(std::string const& own_public) override;

  void on_ready(std::uint64_t, bool, bool) override {}  // each of the two is told itself
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell& bell) override;
  send_status send(peer_id to, frame const& message) override;
  void flush() override;
  void detach() override;
  void close(peer_id gone) override;
  bool reliable() const override { return false; }

 private:
  // Set in the numbers of ZeroMQ's peers; neither of the two comes that far.
  static constexpr peer_id zmq_bit = peer_id{1} << 59;

  std::vector<bool> is_zmq_;  // by address
  std::unique_ptr<listener> zmq_;
  std::unique_ptr<socket_server> sockets_;
};

}  // namespace yonder::transport
