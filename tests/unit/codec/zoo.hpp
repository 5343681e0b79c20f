// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cereal/types/atomic.hpp>
#include <cereal/types/bitset.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/complex.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/forward_list.hpp>
#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/queue.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/stack.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/unordered_set.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <valarray>
#include <variant>
#include <vector>

#include "yonder/codec.hpp"

// A class for each way in which cereal lets a type be serialized. All but the pointers compare by ==.
namespace zoo {

struct by_member {
  std::string label;
  float score = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(label), CEREAL_NVP(score));
  }
  bool operator==(by_member const&) const = default;
};

struct by_function {
  std::int32_t x = 0;
  std::uint16_t y = 0;

  bool operator==(by_function const&) const = default;
};

template <class Archive>
void serialize(Archive& ar, by_function& value) {
  ar& value.x& value.y;
}

class with_member_split {
 public:
  with_member_split() = default;
  explicit with_member_split(std::vector<std::int64_t> values) : values_(std::move(values)) {}

  bool operator==(with_member_split const&) const = default;

 private:
  friend class cereal::access;
  template <class Archive>
  void save(Archive& ar) const {
    ar << values_;
  }
  template <class Archive>
  void load(Archive& ar) {
    ar >> values_;
  }

  std::vector<std::int64_t> values_;
};

struct with_free_split {
  double value = 0;

  bool operator==(with_free_split const&) const = default;
};

template <class Archive>
void save(Archive& ar, with_free_split const& value) {
  ar(value.value);
}
template <class Archive>
void load(Archive& ar, with_free_split& value) {
  ar(value.value);
}

struct with_member_minimal {
  std::string text;

  template <class Archive>
  std::string save_minimal(Archive const&) const {
    return text;
  }
  template <class Archive>
  void load_minimal(Archive const&, std::string const& value) {
    text = value;
  }
  bool operator==(with_member_minimal const&) const = default;
};

struct with_free_minimal {
  std::int32_t degrees = 0;

  bool operator==(with_free_minimal const&) const = default;
};

template <class Archive>
std::int32_t save_minimal(Archive const&, with_free_minimal const& value) {
  return value.degrees;
}
template <class Archive>
void load_minimal(Archive const&, with_free_minimal& value, std::int32_t const& degrees) {
  if (degrees < -360 || degrees > 360) throw std::range_error("an angle beyond 360 degrees");
  value.degrees = degrees;
}

struct versioned {
  std::int32_t since_1 = 0;
  std::int32_t since_3 = 0;

  template <class Archive>
  void serialize(Archive& ar, std::uint32_t const version) {
    ar(since_1);
    if (version >= 3) ar(since_3);
  }
  bool operator==(versioned const&) const = default;
};

struct versioned_split {
  std::string name;

  template <class Archive>
  void save(Archive& ar, std::uint32_t const) const {
    ar(name);
  }
  template <class Archive>
  void load(Archive& ar, std::uint32_t const) {
    ar(name);
  }
  bool operator==(versioned_split const&) const = default;
};

enum class color : std::uint8_t { red, green, blue };
enum plain { first, second };
enum class yes_no : bool { no, yes };

// Sent as text, which is what its users like to read in JSON.
enum class mood { glum, glad };

template <class Archive>
std::string save_minimal(Archive const&, mood const& value) {
  return value == mood::glad ? "glad" : "glum";
}
template <class Archive>
void load_minimal(Archive const&, mood& value, std::string const& name) {
  value = name == "glad" ? mood::glad : mood::glum;
}

struct nothing {
  bool operator==(nothing const&) const = default;
};

// Aggregates without functions.
struct reading {
  float value = 0;
  std::optional<std::string> unit;

  bool operator==(reading const&) const = default;
};
struct station {
  std::int32_t id = 0;
  std::string name;
  double place[2]{};
  bool flags[2][2]{};
  std::vector<reading> readings;
  std::map<std::string, by_member> notes;
  reading last;
  float load = 0;  // a name of cereal's

  bool operator==(station const&) const = default;
};
struct sixteen {
  std::int8_t a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p;

  bool operator==(sixteen const&) const = default;
};
struct family {
  std::int32_t age = 0;
  std::vector<family> children;

  bool operator==(family const&) const = default;
};

struct base {
  std::int32_t id = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(id));
  }
  bool operator==(base const&) const = default;
};

struct derived : base {
  std::string name;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(cereal::base_class<base>(this), CEREAL_NVP(name));
  }
  bool operator==(derived const&) const = default;
};

struct left : virtual base {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(cereal::virtual_base_class<base>(this));
  }
};
struct right : virtual base {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(cereal::virtual_base_class<base>(this));
  }
};
struct diamond : left, right {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(cereal::base_class<left>(this), cereal::base_class<right>(this));
  }
  bool operator<(diamond const& other) const { return id < other.id; }
  bool operator==(diamond const& other) const { return id == other.id; }
};

struct tree {
  std::int32_t value = 0;
  std::vector<tree> children;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(value), CEREAL_NVP(children));
  }
  bool operator==(tree const&) const = default;
};

struct chain {
  std::int32_t value = 0;
  std::unique_ptr<chain> next;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(value, next);
  }
};

// The children are written after all values.
struct deferred {
  std::int32_t value = 0;
  std::vector<std::int32_t> later;
  std::int32_t last = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(value, cereal::defer(later), last);
    ar.serializeDeferments();
  }
  bool operator==(deferred const&) const = default;
};

class without_default {
 public:
  explicit without_default(std::int32_t value) : value_(value) {}

  std::int32_t value() const { return value_; }

  template <class Archive>
  void serialize(Archive& ar) {
    ar(value_);
  }
  template <class Archive>
  static void load_and_construct(Archive& ar, cereal::construct<without_default>& construct) {
    std::int32_t value = 0;
    ar(value);
    construct(value);
  }

 private:
  std::int32_t value_;
};

// Writes its numbers without their size, as raw bytes.
struct raw_block {
  std::uint32_t count = 0;
  std::vector<std::uint16_t> numbers;

  template <class Archive>
  void save(Archive& ar) const {
    ar(count, cereal::binary_data(numbers.data(), numbers.size() * 2));
  }
  template <class Archive>
  void load(Archive& ar) {
    ar(count);
    numbers.resize(count % 64);
    ar(cereal::binary_data(numbers.data(), numbers.size() * 2));
  }
  bool operator==(raw_block const&) const = default;
};

struct c_arrays {
  std::int16_t numbers[3]{};
  bool flags[2]{};
  std::string words[2];

  template <class Archive>
  void serialize(Archive& ar) {
    ar(numbers, flags, words);
  }
  bool operator==(c_arrays const&) const = default;
};

// A container of the user's own, with cereal's size tag.
template <class T>
struct bag {
  std::vector<T> items;

  template <class Archive>
  void save(Archive& ar) const {
    ar(cereal::make_size_tag(static_cast<cereal::size_type>(items.size())));
    for (auto const& item : items) ar(item);
  }
  template <class Archive>
  void load(Archive& ar) {
    cereal::size_type size = 0;
    ar(cereal::make_size_tag(size));
    items.resize(size);
    for (auto& item : items) ar(item);
  }
  bool operator==(bag const&) const = default;
};

// 4 KiB in memory, 4 bytes on the wire.
struct sparse {
  std::int32_t value = 0;
  char unused[4092]{};

  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
};

// Reads a second number only if the first is not zero.
struct by_value {
  std::int32_t more = 0;
  std::int32_t second = 0;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(more);
    if (more != 0) ar(second);
  }
};

struct declared : by_value {
  template <class Archive>
  void serialize(Archive& ar) {
    by_value::serialize(ar);
  }
};

struct holds_by_value {
  std::int32_t id = 0;
  by_value inner;

  template <class Archive>
  void serialize(Archive& ar) {
    ar(id, inner);
  }
};

struct never_pleased {
  std::int32_t value = 0;

  template <class Archive>
  void save(Archive& ar) const {
    ar(value);
  }
  template <class Archive>
  void load(Archive& ar) {
    ar(value);
    if (value < 2) throw std::invalid_argument("only two or more will do");
  }
};

}  // namespace zoo

CEREAL_CLASS_VERSION(zoo::versioned, 3)
CEREAL_CLASS_VERSION(zoo::versioned_split, 7)

template <>
struct yonder::schema<zoo::declared> {
  static constexpr std::string_view name = "zoo.declared/1";
  using parts = std::tuple<zoo::by_member>;
};
