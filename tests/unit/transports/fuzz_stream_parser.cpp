// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: whatever bytes come, in whatever pieces, the parser of the local transport ends in frames or in
// a fault.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "transports/local/arena.hpp"
#include "transports/local/stream_parser.hpp"

namespace {

using yonder::transport::frame;
using yonder::transport::limits;
using yonder::transport::stream_parser;

constexpr limits bounds{{1 << 20, 64}, 0};  // bytes and buffers of a frame, bytes queued

void require(bool holds) {
  if (!holds) std::abort();
}

// Blocks of zeros, beside a stream.
class zeros : public yonder::transport::block_source {
 public:
  std::optional<yonder::transport::buffer> named_block(std::uint64_t number) override {
    auto const lent = yonder::transport::block_place::of(number);
    if (!lent.exists()) return std::nullopt;
    static std::vector<std::byte> const all(yonder::transport::arena_size);
    return yonder::transport::buffer{all.data() + lent.page * yonder::transport::arena_page, lent.size,
                                     std::make_shared<int>()};
  }
};

void check(frame const& message) {
  require(yonder::core::within(bounds, message));
  require(message.head.buffer_count == message.buffers.size());
  require(message.head.metadata_size <= message.body.size());
}

std::size_t read_directly(stream_parser& parser, std::span<std::byte const> bytes) {
  auto const room = parser.direct_room();
  if (room.empty()) return 0;
  auto const count = std::min(room.size(), bytes.size());
  std::memcpy(room.data(), bytes.data(), count);
  parser.direct_filled(count);
  return count;
}

}  // namespace

// The first byte chooses the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::size_t const piece = data[0] == 0 ? size : data[0];
  std::span rest(reinterpret_cast<std::byte const*>(data) + 1, size - 1);
  zeros beside;
  stream_parser parser(bounds, data[0] % 2 == 0 ? &beside : nullptr);
  frame message;
  while (!rest.empty() && parser.fault().empty()) {
    rest = rest.subspan(read_directly(parser, rest));
    auto const taken = std::min(piece, rest.size());
    auto bytes = rest.first(taken);
    while (parser.next(bytes, message)) check(message);
    require(bytes.empty() || !parser.fault().empty());
    rest = rest.subspan(taken);
  }
  return 0;
}
