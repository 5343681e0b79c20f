// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/zmq_client.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "transports/setup_error.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/private_folder.hpp"

namespace yonder::transport {

namespace {

enum token : std::uint64_t { socket_token, monitor_token, authenticator_token };

constexpr std::chrono::milliseconds no_pause{0};
constexpr std::chrono::milliseconds first_pause{50};
constexpr std::chrono::milliseconds longest_pause{500};

// With several addresses to try, none is waited for as long as one alone is: some service that says nothing
// may listen at the first.
constexpr int connect_ms_of_several = 1'500;
constexpr int handshake_ms_of_several = 3'000;

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

void use_keys(zmq::socket_t& socket, connect_keys const& keys) {
  auto const own = public_key_of(keys.own);
  socket.set(zmq::sockopt::curve_serverkey, zmq::buffer(keys.server));
  socket.set(zmq::sockopt::curve_publickey, zmq::buffer(own));
  socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(keys.own.bytes));
}

}  // namespace

zmq_client::zmq_client(poller& ready, connect_options const& options)
    : poller_(ready),
      bounds_(options.bounds),
      text_(options.address),
      handed_over_(take_fragment(text_)),
      address_(parse_address(text_, address_use::connect)),
      session_(options.session),
      encrypted_(std::holds_alternative<tcp_address>(address_)),
      lookup_(ready),
      unsent_(ready) {
  if (auto const* const ipc = std::get_if<ipc_address>(&address_)) {
    check_private_folder(
        ipc->path.parent_path());  // absent: whoever makes it, the socket's owner will be asked
    authenticator_.emplace(context_, std::nullopt);
  } else {
    read_connect_keys(options, text_, handed_over_, keys_);
  }
  if (authenticator_) poller_.add(authenticator_->descriptor(), *this, authenticator_token);
  if (name()) {
    ++failures_;
    lookup_.start(*name(), no_pause);
    return;
  }
  candidates_ = {text_};
  try {
    start();
  } catch (...) {
    if (authenticator_) poller_.remove(authenticator_->descriptor());
    throw;
  }
}

zmq_client::~zmq_client() {
  stop(farewell_ms);
  if (authenticator_) poller_.remove(authenticator_->descriptor());
}

// The name to look up; none: the address is one that stands for itself.
std::optional<std::string> zmq_client::name() const {
  auto const* const tcp = std::get_if<tcp_address>(&address_);
  if (tcp == nullptr || tcp->is_literal) return std::nullopt;
  return tcp->host;
}

void zmq_client::connect_after_pause(std::vector<event>& events) {
  auto const doublings = std::min(failures_++, 8);
  auto const pause =
      doublings == 0 ? no_pause : std::min(first_pause * (1 << (doublings - 1)), longest_pause);
  if (pause == no_pause && !name()) return connect_to({text_}, events);
  lookup_.start(name().value_or(""), pause);
}

void zmq_client::use(lookup_result const& found, std::vector<event>& events) {
  if (!name()) return connect_to({text_}, events);
  if (found.addresses.empty()) {
    tell_trouble(found.error, events);
    return connect_after_pause(events);
  }
  std::vector<std::string> candidates;
  for (auto const& literal : found.addresses)
    candidates.push_back(to_string(tcp_address{literal, std::get<tcp_address>(address_).port, true}));
  connect_to(std::move(candidates), events);
}

void zmq_client::connect_to(std::vector<std::string> candidates, std::vector<event>& events) {
  candidates_ = std::move(candidates);
  candidate_ = 0;
  try_to_start(events);
}

// A single address that stands for itself is tried again by libzmq.
void zmq_client::try_next(std::vector<event>& events) {
  if (!name()) return;
  stop(0);
  if (++candidate_ == candidates_.size()) return connect_after_pause(events);
  try_to_start(events);
}

void zmq_client::try_to_start(std::vector<event>& events) {
  try {
    start();
  } catch (std::exception const& error) {  // no descriptor, say
    tell_trouble(std::string("no connection can be begun: ") + error.what(), events);
    connect_after_pause(events);
  }
}

void zmq_client::start() {
  try {
    open();
  } catch (...) {
    stop(0);
    throw;
  }
}

void zmq_client::open() {
  auto const& where = candidates_[candidate_];
  socket_.emplace(context_, zmq::socket_type::dealer);
  prepare(*socket_, bounds_);
  ++starts_;
  socket_->set(zmq::sockopt::routing_id, zmq::buffer(routing_id_of(session_, starts_)));
  if (encrypted_) {
    use_keys(*socket_, keys_);
    socket_->set(zmq::sockopt::ipv6, where.find('[') != std::string::npos);
    if (candidates_.size() > 1) {
      socket_->set(zmq::sockopt::connect_timeout, connect_ms_of_several);
      socket_->set(zmq::sockopt::handshake_ivl, handshake_ms_of_several);
    }
  } else {
    socket_->set(zmq::sockopt::zap_domain, authenticator::domain);
  }
  monitor_.emplace(context_, *socket_, watched_events, starts_);
  try {
    uninterrupted([&] { socket_->connect(where); });
  } catch (zmq::error_t const& error) {
    throw setup_error(errc::bad_configuration, where + ": cannot be connected to: " + error.what());
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
  connect_after_pause(events);
}

void zmq_client::on_ready(std::uint64_t token, bool, bool) {
  switch (token) {
    case socket_token: readable_ = true; break;
    case monitor_token: monitor_ready_ = true; break;
    default: authenticator_->serve();
  }
}

void zmq_client::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  if (auto const found = lookup_.take()) use(*found, events);
  if (std::exchange(monitor_ready_, false)) read_monitor(events);
  send_waiting();
  while (readable_ && events.size() - begin < most) receive_one(events);
}

bool zmq_client::poll_once() {
  if (authenticator_) authenticator_->serve();
  if (socket_) {
    monitor_ready_ = monitor_ready_ || monitor_->readable();
    touched_ = true;
  }
  return pending();
}

bool zmq_client::pending() {
  if (readable_ || monitor_ready_ || lookup_.done()) return true;
  if (!touched_) return false;
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
  auto const start = starts_;
  if (peer_ == 0) await_handshake(events);
  if (starts_ != start || !socket_) return true;  // what was read went with its socket
  if (first_part_.size() == sizeof(std::byte) && !first_part_.more()) {
    obey(*first_part_.data<std::byte>(), events);
    return true;
  }
  if (peer_ == 0) {
    skip_parts(*socket_, first_part_);
    return true;
  }
  events.push_back(event::received(peer_));
  auto fault = unpack(*socket_, first_part_, bounds_, events.back().message);
  if (fault.empty()) {
    failures_ = 0;
    return true;
  }
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
      if (cut_off_)
        connect_anew({}, events);
      else if (peer_ == 0)
        try_next(events);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: refused(events); break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: handshake_failed(report.value, events); break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: handshake_failed(0, events); break;
    default: break;
  }
}

void zmq_client::begin_connection(std::vector<event>& events) {
  peer_ = ++drawn_;
  trouble_.clear();
  events.push_back(event::connected(peer_));
}

void zmq_client::tell_lost(std::string reason, std::vector<event>& events) {
  events.push_back(event::lost(std::exchange(peer_, 0), std::move(reason)));
}

// Who cannot read our handshake closes the connection without a word; so does who just ends, and a tunnel
// without a hub behind it.
void zmq_client::handshake_failed(int reason, std::vector<event>& events) {
  if (reason == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
    tell_trouble(encrypted_ ? "who listens there does not use keys: tcp connections must be encrypted"
                            : "who listens there uses keys, which ipc does not",
                 events);
  else if (reason == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
    tell_trouble("server.pub is not the key of who listens there", events);
  else if (reason != 0)
    tell_trouble("who listens there does not speak ZeroMQ as we do", events);
  else
    tell_trouble(std::string("who listens there ends the connection during the handshake: ") +
                     (encrypted_ ? "server.pub is not its key, " : "") +
                     "no hub is up behind it, or it is another program",
                 events);
}

// The one answer that is final: trying again would be refused again.
void zmq_client::refused(std::vector<event>& events) {
  auto const* const reason = encrypted_ ? "our key is not known there, or has been revoked; its operator "
                                          "lets it in: `yonder keys issue`, or the "
                                          "line of client.pub in authorized_keys"
                                        : "who listens there is another user, or refuses this one";
  events.push_back(event::refused(++drawn_, text_ + ": " + reason));
  stop(0);
}

void zmq_client::tell_trouble(std::string const& reason, std::vector<event>& events) {
  if (reason == trouble_) return;
  trouble_ = reason;
  events.push_back(event::lost(++drawn_, reason));
}

send_status zmq_client::send(peer_id to, frame const& message) {
  if (to == 0 || to != peer_ || cut_off_) return send_status::gone;
  if (!within(bounds_, message)) return send_status::too_large;
  if (unsent_.is_full(size_of(message), bounds_.max_queue_bytes)) return send_status::full;
  auto packed = unsent_.pack(message);
  if (!send_waiting() || transmit(packed) != part_status::done) unsent_.push(std::move(packed));
  return send_status::sent;
}

void zmq_client::close(peer_id gone) {
  if (gone == 0 || gone != peer_) return;
  stop(farewell_ms);
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
