// SPDX-License-Identifier: Apache-2.0
#include "src/core/trace.hpp"

#include "src/core/metadata.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;

namespace {

constexpr std::string_view given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

}  // namespace

TEST_CASE("a traceparent is of version 00, in lower case, with ids that are not zero") {
  CHECK(is_traceparent(given));
  for (std::string_view const wrong : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                                       "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                       "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                       "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736x00f067aa0ba902b7-01",
                                       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011"})
    CHECK_FALSE(is_traceparent(wrong));
}

TEST_CASE("what a call hands on is of its trace, with the call as the parent") {
  trace_of const one(given, {7, 1});
  trace_of const other(given, {7, 2});
  CHECK(is_traceparent(one.text()));
  CHECK(one.text().substr(0, 36) == given.substr(0, 36));
  CHECK(one.text().substr(52) == "-01");
  CHECK(one.text().substr(36, 16) != given.substr(36, 16));
  CHECK(one.text() != other.text());
}

TEST_CASE("a call without a trace begins one, which has its id") {
  trace_of const own({}, {0x0123456789abcdefU, 0x11});
  CHECK(is_traceparent(own.text()));
  CHECK(own.text().substr(0, 36) == "00-0123456789abcdef0000000000000011-");
  CHECK(own.text().substr(52) == "-00");
}

TEST_CASE("the trace of a call is read from its metadata; what is none is not there") {
  yonder::detail::byte_buffer whole;
  write_call(whole, "f", {.retries = 1}, given);
  CHECK(read_traceparent(whole.bytes()) == given);
  yonder::detail::byte_buffer bad;
  write_call(bad, "f", {}, "00-ab-cd-01");
  CHECK(read_traceparent(bad.bytes()).empty());
  yonder::detail::byte_buffer without;
  write_call(without, "f", {}, {});
  CHECK(read_traceparent(without.bytes()).empty());
}
