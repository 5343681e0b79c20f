// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "yonder/detail/export.hpp"

// What a driver waits with. Drivers and transports know these interfaces only.
namespace yonder::platform {

// Who wants to know when a file descriptor is ready.
class ready_handler {
 public:
  virtual void on_ready(std::uint64_t token, bool readable, bool writable) = 0;

 protected:
  ~ready_handler() = default;
};

// Ends a driver's sleep, from any thread: the present one, or the next one if there is none.
class doorbell {
 public:
  virtual void ring() noexcept = 0;

 protected:
  ~doorbell() = default;
};

// The one wait of a driver: for file descriptors, level-triggered but for add_edge(), and for its own
// doorbell.
//
// Threads: poll() is for one thread at a time and needs no lock; ring() is for any thread; everything else is
// called under the driver's lock, also while another thread is inside poll().
class poller : public doorbell {
 public:
  virtual ~poller() = default;

  // Waits for reading (and hang-up) only. Adding a descriptor that is there replaces its handler. Throws
  // std::system_error.
  virtual void add(int fd, ready_handler& handler, std::uint64_t token) = 0;
  // A descriptor whose every write ends one wait, whether or not it is read (see wake_pipe).
  virtual void add_edge(int fd, ready_handler& handler, std::uint64_t token) = 0;
  virtual void want_write(int fd, ready_handler& handler, std::uint64_t token, bool on) = 0;
  virtual void remove(int fd) = 0;

  // Sleeps until a descriptor is ready, ring() was called, a signal was handled, or the time is over
  // (negative: no limit; nanoseconds). Calls no handler. True if there is something to dispatch.
  virtual bool poll(std::int64_t timeout_ns) = 0;

  // Calls the handlers of what the last poll() found, and returns how many. Handlers may add and remove: one
  // that was removed in this round is not called any more. A handler that throws ends the round; the next one
  // begins with it.
  virtual int dispatch() = 0;

  // Readable, for whoever waits elsewhere, while poll() would find something. Any thread.
  virtual int descriptor() const noexcept = 0;

  int wait(std::int64_t timeout_ns) {
    poll(timeout_ns);
    return dispatch();
  }
};

// Throws std::system_error.
YONDER_API std::unique_ptr<poller> make_poller();

}  // namespace yonder::platform
