// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

// Where Boost is installed; nothing else of Yonder's codec needs it.
#if __has_include(<boost/serialization/nvp.hpp>)

#include <boost/smart_ptr/shared_ptr.hpp>
#include <cstring>

#include "tests/unit/codec/boost_zoo.hpp"
#include "yonder/testing.hpp"

namespace boost_zoo {

// Within the namespace, with functions of cereal's and no word about which are meant.
struct undecided {
  template <class Archive>
  void serialize(Archive&) {}
  template <class Archive>
  void serialize(Archive&, unsigned const) {}
};

}  // namespace boost_zoo

namespace {

using yonder::codec_error;
using yonder::codec_fault;
using yonder::detail::byte_buffer;
using yonder::detail::encoded;
using yonder::detail::obstacle;

template <class T>
byte_buffer boost_bytes(T const& value) {
  encoded out;
  yonder::detail::encode(out, value);
  return std::move(out.head);
}

template <class T>
void comes_back(T const& value) {
  auto const bytes = boost_bytes(value);
  CHECK(yonder::detail::decode<T>(bytes, {}) == value);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_THROWS_AS(yonder::detail::decode<T>(bytes.bytes().first(size), {}), codec_error);
}

boost_zoo::order sample_order() {
  boost_zoo::order made;
  made.id = 7;
  made.items = {{1, "tea"}, {2, "milk"}};
  made.numbers = {1, 2, 3};
  made.gift = boost_zoo::item(5, "cup");
  made.paid = boost_zoo::item(9, "coin");
  made.notes[4] = "four";
  made.place[1] = 2.5;
  return made;
}

boost_zoo::order reorder(boost_zoo::order value) {
  value.items.pop_back();
  return value;
}
inline constexpr yonder::task<reorder, "reorder"> reorder_task;

static_assert(yonder::detail::obstacle_of<boost_zoo::undecided, true> == obstacle::ambiguous);
static_assert(yonder::detail::obstacle_of<boost::shared_ptr<int>, true> == obstacle::shared_pointer);

}  // namespace

TEST_CASE(
    "classes that speak Boost.Serialization come back, in each of its ways, and no prefix of them does") {
  comes_back(boost_zoo::item(3, "tea"));
  comes_back(std::vector<boost_zoo::item>{{1, "tea"}, {2, "milk"}});
  comes_back(sample_order());
  comes_back(boost_zoo::split{4});
  comes_back(boost_zoo::bag{{"one", "two"}});
  comes_back(boost_zoo::raw{{1, 2, 3, 4}});
  comes_back(boost_zoo::by_function{5});
  comes_back(boost_zoo::apart::by_split_function{6});
  comes_back(boost_zoo::apart::both_ways{7});
}

TEST_CASE("they are arguments and results of tasks") {
  auto expected = sample_order();
  expected.items.pop_back();
  CHECK(yonder::testing::round_trip(reorder_task, sample_order()) == expected);
}

TEST_CASE("names and versions of Boost's classes count in the structure") {
  using yonder::detail::structure_text;
  CHECK(structure_text<boost_zoo::item>() == "{v2 price: i32 name: str8}");
  CHECK(structure_text<boost_zoo::order>() ==
        "{v0 {v0 id: i32} [{v2 price: i32 name: str8}] {# i32} ?^2 <i32 ^2> {# i32 => str8} raw f64}");
  CHECK(structure_text<boost_zoo::bag>() == "{v0 # u32 str8}");
  CHECK(structure_text<boost_zoo::apart::both_ways>() == "{v0 value: i32}");
}

TEST_CASE("Boost's classes are bounded as all others are") {
  std::uint32_t const version = 0;
  std::uint64_t const huge_count = ~std::uint64_t{0};
  byte_buffer bytes;
  bytes.append(&version, sizeof version);
  bytes.append(&huge_count, sizeof huge_count);
  bytes.append(&version, sizeof version);
  CHECK_THROWS_AS(yonder::detail::decode<boost_zoo::bag>(bytes, {}), codec_error);
  std::uint32_t const later = 3;  // than the class's own version
  auto const item = boost_bytes(boost_zoo::item(1, "tea"));
  auto changed = byte_buffer::copy_of(item.bytes());
  std::memcpy(changed.data(), &later, sizeof later);
  try {
    yonder::detail::decode<boost_zoo::item>(changed, {});
    FAIL("a later version was accepted");
  } catch (codec_error const& refused) {
    CHECK(refused.fault == codec_fault::bad_value);
  }
}
#endif
