// SPDX-License-Identifier: Apache-2.0
#include "transports/local/stream_parser.hpp"

#include <cstring>

#include "src/core/little_endian.hpp"
#include "tests/unit/transports/world.hpp"
#include "transports/local/arena.hpp"

namespace yonder::testing {

namespace {

using detail::buffer;
using detail::byte_buffer;
using transport::append_stream_head;
using transport::block_place;
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

// What lies beside a stream: the buffers of one frame, by their places.
class beside : public transport::block_source {
 public:
  explicit beside(frame const& message) : message_(message) {}
  std::optional<buffer> named_block(std::uint64_t number) override {
    auto const at = block_place::of(number);
    if (at.page >= message_.buffers.size() || at.size != message_.buffers[at.page].size) return std::nullopt;
    ++named_;
    return message_.buffers[at.page];
  }
  std::size_t named() const { return named_; }

 private:
  frame const& message_;
  std::size_t named_ = 0;
};

// The frame, of which every other buffer is only named, from the first or the second on.
byte_buffer stream_that_names(frame const& message, std::size_t first) {
  std::vector<std::uint64_t> lent(message.buffers.size());
  for (auto i = first; i < lent.size(); i += 2)
    lent[i] = block_place{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(message.buffers[i].size)}
                  .number();
  byte_buffer stream;
  append_stream_head(stream, message, lent);
  stream.append(message.body.data(), message.body.size());
  for (std::size_t i = 0; i < lent.size(); ++i)
    if (lent[i] == 0) stream.append(message.buffers[i].data, message.buffers[i].size);
  return stream;
}

}  // namespace

TEST_CASE("blocks that lie beside the stream come out in their order, however the stream is cut in two") {
  for (std::size_t const first : {0, 1}) {
    for (std::size_t const body : {0, 40}) {
      auto const message = make_frame(3, body, {5, 70, 0, 90, 20});
      beside others(message);
      auto const stream = stream_that_names(message, first);
      for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        stream_parser parser({}, &others);
        auto got = feed(parser, stream.bytes().first(cut));
        for (auto& each : feed(parser, stream.bytes().subspan(cut))) got.push_back(std::move(each));
        REQUIRE(got.size() == 1);
        CHECK(same(got[0], message));
        CHECK_FALSE(parser.inside_frame());
      }
      CHECK(others.named() == (stream.size() + 1) * (first == 0 ? 3 : 2));
    }
  }
}

TEST_CASE(
    "blocks where there are none, more of them than there is memory, or than a frame may have, are faults") {
  auto const message = make_frame(3, 10, {5, 70});
  beside others(message);
  auto const fault = [&](std::uint64_t first, std::uint64_t second, transport::block_source* source,
                         limits const& bounds = {}) {
    std::uint64_t const lent[]{first, second};
    byte_buffer stream;
    append_stream_head(stream, message, lent);
    stream.append(message.body.data(), message.body.size());
    stream_parser parser(bounds, source);
    feed(parser, stream.bytes());
    return parser.fault();
  };
  auto const five = block_place{0, 5}.number();
  auto const seventy = block_place{1, 70}.number();
  CHECK(fault(five, seventy, &others).empty());
  CHECK(fault(five, seventy, nullptr).find("where none can be") != std::string::npos);
  CHECK(fault(five, block_place{2, 5}.number(), &others).find("where none can be") != std::string::npos);
  CHECK(fault(five, ~std::uint64_t{0}, &others).find("limit") != std::string::npos);
  auto const all = block_place{0, transport::arena_size}.number();
  CHECK(fault(all, five, &others).find("more blocks than there is memory") != std::string::npos);
  limits small;
  small.max_frame_bytes = core::header_size + 10 + 74;
  CHECK(fault(five, seventy, &others, small).find("limit") != std::string::npos);
}

TEST_CASE("a block exists within an arena, wherever it is named") {
  CHECK(block_place{0, transport::arena_size}.exists());
  CHECK_FALSE(block_place{0, transport::arena_size + 1}.exists());
  CHECK_FALSE(block_place{1, transport::arena_size}.exists());
  constexpr std::uint32_t last = transport::arena_size / transport::arena_page - 1;
  CHECK(block_place{last, transport::arena_page}.exists());
  CHECK_FALSE(block_place{last, transport::arena_page + 1}.exists());
  CHECK_FALSE(block_place{last + 1, 0}.exists());
  CHECK_FALSE(block_place{0x7fff'ffff, 0xffff'ffff}.exists());
  for (auto const& one :
       {block_place{0, 1}, block_place{last, 4096}, block_place{0x7fff'ffff, 0xffff'ffff}}) {
    auto const again = block_place::of(one.number());
    CHECK(block_place::is_named_by(one.number()));
    CHECK(again.page == one.page);
    CHECK(again.size == one.size);
  }
}

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
