// SPDX-License-Identifier: Apache-2.0
#include "transports/local/stream_parser.hpp"

#include "src/core/little_endian.hpp"
#include "transports/local/arena.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

namespace yonder::transport {

namespace {

constexpr std::size_t buffer_size_width = 8;
constexpr std::size_t metadata_size_offset = 52;  // in the header, as src/core/frame.hpp lays it out

// A block is allocated at once up to this size; a larger one as it arrives, doubling.
constexpr std::size_t first_allocation = std::size_t{1} << 20;

// Smaller remainders are read together with what follows them, and copied.
constexpr std::size_t direct_threshold = std::size_t{16} << 10;

template <class Number>
Number load_le(std::span<std::byte const> bytes, std::size_t at) {
  return core::load_le<Number>(bytes.subspan(at, sizeof(Number)).data());
}

template <class Number>
void append_le(byte_buffer& to, Number value) {
  core::store_le(to.extend(sizeof value), value);
}

std::size_t inline_size_of(std::span<std::byte const> prefix) { return load_le<std::uint32_t>(prefix, 0); }
std::size_t buffer_count_of(std::span<std::byte const> prefix) { return load_le<std::uint32_t>(prefix, 4); }

std::size_t lead_size_of(std::span<std::byte const> prefix) {
  return stream_prefix_size + buffer_count_of(prefix) * buffer_size_width + core::header_size;
}

// A throw leaves the bytes where they are.
buffer own(byte_buffer&& bytes) {
  if (bytes.empty()) return {};
  auto const owner = std::make_shared<byte_buffer>();
  *owner = std::move(bytes);
  return {owner->data(), owner->size(), owner};
}

}  // namespace

std::size_t stream_size(frame const& message) noexcept {
  return stream_prefix_size + message.buffers.size() * buffer_size_width + size_of(message);
}

void append_stream_head(byte_buffer& to, frame const& message, std::span<std::uint64_t const> lent) {
  append_le(to, static_cast<std::uint32_t>(core::header_size + message.body.size()));
  append_le(to, static_cast<std::uint32_t>(message.buffers.size()));
  for (std::size_t i = 0; i < message.buffers.size(); ++i)
    append_le(to, !lent.empty() && lent[i] != 0 ? lent[i] : std::uint64_t{message.buffers[i].size});
  auto head = message.head;
  head.buffer_count = static_cast<std::uint32_t>(message.buffers.size());
  auto const wire = core::encode_header(head, message.metadata());
  to.append(wire.data(), wire.size());
}

bool stream_parser::next(std::span<std::byte const>& bytes, frame& message) {
  if (!fault_.empty()) return false;
  if (block_sizes_.empty()) {
    if (lead_.empty() && next_whole(bytes, message)) return true;
    if (!fault_.empty() || !collect_lead(bytes) || !begin_blocks()) return false;
  }
  if (!fill_blocks(bytes)) return false;
  message = std::exchange(partial_, {});
  lead_.clear();
  block_sizes_.clear();
  return true;
}

// The usual case: all of a frame without buffers lies before us.
bool stream_parser::next_whole(std::span<std::byte const>& bytes, frame& message) {
  if (bytes.size() < stream_prefix_size || !admit_prefix(bytes) || buffer_count_of(bytes) != 0) return false;
  auto const size = inline_size_of(bytes);
  if (bytes.size() - stream_prefix_size < size) return false;
  auto const part = bytes.subspan(stream_prefix_size, size);
  if (!check(part, message.head, 0)) return false;
  message.body = byte_buffer::copy_of(part.subspan(core::header_size));
  message.buffers.clear();
  bytes = bytes.subspan(stream_prefix_size + size);
  return true;
}

bool stream_parser::collect_lead(std::span<std::byte const>& bytes) {
  return take_lead(bytes, stream_prefix_size) && admit_prefix(lead_) && take_lead(bytes, lead_size_of(lead_));
}

// Moves bytes until the lead has `size` of them.
bool stream_parser::take_lead(std::span<std::byte const>& bytes, std::size_t size) {
  auto const missing = size - std::min(size, lead_.size());
  auto const taken = std::min(missing, bytes.size());
  lead_.append(bytes.data(), taken);
  bytes = bytes.subspan(taken);
  return taken == missing;
}

bool stream_parser::begin_blocks() {
  auto left = bounds_.max_frame_bytes - inline_size_of(lead_);
  std::uint64_t left_elsewhere = arena_size;
  for (std::size_t i = 0; i < buffer_count_of(lead_); ++i) {
    auto const found = load_le<std::uint64_t>(lead_, stream_prefix_size + i * buffer_size_width);
    bool const is_elsewhere = block_place::is_named_by(found);
    auto const size = is_elsewhere ? block_place::of(found).size : found;
    if (size > left)
      return fail("a frame is larger than the limit of " + std::to_string(bounds_.max_frame_bytes) +
                  " bytes");
    left -= size;
    if (!is_elsewhere) continue;
    if (size > left_elsewhere) return fail("a frame names more blocks than there is memory for");
    left_elsewhere -= size;
  }
  block_sizes_.reserve(1 + buffer_count_of(lead_));  // all of them are there, or none
  partial_.buffers.reserve(buffer_count_of(lead_));
  block_sizes_.push_back(inline_size_of(lead_) - core::header_size);
  for (std::size_t i = 0; i < buffer_count_of(lead_); ++i)
    block_sizes_.push_back(load_le<std::uint64_t>(lead_, stream_prefix_size + i * buffer_size_width));
  block_ = 0;
  open_.clear();
  return true;
}

bool stream_parser::fill_blocks(std::span<std::byte const>& bytes) {
  for (; block_ < block_sizes_.size(); ++block_) {
    if (block_place::is_named_by(block_sizes_[block_])) {
      if (!take_named_block()) return false;
      continue;
    }
    auto const missing = block_sizes_[block_] - open_.size();
    auto const taken = std::min(missing, bytes.size());
    make_room(taken);
    open_.append(bytes.data(), taken);
    bytes = bytes.subspan(taken);
    if (taken < missing || !close_block()) return false;
  }
  return true;
}

// It has come with its number.
bool stream_parser::take_named_block() {
  auto block = blocks_ != nullptr ? blocks_->named_block(block_sizes_[block_]) : std::nullopt;
  if (!block)
    return fail("a frame names a block where none can be, or more of them than there is memory for");
  partial_.buffers.push_back(std::move(*block));
  return true;
}

void stream_parser::make_room(std::size_t count) {
  if (count <= open_.capacity() - open_.size()) return;
  auto const grown = std::max({first_allocation, 2 * open_.size(), open_.size() + count});
  open_.reserve(std::min<std::size_t>(block_sizes_[block_], grown));
}

bool stream_parser::close_block() {
  if (block_ != 0) {
    partial_.buffers.push_back(own(std::move(open_)));
  } else {
    if (!check_inline_part()) return false;
    partial_.body = std::move(open_);
  }
  return true;
}

// The checksum covers the header, which lies in the lead, and the metadata, which begins the body.
bool stream_parser::check_inline_part() {
  auto const head = lead_.bytes().last(core::header_size);
  std::size_t const metadata_size = load_le<std::uint32_t>(head, metadata_size_offset);
  auto part = byte_buffer::copy_of(head);
  part.append(open_.data(), std::min(metadata_size, open_.size()));
  return check(part, partial_.head, buffer_count_of(lead_));
}

bool stream_parser::check(std::span<std::byte const> part, core::header& head, std::size_t buffer_count) {
  auto const fault = core::decode_header(part, head);
  if (fault != core::frame_fault::none && fault != core::frame_fault::bad_version)
    return fail("a frame is damaged: " + std::string(core::to_string(fault)));
  if (head.buffer_count != buffer_count)
    return fail("a frame's header counts other buffers than came with it");
  return true;
}

bool stream_parser::admit_prefix(std::span<std::byte const> bytes) {
  auto const size = inline_size_of(bytes);
  if (size < core::header_size) return fail("a frame is announced that is shorter than its header");
  if (size > bounds_.max_frame_bytes)
    return fail("a frame is larger than the limit of " + std::to_string(bounds_.max_frame_bytes) + " bytes");
  if (buffer_count_of(bytes) > bounds_.max_buffers)
    return fail("a frame has more buffers than the limit of " + std::to_string(bounds_.max_buffers));
  return true;
}

std::span<std::byte> stream_parser::direct_room() {
  if (block_sizes_.empty() || block_place::is_named_by(block_sizes_[block_])) return {};
  auto const missing = block_sizes_[block_] - open_.size();
  if (missing < direct_threshold) return {};
  if (open_.size() == open_.capacity()) make_room(1);
  auto const size = std::min(missing, open_.capacity() - open_.size());
  direct_begin_ = open_.size();
  return {open_.extend(size), size};
}

bool stream_parser::fail(std::string why) {
  fault_ = std::move(why);
  return false;
}

}  // namespace yonder::transport
