// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <span>

#include "tests/unit/codec/random_values.hpp"

using yonder::detail::decode;
using yonder::detail::encode;
using yonder::detail::encode_owned;
using yonder::detail::encoded;

namespace {

template <class T>
encoded encoding_of(T const& value) {
  encoded bytes;
  encode(bytes, value);
  return bytes;
}

bool same_bytes(encoded const& a, encoded const& b) {
  return std::ranges::equal(a.head.bytes(), b.head.bytes()) && a.buffers.size() == b.buffers.size();
}

template <class T>
inline constexpr bool is_unordered = requires {
  typename T::hasher;
};

// unique_ptrs compare addresses.
template <class T>
inline constexpr bool compares_values = requires(T const& a, T const& b) {
  { a == b } -> std::same_as<bool>;
};
template <class T>
inline constexpr bool compares_values<std::unique_ptr<T>> = false;
template <class T>
inline constexpr bool compares_values<std::vector<std::unique_ptr<T>>> = false;

// What comes back equals what went, by == where there is one, and by its encoding (hash tables may change
// order).
template <class T>
void check_round_trips() {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    auto const value = std::make_unique<T>();
    zoo::dice(seed).fill(*value);
    auto const bytes = encoding_of(*value);
    auto const back = std::make_unique<T>();
    yonder::detail::decode_to(*back, bytes.head, bytes.buffers);
    // One expression of doctest for all types: it takes longer to compile than what it looks at.
    bool same = true;
    if constexpr (!is_unordered<T>) same = same_bytes(bytes, encoding_of(*back));
    if constexpr (compares_values<T>) same = same && *value == *back;
    CHECK(same);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("numbers come back", T, bool, char, signed char, unsigned char, char8_t, char16_t,
                   char32_t, short, unsigned short, int, unsigned, long, unsigned long, long long,
                   unsigned long long, float, double, std::byte) {
  check_round_trips<T>();
}

TEST_CASE_TEMPLATE("enumerations come back", T, zoo::color, zoo::plain, zoo::yes_no, zoo::mood) {
  check_round_trips<T>();
}

TEST_CASE_TEMPLATE("strings and sequences come back", T, std::string, std::u8string, std::u16string,
                   std::u32string, std::vector<int>, std::vector<bool>, std::vector<std::byte>,
                   std::vector<double>, std::vector<std::string>, std::vector<std::vector<float>>,
                   std::vector<zoo::nothing>, std::vector<zoo::by_member>, std::deque<int>,
                   std::deque<std::string>, std::list<int>, std::list<zoo::by_member>,
                   std::forward_list<std::string>, std::valarray<float>, std::valarray<bool>,
                   std::valarray<std::string>, std::array<int, 5>, std::array<bool, 3>,
                   std::array<std::string, 2>, std::array<int, 0>, std::bitset<1>, std::bitset<64>,
                   std::bitset<131>) {
  check_round_trips<T>();
}

TEST_CASE_TEMPLATE("associative containers come back", T, std::map<std::string, int>,
                   std::map<int, std::vector<zoo::by_member>>, std::multimap<int, int>, std::set<std::string>,
                   std::set<zoo::diamond>, std::multiset<int>, std::unordered_map<std::string, int>,
                   std::unordered_multimap<int, int>, std::unordered_set<std::string>,
                   std::unordered_multiset<int>) {
  check_round_trips<T>();
}

TEST_CASE_TEMPLATE("adaptors and other library types come back", T, std::stack<int>,
                   std::stack<int, std::vector<int>>, std::queue<std::string>, std::priority_queue<int>,
                   std::optional<std::string>, std::optional<std::vector<int>>,
                   std::variant<int, std::string, zoo::by_member>, std::variant<int, int>,
                   std::pair<int, std::string>, std::tuple<>, std::tuple<int, std::string, std::vector<bool>>,
                   std::unique_ptr<int>, std::unique_ptr<std::string const>,
                   std::vector<std::unique_ptr<zoo::tree>>, std::complex<float>,
                   std::vector<std::complex<double>>, std::atomic<int>, std::chrono::nanoseconds,
                   std::chrono::duration<double>, std::chrono::system_clock::time_point) {
  if constexpr (std::is_same_v<T, std::unique_ptr<std::string const>>) {
    auto const bytes = encoding_of(T(std::make_unique<std::string>("constant")));
    CHECK(*decode<T>(bytes.head, bytes.buffers) == "constant");
  } else {
    check_round_trips<T>();
  }
}

TEST_CASE_TEMPLATE("classes come back, however they are serialized", T, zoo::by_member, zoo::by_function,
                   zoo::with_member_split, zoo::with_free_split, zoo::with_member_minimal,
                   zoo::with_free_minimal, zoo::versioned, zoo::versioned_split, std::vector<zoo::versioned>,
                   zoo::nothing, zoo::derived, zoo::diamond, std::vector<zoo::diamond>, zoo::tree, zoo::chain,
                   zoo::deferred, std::vector<zoo::deferred>, zoo::raw_block, zoo::c_arrays, zoo::bag<int>,
                   zoo::bag<std::string>, zoo::reading, zoo::station, zoo::sixteen, zoo::family,
                   std::vector<zoo::station>) {
  check_round_trips<T>();
}

TEST_CASE("equal keys keep their order") {
  std::multimap<int, std::string> const value{{1, "first"}, {1, "second"}, {1, "third"}};
  auto const bytes = encoding_of(value);
  CHECK(decode<std::multimap<int, std::string>>(bytes.head, bytes.buffers) == value);
}

TEST_CASE("a class without a default constructor travels behind a unique_ptr") {
  auto const bytes = encoding_of(std::make_unique<zoo::without_default>(17));
  CHECK(decode<std::unique_ptr<zoo::without_default>>(bytes.head, bytes.buffers)->value() == 17);
}

TEST_CASE("views are sent as the owners that they are decoded to") {
  std::vector<int> const numbers{1, 2, 3};
  encoded views;
  encode(views, std::string_view("text"), std::span<int const>(numbers));
  encoded owners;
  encode(owners, std::string("text"), numbers);
  CHECK(same_bytes(views, owners));
}

TEST_CASE("values one after the other are one tuple") {
  encoded bytes;
  encode(bytes, zoo::versioned{1, 2}, 7, zoo::versioned{3, 4});
  auto const [a, b, c] = decode<std::tuple<zoo::versioned, int, zoo::versioned>>(bytes.head, bytes.buffers);
  CHECK(a == zoo::versioned{1, 2});
  CHECK(b == 7);
  CHECK(c == zoo::versioned{3, 4});
}

TEST_CASE("owned encoding has the same bytes as borrowed") {
  zoo::dice dice(5);
  auto const a = dice.value<zoo::tree>();
  auto const b = dice.value<std::vector<zoo::versioned>>();
  encoded borrowed;
  encode(borrowed, a, b, 3);
  encoded owned;
  encode_owned(owned, a, std::vector<zoo::versioned>(b), 3);
  CHECK(same_bytes(borrowed, owned));
}

TEST_CASE("encoding appends to what is there") {
  encoded bytes;
  bytes.head.append("head", 4);
  encode(bytes, 5);
  CHECK(bytes.head.size() == 8);
  CHECK(decode<int>(bytes.head.bytes().subspan(4), {}) == 5);
}

TEST_CASE("loading replaces what a container held") {
  auto const bytes =
      encoding_of(std::tuple(std::vector<std::string>{"new"}, std::vector<int>{1}, std::string("new")));
  std::tuple value(std::vector<std::string>{"old", "old"}, std::vector<int>{4, 5, 6}, std::string("older"));
  yonder::detail::decode_to(value, bytes.head, bytes.buffers);
  CHECK(value == std::tuple(std::vector<std::string>{"new"}, std::vector<int>{1}, std::string("new")));
}

TEST_CASE("the wire is little-endian, with sizes of 64 bits") {
  auto const bytes = encoding_of(std::tuple(std::uint16_t{0x0102}, std::string("ab"), true));
  unsigned char const expected[] = {2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 1};
  CHECK(std::ranges::equal(bytes.head.bytes(), std::as_bytes(std::span(expected))));
}

TEST_CASE("a class version is written once") {
  CHECK(encoding_of(zoo::versioned{}).head.size() == 12);
  CHECK(encoding_of(std::array<zoo::versioned, 10>{}).head.size() == 4 + 10 * 8);
}

TEST_CASE("an older version of a class is loaded, as its function says") {
  encoded bytes;
  encode(bytes, std::uint32_t{2}, std::int32_t{11});
  CHECK(decode<zoo::versioned>(bytes.head, bytes.buffers) == zoo::versioned{11, 0});
}
