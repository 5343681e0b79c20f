// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <limits>

#include "tests/unit/codec/zoo.hpp"

using yonder::codec_error;
using yonder::codec_fault;
using yonder::detail::buffer;
using yonder::detail::byte_buffer;
using yonder::detail::decode;
using yonder::detail::decode_limits;
using yonder::detail::encode;
using yonder::detail::encoded;

// One test for each rule of docs/codec.md that hostile bytes may break.
namespace {

struct throws_a_number {
  template <class Archive>
  void serialize(Archive&) {
    throw 7;
  }
};

// Made of the archive, and so is the next one.
class link_of_chain {
 public:
  explicit link_of_chain(int value) : value_(value) {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value_, next_);
  }
  template <class Archive>
  static void load_and_construct(Archive& ar, cereal::construct<link_of_chain>& construct) {
    int value = 0;
    ar(value);
    construct(value);
    ar(construct->next_);
  }

 private:
  int value_;
  std::unique_ptr<link_of_chain> next_;
};

constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();

template <class... T>
byte_buffer bytes_of(T const&... values) {
  encoded out;
  encode(out, values...);
  return std::move(out.head);
}

// What decoding `bytes` as T throws.
template <class T>
codec_fault fault_of(byte_buffer const& bytes, decode_limits limits = {},
                     std::span<buffer const> buffers = {}) {
  try {
    T value{};
    yonder::detail::decode_to(value, bytes, buffers, limits);
  } catch (codec_error const& error) {
    return error.fault;
  }
  FAIL("the bytes were accepted");
  return {};
}

}  // namespace

TEST_CASE("every prefix of a value is truncated, never read past its end") {
  auto const whole =
      bytes_of(std::string("text"), 7, std::map<int, std::string>{{1, "one"}}, zoo::versioned{});
  using type = std::tuple<std::string, int, std::map<int, std::string>, zoo::versioned>;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto const prefix = byte_buffer::copy_of(whole.bytes().first(size));
    CHECK(fault_of<type>(prefix) == codec_fault::truncated);
  }
}

TEST_CASE("trailing bytes are an error") {
  CHECK(fault_of<int>(bytes_of(1, 'x')) == codec_fault::trailing);
  CHECK(fault_of<std::tuple<>>(bytes_of('x')) == codec_fault::trailing);
}

TEST_CASE("a buffer that nothing asks for is an error") {
  std::byte const unasked[8]{};
  buffer const buffers[] = {{unasked, sizeof unasked, nullptr}};
  CHECK(fault_of<int>(bytes_of(1), {}, buffers) == codec_fault::trailing);
}

TEST_CASE_TEMPLATE("a huge count allocates nothing", T, std::string, std::u32string, std::vector<int>,
                   std::vector<bool>, std::vector<std::string>, std::vector<zoo::sparse>,
                   std::vector<zoo::nothing>, std::deque<int>, std::list<int>, std::forward_list<int>,
                   std::valarray<double>, std::valarray<std::string>, std::map<int, int>, std::set<int>,
                   std::unordered_map<int, int>, std::unordered_set<int>, std::multimap<int, zoo::nothing>,
                   std::stack<int>, std::queue<int>, zoo::bag<int>) {
  for (auto const count : {huge, huge / sizeof(int) + 1, std::uint64_t{1} << 62, std::uint64_t{1} << 40}) {
    auto const fault = fault_of<T>(bytes_of(count));
    CHECK((fault == codec_fault::over_budget || fault == codec_fault::truncated));
  }
}

TEST_CASE("a count is charged by what the elements take in memory") {
  auto const objects = std::vector<zoo::sparse>(25'000);
  auto const bytes = bytes_of(objects);  // 100 kB, that would become 100 MB
  CHECK(bytes.size() == 8 + 4 * objects.size());
  CHECK(fault_of<std::vector<zoo::sparse>>(bytes) == codec_fault::over_budget);
  CHECK(fault_of<std::list<zoo::sparse>>(bytes) == codec_fault::over_budget);
  CHECK(fault_of<std::deque<zoo::sparse>>(bytes) == codec_fault::over_budget);
  CHECK(decode<std::vector<zoo::sparse>>(bytes, {}, {.bytes = 128 << 20}).size() == objects.size());
}

TEST_CASE("what unique_ptrs point to is charged too") {
  std::vector<std::unique_ptr<zoo::sparse>> objects(20'000);
  for (auto& each : objects) each = std::make_unique<zoo::sparse>();
  CHECK(fault_of<std::vector<std::unique_ptr<zoo::sparse>>>(bytes_of(objects)) == codec_fault::over_budget);
}

TEST_CASE("containers that allocate when empty are charged for it") {
  auto const bytes = bytes_of(std::uint64_t{200'000});
  CHECK(fault_of<std::list<std::deque<int>>>(bytes) == codec_fault::over_budget);
}

TEST_CASE("what a map's nodes take is charged, too") {
  auto bytes = bytes_of(std::uint64_t{40'000});
  bytes.extend(40'000 * sizeof(int));
  CHECK(fault_of<std::multimap<int, zoo::nothing>>(bytes, {.bytes = 1'000'000}) == codec_fault::over_budget);
}

TEST_CASE("a count of more elements than the bytes can hold takes no memory") {
  std::vector<std::string> value;
  CHECK_THROWS_AS(yonder::detail::decode_to(value, bytes_of(std::uint64_t{1'000'000}), {}, {}), codec_error);
  CHECK(value.capacity() == 0);
}

TEST_CASE("what lies beside the head may be decoded, however much it is") {
  std::vector<float> const value(50'000'000, 1.0F);
  encoded out;
  encode(out, value);
  REQUIRE(out.buffers.size() == 1);
  CHECK(decode<std::vector<float>>(out.head, out.buffers).size() == value.size());
}

TEST_CASE("elements without bytes work within the budget, and not beyond it") {
  CHECK(decode<std::vector<zoo::nothing>>(bytes_of(std::uint64_t{1'000'000}), {}).size() == 1'000'000);
  CHECK(fault_of<std::vector<zoo::nothing>>(bytes_of(std::uint64_t{1'000}), {.bytes = 999}) ==
        codec_fault::over_budget);
}

TEST_CASE("one budget holds for the whole value") {
  std::vector<std::vector<zoo::nothing>> const value(10, std::vector<zoo::nothing>(1'000));
  auto const bytes = bytes_of(value);
  CHECK(decode<std::vector<std::vector<zoo::nothing>>>(bytes, {}, {.bytes = 11'000}).size() == 10);
  CHECK(fault_of<std::vector<std::vector<zoo::nothing>>>(bytes, {.bytes = 10'000}) ==
        codec_fault::over_budget);
}

TEST_CASE("objects nest 64 deep and no deeper") {
  auto const chain_of = [](unsigned objects) {
    byte_buffer bytes;
    for (unsigned i = 0; i < objects; ++i) {
      std::int32_t const value = 1;
      bytes.append(&value, sizeof value);
      *bytes.extend(1) = static_cast<std::byte>(i + 1 < objects);
    }
    return bytes;
  };
  CHECK(decode<zoo::chain>(chain_of(64), {}).next != nullptr);
  CHECK(fault_of<zoo::chain>(chain_of(65)) == codec_fault::too_deep);
  CHECK(fault_of<zoo::chain>(chain_of(1'000'000)) == codec_fault::too_deep);
  CHECK(decode<zoo::chain>(chain_of(200), {}, {.depth = 200}).next != nullptr);
}

TEST_CASE("objects that are made of the archive nest as deep") {
  auto const chain_of = [](unsigned objects) {
    byte_buffer bytes;
    for (unsigned i = 0; i < objects; ++i) {
      *bytes.extend(1) = std::byte{1};
      std::int32_t const value = 1;
      bytes.append(&value, sizeof value);
    }
    *bytes.extend(1) = std::byte{0};
    return bytes;
  };
  CHECK(decode<std::unique_ptr<link_of_chain>>(chain_of(30), {}) != nullptr);
  CHECK(fault_of<std::unique_ptr<link_of_chain>>(chain_of(2'000'000)) == codec_fault::too_deep);
}

TEST_CASE("a value that is nested too deep is refused by its sender") {
  zoo::chain chain;
  auto* end = &chain;
  for (int i = 0; i < 64; ++i) end = (end->next = std::make_unique<zoo::chain>()).get();
  encoded out;
  CHECK_THROWS_AS(encode(out, chain), codec_error);
}

TEST_CASE_TEMPLATE("a bool is 0 or 1", T, bool, std::array<bool, 1>, std::optional<zoo::nothing>,
                   std::unique_ptr<zoo::nothing>, zoo::yes_no, std::atomic<bool>) {
  CHECK(fault_of<T>(bytes_of(std::uint8_t{2})) == codec_fault::bad_bool);
}

TEST_CASE("the bools of a container are 0 or 1") {
  auto const bytes = bytes_of(std::uint64_t{2}, std::uint8_t{1}, std::uint8_t{255});
  CHECK(fault_of<std::vector<bool>>(bytes) == codec_fault::bad_bool);
  CHECK(fault_of<std::valarray<bool>>(bytes) == codec_fault::bad_bool);
  CHECK(fault_of<std::deque<bool>>(bytes) == codec_fault::bad_bool);
}

TEST_CASE("the bools of a C array are 0 or 1") {
  auto const bytes =
      bytes_of(std::array<std::int16_t, 3>{}, true, std::uint8_t{7}, std::string(), std::string());
  CHECK(fault_of<zoo::c_arrays>(bytes) == codec_fault::bad_bool);
}

TEST_CASE("the members of an aggregate are as hostile as any other bytes") {
  zoo::station station;
  station.readings = {{1, "m"}};
  station.last.unit = "s";
  auto const whole = bytes_of(station);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(fault_of<zoo::station>(byte_buffer::copy_of(whole.bytes().first(size))) == codec_fault::truncated);
  CHECK(fault_of<zoo::reading>(bytes_of(1.0F, std::uint8_t{2})) == codec_fault::bad_bool);
  CHECK(fault_of<std::vector<zoo::sixteen>>(bytes_of(huge)) == codec_fault::over_budget);
  byte_buffer deep;
  for (int i = 0; i < 100; ++i) {
    auto const one = bytes_of(std::int32_t{i}, std::uint64_t{1});
    deep.append(one.data(), one.size());
  }
  CHECK(fault_of<zoo::family>(deep) == codec_fault::too_deep);
}

TEST_CASE("a variant has the alternatives that it has") {
  using type = std::variant<int, std::string>;
  CHECK(fault_of<type>(bytes_of(std::uint32_t{2}, 0)) == codec_fault::bad_value);
  CHECK(fault_of<type>(bytes_of(std::int32_t{-1}, 0)) == codec_fault::bad_value);
}

TEST_CASE("a class version from the future is refused") {
  CHECK(fault_of<zoo::versioned>(bytes_of(std::uint32_t{4}, 1, 2)) == codec_fault::bad_value);
}

TEST_CASE("a block beside must be there, and of the size that the value says") {
  auto const bytes = bytes_of(std::uint64_t{4096}, true);
  std::vector<std::byte> const content(8192);
  CHECK(fault_of<std::string>(bytes) == codec_fault::bad_value);
  for (auto const size : {0u, 4095u, 4097u, 8192u}) {
    buffer const buffers[] = {{content.data(), size, nullptr}};
    CHECK(fault_of<std::string>(bytes, {}, buffers) == codec_fault::bad_value);
  }
  buffer const right[] = {{content.data(), 4096, nullptr}};
  CHECK(decode<std::string>(bytes, right).size() == 4096);
}

TEST_CASE("the mark of a large block is 0 or 1") {
  CHECK(fault_of<std::string>(bytes_of(std::uint64_t{4096}, std::uint8_t{2})) == codec_fault::bad_bool);
}

TEST_CASE("what a load function throws is a codec error with its text") {
  auto const bytes = bytes_of(1);
  CHECK(fault_of<zoo::never_pleased>(bytes) == codec_fault::rejected);
  CHECK_THROWS_WITH(decode<zoo::never_pleased>(bytes, {}),
                    "undecodable: while loading zoo::never_pleased: only two or more will do (at byte 4)");
  CHECK(fault_of<zoo::with_free_minimal>(bytes_of(400)) == codec_fault::rejected);
}

TEST_CASE("a load function that throws what is no exception is refused alike") {
  CHECK(fault_of<throws_a_number>(bytes_of(1)) == codec_fault::rejected);
}

TEST_CASE("errors say where and what") {
  CHECK_THROWS_WITH(decode<std::string>(bytes_of(std::uint64_t{9}, 'x'), {}),
                    "undecodable: the bytes end too early: 9 more are needed, 1 are left (at byte 8)");
  CHECK_THROWS_WITH(decode<bool>(bytes_of('x'), {}),
                    "undecodable: a bool must be 0 or 1, not 120 (at byte 0)");
}
