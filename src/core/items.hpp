// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/metadata.hpp"

// Frames that hold several items: calls of one task and policy, or their values, with consecutive numbers
// from head.call on. Their payloads lie behind each other; the field tag::items says how long each is.
// Without the field a frame holds one item.
namespace yonder::core {

inline constexpr std::uint32_t max_items = 65'536;  // of one frame

// How a frame's payload is divided. A view into its metadata.
struct packed_items {
  std::uint32_t count = 1;
  std::byte const* sizes = nullptr;  // u32 each, little-endian; null: one item, the whole payload

  std::size_t size_of(std::uint32_t first, std::uint32_t items) const noexcept;
};

// A part of them: `count` items from `first` on, whose payloads begin at `offset` and take `bytes`.
struct items_range {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  std::size_t offset = 0;
  std::size_t bytes = 0;
};

void write_items(byte_buffer& body, std::span<std::uint32_t const> sizes);
// The frame, whose body is all metadata, is about so many calls from head.call on.
void set_item_count(frame& message, std::uint32_t count);

// False: malformed, more than max_items, sizes that do not add up to the payload, or items with buffers.
bool read_items(frame const& message, packed_items& items);
// 0: malformed.
std::uint32_t read_item_count(frame const& message);

// These items in a frame of their own; the caller sets head.call.
frame slice(frame const& message, packed_items const& items, items_range const& range);

}  // namespace yonder::core
