// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "src/platform/event_counter.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/platform/wake_pipe.hpp"
#include "transports/local/arena.hpp"
#include "transports/local/ring.hpp"
#include "transports/local/stream_parser.hpp"

namespace yonder::transport {

// A memory that one side writes and the other reads: a page of words, then the ring.
inline constexpr std::uint32_t ring_capacity = 1U << 20;
inline constexpr std::uint64_t channel_mark = 0x32676e6972646e79;  // "yndring2": of this layout
struct channel_page {
  std::atomic<std::uint64_t> mark;  // channel_mark once the writer has begun
  ring_words<shared_word> words;
  returned_page returned;
  shared_word refuses_blocks;  // not 0: this side cannot look into the other's arena
  alignas(4096) std::byte ring[ring_capacity];
};
static_assert(sizeof(channel_page) == 4096 + ring_capacity);

// Two rings of bytes in memory that two processes share, one for each direction. The one who makes it is the
// parent; the other one joins, or does not: until it has, nothing can be sent to it. The memory of either
// direction can be written by its writer alone, as far as the kernel allows (F_SEAL_FUTURE_WRITE), and its
// size never changes. It has no name, and ends with the last of the two processes.
//
// A side that sleeps waits for its bell, a descriptor: a side that is awake makes no system call, and none is
// made to reach it.
//
// Bytes are copied out before anybody looks at them: the other side may change them at any time.
//
// Beside the rings lie two arenas for large blocks, where the system can make them. The child reads the
// parent's blocks in place; of the child's the parent makes copies.
class channel : public block_source {
 public:
  // What the other process inherits.
  struct descriptors {
    platform::unique_fd from_parent;  // memories
    platform::unique_fd to_parent;
    platform::unique_fd wakes_child;           // the end of a pipe that it reads
    platform::unique_fd wakes_parent;          // an eventfd, that it writes
    platform::unique_fd blocks_from_parent{};  // arenas, or none
    platform::unique_fd blocks_to_parent{};
  };
  struct made {
    std::unique_ptr<channel> ours;
    descriptors theirs;
  };
  // Both throw std::system_error where the system refuses; join() also where this is no such memory. Arenas
  // that cannot be had are no reason.
  static made make();
  static std::unique_ptr<channel> join(descriptors inherited);

  ~channel() override;
  channel(channel const&) = delete;
  channel& operator=(channel const&) = delete;

  // Whether the other side takes part: false at a parent whose worker has not joined (yet).
  bool has_joined() noexcept;

  // Puts the bytes into the ring, as far as there is room; returns how many.
  std::size_t write(std::span<iovec const> parts);
  // Takes bytes out of the other's ring; returns how many.
  std::size_t read(std::span<iovec const> parts);

  // How many bytes lie there to be read.
  std::size_t unread() { return side_.readable(); }

  // What the other side has written is impossible.
  bool is_broken() const { return side_.is_broken() || (lends_ && lends_->is_broken()); }

  // Large blocks, beside the bytes that name them. A copy of `block`, and the number by which a stream names
  // it. Nothing where there is no room for it.
  std::optional<std::uint64_t> lend(std::span<std::byte const> block);
  // It was not named.
  void take_back(std::uint64_t lent) noexcept { lends_->take_back(block_place::of(lent)); }
  // What can have been lent at once, and nothing beyond, is taken of what follows allow_blocks(): a few bytes
  // name as much memory as there is, as often as they like.
  std::optional<detail::buffer> named_block(std::uint64_t number) override;
  // Before a read: all that it finds was lent by then, and was not given back yet.
  void allow_blocks() { named_ = {}; }
  // Whether either was called since was_used().
  bool is_used() const { return used_; }
  bool was_used() { return std::exchange(used_, false); }
  // Gives memory that is not used back to the system. True: not all yet.
  bool settle();

  // Where there is none: the other side wakes this one once half of the ring is free.
  void want_room(bool on) { side_.want_room(on); }
  // For whoever looks without the lock of those who read and write: a position, and whether there is more.
  std::uint32_t taken() const noexcept { return side_.taken(); }
  bool wrote_past(std::uint32_t taken) const noexcept { return side_.wrote_past(taken); }
  // There is something to read, or the room that was wanted.
  bool has_work() { return side_.has_work(); }

  // After write() and read(): wakes the other side if it sleeps.
  void ring() {
    if (side_.ring()) wake();
  }

  // False: there is work. True: from now on work is told by the bell, for which a poller waits (add_edge).
  bool may_sleep() { return side_.may_sleep(); }
  void stay_awake() { side_.stay_awake(); }
  virtual int bell() const noexcept = 0;
  // The bell was heard.
  virtual void woken() noexcept = 0;

 protected:
  channel(std::shared_ptr<channel_page> own, std::shared_ptr<channel_page const> other)
      : own_(std::move(own)), other_(std::move(other)), side_(own_->words, other_->words, ring_capacity) {}

  std::shared_ptr<incoming_arena> borrows_;  // null where there is none, as lends_

 private:
  class of_parent;
  class of_child;
  virtual void wake() noexcept = 0;
  virtual detail::buffer take_block(block_place lent) = 0;
  struct named {
    std::size_t bytes = 0;
    std::size_t blocks = 0;
  };
  void add_arenas(platform::unique_fd lends, platform::unique_fd borrows);

  std::shared_ptr<channel_page> own_;
  std::shared_ptr<channel_page const> other_;
  ring_side<shared_word> side_;
  std::optional<outgoing_arena> lends_;
  named named_;
  bool joined_ = false;
  bool used_ = false;
};

}  // namespace yonder::transport
