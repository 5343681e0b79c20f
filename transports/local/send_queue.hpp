// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transports/transport.hpp"

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

namespace yonder::transport {

// The bytes of one stream connection that are not sent yet: copies of what is small, references to what is
// large.
class send_queue {
 public:
  enum class body_as { copy, reference };

  // Queues a frame. Large buffers are referenced; so is a large body that has an owner, and one that has
  // none, if wanted, until keep_bodies(). Buffers that lie elsewhere (`lent`, as of append_stream_head) are
  // only named. A throw leaves the queue as it was.
  void append(frame const& message, body_as ownerless, std::span<std::uint64_t const> lent = {});

  // Copies what is left of referenced bodies without an owner: send() is about to return.
  void keep_bodies() { copy(&block::is_body); }

  // Copies what is left of borrowed buffers.
  void keep_borrowed() { copy(&block::is_borrowed); }

  // Describes the beginning of what is queued; returns how much of `parts` was used.
  std::size_t describe(std::span<iovec> parts) const;

  // The first `count` bytes were sent.
  void consume(std::size_t count);

  void clear() noexcept;

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool has_references() const noexcept { return !blocks_.empty(); }

 private:
  struct block {
    std::size_t inline_before = 0;  // bytes of inline_ between the block before and this one
    buffer bytes;
    bool body = false;

    bool is_body() const noexcept { return body; }
    bool is_borrowed() const noexcept { return !body && bytes.borrowed(); }
  };

  void append_whole(frame const& message, body_as ownerless, std::span<std::uint64_t const> lent);
  void append_inline(std::span<std::byte const> bytes);
  void append_block(buffer bytes, bool body);
  std::size_t consume_inline(std::size_t count);
  void forget_sent();
  void copy(bool (block::*wanted)() const noexcept);

  byte_buffer inline_;
  std::size_t inline_sent_ = 0;
  std::size_t inline_after_ = 0;  // bytes of inline_ behind the last block
  std::deque<block> blocks_;
  std::size_t size_ = 0;
};

}  // namespace yonder::transport
