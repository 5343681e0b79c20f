// SPDX-License-Identifier: Apache-2.0
#include "src/driver/pack_size.hpp"

#include <doctest/doctest.h>

using yonder::driver::pack_size;

TEST_CASE("packs grow while they are filled, and shrink to what is needed") {
  pack_size packs;
  auto const first = packs.next();
  packs.closed(first);
  CHECK(packs.next() == 2 * first);
  for (int i = 0; i < 10; ++i) packs.closed(packs.next());
  CHECK(packs.next() == pack_size::most);
  for (int i = 0; i < 10; ++i) packs.closed(1);
  CHECK(packs.next() == first);
}

TEST_CASE("a call by itself waits for others only in a burst") {
  pack_size packs;
  CHECK_FALSE(packs.in_burst(0));
  CHECK_FALSE(packs.in_burst(7));
  CHECK(packs.in_burst(1'000));
  packs.closed(40);
  CHECK(packs.in_burst(0));
  packs.closed(1);
  CHECK_FALSE(packs.in_burst(0));
}

TEST_CASE("a pack takes small calls, up to its bytes") {
  CHECK(pack_size::takes(pack_size::most_item_bytes));
  CHECK_FALSE(pack_size::takes(pack_size::most_item_bytes + 1));
  CHECK(pack_size::has_room(0, pack_size::most_item_bytes));
  CHECK_FALSE(pack_size::has_room(pack_size::most_bytes, 1));
}
