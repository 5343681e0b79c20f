// SPDX-License-Identifier: Apache-2.0
#include "src/core/metadata.hpp"

#include "src/core/link.hpp"
#include "src/core/little_endian.hpp"
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using test::bytes_of;
using test::text_of;
using yonder::errc;

namespace {

void put_field(byte_buffer& body, std::uint16_t what, std::string_view value) {
  store_le(body.extend(2), what);
  store_le(body.extend(4), static_cast<std::uint32_t>(value.size()));
  body.append(value.data(), value.size());
}

frame with_metadata(frame_type type, byte_buffer body) {
  frame message;
  message.head.type = type;
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.body = std::move(body);
  return message;
}

}  // namespace

TEST_CASE("a call's metadata comes back as it went") {
  call_policy policy;
  policy.retries = 2;
  policy.timeout = 1'500 * microsecond;
  policy.idempotent = true;
  byte_buffer body;
  write_call(body, "f", policy, "00-1-2-3");
  call_message read;
  REQUIRE(read_call(body, read));
  CHECK(read.function == "f");
  CHECK(read.policy.retries == 2);
  CHECK(read.policy.timeout == 1'500 * microsecond);
  CHECK(read.policy.idempotent);
}

TEST_CASE("a timeout is never rounded down to none") {
  call_policy policy;
  policy.timeout = 1;
  byte_buffer body;
  write_call(body, "f", policy, {});
  call_message read;
  REQUIRE(read_call(body, read));
  CHECK(read.policy.timeout == microsecond);
}

TEST_CASE("the longest times there are travel without overflow") {
  call_policy policy;
  policy.timeout = never;
  byte_buffer body;
  write_call(body, "f", policy, {});
  call_message read;
  REQUIRE(read_call(body, read));
  CHECK(read.policy.timeout >= never - microsecond);
  CHECK(body.size() == 29);
  CHECK(load_le<std::uint64_t>(body.data() + 21) == never / microsecond + 1);
  welcome_message said;
  said.heartbeat = never;
  REQUIRE(read_welcome(make_welcome(said), said));
  yonder::core::link quiet(false, {});
  quiet.set_heartbeat(said.heartbeat);
  quiet.open(second, 1, 1);
  CHECK(quiet.dead_at() == never);
}

TEST_CASE("limits, credit and the start token come back as they went; too narrow an end is refused") {
  hello_message said;
  said.role = peer_role::worker;
  said.start_token = 5;
  said.limits = {min_frame_bytes, 7};
  hello_message read;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.start_token == 5);
  CHECK(read.limits.max_frame_bytes == min_frame_bytes);
  CHECK(read.limits.max_buffers == 7);
  said.limits.max_frame_bytes -= 1;
  CHECK_FALSE(read_hello(make_hello(said), read));
  credit_window credit;
  REQUIRE(read_credit(make_credit({3, 4}), credit));
  CHECK(credit.calls == 3);
  CHECK(credit.bytes == 4);
  CHECK_FALSE(read_credit(make_control(frame_type::credit), credit));
}

TEST_CASE("what a worker tells of the one before it comes back as it went") {
  hello_message said;
  said.role = peer_role::worker;
  said.predecessor = {7, 8, 9, 11, {}, "was ended by SIGSEGV (signal 11)", "words"};
  hello_message read;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.predecessor.session == 7);
  CHECK(read.predecessor.epoch == 8);
  CHECK(read.predecessor.started == 9);
  CHECK(read.predecessor.signal == 11);
  CHECK_FALSE(read.predecessor.exit_status);
  CHECK(read.predecessor.reason == "was ended by SIGSEGV (signal 11)");
  CHECK(read.predecessor.stderr_tail == "words");
  said.predecessor.exit_status = 3;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.predecessor.exit_status == 3);
}

TEST_CASE("an unknown field is skipped, an unknown critical one refuses the frame") {
  byte_buffer body;
  write_call(body, "f", {}, {});
  put_field(body, 0x0777, "new and optional");
  call_message read;
  CHECK(read_call(body, read));
  put_field(body, 0x8777, "new and critical");
  CHECK_FALSE(read_call(body, read));
}

TEST_CASE("fields that lie about their length are refused") {
  call_message read;
  CHECK_FALSE(read_call({}, read));
  byte_buffer short_head;
  short_head.append("\1\x80\0", 3);
  CHECK_FALSE(read_call(short_head, read));
  byte_buffer long_value;
  store_le(long_value.extend(2), std::uint16_t{0x8001});
  store_le(long_value.extend(4), std::uint32_t{0xffffffff});
  CHECK_FALSE(read_call(long_value, read));
  byte_buffer long_name;
  put_field(long_name, 0x8001, std::string(max_name_size + 1, 'x'));
  CHECK_FALSE(read_call(long_name, read));
  byte_buffer bad_policy;
  put_field(bad_policy, 0x8001, "f");
  put_field(bad_policy, 0x8002, "too short");
  CHECK_FALSE(read_call(bad_policy, read));
}

TEST_CASE("a hello needs role, session and versions") {
  hello_message said;
  said.role = peer_role::client;
  said.session = 5;
  said.name = "me";
  said.functions = {{"f", 1, "a"}, {"g", 2, ""}};
  hello_message read;
  REQUIRE(read_hello(make_hello(said), read));
  CHECK(read.session == 5);
  CHECK(read.name == "me");
  REQUIRE(read.functions.size() == 2);
  CHECK(read.functions[0].schema == "a");
  CHECK(read.functions[1].name == "g");
  hello_message none;
  CHECK_FALSE(read_hello(with_metadata(frame_type::hello, {}), none));
  byte_buffer other_role;
  put_field(other_role, 0x8010, "\3");
  CHECK_FALSE(read_hello(with_metadata(frame_type::hello, std::move(other_role)), none));
}

TEST_CASE("a failure travels whole, and its long texts are cut, not refused") {
  failure said;
  said.code = errc::worker_lost;
  said.function = "f";
  said.type_name = "std::runtime_error";
  said.message = std::string(max_text_size + 10, 'm');
  said.payload = bytes_of("exception");
  said.attempt = 3;
  said.worker = "host/1";
  said.signal = 11;
  said.exit_status = 0;
  said.stderr_tail = "last words";
  failure read;
  REQUIRE(read_error(make_error(said), read));
  CHECK(read.code == errc::worker_lost);
  CHECK(read.function == "f");
  CHECK(read.type_name == said.type_name);
  CHECK(read.message.size() == max_text_size);
  CHECK(text_of(read.payload) == "exception");
  CHECK(read.attempt == 3);
  CHECK(read.worker == "host/1");
  CHECK(read.signal == 11);
  CHECK(read.exit_status == 0);
  CHECK(read.stderr_tail == "last words");
}

TEST_CASE("an error without a code is refused") {
  failure read;
  CHECK_FALSE(read_error(with_metadata(frame_type::error, {}), read));
  byte_buffer zero;
  put_field(zero, 0x8050, std::string_view("\0\0", 2));
  CHECK_FALSE(read_error(with_metadata(frame_type::error, std::move(zero)), read));
}

TEST_CASE("a bye says why") {
  frame const sent = make_bye({errc::unauthorized, "no key"});
  bye_message bye;
  REQUIRE(read_bye(sent, bye));
  CHECK(bye.code == errc::unauthorized);
  CHECK(bye.text == "no key");
}
