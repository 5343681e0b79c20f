// SPDX-License-Identifier: Apache-2.0
#include "src/core/transfer.hpp"

#include "src/core/crc32c.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace yonder::core {
namespace {

constexpr std::size_t max_slices = 64;                      // buffers of one chunk
constexpr std::size_t alignment = 64;                       // of each part in its room
constexpr std::size_t max_metadata = std::size_t{4} << 20;  // that are kept although there is no room

constexpr std::size_t aligned(std::size_t offset) { return (offset + alignment - 1) / alignment * alignment; }

buffer part_of(frame const& message, std::size_t part) {
  if (part == 0) return {message.body.data(), message.body.size(), message.body.owner()};
  return message.buffers[part - 1];
}

}  // namespace

void shorten_remaining(header& head, duration waited) noexcept {
  if (head.type != frame_type::call && head.type != frame_type::assign) return;
  if (head.remaining_us == 0 || waited <= 0) return;
  auto const spent = static_cast<std::uint64_t>(waited / microsecond);
  head.remaining_us = head.remaining_us > spent ? head.remaining_us - spent : 1;
}

void own_buffers(frame& message) {
  for (auto& one : message.buffers)
    if (one.borrowed()) {
      auto copy = std::make_shared<byte_buffer>(byte_buffer::copy_of(one.bytes()));
      one = {copy->data(), copy->size(), copy};
    }
}

void share_body(frame& message) {
  if (message.body.owner() || message.body.empty()) return;
  auto keeper = std::make_shared<frame_body>(std::move(message.body));
  auto const bytes = keeper->bytes();
  message.body = frame_body(bytes, std::move(keeper));
}

// --- sending

frame outgoing_transfer::next(header const& head, frame const& message, std::size_t most) {
  if (std::exchange(begun_, true)) return next_chunk(message, most);
  return make_transfer(head, message);
}

frame outgoing_transfer::next_chunk(frame const& message, std::size_t most) {
  auto chunk = make_control(frame_type::chunk);
  auto left = most;
  while (left != 0 && part_ <= message.buffers.size() && chunk.buffers.size() < max_slices) {
    auto part = part_of(message, part_);
    auto const size = std::min(left, part.size - offset_);
    if (size != 0) chunk.buffers.push_back({part.data + offset_, size, std::move(part.owner)});
    offset_ += size;
    left -= size;
    if (offset_ < part.size) break;
    ++part_;
    offset_ = 0;
  }
  while (part_ <= message.buffers.size() && part_of(message, part_).size == 0) ++part_;
  chunk.head.call = message.head.call;
  chunk.head.buffer_count = static_cast<std::uint32_t>(chunk.buffers.size());
  return chunk;
}

// --- receiving

incoming_transfer::progress incoming_transfer::take(time_point came, frame const& message,
                                                    frame_limits const& most) {
  if ((message.head.flags & flag_withdrawn) != 0) {
    reset();
    return progress::going_on;
  }
  if (message.head.metadata_size != 0) return announce(came, message, most);
  if (!active_) return progress::broken;
  auto taken = fill(message.payload());
  for (auto const& one : message.buffers) taken = taken && fill(one.bytes());
  if (!taken) return progress::broken;
  if (part_ < places_.size()) return progress::going_on;
  auto const metadata = room_->bytes().first(announced_.head.metadata_size);
  return crc32c(metadata) == announced_.checksum ? progress::complete : progress::broken;
}

incoming_transfer::progress incoming_transfer::announce(time_point came, frame const& message,
                                                        frame_limits const& most) {
  transfer_message said;
  if (active_ || !read_transfer(message, said) || !message.payload().empty() || !message.buffers.empty())
    return progress::broken;
  if (said.sizes.size() - 1 > most.max_buffers) return progress::broken;
  std::size_t content = 0;
  std::size_t end = 0;
  places_.clear();
  for (auto const size : said.sizes) {
    if (size > most.max_frame_bytes - header_size - content) return progress::broken;
    places_.push_back(aligned(end));
    content += size;
    end = aligned(end) + size;
  }
  if (content <= chunk_size) return progress::broken;
  turned_away_ = said.head.type == frame_type::call && account_ != nullptr && !account_->takes(end);
  if (turned_away_) {
    end = said.head.metadata_size;
    if (end > max_metadata) return progress::broken;
  }
  counted_ = counted_bytes(account_, end);
  try {
    room_ = make_room(end);
  } catch (std::bad_alloc const&) {
    return progress::broken;
  }
  announced_ = std::move(said);
  active_ = true;
  since_ = came;
  part_ = filled_ = 0;
  return progress::going_on;
}

std::shared_ptr<byte_buffer> incoming_transfer::make_room(std::size_t size) const {
  std::shared_ptr<byte_buffer> made;
  if (size < large_block || account_ == nullptr || !account_->free_large) {
    made = std::make_shared<byte_buffer>();
  } else {
    made.reset(new byte_buffer, [free = account_->free_large](byte_buffer* room) {
      free(std::move(*room));
      delete room;
    });
  }
  made->extend(size);
  return made;
}

// False: more than what is missing, or nothing.
bool incoming_transfer::fill(std::span<std::byte const> content) {
  while (!content.empty()) {
    if (part_ == places_.size()) return false;
    auto const size = std::min<std::size_t>(content.size(), announced_.sizes[part_] - filled_);
    auto const at = places_[part_] + filled_;
    auto const kept = turned_away_ ? std::min(size, room_->size() - std::min(room_->size(), at)) : size;
    if (kept != 0) std::memcpy(room_->data() + at, content.data(), kept);
    content = content.subspan(size);
    filled_ += size;
    while (part_ < places_.size() && filled_ == announced_.sizes[part_]) {
      ++part_;
      filled_ = 0;
    }
  }
  return true;
}

frame incoming_transfer::finish(time_point now) {
  frame whole;
  whole.head = announced_.head;
  auto const lacks_payload = turned_away_;
  if (lacks_payload) {
    places_.resize(1);
    announced_.sizes[0] = room_->size();
    whole.head.buffer_count = 0;
  }
  whole.body = frame_body(room_->bytes().subspan(places_[0], announced_.sizes[0]), room_);
  for (std::size_t i = 1; i < places_.size(); ++i) {
    auto const bytes = room_->bytes().subspan(places_[i], announced_.sizes[i]);
    whole.buffers.push_back({bytes.data(), bytes.size(), bytes.empty() ? nullptr : room_});
  }
  shorten_remaining(whole.head, now - since_);
  reset();
  turned_away_ = lacks_payload;
  return whole;
}

}  // namespace yonder::core
