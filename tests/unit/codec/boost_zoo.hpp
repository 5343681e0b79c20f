// SPDX-License-Identifier: Apache-2.0
#pragma once

// A class for each way in which Boost.Serialization lets a type be serialized.
#include <boost/optional.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/unordered_map.hpp>
#include <boost/variant2/variant.hpp>
#include <list>
#include <string>
#include <vector>

#include "yonder/boost_serialization.hpp"

namespace boost_zoo {

class item {
 public:
  item() = default;
  item(int price, std::string name) : price_(price), name_(std::move(name)) {}
  bool operator==(item const&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& ar, unsigned const version) {
    ar& boost::serialization::make_nvp("price", price_);
    if (version >= 2) ar& boost::serialization::make_nvp("name", name_);
  }

  int price_ = 0;
  std::string name_;
};

struct base {
  int id = 0;
  template <class Archive>
  void serialize(Archive& ar, unsigned const) {
    ar& BOOST_SERIALIZATION_NVP(id);
  }
  bool operator==(base const&) const = default;
};

struct order : base {
  std::vector<item> items;
  std::list<int> numbers;
  boost::optional<item> gift;
  boost::variant2::variant<int, item> paid;
  boost::unordered_map<int, std::string> notes;
  double place[3]{};

  template <class Archive>
  void serialize(Archive& ar, unsigned const) {
    ar& boost::serialization::base_object<base>(*this);
    ar& items& numbers& gift& paid& notes;
    ar& boost::serialization::make_array(place, 3);
  }
  bool operator==(order const&) const = default;
};

struct split {
  int value = 0;
  template <class Archive>
  void save(Archive& ar, unsigned const) const {
    ar << value;
  }
  template <class Archive>
  void load(Archive& ar, unsigned const) {
    ar >> value;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  bool operator==(split const&) const = default;
};

// A container as Boost's own are written.
struct bag {
  std::vector<std::string> items;
  template <class Archive>
  void save(Archive& ar, unsigned const) const {
    boost::serialization::collection_size_type const count(items.size());
    boost::serialization::item_version_type const version(0);
    ar << count << version;
    for (auto const& each : items) ar << each;
  }
  template <class Archive>
  void load(Archive& ar, unsigned const) {
    boost::serialization::collection_size_type count(0);
    boost::serialization::item_version_type version(0);
    ar >> count >> version;
    items.resize(count);
    for (auto& each : items) ar >> each;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  bool operator==(bag const&) const = default;
};

// Its bytes as they are in memory.
struct raw {
  std::uint32_t numbers[4]{};
  template <class Archive>
  void serialize(Archive& ar, unsigned const) {
    ar& boost::serialization::make_binary_object(numbers, sizeof numbers);
  }
  bool operator==(raw const&) const = default;
};

struct by_function {
  int value = 0;
  bool operator==(by_function const&) const = default;
};

YONDER_USES_BOOST_SERIALIZATION

}  // namespace boost_zoo

BOOST_CLASS_VERSION(boost_zoo::item, 2)

namespace boost::serialization {

template <class Archive>
void serialize(Archive& ar, boost_zoo::by_function& value, unsigned const) {
  ar& value.value;
}

}  // namespace boost::serialization

// Each of them says by itself that it uses Boost.Serialization.
namespace boost_zoo::apart {

struct by_split_function {
  int value = 0;
  bool operator==(by_split_function const&) const = default;
};
template <class Archive>
void save(Archive& ar, by_split_function const& value, unsigned const) {
  ar << value.value;
}
template <class Archive>
void load(Archive& ar, by_split_function& value, unsigned const) {
  ar >> value.value;
}

// Has cereal's form, too.
struct both_ways {
  int value = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
  template <class Archive>
  void serialize(Archive& ar, unsigned const) {
    ar& BOOST_SERIALIZATION_NVP(value);
  }
  bool operator==(both_ways const&) const = default;
};

}  // namespace boost_zoo::apart

BOOST_SERIALIZATION_SPLIT_FREE(boost_zoo::apart::by_split_function)
template <>
inline constexpr bool yonder::uses_boost_serialization<boost_zoo::apart::by_split_function> = true;
template <>
inline constexpr bool yonder::uses_boost_serialization<boost_zoo::apart::both_ways> = true;
