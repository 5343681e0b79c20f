// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/zmq_client.hpp"

#include <array>
#include <utility>

#include "transports/setup_error.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/private_folder.hpp"

namespace yonder::transport {

namespace {

enum token : std::uint64_t { socket_token, monitor_token };

// A server that cannot read our handshake closes the connection without a word; so does one that just ends.
constexpr int broken_handshakes_of_a_wrong_key = 2;

constexpr int watched_events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED |
                               ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

// The first byte keeps it apart from the routing ids that libzmq draws itself. Each start has its own, in
// rising order: what an earlier connection has left unread at the hub is told from what this one says.
std::array<char, routing_id_size> routing_id_of(std::uint64_t session, std::uint32_t start) {
  std::array<char, routing_id_size> id{'Y'};
  for (std::size_t i = 0; i < 8; ++i) id[1 + i] = static_cast<char>(session >> (8 * i));
  for (std::size_t i = 0; i < 4; ++i) id[9 + i] = static_cast<char>(start >> (24 - 8 * i));
  return id;
}

void use_keys(zmq::socket_t& socket, secret_key const& secret, raw_key const& server) {
  auto const own = public_key_of(secret);
  socket.set(zmq::sockopt::curve_serverkey, zmq::buffer(server));
  socket.set(zmq::sockopt::curve_publickey, zmq::buffer(own));
  socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(secret.bytes));
}

}  // namespace

zmq_client::zmq_client(poller& ready, connect_options const& options)
    : poller_(ready),
      bounds_(options.bounds),
      address_(options.address),
      session_(options.session),
      unsent_(ready) {
  if (auto const path = ipc_path(address_)) {
    check_private_folder(path->parent_path());
  } else {
    if (options.keys.empty())
      throw setup_error(
          errc::bad_configuration,
          address_ +
              ": tcp needs keys; run `yonder keygen FOLDER` where the hub is, copy client.key and "
              "server.pub into a folder here and name that");
    key_files const files(options.keys);
    read_secret_key(files.client_secret, secret_);
    server_key_ = read_public_key(files.server_public);
    encrypted_ = true;
  }
  start();
}

zmq_client::~zmq_client() { stop(farewell_ms); }

void zmq_client::start() {
  try {
    open();
  } catch (...) {
    stop(0);
    throw;
  }
}

void zmq_client::open() {
  socket_.emplace(context_, zmq::socket_type::dealer);
  prepare(*socket_, bounds_);
  ++starts_;
  socket_->set(zmq::sockopt::routing_id, zmq::buffer(routing_id_of(session_, starts_)));
  if (encrypted_) use_keys(*socket_, secret_, server_key_);
  monitor_.emplace(context_, *socket_, watched_events, starts_);
  try {
    uninterrupted([&] { socket_->connect(address_); });
  } catch (zmq::error_t const& error) {
    throw setup_error(errc::bad_configuration, address_ + ": cannot be connected to: " + error.what());
  }
  poller_.add(descriptor_of(*socket_), *this, socket_token);
  poller_.add(monitor_->descriptor(), *this, monitor_token);
  readable_ = touched_ = monitor_ready_ = true;
}

// What was sent may still leave for `linger_ms`, in the background.
void zmq_client::stop(int linger_ms) {
  if (!socket_) return;
  if (linger_ms != 0) send_waiting();
  unsent_ = outbox(poller_);
  if (monitor_) poller_.remove(monitor_->descriptor());
  poller_.remove(descriptor_of(*socket_));
  monitor_.reset();
  socket_->set(zmq::sockopt::linger, linger_ms);
  socket_.reset();
  peer_ = 0;
  connection_ = -1;
  readable_ = touched_ = monitor_ready_ = cut_off_ = false;
}

// libzmq would connect again by itself, but send to the new connection what was meant for the old one.
void zmq_client::connect_anew(std::string reason, std::vector<event>& events) {
  tell_lost(std::move(reason), events);
  stop(0);
  start();
}

void zmq_client::on_ready(std::uint64_t token, bool, bool) {
  if (token == socket_token)
    readable_ = true;
  else
    monitor_ready_ = true;
}

void zmq_client::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  if (std::exchange(monitor_ready_, false)) read_monitor(events);
  send_waiting();
  while (readable_ && events.size() - begin < most) receive_one(events);
}

bool zmq_client::poll_once() {
  if (!socket_) return false;
  monitor_ready_ = monitor_ready_ || monitor_->readable();
  touched_ = true;
  return pending();
}

bool zmq_client::pending() {
  if (readable_ || monitor_ready_) return true;
  if (!touched_) return false;
  // Reading the events makes libzmq do all that its descriptor stood for.
  readable_ = is_readable(*socket_);
  if (!unsent_.empty()) {
    send_waiting();
    readable_ = is_readable(*socket_);
  }
  touched_ = false;
  return readable_;
}

bool zmq_client::receive_one(std::vector<event>& events) {
  readable_ = receive_part(*socket_, first_part_);
  if (!readable_) {
    touched_ = !unsent_.empty();
    return false;
  }
  if (peer_ == 0) await_handshake(events);
  if (first_part_.size() == sizeof(std::byte) && !first_part_.more()) {
    obey(*first_part_.data<std::byte>(), events);
    return true;
  }
  if (peer_ == 0) {
    if (socket_) skip_parts(*socket_, first_part_);
    return true;
  }
  events.push_back({event::kind::received, peer_, {}, {}, false});
  auto fault = unpack(*socket_, first_part_, bounds_, events.back().message);
  if (fault.empty()) return true;
  events.pop_back();
  connect_anew(std::move(fault), events);
  return true;
}

void zmq_client::obey(std::byte signal, std::vector<event>& events) {
  if (signal == signal_farewell && peer_ != 0)
    connect_anew("the other end has closed the connection", events);
}

void zmq_client::read_monitor(std::vector<event>& events) {
  while (monitor_) {
    auto const report = monitor_->next();
    if (!report) return;
    handle(*report, events);
  }
}

// The monitor has told of the handshake before the first frame came; what it says after that can wait.
void zmq_client::await_handshake(std::vector<event>& events) {
  monitor_ready_ = true;
  while (peer_ == 0 && monitor_) {
    auto const report = monitor_->next();
    if (!report) return;
    handle(*report, events);
  }
}

void zmq_client::handle(connection_event const& report, std::vector<event>& events) {
  switch (report.what) {
    case ZMQ_EVENT_CONNECTED: connection_ = report.value; break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: begin_connection(events); break;
    case ZMQ_EVENT_DISCONNECTED: cut_off_ = peer_ != 0 && report.value == connection_; break;
    case ZMQ_EVENT_CONNECT_RETRIED:
      while (cut_off_ && receive_one(events)) {
      }
      if (cut_off_) connect_anew({}, events);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      handshake_refused(encrypted_
                            ? "our key is not known there; add the line of client.pub to its authorized_keys"
                            : "it belongs to another user",
                        true, events);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      if (report.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        handshake_refused("it does not use keys: tcp connections must be encrypted", true, events);
      else if (report.value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
        handshake_refused("server.pub is not its key", true, events);
      else
        handshake_refused("it does not speak ZeroMQ as we do", false, events);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: handshake_broken(events); break;
    default: break;
  }
}

void zmq_client::begin_connection(std::vector<event>& events) {
  peer_ = ++drawn_;
  broken_handshakes_ = 0;
  events.push_back({event::kind::connected, peer_, {}, {}, false});
}

void zmq_client::tell_lost(std::string reason, std::vector<event>& events) {
  events.push_back({event::kind::lost, std::exchange(peer_, 0), {}, std::move(reason), false});
}

void zmq_client::handshake_broken(std::vector<event>& events) {
  if (!encrypted_ || ++broken_handshakes_ < broken_handshakes_of_a_wrong_key) return;
  handshake_refused(
      "it ends the connection during the handshake: server.pub is not its key, or another program listens "
      "there",
      true, events);
}

// Final: trying again would be refused again.
void zmq_client::handshake_refused(std::string const& reason, bool unauthorized, std::vector<event>& events) {
  events.push_back({event::kind::lost, ++drawn_, {}, address_ + ": " + reason, unauthorized});
  stop(0);
}

send_status zmq_client::send(peer_id to, frame const& message) {
  if (to == 0 || to != peer_ || cut_off_) return send_status::gone;
  if (!within(bounds_, message)) return send_status::too_large;
  if (unsent_.is_full(frame_size(message), bounds_.max_queue_bytes)) return send_status::full;
  auto packed = unsent_.pack(message);
  if (!send_waiting() || transmit(packed) != part_status::done) unsent_.push(std::move(packed));
  return send_status::sent;
}

void zmq_client::close(peer_id gone) {
  if (gone != 0 && gone == peer_) stop(farewell_ms);
}

part_status zmq_client::transmit(packed_frame& message) {
  touched_ = true;
  return send_parts(*socket_, message);
}

// True if nothing waits any more.
bool zmq_client::send_waiting() {
  while (!unsent_.empty()) {
    if (transmit(unsent_.front()) != part_status::done) return false;
    unsent_.pop();
  }
  return true;
}

}  // namespace yonder::transport
