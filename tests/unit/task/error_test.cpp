// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "yonder/call.hpp"
#include "yonder/error.hpp"

using yonder::errc;
using yonder::error_details;
using yonder::retry_class;

namespace {

template <class Error>
void check_class(errc code, retry_class retry) {
  CAPTURE(yonder::to_string(code));
  try {
    yonder::detail::throw_error({.code = code, .message = "words", .task = "zoo::feed"});
  } catch (yonder::error const& thrown) {
    CHECK(typeid(thrown) == typeid(Error));
    CHECK(thrown.code() == code);
    CHECK(thrown.retry() == retry);
    CHECK(thrown.details().message == "words");
    CHECK(std::string(thrown.what()) == "zoo::feed: " + std::string(to_string(code)) + ": words");
  }
}

std::string what(error_details details) { return yonder::error(std::move(details)).what(); }

}  // namespace

static_assert(std::is_base_of_v<std::runtime_error, yonder::error>);
static_assert(std::is_nothrow_copy_constructible_v<yonder::error>);
static_assert(std::is_nothrow_copy_constructible_v<yonder::remote_error>);
static_assert(std::is_nothrow_copy_constructible_v<yonder::usage_error>);
static_assert(std::is_nothrow_copy_assignable_v<yonder::worker_lost>);

TEST_CASE("each code is thrown as its class and can be retried as its kind says") {
  using enum retry_class;
  check_class<yonder::remote_error>(errc::failed, failed);
  check_class<yonder::unknown_function>(errc::unknown_function, unimplemented);
  check_class<yonder::signature_mismatch>(errc::signature_mismatch, unimplemented);
  check_class<yonder::undecodable>(errc::undecodable, failed);
  check_class<yonder::too_large>(errc::too_large, failed);
  check_class<yonder::worker_lost>(errc::worker_lost, disconnected);
  check_class<yonder::worker_start_failed>(errc::worker_start_failed, disconnected);
  check_class<yonder::hub_unreachable>(errc::hub_unreachable, disconnected);
  check_class<yonder::disconnected>(errc::disconnected, disconnected);
  check_class<yonder::timed_out>(errc::timed_out, disconnected);
  check_class<yonder::deadline_exceeded>(errc::deadline_exceeded, failed);
  check_class<yonder::cancelled>(errc::cancelled, failed);
  check_class<yonder::overloaded>(errc::overloaded, overloaded);
  check_class<yonder::unsatisfiable>(errc::unsatisfiable, unimplemented);
  check_class<yonder::protocol_error>(errc::protocol_mismatch, unimplemented);
  check_class<yonder::protocol_error>(errc::protocol_violation, failed);
  check_class<yonder::unauthorized>(errc::unauthorized, failed);
  check_class<yonder::usage_error>(errc::no_runtime, failed);
  check_class<yonder::usage_error>(errc::duplicate_task, failed);
  check_class<yonder::usage_error>(errc::bad_configuration, failed);
  check_class<yonder::would_deadlock>(errc::would_deadlock, failed);
  check_class<yonder::would_deadlock>(errc::nested_too_deep, failed);
  check_class<yonder::usage_error>(errc::already_read, failed);
}

TEST_CASE("codes keep their numbers, and each has a name of its own") {
  CHECK(static_cast<int>(errc::failed) == 1);
  CHECK(static_cast<int>(errc::worker_lost) == 6);
  CHECK(static_cast<int>(errc::protocol_violation) == 16);
  CHECK(static_cast<int>(errc::bad_configuration) == 20);
  CHECK(static_cast<int>(errc::nested_too_deep) == 22);
  CHECK(static_cast<int>(errc::already_read) == 26);
  CHECK(static_cast<int>(errc::argument_gone) == 28);
  CHECK(static_cast<int>(errc::value_gone) == 33);
  CHECK(static_cast<int>(errc::unknown_call) == 30);
  std::vector<std::string_view> names;
  for (int code = 1; code <= 22; ++code) names.push_back(to_string(static_cast<errc>(code)));
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(std::find(names.begin(), names.end(), "unknown") == names.end());
  CHECK(to_string(static_cast<errc>(23)) == "unknown");
}

TEST_CASE("an unknown code from a later version is still an error") {
  CHECK_THROWS_AS(yonder::detail::throw_error({.code = static_cast<errc>(999)}), yonder::error);
}

TEST_CASE("what() says which task, what happened, which attempt and where") {
  CHECK(what({.code = errc::cancelled}) == "cancelled");
  CHECK(what({.code = errc::failed,
              .message = "no food",
              .task = "feed",
              .attempt = 2,
              .worker = "ark:17",
              .type_name = "zoo::hungry"}) == "feed: failed: zoo::hungry: no food (attempt 2 on ark:17)");
  CHECK(what({.code = errc::timed_out, .message = "5 s", .attempt = 1}) == "timed_out: 5 s (attempt 1)");
}

TEST_CASE("what() shows the last lines of a lost worker's stderr") {
  auto const text =
      what({.code = errc::worker_lost, .message = "signal 11", .signal = 11, .stderr_tail = "oh no"});
  CHECK(text == "worker_lost: signal 11\nthe worker's stderr ended with:\noh no");
}

TEST_CASE("details reach the catcher, also through copies") {
  yonder::worker_lost const lost({.code = errc::worker_lost, .task = "t", .signal = 9, .exit_status = 3});
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): the copy is the test
  yonder::error const copy = lost;
  CHECK(copy.details().signal == 9);
  CHECK(copy.details().exit_status == 3);
  CHECK(&copy.details() == &lost.details());
  CHECK(std::string_view(copy.what()) == lost.what());
}

TEST_CASE("a call's id is 32 hexadecimal digits") {
  CHECK(to_string(yonder::call_id{}) == "00000000000000000000000000000000");
  CHECK(to_string(yonder::call_id{0x0123456789abcdefU, 0xfU}) == "0123456789abcdef000000000000000f");
  CHECK(to_string(yonder::call_id{~std::uint64_t{0}, ~std::uint64_t{0}}) == std::string(32, 'f'));
}

TEST_CASE("call ids are ordered by session, then number") {
  using yonder::call_id;
  CHECK(call_id{1, 2} == call_id{1, 2});
  CHECK(call_id{1, 9} < call_id{2, 0});
  CHECK(call_id{1, 2} < call_id{1, 3});
}
