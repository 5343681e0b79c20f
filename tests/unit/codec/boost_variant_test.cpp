// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

// Where Boost is installed; nothing else of Yonder needs it.
#if __has_include(<boost/variant.hpp>)
#include <boost/variant.hpp>
#include <variant>

#include "yonder/codec.hpp"

using yonder::detail::decode;
using yonder::detail::encode;
using yonder::detail::encoded;
using boxed = boost::variant<int, std::string>;

TEST_CASE("a Boost variant comes back, and travels as one of std") {
  for (auto const& value : {boxed(5), boxed(std::string("text"))}) {
    encoded bytes;
    encode(bytes, value);
    CHECK(decode<boxed>(bytes.head, bytes.buffers) == value);
  }
  using yonder::detail::structure_hash;
  CHECK(structure_hash<boxed>() == structure_hash<std::variant<int, std::string>>());
}

TEST_CASE("a Boost variant has the alternatives that it has") {
  for (std::int32_t const index : {-1, 2}) {
    encoded bytes;
    encode(bytes, index, 0);
    CHECK_THROWS_AS(decode<boxed>(bytes.head, bytes.buffers), yonder::codec_error);
  }
}
#endif
