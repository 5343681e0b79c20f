// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "transports/remote.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/authenticator.hpp"
#include "transports/zmq/message.hpp"
#include "transports/zmq/socket.hpp"
#include "transports/zmq/socket_file.hpp"

namespace yonder::transport {

// Serves clients over ipc and tcp, by a ROUTER socket. A peer is one connection, known from its first frame
// on. A client that connects anew is known by its session, but only where its key (over ipc: its process) is
// the same: nobody else ends its connection.
//
// What becomes of keys while it runs is looked at once a second. Frames of a peer whose key is good no longer
// are dropped; one whose rights have changed is disconnected, and may come again. A key that was issued and
// is withdrawn lets nobody in from then on; who is connected with it has a second for its last words.
//
// Where the process has no descriptor left for a connection that waits, it stops listening until there is one
// again: libzmq would try for ever, and take a core for it.
//
// How the end of a connection is told: libzmq's monitor names its descriptor, but may do so before the peer's
// last frames can be read. They can once the routing id has become unreachable; what is read then is all
// there was.
class zmq_server final : public listener {
 public:
  // Throws setup_error: an address that cannot be bound, tcp without keys, a folder or a file open to others.
  zmq_server(poller& ready, listen_options const& options);
  ~zmq_server() override;
  zmq_server(zmq_server const&) = delete;
  zmq_server& operator=(zmq_server const&) = delete;

  std::vector<std::string> addresses() const override;
  peer_rights rights_of(std::string_view identity) override;
  std::vector<std::string> warnings() const override;
  worker_key issue_worker_key(std::uint64_t start) override;
  void withdraw_worker_key(std::string const& own_public) override;

  // How many connections were refused for want of the right key or user.
  std::uint64_t refused() const noexcept { return authenticator_->refused(); }

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell&) override { return !pending(); }
  send_status send(peer_id to, frame const& message) override;
  void flush() override {}   // send() hands on what libzmq takes; the rest waits for it
  void detach() override {}  // send() copies what is borrowed
  void close(peer_id gone) override;
  bool reliable() const override { return false; }

 private:
  struct peer {
    peer_id id = 0;
    std::string routing_id;
    std::string identity;
    int connection = -1;         // the descriptor that libzmq uses for it
    std::uint64_t accepted = 0;  // accepted_ when `connection` was last looked at
    outbox unsent;
    bool closed = false;   // by us, without its connection having ended: what it still says is ignored
    bool waiting = false;  // listed in waiting_
    bool ending = false;   // its connection is gone; listed in ending_
    bool cut_off = false;  // and what it had sent can all be read
    bool revoked = false;  // its key is good no longer: what it says is ignored
    bool enrols = false;   // it has a token, and is nobody yet
  };

  struct binding {
    address where;                    // with the port that the system chose
    std::string endpoint;             // what libzmq calls it; empty: closed
    std::optional<socket_file> file;  // which libzmq leaves behind
  };

  bool pending();
  void watch_keys();
  void tell_changes(std::vector<event>& events);
  void tell_withdrawn(std::vector<event>& events);
  void enrol(peer& from);
  void open(listen_options const& options);
  void listen(binding& at);
  void listen_tcp(binding& at, tcp_address& where);
  void listen_ipc(binding& at, ipc_address const& where);
  void bind(binding& at, std::string const& text);
  void stop_listening();
  void listen_again();

  peer* find(peer_id id);
  peer* sender_of(std::string_view routing_id, std::vector<event>& events);
  void forget_open(peer& gone);
  peer& add(std::string routing_id, std::string identity, int connection, std::vector<event>& events);
  void erase(peer& gone);

  bool receive_one(std::vector<event>& events);
  void read_monitor();
  void connection_ended(int connection);
  void begin_end(peer& from);
  void probe_ending();
  void tell_ended(std::vector<event>& events);
  void lose(peer& gone, std::string reason, std::vector<event>& events);
  void shut(peer& gone);

  part_status transmit(peer& to, packed_frame& message);
  void cut_off(peer& from);
  void wait_to_send(peer& to, packed_frame message);
  void send_waiting();
  bool send_waiting_of(peer& to);

  poller& poller_;
  limits bounds_;
  zmq::context_t context_;
  std::optional<authenticator> authenticator_;
  zmq::socket_t socket_;
  std::optional<connection_monitor> monitor_;
  secret_key secret_;
  std::vector<binding> bindings_;
  bool listening_ = true;  // false: there was no descriptor for a connection

  std::unordered_map<std::string, std::unique_ptr<peer>> peers_;  // by routing id
  std::unordered_map<peer_id, peer*> open_peers_;                 // that are not closed
  std::unordered_map<std::string, peer*> sessions_;               // of those, by session_of()
  std::unordered_map<int, peer*> connections_;                    // by descriptor
  std::unordered_set<int> dead_connections_;                      // that ended before their peer was known
  std::vector<peer*> waiting_;                                    // with frames that libzmq did not take
  std::vector<peer*> ending_;
  peer* last_sender_ = nullptr;
  zmq::message_t routing_id_;
  zmq::message_t first_part_;
  peer_id drawn_ = 0;
  std::uint64_t accepted_ = 0;  // connections so far
  bool readable_ = true;        // the socket may have something to read
  bool touched_ = true;         // sending may have swallowed the descriptor's readiness
  bool monitor_ready_ = true;
  platform::unique_fd look_;  // a timer: when to look what has become of keys; none: there are none
  bool must_look_ = false;
  std::vector<std::string> withdrawn_;  // identities, since the last look
  std::vector<std::string> leaving_;    // and before: to be told of at the next one
};

}  // namespace yonder::transport
