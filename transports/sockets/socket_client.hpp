// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "transports/local/local_endpoint.hpp"
#include "transports/remote.hpp"
#include "transports/sockets/opening.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/connect_keys.hpp"
#include "transports/zmq/name_lookup.hpp"

namespace yonder::transport {

// Connects to a socket_server, and again whenever the connection ends or could not be made: address by
// address of what a name stands for, which is looked up anew each time; after a pause that doubles, unless
// the hub has said something over the connection that ended. Only a hub that has proved itself and answers
// that it does not let us in ends this. Each connection is a peer, which is `connected` once the hub has
// welcomed it.
class socket_client final : public endpoint {
 public:
  // Throws setup_error: no address, tls without keys, a folder or a file open to others.
  socket_client(poller& ready, connect_options const& options);
  ~socket_client() override;
  socket_client(socket_client const&) = delete;
  socket_client& operator=(socket_client const&) = delete;

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell& bell) override { return !pending() && streams_.arm(bell); }
  bool can_wait() const noexcept override { return peer_ != 0 && streams_.can_wait(); }
  bool wait(std::int64_t timeout_ns) override { return streams_.wait(timeout_ns); }
  send_status send(peer_id to, frame const& message) override;
  void flush() override { streams_.flush(); }
  void detach() override { streams_.detach(); }
  void close(peer_id gone) override;  // does not connect again
  // A connection that ends may be made anew, and the session goes on.
  bool reliable() const override { return false; }

 private:
  using milliseconds = std::chrono::milliseconds;

  bool pending() const noexcept;
  std::optional<std::string> name() const;
  void start(std::vector<event>& events);
  void use(lookup_result const& found, std::vector<event>& events);
  void try_candidates(std::vector<event>& events);
  bool begin();
  void go_on(std::vector<event>& events);
  void began();
  void succeeded(std::vector<event>& events);
  void failed(std::vector<event>& events);
  void next_candidate(std::vector<event>& events);
  void connect_after_pause(std::vector<event>& events);
  void refused(std::vector<event>& events);
  void tell_trouble(std::string const& reason, std::vector<event>& events);
  std::string trouble_of_handshake() const;
  void abandon();
  void stop();
  void time_is_over(std::vector<event>& events);
  void set_clock(milliseconds time);
  void note_end(std::vector<event>& events);

  poller& poller_;
  std::string text_;         // the address as it was given, without what stands behind it
  std::string handed_over_;  // that: a file with keys; empty: there are keys in a folder
  address address_;
  std::uint64_t session_;
  connect_keys keys_;
  std::optional<tls_settings> settings_;  // none over a unix socket
  local_endpoint streams_;

  name_lookup lookup_;
  platform::unique_fd clock_;
  std::vector<std::string> candidates_;  // where to connect to, in turn
  std::size_t candidate_ = 0;            // the present one
  std::optional<opening> opening_;       // to it
  bool waits_to_write_ = false;          // as the poller knows

  std::uint32_t starts_ = 0;
  peer_id drawn_ = 0;    // of those that could not be made; those of streams_ are far beyond
  peer_id peer_ = 0;     // the present connection; 0: none
  int failures_ = 0;     // in a row
  std::string trouble_;  // the last that was told
  bool pauses_ = false;  // until the clock rings
  bool rang_ = false;
  bool ready_ = false;  // the connection that is being made can go on
  bool ended_ = false;  // for good
};

}  // namespace yonder::transport
