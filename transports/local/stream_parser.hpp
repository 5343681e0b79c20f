// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transports/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace yonder::transport {

// How a frame lies in a byte stream, all numbers little-endian:
//   u32 size of the inline part (header, metadata, payload) | u32 count of buffers | u64 size of each buffer
//   | the inline part | the buffers
// Of a buffer that lies in memory beside the stream its number there stands in the place of its size, with
// the highest bit set (block_place), and nothing in the place of its bytes.
inline constexpr std::size_t stream_prefix_size = 8;

// The bytes that `message` takes in the stream.
std::size_t stream_size(frame const& message) noexcept;

// Appends everything that stands before the body: prefix, sizes of the buffers, header. `lent`: the numbers
// of the buffers that lie elsewhere, 0 for the others; empty: none does.
void append_stream_head(byte_buffer& to, frame const& message, std::span<std::uint64_t const> lent = {});

// What lies beside a stream.
class block_source {
 public:
  virtual ~block_source() = default;
  // The block of this number; nothing where there can be none.
  virtual std::optional<buffer> named_block(std::uint64_t number) = 0;
};

// Turns the bytes of one connection into frames. The bytes are hostile: every length is held against the
// limits before anything is allocated for it, and memory grows with what has arrived, not with what was
// announced.
class stream_parser {
 public:
  // `blocks`: what lies beside the stream, if anything; it outlives the parser, or use_blocks() is told.
  explicit stream_parser(limits const& bounds, block_source* blocks = nullptr)
      : bounds_(bounds), blocks_(blocks) {}
  void use_blocks(block_source* blocks) noexcept { blocks_ = blocks; }

  // Takes bytes from the front of `bytes` until a frame is whole (true) or they are used up (false). After a
  // fault nothing more is taken. After a throw it goes on with what was left of them.
  bool next(std::span<std::byte const>& bytes, frame& message);

  // Why the bytes are no frames, in words; empty while they are.
  std::string const& fault() const noexcept { return fault_; }

  // Whether the stream stands inside a frame, where it must not end.
  bool inside_frame() const noexcept { return !lead_.empty(); }

  // Where the next bytes belong, if they are part of a large block: they can be read there without a copy.
  // Empty otherwise. direct_filled() must follow.
  std::span<std::byte> direct_room();

  // `count` bytes were written at the beginning of direct_room(). next() must follow.
  void direct_filled(std::size_t count) { open_.truncate(direct_begin_ + count); }

 private:
  bool next_whole(std::span<std::byte const>& bytes, frame& message);
  bool collect_lead(std::span<std::byte const>& bytes);
  bool take_lead(std::span<std::byte const>& bytes, std::size_t size);
  bool begin_blocks();
  bool fill_blocks(std::span<std::byte const>& bytes);
  void make_room(std::size_t count);
  bool close_block();
  bool take_named_block();
  bool check_inline_part();
  bool check(std::span<std::byte const> part, core::header& head, std::size_t buffer_count);
  bool admit_prefix(std::span<std::byte const> bytes);
  bool fail(std::string why);

  limits bounds_;
  block_source* blocks_;
  std::string fault_;

  // A frame that comes in pieces: first its lead (prefix, sizes, header), then block by block, body first.
  byte_buffer lead_;
  std::vector<std::uint64_t> block_sizes_;  // or numbers; empty until the lead is there
  std::size_t block_ = 0;
  byte_buffer open_;  // the present block, as far as it has arrived
  std::size_t direct_begin_ = 0;
  frame partial_;
};

}  // namespace yonder::transport
