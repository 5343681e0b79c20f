// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/socket.hpp"

#include <cstring>
#include <string>

#include "src/platform/system_call.hpp"

namespace yonder::transport {

namespace {

// Messages that libzmq keeps per connection, each way; what is large among them counts against
// max_queue_bytes.
constexpr int high_water_mark = 1000;

constexpr int handshake_ms = 10'000;
// TCP tries again after 0.2 s, then ever later: 12.8 s pass between the sixth time and the seventh. So a
// connection of which nothing is acknowledged is given up, and made anew by attempts that are no more than
// some 1.5 s apart: what has vanished on its way is said again that soon when the way is open again, however
// long it was not. Sessions outlive connections.
constexpr int unacknowledged_ms = 4'000;
constexpr int connect_ms = 2'000;  // asked for at its beginning, and after 1 s
constexpr int reconnect_first_ms = 50;
constexpr int reconnect_cap_ms = 500;

// A dead machine is noticed within about a minute, should nothing be said on the connection.
constexpr int keepalive_idle_s = 30;
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_count = 3;

}  // namespace

void prepare(zmq::socket_t& socket, limits const& bounds) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, high_water_mark);
  socket.set(zmq::sockopt::rcvhwm, high_water_mark);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(bounds.max_frame_bytes));
  socket.set(zmq::sockopt::handshake_ivl, handshake_ms);
  socket.set(zmq::sockopt::connect_timeout, connect_ms);
  socket.set(zmq::sockopt::reconnect_ivl, reconnect_first_ms);
  socket.set(zmq::sockopt::reconnect_ivl_max, reconnect_cap_ms);
  socket.set(zmq::sockopt::tcp_maxrt, unacknowledged_ms);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, keepalive_idle_s);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, keepalive_interval_s);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, keepalive_count);
}

int descriptor_of(zmq::socket_t& socket) { return static_cast<int>(socket.get(zmq::sockopt::fd)); }

bool is_readable(zmq::socket_t& socket) {
  return (uninterrupted([&] { return socket.get(zmq::sockopt::events); }) & ZMQ_POLLIN) != 0;
}

part_status send_part(zmq::socket_t& socket, zmq::message_t& part, bool more) {
  int const flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  if (platform::retry([&] { return zmq_msg_send(part.handle(), socket.handle(), flags); }) >= 0)
    return part_status::done;
  if (zmq_errno() == EAGAIN) return part_status::would_block;
  if (zmq_errno() == EHOSTUNREACH) return part_status::unreachable;
  throw zmq::error_t();
}

bool receive_part(zmq::socket_t& socket, zmq::message_t& part) {
  if (platform::retry([&] { return zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT); }) >= 0)
    return true;
  if (zmq_errno() == EAGAIN) return false;
  throw zmq::error_t();
}

void skip_parts(zmq::socket_t& socket, zmq::message_t const& last) {
  zmq::message_t part;
  for (auto more = last.more(); more; more = part.more()) {
    if (!receive_part(socket, part)) return;
  }
}

connection_monitor::connection_monitor(zmq::context_t& context, zmq::socket_t& watched, int events,
                                       std::uint64_t number)
    : watched_(watched), reports_(context, zmq::socket_type::pair) {
  // The I/O thread that reports must never wait for us.
  reports_.set(zmq::sockopt::rcvhwm, 0);
  reports_.set(zmq::sockopt::linger, 0);
  auto const inlet = "inproc://monitor-" + std::to_string(number);
  if (platform::retry([&] { return zmq_socket_monitor(watched.handle(), inlet.c_str(), events); }) != 0)
    throw zmq::error_t();
  uninterrupted([&] { reports_.connect(inlet); });
}

connection_monitor::~connection_monitor() {
  platform::retry([&] { return zmq_socket_monitor(watched_.handle(), nullptr, 0); });
}

std::optional<connection_event> connection_monitor::next() {
  zmq::message_t report;
  if (!receive_part(reports_, report)) return std::nullopt;
  connection_event event;
  std::int32_t value = 0;
  std::memcpy(&event.what, report.data(), sizeof event.what);
  std::memcpy(&value, report.data<char>() + sizeof event.what, sizeof value);
  event.value = value;
  skip_parts(reports_, report);  // the address
  return event;
}

}  // namespace yonder::transport
