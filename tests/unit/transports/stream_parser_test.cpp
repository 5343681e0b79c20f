// SPDX-License-Identifier: Apache-2.0
#include "transports/local/stream_parser.hpp"

#include <cstring>

#include "src/core/little_endian.hpp"
#include "tests/unit/transports/world.hpp"

namespace yonder::testing {

namespace {

using detail::byte_buffer;
using transport::append_stream_head;
using transport::stream_parser;
using transport::stream_prefix_size;
using transport::stream_size;

byte_buffer stream_of(std::vector<frame> const& frames) {
  byte_buffer stream;
  for (auto const& each : frames) {
    auto const before = stream.size();
    append_stream_head(stream, each);
    stream.append(each.body.data(), each.body.size());
    for (auto const& part : each.buffers) stream.append(part.data, part.size);
    CHECK(stream.size() - before == stream_size(each));
  }
  return stream;
}

std::vector<frame> feed(stream_parser& parser, std::span<std::byte const> bytes) {
  std::vector<frame> frames;
  frame next;
  while (parser.next(bytes, next)) frames.push_back(std::move(next));
  CHECK((bytes.empty() || !parser.fault().empty()));
  return frames;
}

std::vector<frame> samples() {
  std::vector<frame> frames;
  frames.push_back(make_frame(1, 0));
  frames.push_back(make_frame(2, 40));
  frames.push_back(make_frame(3, 10, {5, 0, 90}));
  frames.push_back(make_frame(4, 0, {0}));
  frames.push_back(make_frame(5, 200));
  return frames;
}

bool all_same(std::vector<frame> const& a, std::vector<frame> const& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

std::string fault_of(std::span<std::byte const> bytes, limits const& bounds = {}) {
  stream_parser parser(bounds);
  feed(parser, bytes);
  return parser.fault();
}

byte_buffer with_u32(frame const& from, std::size_t at, std::uint32_t value) {
  std::vector<frame> one;
  one.push_back(make_frame(from.head.call.number, from.body.size()));
  auto stream = stream_of(one);
  core::store_le(stream.data() + at, value);
  return stream;
}

}  // namespace

TEST_CASE("frames come out the same, however the stream is cut in two") {
  auto const frames = samples();
  auto const stream = stream_of(frames);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    stream_parser parser({});
    auto got = feed(parser, stream.bytes().first(cut));
    for (auto& each : feed(parser, stream.bytes().subspan(cut))) got.push_back(std::move(each));
    CHECK(all_same(got, frames));
    CHECK_FALSE(parser.inside_frame());
  }
}

TEST_CASE("frames come out the same when every byte comes by itself") {
  auto const frames = samples();
  auto const stream = stream_of(frames);
  stream_parser parser({});
  std::vector<frame> got;
  for (auto const& byte : stream.bytes()) {
    for (auto& each : feed(parser, {&byte, 1})) got.push_back(std::move(each));
  }
  CHECK(all_same(got, frames));
}

TEST_CASE("a large block can be filled where it lies") {
  std::vector<frame> frames;
  frames.push_back(make_frame(1, 100'000, {3'000'000, 20'000}));
  frames.push_back(make_frame(2));
  auto const stream = stream_of(frames);
  stream_parser parser({});
  std::vector<frame> got;
  std::size_t direct = 0;
  for (auto rest = stream.bytes(); !rest.empty();) {
    if (auto const room = parser.direct_room(); !room.empty()) {
      auto const count = std::min({room.size(), rest.size(), std::size_t{77'777}});
      std::memcpy(room.data(), rest.data(), count);
      parser.direct_filled(count);
      rest = rest.subspan(count);
      direct += count;
    }
    auto const count = std::min(rest.size(), std::size_t{1000});
    for (auto& each : feed(parser, rest.first(count))) got.push_back(std::move(each));
    rest = rest.subspan(count);
  }
  CHECK(all_same(got, frames));
  CHECK(direct > 3'000'000);
}

TEST_CASE("a frame's lengths are held against the limits before anything is allocated") {
  limits bounds;
  bounds.max_frame_bytes = 1000;
  bounds.max_buffers = 2;
  auto const plain = make_frame(1, 10);
  CHECK(fault_of(with_u32(plain, 0, 63), bounds) == "a frame is announced that is shorter than its header");
  CHECK(fault_of(with_u32(plain, 0, 1001), bounds) == "a frame is larger than the limit of 1000 bytes");
  CHECK(fault_of(with_u32(plain, 0, 0xffffffff), bounds) == "a frame is larger than the limit of 1000 bytes");
  CHECK(fault_of(with_u32(plain, 4, 3), bounds) == "a frame has more buffers than the limit of 2");
  CHECK(fault_of(with_u32(plain, 4, 0xffffffff), bounds) == "a frame has more buffers than the limit of 2");

  for (auto const hostile :
       {std::uint64_t{900}, std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 963}) {
    std::vector<frame> one;
    one.push_back(make_frame(1, 10, {1, 1}));
    auto stream = stream_of(one);
    core::store_le(stream.data() + stream_prefix_size + 8, hostile);
    CHECK(fault_of(stream, bounds) ==
          (hostile == 900 ? std::string() : "a frame is larger than the limit of 1000 bytes"));
  }
}

TEST_CASE("memory grows with what has arrived, not with what was announced") {
  std::vector<frame> one;
  one.push_back(make_frame(1, 10, {1}));
  auto stream = stream_of(one);
  core::store_le(stream.data() + stream_prefix_size, std::uint64_t{900} << 20);
  stream_parser parser({});
  feed(parser, stream);
  std::size_t arrived = 1;  // of the buffer, in the stream above
  for (int round = 0; round < 6; ++round) {
    auto const room = parser.direct_room();
    CHECK(room.size() <= std::max(arrived, std::size_t{1} << 20));
    std::memset(room.data(), 1, room.size());
    parser.direct_filled(room.size());
    arrived += room.size();
  }
}

TEST_CASE("damaged frames are told apart in words") {
  auto const whole = make_frame(1, 30);
  CHECK(fault_of(with_u32(whole, 8, 0x12345678)) == "a frame is damaged: not a frame of this protocol");
  CHECK(fault_of(with_u32(whole, 8 + 56, 1)) == "a frame is damaged: a wrong checksum");
  CHECK(fault_of(with_u32(whole, 8 + 52, 31)) == "a frame is damaged: metadata longer than the frame");
  CHECK(fault_of(with_u32(whole, 8 + 24, 77)) == "a frame is damaged: a wrong checksum");

  auto lying = make_frame(1, 30, {5});
  byte_buffer stream;
  append_stream_head(stream, lying);
  core::store_le(stream.data() + 4, std::uint32_t{2});  // one more than the header says
  byte_buffer spread = byte_buffer::copy_of(stream.bytes().first(16));
  spread.append(stream.data() + 8, stream.size() - 8);
  spread.append(lying.body.data(), lying.body.size());
  CHECK(fault_of(spread) == "a frame's header counts other buffers than came with it");
}

TEST_CASE("a flipped bit in header or metadata is found wherever it is, and nothing is taken after it") {
  auto const sent = make_frame(1, 30, {5});
  std::vector<frame> two;
  two.push_back(make_frame(1, 30, {5}));
  two.push_back(make_frame(2));
  auto stream = stream_of(two);
  auto const head = stream_prefix_size + 8;
  for (std::size_t bit = 0; bit < 8 * (core::header_size + sent.head.metadata_size); ++bit) {
    auto const flip = static_cast<std::byte>(1U << (bit % 8));
    stream.data()[head + bit / 8] ^= flip;
    stream_parser parser({});
    CHECK(feed(parser, stream).empty());
    CHECK_FALSE(parser.fault().empty());
    stream.data()[head + bit / 8] ^= flip;
  }
}

}  // namespace yonder::testing
