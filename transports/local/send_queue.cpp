// SPDX-License-Identifier: Apache-2.0
#include "transports/local/send_queue.hpp"

#include "transports/local/stream_parser.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace yonder::transport {

namespace {

// Smaller pieces are cheaper to copy than to describe.
constexpr std::size_t copy_limit = std::size_t{16} << 10;

// More memory than this is given back once the queue has run empty.
constexpr std::size_t kept_capacity = std::size_t{1} << 20;

iovec part_of(std::byte const* data, std::size_t size) { return {const_cast<std::byte*>(data), size}; }

}  // namespace

void send_queue::append(frame const& message, body_as ownerless, std::span<std::uint64_t const> lent) {
  auto const size = size_;
  auto const inline_size = inline_.size();
  auto const inline_after = inline_after_;
  auto const blocks = blocks_.size();
  try {
    append_whole(message, ownerless, lent);
  } catch (...) {
    while (blocks_.size() != blocks) blocks_.pop_back();
    inline_.truncate(inline_size);
    inline_after_ = inline_after;
    size_ = size;
    throw;
  }
}

void send_queue::clear() noexcept {
  blocks_.clear();
  inline_.clear();
  inline_sent_ = inline_after_ = size_ = 0;
}

void send_queue::append_whole(frame const& message, body_as ownerless, std::span<std::uint64_t const> lent) {
  auto const before = inline_.size();
  append_stream_head(inline_, message, lent);
  inline_after_ += inline_.size() - before;
  size_ += inline_.size() - before;
  auto const& owner = message.body.owner();
  if (message.body.size() > copy_limit && (owner || ownerless == body_as::reference))
    append_block({message.body.data(), message.body.size(), owner}, !owner);
  else
    append_inline(message.body);
  for (std::size_t i = 0; i < message.buffers.size(); ++i) {
    auto const& part = message.buffers[i];
    if (!lent.empty() && lent[i] != 0) continue;
    if (part.size > copy_limit)
      append_block(part, false);
    else
      append_inline(part.bytes());
  }
}

void send_queue::append_inline(std::span<std::byte const> bytes) {
  inline_.append(bytes.data(), bytes.size());
  inline_after_ += bytes.size();
  size_ += bytes.size();
}

void send_queue::append_block(buffer bytes, bool body) {
  auto const size = bytes.size;
  blocks_.push_back({inline_after_, std::move(bytes), body});
  inline_after_ = 0;
  size_ += size;
}

std::size_t send_queue::describe(std::span<iovec> parts) const {
  std::size_t used = 0;
  auto const* inline_at = inline_.data() + inline_sent_;
  for (auto const& next : blocks_) {
    if (parts.size() - used < 2) return used;
    if (next.inline_before != 0) parts[used++] = part_of(inline_at, next.inline_before);
    inline_at += next.inline_before;
    parts[used++] = part_of(next.bytes.data, next.bytes.size);
  }
  if (inline_after_ != 0 && used < parts.size()) parts[used++] = part_of(inline_at, inline_after_);
  return used;
}

void send_queue::consume(std::size_t count) {
  size_ -= count;
  while (count != 0 && !blocks_.empty()) {
    count -= consume_inline(count);
    auto& first = blocks_.front();
    auto const sent = std::min(count, first.bytes.size);
    first.bytes.data += sent;
    first.bytes.size -= sent;
    count -= sent;
    if (first.bytes.size == 0) blocks_.pop_front();
  }
  consume_inline(count);
  forget_sent();
}

// Takes up to `count` bytes of the inline run that comes next; returns how many.
std::size_t send_queue::consume_inline(std::size_t count) {
  auto& run = blocks_.empty() ? inline_after_ : blocks_.front().inline_before;
  auto const sent = std::min(count, run);
  run -= sent;
  inline_sent_ += sent;
  return sent;
}

void send_queue::forget_sent() {
  if (inline_sent_ == inline_.size()) {
    inline_.clear();
    inline_sent_ = 0;
    if (inline_.capacity() > kept_capacity) inline_ = {};
  } else if (inline_sent_ > inline_.size() / 2) {
    std::memmove(inline_.data(), inline_.data() + inline_sent_, inline_.size() - inline_sent_);
    inline_.truncate(inline_.size() - std::exchange(inline_sent_, 0));
  }
}

void send_queue::copy(bool (block::*wanted)() const noexcept) {
  for (auto& next : blocks_) {
    if (!(next.*wanted)()) continue;
    next.bytes = detail::owned_copy(next.bytes.bytes());
    next.body = false;
  }
}

}  // namespace yonder::transport
