// SPDX-License-Identifier: Apache-2.0
#include "src/core/frame.hpp"

#include "src/core/crc32c.hpp"
#include "src/core/little_endian.hpp"

namespace yonder::core {
namespace {

constexpr std::size_t checksum_offset = 56;

std::uint32_t checksum_of(std::byte const* head, std::span<std::byte const> metadata) noexcept {
  return crc32c_of_frame(std::span<std::byte const, checksum_offset>(head, checksum_offset),
                         std::span<std::byte const, 4>(head + checksum_offset + 4, 4), metadata);
}

}  // namespace

std::string_view to_string(frame_fault fault) noexcept {
  switch (fault) {
    case frame_fault::none: return "none";
    case frame_fault::too_short: return "shorter than a header";
    case frame_fault::bad_magic: return "not a frame of this protocol";
    case frame_fault::bad_version: return "another protocol version";
    case frame_fault::bad_type: return "an unknown frame type";
    case frame_fault::bad_length: return "metadata longer than the frame";
    case frame_fault::bad_checksum: return "a wrong checksum";
  }
  return "unknown";
}

std::array<std::byte, header_size> encode_header(header const& head, std::span<std::byte const> metadata) {
  std::array<std::byte, header_size> wire;
  auto* const at = wire.data();
  store_le(at, frame_magic);
  store_le(at + 4, head.version);
  store_le(at + 6, static_cast<std::uint8_t>(head.type));
  store_le(at + 7, head.flags);
  store_le(at + 8, head.call.session);
  store_le(at + 16, head.call.number);
  store_le(at + 24, head.attempt);
  store_le(at + 28, head.epoch);
  store_le(at + 32, head.signature);
  store_le(at + 40, head.remaining_us);
  store_le(at + 48, head.buffer_count);
  store_le(at + 52, head.metadata_size);
  store_le(at + 60, head.sequence);
  store_le(at + checksum_offset, checksum_of(at, metadata));
  return wire;
}

frame_fault decode_header(std::span<std::byte const> part, header& head) {
  if (part.size() < header_size) return frame_fault::too_short;
  auto const* const at = part.data();
  if (load_le<std::uint32_t>(at) != frame_magic) return frame_fault::bad_magic;
  auto const type = load_le<std::uint8_t>(at + 6);
  auto const metadata_size = load_le<std::uint32_t>(at + 52);
  if (metadata_size > part.size() - header_size) return frame_fault::bad_length;
  auto const metadata = part.subspan(header_size, metadata_size);
  if (load_le<std::uint32_t>(at + checksum_offset) != checksum_of(at, metadata))
    return frame_fault::bad_checksum;
  if (type < static_cast<std::uint8_t>(frame_type::hello) ||
      type > static_cast<std::uint8_t>(last_frame_type)) {
    return frame_fault::bad_type;
  }
  head.version = load_le<std::uint16_t>(at + 4);
  head.type = static_cast<frame_type>(type);
  head.flags = load_le<std::uint8_t>(at + 7);
  head.call.session = load_le<std::uint64_t>(at + 8);
  head.call.number = load_le<std::uint64_t>(at + 16);
  head.attempt = load_le<std::uint32_t>(at + 24);
  head.epoch = load_le<std::uint32_t>(at + 28);
  head.signature = load_le<std::uint64_t>(at + 32);
  head.remaining_us = load_le<std::uint64_t>(at + 40);
  head.buffer_count = load_le<std::uint32_t>(at + 48);
  head.metadata_size = metadata_size;
  head.sequence = load_le<std::uint32_t>(at + 60);
  return head.version == protocol_version ? frame_fault::none : frame_fault::bad_version;
}

}  // namespace yonder::core
