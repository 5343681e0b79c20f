// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/worker_order.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace {

using yonder::runtime_detail::decode_worker_order;
using yonder::runtime_detail::encode_worker_order;
using yonder::runtime_detail::is_whole_order;
using yonder::runtime_detail::worker_order;

TEST_CASE("a worker's order is read as it was written, and never before it is whole") {
  worker_order const order{.hub = "tcp://hub:5555",
                           .token = 0xffff'ffff'ffff'ffff,
                           .server_public = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                           .client_secret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6",
                           .silence = 60'000'000'000,
                           .ends_with_input = true,
                           .end = {"shutdown", "-h", "now or \"then\""}};
  auto const text = encode_worker_order(order);
  worker_order read;
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_FALSE(is_whole_order(std::string_view(text).substr(0, size)));
    worker_order part;
    CHECK_FALSE(decode_worker_order(std::string_view(text).substr(0, size), part).empty());
  }
  CHECK(is_whole_order(text));
  CHECK(decode_worker_order(text, read).empty());
  CHECK(read.hub == order.hub);
  CHECK(read.token == order.token);
  CHECK(read.server_public == order.server_public);
  CHECK(read.client_secret == order.client_secret);
  CHECK(read.silence == order.silence);
  CHECK(read.ends_with_input);
  CHECK(read.end == order.end);
}

TEST_CASE("what is no order is refused, and nothing of it is quoted") {
  worker_order read;
  auto const fault = [&](std::string const& lines) {
    return decode_worker_order("yonder worker order 1\n" + lines + "that is all\n", read = {});
  };
  CHECK(decode_worker_order("secret\n", read).find("secret") == std::string::npos);
  CHECK(fault("hub tcp://a:1\n") == "it does not say for how long the hub may be silent");
  CHECK(fault("silence 1\n") == "it names no hub");
  for (char const* const line : {"colour secret\n", "token secret\n", "token 1x\n", "token -1\n",
                                 "silence 0\n", "ends_with_input yes\n", "hub\n", "\n"})
    CHECK(fault(line) == "its line 2 does not say anything that is known here");
}

TEST_CASE("what would begin another line cannot be written") {
  CHECK_THROWS_AS(encode_worker_order({.hub = "tcp://a:1\ntoken 7", .silence = 1}), std::invalid_argument);
  CHECK_THROWS_AS(encode_worker_order({.hub = "tcp://a:1", .silence = 1, .end = {"a\nb"}}),
                  std::invalid_argument);
}

}  // namespace
