// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/recording.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "yonder/error.hpp"

namespace {

using yonder::runtime_detail::decode_recording;
using yonder::runtime_detail::recording;

TEST_CASE("a recording is read as it was written, and no part of it is one") {
  std::string const block(300, 'b');
  recording made{.build = "0123", .task = "t", .structure = "(int)->int", .signature = 17};
  made.arguments.append("arguments", 9);
  made.buffers.push_back(yonder::detail::owned_copy(std::as_bytes(std::span(block))));
  auto const bytes = yonder::runtime_detail::encode_recording(made);
  recording read;
  REQUIRE(decode_recording(bytes, read));
  CHECK(read.build == made.build);
  CHECK(read.task == made.task);
  CHECK(read.structure == made.structure);
  CHECK(read.signature == 17);
  CHECK(read.arguments.size() == 9);
  REQUIRE(read.buffers.size() == 1);
  CHECK(read.buffers[0].size == block.size());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    recording part;
    CHECK_FALSE(decode_recording(std::string_view(bytes).substr(0, size), part));
  }
  recording more;
  CHECK_FALSE(decode_recording(bytes + "x", more));
  CHECK_THROWS_AS(yonder::runtime_detail::read_recording("/nowhere/at/all"), yonder::usage_error);
}

}  // namespace
