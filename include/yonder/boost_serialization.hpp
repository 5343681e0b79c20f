// SPDX-License-Identifier: Apache-2.0
#pragma once

// Types that speak Boost.Serialization travel as they are: by their serialize, or save and load, members or
// not, with class versions (BOOST_CLASS_VERSION), BOOST_SERIALIZATION_NVP (names count in the structural
// hash), base_object and make_array. They are written by Yonder's own bounded archives, not by Boost's. Each
// says that it means so:
//
//   template <>
//   inline constexpr bool yonder::uses_boost_serialization<shop::order> = true;  // one type
//   namespace shop { YONDER_USES_BOOST_SERIALIZATION }                          // all classes of a namespace
//
// after the type is declared and before it is used in a task. Pointers are refused, tracked and exported ones
// too: what is owned by a std::unique_ptr travels. A class of such a namespace that has functions of cereal's
// as well is refused until it is named by itself. base_object of a polymorphic class needs
// libboost_serialization.
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/binary_object.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/version.hpp>
#include <cereal/cereal.hpp>
// In this order: some of cereal's headers do not include what they use.
#include <cereal/types/complex.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/forward_list.hpp>
#include <cereal/types/list.hpp>
#include <cereal/types/queue.hpp>
#include <cereal/types/stack.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "yonder/codec.hpp"

// Within a namespace: its classes use Boost.Serialization. Not those of namespaces within it.
#define YONDER_USES_BOOST_SERIALIZATION \
  [[maybe_unused]] inline void yonder_uses_boost_serialization(void const*) {}

namespace boost {
template <class T>
class shared_ptr;
template <class T>
class weak_ptr;
}  // namespace boost

namespace yonder::detail {

template <class T>
inline constexpr kind template_kind<boost::shared_ptr<T>> = kind::shared_pointer;
template <class T>
inline constexpr kind template_kind<boost::weak_ptr<T>> = kind::weak_pointer;

template <class T>
struct boost_way {
  static constexpr std::uint32_t version = boost::serialization::version<T>::value;

  template <class Archive>
  static void serialize(Archive& ar, T& object, std::uint32_t found) {
    boost::serialization::serialize_adl(ar, object, found);
  }
};

// Boost's wrappers, as cereal's.

template <class T>
inline constexpr bool is_boost_wrapper<boost::serialization::nvp<T>> = true;
template <class T>
struct boost_way<boost::serialization::nvp<T>> {
  template <class Archive>
  static void apply(Archive& ar, boost::serialization::nvp<T> const& pair) {
    ar(cereal::make_nvp(pair.name(), pair.value()));
  }
};

template <class T>
inline constexpr bool is_boost_wrapper<boost::serialization::array_wrapper<T>> = true;
template <class T>
struct boost_way<boost::serialization::array_wrapper<T>> {
  template <class Archive>
  static void apply(Archive& ar, boost::serialization::array_wrapper<T> const& array) {
    if constexpr (block_element<std::remove_const_t<T>>) {
      ar(cereal::binary_data(array.address(), array.count() * sizeof(T)));
    } else {
      for (std::size_t i = 0; i < array.count(); ++i) ar(array.address()[i]);
    }
  }
};

template <>
inline constexpr bool is_boost_wrapper<boost::serialization::binary_object> = true;
template <>
struct boost_way<boost::serialization::binary_object> {
  template <class Archive>
  static void apply(Archive& ar, boost::serialization::binary_object const& block) {
    if constexpr (Archive::is_loading::value)
      ar.load_binary(const_cast<void*>(block.m_t), block.m_size);
    else
      ar.save_binary(block.m_t, block.m_size);
  }
};

// A count of elements, whose memory is charged to the budget.
template <>
inline constexpr bool is_boost_wrapper<boost::serialization::collection_size_type> = true;
template <>
struct boost_way<boost::serialization::collection_size_type> {
  template <class Archive, class Count>
  static void apply(Archive& ar, Count& count) {
    std::uint64_t number = static_cast<std::size_t>(count);
    ar(cereal::make_size_tag(number));
    if constexpr (Archive::is_loading::value)
      count = boost::serialization::collection_size_type(static_cast<std::size_t>(number));
  }
};

template <>
inline constexpr bool is_boost_wrapper<boost::serialization::item_version_type> = true;
template <>
struct boost_way<boost::serialization::item_version_type> {
  template <class Archive, class Version>
  static void apply(Archive& ar, Version& version) {
    std::uint32_t number = static_cast<unsigned>(version);
    ar(number);
    if constexpr (Archive::is_loading::value) version = boost::serialization::item_version_type(number);
  }
};

}  // namespace yonder::detail
