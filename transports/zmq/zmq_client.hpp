// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transports/remote.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/authenticator.hpp"
#include "transports/zmq/connect_keys.hpp"
#include "transports/zmq/message.hpp"
#include "transports/zmq/name_lookup.hpp"
#include "transports/zmq/socket.hpp"

namespace yonder::transport {

// Connects to a zmq_server, by a DEALER socket, and again whenever the connection ends or could not be made:
// address by address of what a name stands for, which is looked up anew each time; after a pause that
// doubles, unless the hub has said something over the connection that ended. Only a hub that answers that it
// does not let us in ends this. Each connection is a peer: it is `connected` when the handshake is done, and
// nothing that was sent to an earlier one reaches a later one.
//
// How the end of a connection is told: libzmq's monitor may report it before the last frames can be read, but
// it reports the next attempt (CONNECT_RETRIED) after they can.
class zmq_client final : public endpoint {
 public:
  // Throws setup_error: no address, tcp without keys, a folder or a file open to others.
  zmq_client(poller& ready, connect_options const& options);
  ~zmq_client() override;
  zmq_client(zmq_client const&) = delete;
  zmq_client& operator=(zmq_client const&) = delete;

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell&) override { return !pending(); }
  send_status send(peer_id to, frame const& message) override;
  void flush() override {}            // send() hands on what libzmq takes; the rest waits for it
  void detach() override {}           // send() copies what is borrowed
  void close(peer_id gone) override;  // does not connect again
  bool reliable() const override { return false; }

 private:
  bool pending();
  std::optional<std::string> name() const;
  void connect_after_pause(std::vector<event>& events);
  void use(lookup_result const& found, std::vector<event>& events);
  void connect_to(std::vector<std::string> candidates, std::vector<event>& events);
  void try_next(std::vector<event>& events);
  void try_to_start(std::vector<event>& events);
  void start();
  void open();
  void stop(int linger_ms);
  void connect_anew(std::string reason, std::vector<event>& events);
  void tell_lost(std::string reason, std::vector<event>& events);
  bool receive_one(std::vector<event>& events);
  void obey(std::byte signal, std::vector<event>& events);
  void read_monitor(std::vector<event>& events);
  void await_handshake(std::vector<event>& events);
  void handle(connection_event const& report, std::vector<event>& events);
  void begin_connection(std::vector<event>& events);
  void handshake_failed(int reason, std::vector<event>& events);
  void refused(std::vector<event>& events);
  void tell_trouble(std::string const& reason, std::vector<event>& events);
  bool send_waiting();
  part_status transmit(packed_frame& message);

  poller& poller_;
  limits bounds_;
  std::string text_;         // the address as it was given, without what stands behind it
  std::string handed_over_;  // that: a file with keys; empty: there are keys in a folder
  address address_;
  std::uint64_t session_;
  bool encrypted_;
  connect_keys keys_;

  zmq::context_t context_;
  std::optional<authenticator> authenticator_;  // for ipc: whether the other end is this user
  name_lookup lookup_;
  std::vector<std::string> candidates_;  // where to connect to, in turn
  std::size_t candidate_ = 0;            // the present one
  std::optional<zmq::socket_t> socket_;  // none: closed, or not started
  std::optional<connection_monitor> monitor_;
  outbox unsent_;
  zmq::message_t first_part_;

  std::uint32_t starts_ = 0;
  peer_id drawn_ = 0;
  peer_id peer_ = 0;       // the present connection; 0: none
  int connection_ = -1;    // its descriptor, from before the handshake on
  bool cut_off_ = false;   // it has ended, but what it had sent may not all be read
  int failures_ = 0;       // in a row
  std::string trouble_;    // the last that was told
  bool readable_ = false;  // the socket may have something to read
  bool touched_ = false;   // sending may have swallowed the descriptor's readiness
  bool monitor_ready_ = false;
};

}  // namespace yonder::transport
