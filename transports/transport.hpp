// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"
#include "src/platform/poller.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace yonder::transport {

using core::frame;
using detail::buffer;
using detail::byte_buffer;
using platform::doorbell;
using platform::poller;
using platform::ready_handler;

// One connection of one endpoint. Drawn by the endpoint, unique in its life, never used again.
using peer_id = std::uint64_t;

struct event {
  enum class kind : std::uint8_t { connected, received, lost, revoked };
  kind what{};
  peer_id peer = 0;
  frame message{};            // received
  std::string reason{};       // lost: in words; empty when the other end closed
  bool unauthorized = false;  // lost: the other end has said that it does not let us in
  std::string identity{};     // connected: who the peer has proved to be (a key, a process); empty: nobody in
                              // particular. revoked: whose credential is good no longer, of no one peer

  static event connected(peer_id peer, std::string identity = {}) {
    return {.what = kind::connected, .peer = peer, .identity = std::move(identity)};
  }
  static event received(peer_id peer, frame&& message = {}) {
    return {.what = kind::received, .peer = peer, .message = std::move(message)};
  }
  static event lost(peer_id peer, std::string reason = {}) {
    return {.what = kind::lost, .peer = peer, .reason = std::move(reason)};
  }
  static event refused(peer_id peer, std::string reason) {
    return {.what = kind::lost, .peer = peer, .reason = std::move(reason), .unauthorized = true};
  }
  static event revoked(std::string identity, std::string reason) {
    return {.what = kind::revoked, .reason = std::move(reason), .identity = std::move(identity)};
  }
};

// `too_large`: past the limits of a frame, it can never be sent.
enum class send_status : std::uint8_t { sent, full, gone, too_large };

// Moves frames between this process and its peers. Not thread-safe: every call is made under the driver's
// lock. Frames of one peer keep their order; a frame arrives whole, once, or not at all. Nothing blocks.
//
// A peer's events are `connected`, then what was `received`, then `lost`, after which nothing follows: a
// connection that is made anew is a new peer. A connection that could not be made is a `lost` without
// `connected`: final if it is unauthorized, else it is tried again, and told again only when the reason is
// another one. Frames of another protocol version are received like any other. A `revoked` is of all peers of
// one identity, from whom nothing more is received; they are there until they are closed.
class endpoint : public ready_handler {
 public:
  virtual ~endpoint() = default;

  // Takes the events that are there: at most about `most`. Reads only what on_ready, poll_once or wait have
  // found readable.
  virtual void receive(std::vector<event>& events, std::size_t most) = 0;

  // Looks once, without sleeping and whatever the poller has said, for what comes. True: receive() has
  // something to take.
  virtual bool poll_once() = 0;

  // Asked before every sleep. False: do not sleep, receive() has something to take already. True: until the
  // next receive(), what comes ends the poller's wait or rings `bell`, which must outlive the endpoint. So
  // does the room that a send() which said `full` waits for.
  virtual bool arm(doorbell& bell) = 0;

  // Whether wait() can replace the poller: this endpoint is all that its driver waits for, and nothing but
  // its own reading is to be noticed. Asked before every sleep.
  virtual bool can_wait() const noexcept { return false; }

  // Sleeps in the very read that takes the next bytes, which saves the poller's system call, until something
  // came (true) or the time is over, or nearly so (false). Nanoseconds; negative: no limit. No doorbell ends
  // it. Needs no lock, but meanwhile others may call only send(), flush() and detach(). After arm() has said
  // true.
  virtual bool wait(std::int64_t /*timeout_ns*/) { return false; }

  // Asked before every sleep, by the thread that receives: whether looking can replace some of it, because
  // there are peers that can be looked at, and nothing else is urgent. Until unwatch(), look() needs no lock,
  // and meanwhile others may call everything but receive(), poll_once() and arm().
  virtual bool watch() { return false; }
  virtual void unwatch() noexcept {}
  // Whether something has come since watch().
  virtual bool look() const noexcept { return false; }

  // Sends, or queues what the peer does not take at once. `full`: past the peer's queue limit, nothing was
  // taken. May keep what has an owner until it is sent, and borrowed buffers until detach(), but never a body
  // without an owner. Frames may be collected until flush().
  virtual send_status send(peer_id peer, frame const& message) = 0;

  // Hands what send() collected to the operating system. Called once per turn of the driver, before it
  // sleeps.
  virtual void flush() = 0;

  // What send() collected outlasts this process from now on, where that takes no system call; flush() tells
  // the other end of it.
  virtual void put_down() {}

  // Copies what is still unsent of buffers that are borrowed: their caller is about to return.
  virtual void detach() = 0;

  // Ends a connection: unsent frames are dropped, no event follows.
  virtual void close(peer_id peer) = 0;

  // Whether frames can be lost or repeated while the connection stands (a message queue that reconnects by
  // itself).
  virtual bool reliable() const = 0;
};

// Limits of every transport.
struct limits : core::frame_limits {
  static constexpr std::uint64_t most_frame_bytes = 0xffff'ffff;  // that max_frame_bytes may be
  std::size_t max_queue_bytes = std::size_t{256} << 20;           // unsent, per peer
};

}  // namespace yonder::transport
