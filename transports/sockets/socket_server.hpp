// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "transports/local/local_endpoint.hpp"
#include "transports/remote.hpp"
#include "transports/sockets/opening.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/admission.hpp"
#include "transports/zmq/keys.hpp"
#include "transports/zmq/socket_file.hpp"

namespace yonder::transport {

// Serves clients over unix sockets, whose peers are processes of this user, and over TLS, whose peers have a
// key that the hub's list has. A peer is one connection, known once it has greeted. A client that connects
// anew is known by its session, but only where its key (over unix: its process) is the same: nobody else ends
// its connection.
//
// What becomes of keys while it runs is looked at once a second. Frames of a peer whose key is good no longer
// are dropped; one whose rights have changed is disconnected, and may come again. A key that was issued and
// is withdrawn lets nobody in from then on; who is connected with it has a second for its last words.
//
// Whoever has not greeted within ten seconds is sent away, and earlier where many have not, or where the
// process has no descriptor left for a connection that waits: of those who have shown least of a key that the
// list has, the oldest makes room for the next. Where nobody is left to go it stops listening for a second.
// Between peers and whoever arrives it divides its time: a few steps of handshakes in a turn.
class socket_server final : public listener {
 public:
  // Throws setup_error: an address that cannot be bound, tls without keys, a folder or a file open to others.
  socket_server(poller& ready, listen_options const& options);
  ~socket_server() override;
  socket_server(socket_server const&) = delete;
  socket_server& operator=(socket_server const&) = delete;

  std::vector<std::string> addresses() const override;
  peer_rights rights_of(std::string_view identity) override;
  std::vector<std::string> warnings() const override { return allowed_.warnings(); }
  worker_key issue_worker_key(std::uint64_t start) override;
  void withdraw_worker_key(std::string const& own_public) override;
  // A key that another listener of the same hub has issued.
  void admit_worker_key(std::string const& own_public, std::uint64_t start);

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell& bell) override { return !pending() && streams_.arm(bell); }
  send_status send(peer_id to, frame const& message) override { return streams_.send(to, message); }
  void flush() override { streams_.flush(); }
  void detach() override { streams_.detach(); }
  void close(peer_id gone) override;
  // A client whose connection ends makes it anew, and its session goes on.
  bool reliable() const override { return false; }

  // How many connections have not greeted yet.
  std::size_t arriving() const noexcept { return arrivals_.size(); }

 private:
  struct binding {
    address where;  // with the port that the system chose
    platform::unique_fd socket;
    std::optional<socket_file> file;
    bool rests = false;   // there was no descriptor for a connection
    bool listed = false;  // in ready_
  };

  // A connection that is no peer yet.
  struct arrival {
    enum class stage : std::uint8_t { greets, enrols, is_welcomed, leaves };
    // Of a key that may come in, or a process of this user: `named` may be what somebody has recorded.
    enum class standing : std::uint8_t { unknown, named, proved };
    opening way;
    std::int64_t until;
    std::string identity{};  // over TLS once that is there
    stage at = stage::greets;
    greeting said{};
    bool waits_to_write = false;
    standing shown = standing::unknown;
    bool listed = false;  // in ready_
  };

  struct known_peer {
    std::string identity;
    std::string session;
    std::uint32_t start = 0;
    bool revoked = false;  // its key is good no longer: what it says is ignored
  };

  bool pending() const noexcept { return must_look_ || !ready_.empty() || streams_.pending(); }
  void listen(binding& at);
  void stop_listening() noexcept;
  void make_ready(std::uint64_t token);
  void serve_ready(std::vector<event>& events);
  void accept_from(binding& at);
  void arrive(binding const& at, platform::unique_fd socket);
  void go_on(std::uint64_t number, std::vector<event>& events);
  void note_standing(arrival& one);
  bool make_room();
  void send_one_away();
  bool answer(arrival& one);
  void greet(arrival& one);
  void enrol(arrival& one);
  void refuse(arrival& one);
  void take_in(std::uint64_t number, std::vector<event>& events);
  void send_away(std::uint64_t number);
  void complete(std::vector<event>& events, std::size_t begin);
  void forget(peer_id gone);
  void lose(peer_id gone, std::string reason, std::vector<event>& events);
  void tick(bool on);
  void look_around(std::vector<event>& events);
  void tell_changes(std::vector<event>& events);
  void tell_withdrawn(std::vector<event>& events);
  void revoke(std::string const& identity);

  poller& poller_;
  std::optional<tls_server_key> own_;  // none: over unix sockets only
  admission allowed_;
  std::optional<tls_settings> settings_;  // the same
  local_endpoint streams_;
  std::vector<binding> bindings_;
  platform::unique_fd clock_;
  bool ticks_ = false;
  bool must_look_ = false;

  std::map<std::uint64_t, arrival> arrivals_;  // by number, the oldest first
  std::uint64_t arrived_ = 0;
  std::deque<std::uint64_t> ready_;  // tokens of what can go on
  std::unordered_map<peer_id, known_peer> peers_;
  std::unordered_map<std::string, peer_id> sessions_;  // of those that have proved who they are
  std::size_t revoked_ = 0;                            // of peers_
  std::vector<std::string> withdrawn_;                 // identities, since the last look
  std::vector<std::string> leaving_;                   // and before: to be told of at the next one
};

}  // namespace yonder::transport
