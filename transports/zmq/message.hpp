// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "transports/transport.hpp"
#include "transports/zmq/socket.hpp"

// A frame as a ZeroMQ message: one part with header and body, then each buffer as a part of its own. A first
// part of one byte is no frame but a signal of the transport itself.
namespace yonder::transport {

inline constexpr std::byte signal_none{0};      // asks for nothing: sent to learn whether the peer is there
inline constexpr std::byte signal_farewell{1};  // the sender has closed the connection

// The large parts of one peer that libzmq holds: it counts messages only. Its I/O thread takes them off.
struct transit {
  explicit transit(doorbell& wakes) : driver(wakes) {}

  std::atomic<std::size_t> bytes{0};
  std::atomic<bool> awaited{false};  // ring when something has left
  doorbell& driver;
};

// A frame that is ready to be sent.
struct packed_frame {
  zmq::message_t head;  // header and body
  std::vector<zmq::message_t> buffers;
  std::size_t size = 0;
};

// Owned buffers are not copied: libzmq refers to them, and its I/O thread lets them go. Borrowed ones are,
// because libzmq cannot say when it has done with them before their caller returns.
packed_frame pack(frame const& message, std::shared_ptr<transit> const& counted);

// Sends all parts. would_block and unreachable: nothing was sent. A connection that ends between two parts
// takes the frame with it, as it does with all that was under way.
part_status send_parts(zmq::socket_t& socket, packed_frame& message);

// What one peer is still to get: frames that libzmq did not take, and the large parts that it holds.
class outbox {
 public:
  // `driver` outlives libzmq's context.
  explicit outbox(doorbell& driver) : transit_(std::make_shared<transit>(driver)) {}

  // Whether `more` bytes would exceed `limit`; if so, the driver is woken once something has left. A frame
  // larger than the limit fits when nothing else waits.
  bool is_full(std::size_t more, std::size_t limit);

  packed_frame pack(frame const& message) const { return transport::pack(message, transit_); }
  void push(packed_frame message);
  packed_frame& front() { return waiting_.front(); }
  void pop();
  bool empty() const noexcept { return waiting_.empty(); }

 private:
  std::shared_ptr<transit> transit_;
  std::deque<packed_frame> waiting_;
  std::size_t waiting_bytes_ = 0;
};

// Reads the frame that begins with `first`, and all of its message. Returns why it is none; empty if it is
// one.
std::string unpack(zmq::socket_t& socket, zmq::message_t& first, limits const& bounds, frame& message);

}  // namespace yonder::transport
