// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace yonder::transport {

using core::frame;
using detail::buffer;
using detail::byte_buffer;

// One connection of one endpoint. Drawn by the endpoint, unique in its life, never used again.
using peer_id = std::uint64_t;

// Who wants to know when a file descriptor is ready.
class ready_handler {
 public:
  virtual void on_ready(std::uint64_t token, bool readable, bool writable) = 0;

 protected:
  ~ready_handler() = default;
};

// What a driver offers to endpoints: one level-triggered wait for all file descriptors of the process's
// runtime.
class poller {
 public:
  virtual ~poller() = default;
  virtual void add(int fd, ready_handler& handler,
                   std::uint64_t token) = 0;  // waits for reading (and hang-up)
  virtual void want_write(int fd, ready_handler& handler, std::uint64_t token, bool on) = 0;
  virtual void remove(int fd) = 0;
};

struct event {
  enum class kind : std::uint8_t { connected, received, lost };
  kind what{};
  peer_id peer = 0;
  frame message;              // received
  std::string reason;         // lost: in words; empty when the other end closed
  bool unauthorized = false;  // lost: the key was refused
};

// `too_large`: past the limits of a frame, it can never be sent.
enum class send_status : std::uint8_t { sent, full, gone, too_large };

// Moves frames between this process and its peers. Not thread-safe: every call is made under the driver's
// lock. Frames of one peer keep their order; a frame arrives whole, once, or not at all. Nothing blocks.
//
// A peer's events are `connected`, then what was `received`, then `lost`, after which nothing follows: a
// connection that is made anew is a new peer. A connection that could not be made is one `lost` without
// `connected`. Frames of another protocol version are received like any other. After `full`, the poller's
// wait ends once there is room.
class endpoint : public ready_handler {
 public:
  virtual ~endpoint() = default;

  // Takes the events that are there: at most about `most`. Reads sockets only here and in on_ready.
  virtual void receive(std::vector<event>& events, std::size_t most) = 0;

  // True when receive() would return something although no file descriptor may tell. Asked before every
  // sleep.
  virtual bool pending() = 0;

  // Sends, or queues what the peer does not take at once. `full`: past the peer's queue limit, nothing was
  // taken. May keep `message`'s buffers until they are sent, never its body. Frames may be collected until
  // flush().
  virtual send_status send(peer_id peer, frame const& message) = 0;

  // Hands what send() collected to the operating system. Called once per turn of the driver, before it
  // sleeps.
  virtual void flush() = 0;

  // Copies what is still unsent of buffers that are borrowed: their caller is about to return.
  virtual void detach() = 0;

  // Ends a connection: unsent frames are dropped, no event follows.
  virtual void close(peer_id peer) = 0;

  // Whether frames can be lost or repeated while the connection stands (a message queue that reconnects by
  // itself).
  virtual bool reliable() const = 0;
};

// Limits of every transport. max_frame_bytes is at most 4 GiB - 1.
struct limits {
  std::size_t max_frame_bytes = std::size_t{1} << 30;    // one frame: header, body and buffers
  std::size_t max_queue_bytes = std::size_t{256} << 20;  // unsent, per peer
  std::size_t max_buffers = std::size_t{1} << 16;        // of one frame
};

// What counts against limits::max_frame_bytes.
inline std::size_t frame_size(frame const& message) noexcept {
  auto size = core::header_size + message.body.size();
  for (auto const& part : message.buffers) size += part.size;
  return size;
}

inline bool within(limits const& bounds, frame const& message) noexcept {
  return message.buffers.size() <= bounds.max_buffers && frame_size(message) <= bounds.max_frame_bytes;
}

}  // namespace yonder::transport
