// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "tests/unit/codec/zoo.hpp"

using yonder::codec_error;
using yonder::codec_fault;
using yonder::detail::structure_hash;
using yonder::detail::structure_text;

namespace {

struct renamed {
  std::string title;
  float score = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(title), CEREAL_NVP(score));
  }
};

struct nameless {
  std::string label;
  float score = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(label, score);
  }
};

struct pair_of_members {
  std::string label;
  float score = 0;
};

struct same_as_by_member {
  std::string label;
  float score = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(label), CEREAL_NVP(score));
  }
};

template <class Thrown>
struct throws {
  template <class Archive>
  void serialize(Archive&) {
    throw Thrown();
  }
};

// Throws at the first of its loads alone.
template <class Thrown>
struct throws_once {
  static inline int loads = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    if (++loads == 1) throw Thrown();
    ar(number);
  }

  int number = 0;
};

template <class... T>
void check_structure(std::string_view text, std::uint64_t hash) {
  CHECK(structure_text<T...>() == text);
  CHECK(structure_hash<T...>() == hash);
}

template <class T>
void check_unstable(std::string_view words) {
  try {
    structure_hash<T>();
    FAIL("a structure was found");
  } catch (codec_error const& error) {
    CHECK(error.fault == codec_fault::unstable_structure);
    CHECK_MESSAGE(std::string_view(error.what()).find(words) != std::string_view::npos, error.what());
  }
}

}  // namespace

// These numbers are part of the protocol: a change of any of them is a new version of it. Every compiler
// finds them.
TEST_CASE("structures and their hashes are what they were") {
  check_structure<int>("i32", 0x2af2b3192b419145);
  check_structure<bool, char, signed char, std::byte, std::uint16_t, long, float, double>(
      "bool char i8 u8 u16 i64 f32 f64", 0xac69f228444d684f);
  check_structure<std::string, std::u16string, std::vector<std::string>, std::vector<bool>,
                  std::vector<double>>("str8 str16 [str8] [bool] [f64]", 0x9d1caad6b829fc87);
  check_structure<std::array<int, 3>, std::array<std::string, 2>, std::array<int, 0>,
                  std::tuple<int, std::pair<int, bool>>>("x3 i32 x2 str8 x0 (i32 (i32 bool))",
                                                         0x2edbb5c44a3f0d27);
  check_structure<std::optional<int>, std::unique_ptr<zoo::by_member>, std::variant<int, std::string>>(
      "?i32 ?{label: str8 score: f32} <i32 str8>", 0xa93e2a68de8c82b4);
  check_structure<std::map<std::string, int>, std::set<int>, std::list<float>,
                  std::unordered_map<int, std::vector<zoo::by_member>>>(
      "{# str8 => i32} {# i32} {# f32} {# i32 => [{label: str8 score: f32}]}", 0x596010efd292da0f);
  check_structure<std::deque<int>, std::stack<int>, std::priority_queue<int>, std::forward_list<int>,
                  std::valarray<float>>(
      "{# i32} {container: ^0} {comparator: {} container: [i32]} {# i32} [f32]", 0xa295fbcdbe982086);
  check_structure<std::bitset<75>, std::complex<float>, std::chrono::milliseconds,
                  std::chrono::system_clock::time_point, std::atomic<int>>(
      "bits75 {real: f32 imag: f32} {count: i64} {time_since_epoch: {count: i64}} {atomic_data: i32}",
      0xe9eec18ffc1fc8e9);
  check_structure<zoo::by_member, zoo::by_function, zoo::with_member_split, zoo::with_free_split>(
      "{label: str8 score: f32} {i32 u16} {[i64]} {f64}", 0xd8caa7847e1963ee);
  check_structure<zoo::with_member_minimal, zoo::with_free_minimal, zoo::color, zoo::plain, zoo::mood,
                  zoo::yes_no>("{str8} {i32} enum u8 enum u32 enum str8 enum bool", 0xd043a88884a2306a);
  check_structure<zoo::versioned, zoo::versioned_split>("{v3 i32 i32} {v7 str8}", 0x4e37329d08c650b2);
  check_structure<zoo::nothing, zoo::derived>("{} {base {id: i32} name: str8}", 0xe21c54399c8bc375);
  check_structure<zoo::diamond>("{base {virtual base {id: i32}} base {virtual base ^2}}", 0xa0b9b9f632070b3e);
  check_structure<zoo::tree>("{value: i32 children: [^0]}", 0xad83141f31518e13);
  check_structure<zoo::chain>("{i32 ?^0}", 0x808fc468bd09ae56);
  check_structure<zoo::deferred, zoo::raw_block, zoo::c_arrays, zoo::bag<int>>(
      "{i32 later i32 [i32]} {u32 raw u16} {x3 i16 x2 bool x2 str8} {# i32}", 0xf19122e9a6cc318c);
  check_structure<std::unique_ptr<zoo::without_default>>("?{i32}", 0x05285ed6ba50db8a);
  check_structure<zoo::declared>("{zoo.declared/1 {label: str8 score: f32}}", 0xf4e0ccd4390e0651);
  check_structure<zoo::by_member, std::vector<zoo::by_member>>("{label: str8 score: f32} [^0]",
                                                               0xb2f113a797d08639);
}

TEST_CASE("an aggregate without functions is its members, as if they were read without names") {
  check_structure<zoo::station>(
      "{i32 str8 x2 f64 x2 x2 bool [{f32 ?str8}] {# str8 => {label: str8 score: f32}} ^1 f32}",
      0x2936e35bb5f3c988);
  check_structure<zoo::family, zoo::sixteen>("{i32 [^0]} {i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8}",
                                             0xef151eba1cae190b);
  CHECK(structure_hash<pair_of_members>() == structure_hash<nameless>());
  CHECK(structure_hash<pair_of_members>() != structure_hash<zoo::by_member>());
}

TEST_CASE("names count, the name of the class does not") {
  CHECK(structure_hash<zoo::by_member>() == structure_hash<same_as_by_member>());
  CHECK(structure_hash<zoo::by_member>() != structure_hash<renamed>());
  CHECK(structure_hash<zoo::by_member>() != structure_hash<nameless>());
}

TEST_CASE("widths, signs and kinds count") {
  std::vector<std::uint64_t> hashes{structure_hash<int>(),
                                    structure_hash<unsigned>(),
                                    structure_hash<float>(),
                                    structure_hash<std::int64_t>(),
                                    structure_hash<std::int16_t>(),
                                    structure_hash<bool>(),
                                    structure_hash<std::byte>(),
                                    structure_hash<std::string>(),
                                    structure_hash<std::vector<int>>(),
                                    structure_hash<int, int>(),
                                    structure_hash<std::tuple<int, int>>(),
                                    structure_hash<std::array<int, 2>>(),
                                    structure_hash<std::array<int, 3>>(),
                                    structure_hash<std::optional<int>>(),
                                    structure_hash<zoo::color>()};
  auto const count = hashes.size();
  std::ranges::sort(hashes);
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  CHECK(hashes.size() == count);
}

TEST_CASE("a type that reads by value is refused, by its own name") {
  check_unstable<zoo::by_value>("yonder::schema<zoo::by_value>");
  check_unstable<zoo::holds_by_value>("yonder::schema<zoo::by_value>");
}

TEST_CASE("a type that throws for zeros or ones is refused, by its own name, with what it threw") {
  check_unstable<std::vector<zoo::never_pleased>>("only two or more will do");
  check_unstable<std::vector<zoo::never_pleased>>("yonder::schema<zoo::never_pleased>");
}

TEST_CASE("whatever a type throws for zeros or ones, the error is the same") {
  check_unstable<throws<std::bad_alloc>>("schema<");
  check_unstable<throws<int>>("not derived from std::exception");
}

TEST_CASE("that a type has no structure is found once; that memory was short, each time anew") {
  check_unstable<throws_once<int>>("not derived from std::exception");
  check_unstable<throws_once<int>>("not derived from std::exception");
  CHECK(throws_once<int>::loads == 1);
  check_unstable<throws_once<std::bad_alloc>>("std::bad_alloc");
  CHECK_FALSE(structure_text<throws_once<std::bad_alloc>>().empty());
}

TEST_CASE("several threads find one structure") {
  std::array<std::uint64_t, 4> found{};
  {
    std::vector<std::thread> threads;
    threads.reserve(found.size());
    for (auto& each : found)
      threads.emplace_back([&each] { each = structure_hash<std::deque<zoo::by_function>, zoo::tree>(); });
    for (auto& each : threads) each.join();
  }
  CHECK(std::ranges::count(found, structure_hash<std::deque<zoo::by_function>, zoo::tree>()) == 4);
}
