// SPDX-License-Identifier: Apache-2.0
#include "src/core/frame.hpp"

#include "src/core/client.hpp"
#include "src/core/crc32c.hpp"
#include "src/core/metadata.hpp"
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace yonder::core;
using test::bytes_of;
using yonder::errc;

namespace {

std::string hex_of(std::span<std::byte const> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (auto const one : bytes) {
    text += digits[std::to_integer<int>(one) >> 4];
    text += digits[std::to_integer<int>(one) & 15];
  }
  return text;
}

constexpr char const* call_bytes =
    "594e4452020003000807060504030201110000000000000000000000d0c0b0a08877665544332211414b4c0000000000"
    "00000000400000002486749a0300000001801300000064656d6f3a3a6765745f73656e74696d656e7402801000000003"
    "0000000100000080841e000000000003000b00000030302d61622d63642d3031676f6f64206a6f62";

constexpr char const* hello_bytes =
    "594e44520200010000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000075000000b3479b25000000001080010000000211800800000099000000000000001280040000000200020014"
    "00080000002a00000000000000130007000000686f73742f3432170008000000050000000000000022000c0000000000"
    "004000000000000001001600150000000700000000000000010066696e74202d3e20696e74";

constexpr char const* welcome_bytes =
    "594e44520200020000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000004000000084bdd28d000000001280040000000200020020000800000040420f00000000002100100000000a00"
    "000000000000140000000000000022000c000000000000400000000000000100";

constexpr char const* error_bytes =
    "594e44520200070000000000000000000000000000000000020000000000000000000000000000000000000000000000"
    "000000002300000033cd638f00000000508002000000060051000100000066530004000000676f6e655500040000000b"
    "000000";

constexpr char const* stream_items_bytes =
    "594e44520200130099000000000000000100000000000000000000000000000000000000000000000000000000000000"
    "000000002000000056170072000000000c8008000000030000000000000004800c000000020000000100000002000000"
    "616262";
constexpr char const* stream_credit_bytes =
    "594e44520200140000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000016000000b5ce5ece000000000b801000000005000000000000005802000000000000";
constexpr char const* stream_end_bytes =
    "594e44520200150000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000e000000e46214b0000000000c80080000000500000000000000";
constexpr char const* stream_terms_bytes =
    "0b80100000000500000000000000580200000000000013801000000003000000000000000400000000000000";

constexpr char const* printed_bytes =
    "594e445202001d0099000000000000000100000000000000010000000000000000000000000000000000000000000000"
    "0000000018000000f1141fcd00000000780008000000050000000000000004800400000002000000610a";

constexpr char const* bye_bytes =
    "594e445202000b0000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000011000000b970d78d000000005080020000000900400003000000656e64";

byte_buffer to_wire(frame const& message) {
  byte_buffer part;
  auto const head = encode_header(message.head, message.metadata());
  part.append(head.data(), head.size());
  part.append(message.body.data(), message.body.size());
  return part;
}

frame golden_call() {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {0x0102030405060708, 0x11};
  message.head.epoch = 0xa0b0c0d0;
  message.head.signature = 0x1122334455667788;
  message.head.remaining_us = 5'000'001;
  message.head.sequence = 3;
  call_policy policy;
  policy.retries = 3;
  policy.idempotent = true;
  policy.timeout = 2 * second;
  byte_buffer body;
  message.head.metadata_size = begin_call(body, "demo::get_sentiment", policy, "00-ab-cd-01");
  body.append("good job", 8);
  message.body = std::move(body);
  return message;
}

}  // namespace

TEST_CASE("a call has the bytes that docs/protocol.md shows") {
  CHECK(hex_of(to_wire(golden_call())) == call_bytes);
}

TEST_CASE("a hello, a welcome, an error and a bye have the bytes that they have always had") {
  hello_message hello;
  hello.role = peer_role::worker;
  hello.session = 0x99;
  hello.name = "host/42";
  hello.process = 42;
  hello.start_token = 5;
  hello.functions = {{"f", 7, "int -> int"}};
  CHECK(hex_of(to_wire(make_hello(hello))) == hello_bytes);
  CHECK(hex_of(to_wire(make_welcome({protocol_version, second, {10, 20}, {}}))) == welcome_bytes);
  failure error;
  error.code = errc::worker_lost;
  error.function = "f";
  error.message = "gone";
  error.signal = 11;
  error.attempt = 2;
  CHECK(hex_of(to_wire(make_error(error))) == error_bytes);
  CHECK(hex_of(to_wire(make_bye({errc::disconnected, "end"}))) == bye_bytes);
}

TEST_CASE("what streams has the bytes that it has always had") {
  std::vector<std::uint32_t> const sizes{1, 2};
  auto items = make_stream_items(3, sizes, bytes_of("abb"), {});
  items.head.call = {0x99, 1};
  CHECK(hex_of(to_wire(items)) == stream_items_bytes);
  CHECK(hex_of(to_wire(make_stream_credit({5, 600}))) == stream_credit_bytes);
  CHECK(hex_of(to_wire(make_end(frame_type::stream_end, 5))) == stream_end_bytes);
  auto const call = with_stream(golden_call(), {{5, 600}, {3, 4}});
  CHECK(hex_of(call.metadata().subspan(golden_call().head.metadata_size)) == stream_terms_bytes);
  CHECK(test::text_of(call.payload()) == "good job");
}

TEST_CASE("what tasks print has the bytes that it has always had") {
  auto printed = make_printed("a\n", 5, 2);
  printed.head.call = {0x99, 1};
  printed.head.attempt = 1;
  CHECK(hex_of(to_wire(printed)) == printed_bytes);
}

TEST_CASE("a header comes back as it went") {
  auto const sent = golden_call();
  header head;
  REQUIRE(decode_header(to_wire(sent), head) == frame_fault::none);
  CHECK(head.type == frame_type::call);
  CHECK(head.call == sent.head.call);
  CHECK(head.epoch == sent.head.epoch);
  CHECK(head.signature == sent.head.signature);
  CHECK(head.remaining_us == sent.head.remaining_us);
  CHECK(head.metadata_size == sent.head.metadata_size);
  CHECK(head.sequence == 3);
}

TEST_CASE("every single flipped bit of header and metadata is found") {
  auto const sent = golden_call();
  auto wire = to_wire(sent);
  header head;
  for (std::size_t bit = 0; bit < 8 * (header_size + sent.head.metadata_size); ++bit) {
    wire.data()[bit / 8] ^= std::byte{1} << (bit % 8);
    CHECK(decode_header(wire, head) != frame_fault::none);
    wire.data()[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST_CASE("what is no frame is refused with its reason") {
  auto wire = to_wire(golden_call());
  header head;
  CHECK(decode_header(wire.bytes().first(63), head) == frame_fault::too_short);
  CHECK(decode_header(wire.bytes().first(80), head) == frame_fault::bad_length);
  CHECK(decode_header({}, head) == frame_fault::too_short);
  wire.data()[0] ^= std::byte{1};
  CHECK(decode_header(wire, head) == frame_fault::bad_magic);
  auto other = golden_call();
  other.head.type = static_cast<frame_type>(99);
  CHECK(decode_header(to_wire(other), head) == frame_fault::bad_type);
  CHECK(to_string(frame_fault::bad_type) == "an unknown frame type");
}

TEST_CASE("a well-formed frame of another version is told apart") {
  auto other = golden_call();
  other.head.version = 9;
  header head;
  CHECK(decode_header(to_wire(other), head) == frame_fault::bad_version);
  CHECK(head.version == 9);
  CHECK(head.call == other.head.call);
}

TEST_CASE("the checksum is CRC32C, with and without the processor's instruction") {
  CHECK(crc32c(bytes_of("123456789")) == 0xe3069283);
  byte_buffer zeros;
  std::memset(zeros.extend(32), 0, 32);
  CHECK(crc32c(zeros) == 0x8a9136aa);  // RFC 3720, appendix B.4
  std::mt19937 random(7);
  byte_buffer noise;
  for (int i = 0; i < 300; ++i) *noise.extend(1) = static_cast<std::byte>(random());
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t size = 0; begin + size <= noise.size(); size += 7) {
      auto const part = noise.bytes().subspan(begin, size);
      CHECK(crc32c(part) == crc32c_portable(part));
      CHECK(crc32c(part.subspan(size / 2), crc32c(part.first(size / 2))) == crc32c_portable(part));
    }
  }
}
