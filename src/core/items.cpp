// SPDX-License-Identifier: Apache-2.0
#include "src/core/items.hpp"

#include "src/core/little_endian.hpp"

#include <cstring>

namespace yonder::core {
namespace {

using bytes_view = std::span<std::byte const>;

constexpr std::size_t tag_and_size = 6;
constexpr std::size_t item_size = sizeof(std::uint32_t);

struct field_view {
  std::uint16_t what = 0;
  bytes_view whole;
  bytes_view value;
};

// Takes the first field off. False: it is malformed.
bool take_field(bytes_view& metadata, field_view& field) {
  if (metadata.size() < tag_and_size) return false;
  field.what = load_le<std::uint16_t>(metadata.data());
  auto const size = load_le<std::uint32_t>(metadata.data() + 2);
  if (size > metadata.size() - tag_and_size) return false;
  field.whole = metadata.first(tag_and_size + size);
  field.value = field.whole.subspan(tag_and_size);
  metadata = metadata.subspan(field.whole.size());
  return true;
}

bool is_items(field_view const& field) { return field.what == static_cast<std::uint16_t>(tag::items); }

// The value of the field, empty if there is none. False: malformed, or more than one.
bool find_items(frame const& message, bytes_view& value) {
  value = {};
  field_view field;
  for (auto left = message.metadata(); !left.empty();) {
    if (!take_field(left, field)) return false;
    if (!is_items(field)) continue;
    if (!value.empty() || field.value.size() < item_size) return false;
    value = field.value;
  }
  return true;
}

std::byte* begin_items(byte_buffer& body, std::size_t value_size) {
  auto* const at = body.extend(tag_and_size + value_size);
  store_le(at, static_cast<std::uint16_t>(tag::items));
  store_le(at + 2, static_cast<std::uint32_t>(value_size));
  return at + tag_and_size;
}

}  // namespace

std::size_t packed_items::size_of(std::uint32_t first, std::uint32_t items) const noexcept {
  std::size_t sum = 0;
  for (auto i = first; i < first + items; ++i) sum += load_le<std::uint32_t>(sizes + i * item_size);
  return sum;
}

void write_items(byte_buffer& body, std::span<std::uint32_t const> sizes) {
  auto* at = begin_items(body, item_size * (1 + sizes.size()));
  store_le(at, static_cast<std::uint32_t>(sizes.size()));
  for (auto const size : sizes) store_le(at += item_size, size);
}

void set_item_count(frame& message, std::uint32_t count) {
  if (count == 1) return;
  auto body = byte_buffer::copy_of(message.body);
  store_le(begin_items(body, item_size), count);
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
}

bool read_items(frame const& message, packed_items& items) {
  items = {};
  if (message.head.metadata_size == 0) return true;
  bytes_view value;
  if (!find_items(message, value)) return false;
  if (value.empty()) return true;
  items.count = load_le<std::uint32_t>(value.data());
  if (items.count == 0 || items.count > max_items || value.size() != item_size * (1 + items.count))
    return false;
  items.sizes = value.data() + item_size;
  return message.buffers.empty() && items.size_of(0, items.count) == message.payload().size();
}

std::uint32_t read_item_count(frame const& message) {
  if (message.head.metadata_size == 0) return 1;
  bytes_view value;
  if (!find_items(message, value)) return 0;
  if (value.empty()) return 1;
  auto const count = load_le<std::uint32_t>(value.data());
  return count > max_items ? 0 : count;
}

frame slice(frame const& message, packed_items const& items, items_range const& range) {
  frame made;
  made.head = message.head;
  byte_buffer body;
  field_view field;
  for (auto left = message.metadata(); !left.empty() && take_field(left, field);) {
    if (!is_items(field)) body.append(field.whole.data(), field.whole.size());
  }
  if (range.count > 1) {
    auto* at = begin_items(body, item_size * (1 + range.count));
    store_le(at, range.count);
    std::memcpy(at + item_size, items.sizes + range.first * item_size, range.count * item_size);
  }
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(message.payload().data() + range.offset, range.bytes);
  made.body = std::move(body);
  return made;
}

}  // namespace yonder::core
