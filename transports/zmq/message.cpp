// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/message.hpp"

#include <atomic>
#include <cstring>
#include <utility>

namespace yonder::transport {

namespace {

// Parts up to this size are copied into memory of libzmq and not counted: at most the high-water mark of them
// are held.
constexpr std::size_t small_part = std::size_t{16} << 10;

// Keeps a large part's memory, and its place in the account, until libzmq is done with it.
struct lent_part {
  lent_part(std::shared_ptr<void const> keep, std::shared_ptr<transit> account, std::size_t bytes)
      : owner(std::move(keep)), counted(std::move(account)), size(bytes) {}

  std::shared_ptr<void const> owner;
  std::shared_ptr<transit> counted;
  std::size_t size;
  // Set by the thread that lends, read by the one that takes back: libzmq orders the two by fences of its
  // own, which ThreadSanitizer does not see.
  std::atomic<bool> lent = false;
};

// Called by libzmq's I/O thread.
void take_back(void*, void* hint) {
  std::unique_ptr<lent_part> const part(static_cast<lent_part*>(hint));
  [[maybe_unused]] bool const lent = part->lent.load(std::memory_order_acquire);
  part->counted->bytes -= part->size;
  if (part->counted->awaited.exchange(false)) part->counted->driver.ring();
}

zmq::message_t lend(buffer const& part, std::shared_ptr<transit> const& counted) {
  counted->bytes += part.size;
  auto hint = std::make_unique<lent_part>(part.owner, counted, part.size);
  hint->lent.store(true, std::memory_order_release);
  zmq::message_t message(const_cast<std::byte*>(part.data), part.size, take_back, hint.get());
  [[maybe_unused]] auto* const given = hint.release();
  return message;
}

void write_head(std::byte* to, frame const& message) {
  auto head = message.head;
  head.buffer_count = static_cast<std::uint32_t>(message.buffers.size());
  auto const wire = core::encode_header(head, message.metadata());
  std::memcpy(to, wire.data(), wire.size());
  if (!message.body.empty()) std::memcpy(to + wire.size(), message.body.data(), message.body.size());
}

zmq::message_t pack_head(frame const& message, std::shared_ptr<transit> const& counted) {
  auto const size = core::header_size + message.body.size();
  if (size <= small_part) {
    zmq::message_t part(size);
    write_head(part.data<std::byte>(), message);
    return part;
  }
  auto owner = std::make_shared<byte_buffer>();
  write_head(owner->extend(size), message);
  return lend({owner->data(), size, owner}, counted);
}

zmq::message_t pack_buffer(buffer const& part, std::shared_ptr<transit> const& counted) {
  if (part.size <= small_part) return zmq::message_t(static_cast<void const*>(part.data), part.size);
  return lend(part.borrowed() ? detail::owned_copy(part.bytes()) : part, counted);
}

std::span<std::byte const> bytes_of(zmq::message_t const& part) {
  return {part.data<std::byte>(), part.size()};
}

buffer own(zmq::message_t&& part) {
  if (part.size() == 0) return {};
  auto const owner = std::make_shared<zmq::message_t>(std::move(part));
  return {owner->data<std::byte>(), owner->size(), owner};
}

// A small body is copied: libzmq's memory for it may be a whole receive buffer.
core::frame_body body_of(zmq::message_t& first) {
  auto const bytes = bytes_of(first).subspan(core::header_size);
  if (bytes.size() <= small_part) return byte_buffer::copy_of(bytes);
  auto owner = std::make_shared<zmq::message_t>(std::move(first));
  return {bytes, std::move(owner)};
}

// Leaves `first` as it is, or without its bytes.
std::string unpack_head(zmq::message_t& first, frame& message) {
  auto const fault = core::decode_header(bytes_of(first), message.head);
  if (fault != core::frame_fault::none && fault != core::frame_fault::bad_version)
    return "a frame is damaged: " + std::string(core::to_string(fault));
  message.body = body_of(first);
  message.buffers.clear();
  return {};
}

}  // namespace

packed_frame pack(frame const& message, std::shared_ptr<transit> const& counted) {
  packed_frame packed{pack_head(message, counted), {}, size_of(message)};
  packed.buffers.reserve(message.buffers.size());
  for (auto const& part : message.buffers) packed.buffers.push_back(pack_buffer(part, counted));
  return packed;
}

part_status send_parts(zmq::socket_t& socket, packed_frame& message) {
  auto const status = send_part(socket, message.head, !message.buffers.empty());
  if (status != part_status::done) return status;
  for (std::size_t i = 0; i < message.buffers.size(); ++i)
    send_part(socket, message.buffers[i], i + 1 < message.buffers.size());
  return part_status::done;
}

std::string unpack(zmq::socket_t& socket, zmq::message_t& first, limits const& bounds, frame& message) {
  auto more = first.more();
  auto left = bounds.max_frame_bytes - std::min(bounds.max_frame_bytes, first.size());
  auto fault = unpack_head(first, message);
  zmq::message_t part;
  for (; more && receive_part(socket, part);) {
    more = part.more();
    if (fault.empty() && part.size() > left)
      fault = "a frame is larger than the limit of " + std::to_string(bounds.max_frame_bytes) + " bytes";
    if (fault.empty() && message.buffers.size() == bounds.max_buffers)
      fault = "a frame has more buffers than the limit of " + std::to_string(bounds.max_buffers);
    if (!fault.empty()) continue;
    left -= part.size();
    message.buffers.push_back(own(std::move(part)));
    part = zmq::message_t();
  }
  if (fault.empty() && message.buffers.size() != message.head.buffer_count)
    fault = "a frame's header counts other buffers than came with it";
  return fault;
}

bool outbox::is_full(std::size_t more, std::size_t limit) {
  auto const exceeded = [&] {
    auto const held = waiting_bytes_ + transit_->bytes;
    return held != 0 && held + more > limit;
  };
  if (!exceeded()) return false;
  transit_->awaited = true;
  return exceeded();
}

void outbox::push(packed_frame message) {
  waiting_bytes_ += message.size;
  waiting_.push_back(std::move(message));
}

void outbox::pop() {
  waiting_bytes_ -= waiting_.front().size;
  waiting_.pop_front();
}

}  // namespace yonder::transport
