// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <zmq.hpp>

#include "transports/transport.hpp"
#include "transports/zmq/keys.hpp"

// What both ends of a ZeroMQ connection share.
namespace yonder::transport {

// How long an endpoint that is destroyed waits for its last frames to leave.
inline constexpr int farewell_ms = 500;

// A client's routing id: 'Y', its session, and the number of this connection among its own, in big-endian
// order.
inline constexpr std::size_t routing_id_size = 1 + 8 + 4;

// Every call of libzmq may return EINTR when the program handles signals, also those that never block, and
// SA_RESTART does not help: `call` is made until it does not.
template <class Call>
auto uninterrupted(Call call) {
  for (;;) {
    try {
      return call();
    } catch (zmq::error_t const& error) {
      if (error.num() != EINTR) throw;
    }
  }
}

// Sets what both kinds of socket need, and leaves no default that is unbounded.
void prepare(zmq::socket_t& socket, limits const& bounds);

int descriptor_of(zmq::socket_t& socket);

// Makes libzmq do all that the descriptor stood for.
bool is_readable(zmq::socket_t& socket);

enum class part_status : std::uint8_t { done, would_block, unreachable };

// One part, without blocking; throws zmq::error_t for anything else than these.
part_status send_part(zmq::socket_t& socket, zmq::message_t& part, bool more);
bool receive_part(zmq::socket_t& socket, zmq::message_t& part);

// The second and later parts of a message, which are there once the first is.
void skip_parts(zmq::socket_t& socket, zmq::message_t const& last);

struct connection_event {
  std::uint16_t what = 0;  // ZMQ_EVENT_*
  int value = 0;           // a descriptor, or a reason
};

// Tells what happens to a socket's connections, in order. Must go before its socket. `number`: unlike any
// other monitor's in the context's life.
class connection_monitor {
 public:
  connection_monitor(zmq::context_t& context, zmq::socket_t& watched, int events, std::uint64_t number);
  ~connection_monitor();
  connection_monitor(connection_monitor const&) = delete;
  connection_monitor& operator=(connection_monitor const&) = delete;

  int descriptor() { return descriptor_of(reports_); }
  bool readable() { return is_readable(reports_); }
  std::optional<connection_event> next();

 private:
  zmq::socket_t& watched_;
  zmq::socket_t reports_;
};

}  // namespace yonder::transport
