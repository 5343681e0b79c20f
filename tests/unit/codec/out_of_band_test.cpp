// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <numeric>
#include <span>

#include "tests/unit/codec/zoo.hpp"

using yonder::detail::block_policy;
using yonder::detail::decode;
using yonder::detail::default_out_of_band_size;
using yonder::detail::encode;
using yonder::detail::encode_owned;
using yonder::detail::encoded;
using yonder::detail::writer;

namespace {

constexpr std::size_t many = default_out_of_band_size / sizeof(float);

std::vector<float> numbers(std::size_t count = many) {
  std::vector<float> made(count);
  std::iota(made.begin(), made.end(), 0.5f);
  return made;
}

// Whether buffer `i` is `data` itself, borrowed.
bool borrows(encoded const& bytes, std::size_t i, void const* data) {
  return bytes.buffers.at(i).data == data && bytes.buffers.at(i).borrowed();
}

struct image {
  std::string name;
  std::vector<float> pixels;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(name), CEREAL_NVP(pixels));
  }
  bool operator==(image const&) const = default;
};

// Saves a vector that is gone when save returns.
struct computed {
  float factor = 1;

  template <class Archive>
  void save(Archive& ar) const {
    auto made = numbers();
    for (auto& each : made) each *= factor;
    ar(made);
  }
  template <class Archive>
  void load(Archive& ar) {
    std::vector<float> made;
    ar(made);
    factor = made.at(1) / 1.5f;
  }
};

}  // namespace

TEST_CASE("a large vector is borrowed, a small one is inline") {
  auto const large = numbers();
  auto const small = numbers(many - 1);
  encoded bytes;
  encode(bytes, large, small);
  REQUIRE(bytes.buffers.size() == 1);
  CHECK(borrows(bytes, 0, large.data()));
  CHECK(bytes.buffers[0].size == default_out_of_band_size);
  auto const [a, b] = decode<std::tuple<std::vector<float>, std::vector<float>>>(bytes.head, bytes.buffers);
  CHECK(a == large);
  CHECK(b == small);
}

TEST_CASE("all contiguous numbers are borrowed where they are") {
  std::string const text(default_out_of_band_size, 'x');
  auto const array = std::make_unique<std::array<double, many>>();
  std::valarray<float> const values(1.5f, many);
  std::vector<std::byte> const raw(default_out_of_band_size);
  encoded bytes;
  encode(bytes, text, *array, values, raw, std::span<float const>(&values[0], many), std::string_view(text));
  REQUIRE(bytes.buffers.size() == 6);
  CHECK(borrows(bytes, 0, text.data()));
  CHECK(borrows(bytes, 1, array->data()));
  CHECK(borrows(bytes, 2, &values[0]));
  CHECK(borrows(bytes, 3, raw.data()));
  CHECK(borrows(bytes, 4, &values[0]));
  CHECK(borrows(bytes, 5, text.data()));
}

TEST_CASE("large members are borrowed through classes, containers and pointers") {
  image const one{"one", numbers()};
  std::vector<image> const several(2, one);
  std::map<int, image> const by_number{{1, one}};
  auto const pointed = std::make_unique<image>(one);
  std::optional<image> const maybe = one;
  std::variant<int, image> const either = one;
  std::list<std::vector<float>> const nested{numbers()};
  encoded bytes;
  encode(bytes, one, several, by_number, pointed, maybe, either, nested);
  REQUIRE(bytes.buffers.size() == 8);
  CHECK(borrows(bytes, 0, one.pixels.data()));
  CHECK(borrows(bytes, 1, several[0].pixels.data()));
  CHECK(borrows(bytes, 2, several[1].pixels.data()));
  CHECK(borrows(bytes, 3, by_number.at(1).pixels.data()));
  CHECK(borrows(bytes, 4, pointed->pixels.data()));
  CHECK(borrows(bytes, 5, maybe->pixels.data()));
  CHECK(borrows(bytes, 6, std::get<image>(either).pixels.data()));
  CHECK(borrows(bytes, 7, nested.front().data()));
}

TEST_CASE("what a save function makes for the occasion is copied, wherever the object is") {
  std::map<int, computed> const by_number{{1, {2}}};
  std::vector<computed> const several{{3}};
  std::list<computed> const listed{{5}};
  encoded bytes;
  encode(bytes, computed{4}, by_number, several, listed);
  REQUIRE(bytes.buffers.size() == 4);
  for (auto const& each : bytes.buffers) CHECK_FALSE(each.borrowed());
  using type = std::tuple<computed, std::map<int, computed>, std::vector<computed>, std::list<computed>>;
  auto const [a, b, c, d] = decode<type>(bytes.head, bytes.buffers);
  CHECK(a.factor == 4);
  CHECK(b.at(1).factor == 2);
  CHECK(c[0].factor == 3);
  CHECK(d.front().factor == 5);
}

TEST_CASE("owned encoding moves the blocks of an rvalue and copies those of an lvalue") {
  image kept{"kept", numbers()};
  auto moved = kept;
  auto const* const moved_data = moved.pixels.data();
  auto plain = numbers();
  auto const* const plain_data = plain.data();
  encoded bytes;
  encode_owned(bytes, kept, std::move(moved), std::move(plain), 5);
  REQUIRE(bytes.buffers.size() == 3);
  for (auto const& each : bytes.buffers) CHECK_FALSE(each.borrowed());
  CHECK(static_cast<void const*>(bytes.buffers[0].data) != kept.pixels.data());
  CHECK(static_cast<void const*>(bytes.buffers[1].data) == moved_data);
  CHECK(static_cast<void const*>(bytes.buffers[2].data) == plain_data);
  auto const [a, b, c, d] =
      decode<std::tuple<image, image, std::vector<float>, int>>(bytes.head, bytes.buffers);
  CHECK(a == kept);
  CHECK(b == kept);
  CHECK(c == kept.pixels);
  CHECK(d == 5);
}

TEST_CASE("a block that a save function made outlives an owned rvalue too") {
  encoded bytes;
  encode_owned(bytes, std::map<int, computed>{{1, {7}}});
  CHECK(decode<std::map<int, computed>>(bytes.head, bytes.buffers).at(1).factor == 7);
}

TEST_CASE("the size from which blocks travel beside is settable") {
  auto const value = numbers(2048);
  encoded beside;
  writer ar(beside, block_policy{.out_of_band_size = 8192});
  ar.put_whole(value);
  ar.finish();
  CHECK(beside.buffers.size() == 1);
  CHECK(decode<std::vector<float>>(beside.head, beside.buffers) == value);
  encoded inline_only;
  encode(inline_only, value);
  CHECK(inline_only.buffers.empty());
  CHECK(decode<std::vector<float>>(inline_only.head, {}) == value);
}

namespace {

// Counts its objects, and knows whether it lies where its type asks for.
struct alignas(64) counted {
  static inline int alive = 0;
  std::vector<float> pixels = numbers();

  counted() { ++alive; }
  counted(counted&& other) : pixels(std::move(other.pixels)) {
    if (refuses) throw std::length_error("no more");
    if (reinterpret_cast<std::uintptr_t>(this) % 64 != 0) throw std::logic_error("askew");
    ++alive;
  }
  ~counted() { --alive; }

  static inline bool refuses = false;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(pixels);
  }
};

}  // namespace

TEST_CASE(
    "an object that is moved lives on as long as its blocks, where its alignment asks, and is destroyed "
    "once") {
  for (int i = 0; i < 20; ++i) {
    counted::alive = 0;
    encoded bytes;
    {
      counted from;
      void const* const data = from.pixels.data();
      encode_owned(bytes, std::move(from));
      CHECK(bytes.buffers.at(0).data == data);
    }
    CHECK(counted::alive == 1);
    bytes.buffers.clear();
    CHECK(counted::alive == 0);
  }
}

TEST_CASE("an object that does not let itself be moved is not destroyed where it never stood") {
  counted from;
  counted::alive = 1;
  encoded bytes;
  counted::refuses = true;
  CHECK_THROWS_AS(encode_owned(bytes, std::move(from)), std::length_error);
  counted::refuses = false;
  CHECK(counted::alive == 1);
}

TEST_CASE("a view looks at a large block where it lies, and at a small one that lies aligned") {
  using view = yonder::detail::block_view<std::vector<float>>;
  auto const large = numbers();
  encoded bytes;
  encode(bytes, large);
  view of_large;
  yonder::detail::decode_to(of_large, bytes.head, bytes.buffers);
  CHECK(of_large.data == large.data());
  CHECK(of_large.size == large.size());

  for (std::size_t const offset : {std::size_t{0}, std::size_t{1}, std::size_t{4}}) {
    encoded small;
    small.head.extend(offset);
    encode(small, numbers(3));
    view of_small;
    yonder::detail::decode_to(of_small, small.head.bytes().subspan(offset), {});
    bool const is_inside =
        reinterpret_cast<std::byte const*>(of_small.data) == small.head.data() + offset + 8;
    CHECK(is_inside == (offset % alignof(float) == 0));
    CHECK(std::vector<float>(of_small.data, of_small.data + of_small.size) == numbers(3));
  }
  encoded none;
  encode(none, std::string());
  yonder::detail::block_view<std::string> of_none;
  yonder::detail::decode_to(of_none, none.head, {});
  CHECK(of_none.size == 0);
}

TEST_CASE("a view of a block that is not there, or not as large, is refused like the block itself") {
  yonder::detail::block_view<std::vector<float>> view;
  encoded bytes;
  encode(bytes, numbers());
  CHECK_THROWS_AS(yonder::detail::decode_to(view, bytes.head, {}), yonder::codec_error);
  bytes.buffers[0].size -= sizeof(float);
  CHECK_THROWS_AS(yonder::detail::decode_to(view, bytes.head, bytes.buffers), yonder::codec_error);
  encoded small;
  encode(small, numbers(3));
  small.head.truncate(small.head.size() - 1);
  CHECK_THROWS_AS(yonder::detail::decode_to(view, small.head, {}), yonder::codec_error);
  CHECK_THROWS_AS(yonder::detail::decode_to(view, small.head.bytes().first(7), {}), yonder::codec_error);
}
