// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/mutant.hpp"
#include "yonder/detail/byte_buffer.hpp"
#include "yonder/detail/export.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace yonder::core {

using detail::buffer;
using detail::byte_buffer;

enum class frame_type : std::uint8_t {
  hello = 1,
  welcome,
  call,
  assign,
  cancel,
  result,
  error,
  ack,
  heartbeat,
  drain,
  bye,
  accepted,
  chunk,
  credit,
  waiting = 18,
  stream_items,
  stream_credit,
  stream_end,
  notice = 24,
  ended,
  taken,
  progress = 28,
  printed,
  keep,
};
inline constexpr auto last_frame_type = frame_type::keep;

// 128 bits: the client session that calls (drawn at random), and the call's number in that session, from 1.
struct call_id {
  std::uint64_t session = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(call_id const&, call_id const&) = default;
};

inline constexpr std::uint32_t frame_magic = 0x52444e59;  // "YNDR"
inline constexpr std::uint16_t protocol_version = 2;
inline constexpr std::size_t header_size = 64;

// The fixed part of every frame, in host form. On the wire: 64 bytes, little-endian, at the offsets on the
// right.
struct header {                              // 0 magic u32
  std::uint16_t version = protocol_version;  // 4
  frame_type type{};                         // 6
  std::uint8_t flags = 0;                    // 7
  std::uint32_t sequence = 0;       // 60, of the sender's session and direction; the type says of what
  call_id call;                     // 8, 16
  std::uint32_t attempt = 0;        // 24, from 1
  std::uint32_t epoch = 0;          // 28, of the worker's session
  std::uint64_t signature = 0;      // 32, hash of the argument and result structure
  std::uint64_t remaining_us = 0;   // 40, time left until the deadline; 0: none
  std::uint32_t buffer_count = 0;   // 48
  std::uint32_t metadata_size = 0;  // 52
                                    // 56 crc32c u32 over header (this field as zero) and metadata
};
static_assert(sizeof(header) == 56);  // copied for every frame: no gaps

// The bytes of a frame behind its header, which never change. They are built in a byte_buffer and moved here,
// or they are memory of somebody else (a transport's, say), which an owner keeps: any number of bodies may
// share that.
class frame_body {
 public:
  frame_body() noexcept : owner_() {}
  frame_body(byte_buffer&& built) noexcept
      : owner_(), size_(built.size()), capacity_(built.capacity()), data_(built.release()) {}
  // `owner` must not be null.
  frame_body(std::span<std::byte const> bytes, std::shared_ptr<void const> owner) noexcept
      : owner_(bytes.data() == nullptr ? nullptr : std::move(owner)),
        size_(bytes.size()),
        data_(bytes.data()) {}
  frame_body(frame_body&& other) noexcept
      : owner_(std::move(other.owner_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(other.capacity_),
        data_(std::exchange(other.data_, nullptr)) {}
  frame_body& operator=(frame_body&& other) noexcept {
    if (this != &other) {
      this->~frame_body();
      new (this) frame_body(std::move(other));
    }
    return *this;
  }
  // Frames are moved much more often than they end: what was moved from costs one look.
  ~frame_body() {
    if (data_ != nullptr) [[unlikely]]
      release();
  }

  // The same bytes once more: shared where they have an owner, else a copy.
  frame_body duplicate() const {
    return owner_ ? frame_body(bytes(), owner_) : frame_body(byte_buffer::copy_of(bytes()));
  }

  std::byte const* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::span<std::byte const> bytes() const noexcept { return {data_, size_}; }
  operator std::span<std::byte const>() const noexcept { return bytes(); }
  // Who keeps the bytes; null: this body alone.
  std::shared_ptr<void const> const& owner() const noexcept { return owner_; }

 private:
  void release() noexcept {
    if (!owner_) byte_buffer::free(const_cast<std::byte*>(data_), capacity_);
    owner_.~shared_ptr();
  }

  union {
    std::shared_ptr<void const> owner_;  // null where data_ is
  };
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;  // without an owner
  std::byte const* data_ = nullptr;
};

// One message: header, body (metadata, then payload) and the large buffers that travel as parts of their own.
struct frame {
  header head;
  frame_body body;
  std::vector<buffer> buffers;

  std::span<std::byte const> metadata() const { return body.bytes().first(head.metadata_size); }
  std::span<std::byte const> payload() const { return body.bytes().subspan(head.metadata_size); }
};

// Header, body and buffers.
inline std::size_t size_of(frame const& message) noexcept {
  auto size = header_size + message.body.size();
  for (auto const& one : message.buffers) size += one.size;
  return size;
}

// What one end of a connection can receive: both ends say theirs, and the sender keeps the other's.
struct frame_limits {
  std::uint64_t max_frame_bytes = std::uint64_t{1} << 30;  // of one frame, as size_of() counts them
  std::uint32_t max_buffers = std::uint32_t{1} << 16;      // of one frame
};

// What may surround the arguments of a call, or its value, in a frame.
inline constexpr std::uint64_t frame_envelope = std::uint64_t{256} << 10;

// No end may receive less: a failure with all its texts always fits.
inline constexpr std::uint64_t min_frame_bytes = (std::uint64_t{256} << 10) / size_scale;

inline bool within(frame_limits const& most, std::size_t bytes, std::size_t buffers) noexcept {
  return buffers <= most.max_buffers && bytes <= most.max_frame_bytes;
}
inline bool within(frame_limits const& most, frame const& message) noexcept {
  return within(most, size_of(message), message.buffers.size());
}

// Why bytes are no frame.
enum class frame_fault : std::uint8_t {
  none,
  too_short,
  bad_magic,
  bad_version,
  bad_type,
  bad_length,
  bad_checksum
};
YONDER_API std::string_view to_string(frame_fault fault) noexcept;

// The header's wire form; fills in magic and checksum. `head.metadata_size` and `head.buffer_count` must be
// set.
YONDER_API std::array<std::byte, header_size> encode_header(header const& head,
                                                            std::span<std::byte const> metadata);

// Reads and checks header and checksum of the inline part of a frame (header, metadata, payload). bad_version
// is reported last, so that a well-formed frame of another version can be told apart; `head` is then filled
// in.
YONDER_API frame_fault decode_header(std::span<std::byte const> part, header& head);

}  // namespace yonder::core
