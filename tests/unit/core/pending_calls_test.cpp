// SPDX-License-Identifier: Apache-2.0
#include "src/core/pending_calls.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;

namespace {

// Calls 10 … 14 with 1 … 5 bytes of arguments.
pending& five(pending_calls& calls) {
  std::vector<batch_spec::item> items;
  for (std::uint32_t i = 0; i < 5; ++i) items.push_back({i + 1, 100 + i});
  auto& made = calls.add(10, 5, 5 * header_size + 15);
  made.batch = std::make_shared<std::vector<batch_spec::item> const>(items);
  return made;
}

}  // namespace

TEST_CASE("each call of a record is found by its number") {
  pending_calls calls;
  auto& one = calls.add(7, 1, 100);
  one.cookie = 3;
  auto& several = five(calls);
  CHECK(calls.find(6) == nullptr);
  CHECK(calls.find(7) == &one);
  CHECK(one.cookie_of(0) == 3);
  CHECK(calls.find(8) == nullptr);
  for (std::uint64_t number = 10; number < 15; ++number) CHECK(calls.find(number) == &several);
  CHECK(several.cookie_of(4) == 104);
  CHECK(calls.find(15) == nullptr);
  CHECK(calls.size() == 6);
  CHECK(calls.bytes() == 100 + 5 * header_size + 15);
}

TEST_CASE("a record is split, and each part keeps its own bytes, cookies and places") {
  pending_calls calls;
  auto& rest = five(calls);
  auto& front = calls.split(rest, 2);
  CHECK(calls.find(11) == &front);
  CHECK(calls.find(12) == &rest);
  CHECK(front.count == 2);
  CHECK(front.bytes == 2 * header_size + 3);
  CHECK(front.cookie_of(1) == 101);
  CHECK(rest.number == 12);
  CHECK(rest.bytes == 3 * header_size + 12);
  CHECK(rest.cookie_of(0) == 102);
  CHECK(rest.first == 2);
  CHECK(rest.offset == 3);
  CHECK_FALSE(rest.is_whole());
  calls.remove(front);
  CHECK(calls.find(11) == nullptr);
  calls.remove(rest);
  CHECK(calls.size() == 0);
  CHECK(calls.bytes() == 0);
}

TEST_CASE("the first calls of a record end, and the others stay") {
  pending_calls calls;
  auto& left = five(calls);
  calls.advance(left, 4);
  CHECK(calls.find(13) == nullptr);
  CHECK(calls.find(14) == &left);
  CHECK(left.cookie_of(0) == 104);
  CHECK(calls.size() == 1);
  CHECK(calls.bytes() == header_size + 5);
  calls.remove(left);
  CHECK(calls.find(14) == nullptr);
  CHECK(calls.bytes() == 0);
}
