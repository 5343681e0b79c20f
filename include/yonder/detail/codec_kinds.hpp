// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cereal/cereal.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/detail/aggregate.hpp"

namespace cereal {

// The base of Yonder's archives: argument-dependent lookup finds cereal's functions through it. They do not
// derive from cereal's own base classes, whose four hash tables and shared table of versions cost time and
// thread safety.
struct yonder_archive {};

}  // namespace cereal

namespace yonder {

// Whether T is serialized as Boost.Serialization would do it; see yonder/boost_serialization.hpp.
template <class T>
inline constexpr bool uses_boost_serialization = false;

}  // namespace yonder

// How a type is written and read, decided once for all three archives (writer, reader, structure_reader).
namespace yonder::detail {

static_assert(std::endian::native == std::endian::little,
              "yonder: the wire is little-endian, and so must be the host");

class writer;
class reader;

enum class kind : std::uint8_t {
  none,
  number,  // arithmetic of a fixed width, and std::byte: its own bytes
  boolean,
  enumeration,
  string,
  vector,
  bool_vector,
  array,  // of C or std
  tuple,  // or pair
  unique_pointer,
  optional,
  variant,  // of std or Boost
  valarray,
  bitset,
  associative,  // maps and sets, ordered or not
  name_value,
  size_tag,
  binary_data,
  map_item,
  base,
  virtual_base,
  deferred,
  raw_pointer,
  shared_pointer,
  weak_pointer,
  user,  // a class with serialization functions: the user's, or cereal's for a type of the standard library
  empty
};

// --- by template: what is known without looking inside

template <class T>
inline constexpr kind template_kind = kind::none;
template <class C, class Traits, class A>
inline constexpr kind template_kind<std::basic_string<C, Traits, A>> = kind::string;
template <class T, class A>
inline constexpr kind template_kind<std::vector<T, A>> = kind::vector;
template <class A>
inline constexpr kind template_kind<std::vector<bool, A>> = kind::bool_vector;
template <class T, std::size_t N>
inline constexpr kind template_kind<std::array<T, N>> = kind::array;
template <class T, std::size_t N>
inline constexpr kind template_kind<T[N]> = kind::array;
template <class... T>
inline constexpr kind template_kind<std::tuple<T...>> = kind::tuple;
template <class T, class U>
inline constexpr kind template_kind<std::pair<T, U>> = kind::tuple;
template <class T, class D>
inline constexpr kind template_kind<std::unique_ptr<T, D>> = kind::unique_pointer;
template <class T>
inline constexpr kind template_kind<std::shared_ptr<T>> = kind::shared_pointer;
template <class T>
inline constexpr kind template_kind<std::weak_ptr<T>> = kind::weak_pointer;
template <class T>
inline constexpr kind template_kind<T*> = kind::raw_pointer;
template <>
inline constexpr kind template_kind<std::nullptr_t> = kind::raw_pointer;
template <class T>
inline constexpr kind template_kind<cereal::NameValuePair<T>> = kind::name_value;
template <class T>
inline constexpr kind template_kind<cereal::SizeTag<T>> = kind::size_tag;
template <class T>
inline constexpr kind template_kind<cereal::BinaryData<T>> = kind::binary_data;
template <class K, class V>
inline constexpr kind template_kind<cereal::MapItem<K, V>> = kind::map_item;
template <class T>
inline constexpr kind template_kind<cereal::base_class<T>> = kind::base;
template <class T>
inline constexpr kind template_kind<cereal::virtual_base_class<T>> = kind::virtual_base;
template <class T>
inline constexpr kind template_kind<cereal::DeferredData<T>> = kind::deferred;

// --- by shape: templates whose headers we do not include, because most programs do not need them

// Where T is declared: a user's class of the same shape is left alone.
enum class origin : std::uint8_t { elsewhere, std, boost };

template <class T>
constexpr std::string_view pretty_origin() {
  return __PRETTY_FUNCTION__;
}
// Where the name of T begins in it, which is the same for every T.
inline constexpr std::size_t origin_begins = pretty_origin<int>().find("T = ") + 4;

template <class T>
consteval origin find_origin() {
  auto const type = pretty_origin<T>().substr(origin_begins);
  if (type.starts_with("std::")) return origin::std;
  return type.starts_with("boost::") ? origin::boost : origin::elsewhere;
}
template <class T>
inline constexpr origin origin_of = find_origin<T>();

template <class T>
concept optional_shaped = requires(T t) {
  typename T::value_type;
  { t.has_value() } -> std::same_as<bool>;
  t.emplace();
  t.reset();
};

template <class T>
inline constexpr std::size_t alternatives = 0;
template <template <class...> class V, class... T>
inline constexpr std::size_t alternatives<V<T...>> = sizeof...(T);

template <class T>
concept variant_shaped = alternatives<T>
!= 0 && requires(T const& t) { t.valueless_by_exception(); };
template <class T>
concept boost_variant_shaped = alternatives<T>
!= 0 && requires(T const& t) { t.which(), t.type(); };
template <class T>
concept valarray_shaped = requires(T const& t) {
  t.cshift(0), t.size();
};
template <class T>
concept bitset_shaped = requires(T const& t) {
  t.to_ullong(), t.count(), t.size();
};
template <class T>
concept associative_shaped = requires(T& t) {
  typename T::key_type;
  t.emplace_hint(t.end());
};

template <class T>
consteval kind shape_kind() {
  if constexpr (origin_of<T> != origin::elsewhere) {
    constexpr bool is_std = origin_of<T> == origin::std;
    if constexpr (optional_shaped<T>) return kind::optional;
    if constexpr (variant_shaped<T>) return kind::variant;
    if constexpr (!is_std && boost_variant_shaped<T>) return kind::variant;
    if constexpr (is_std && valarray_shaped<T>) return kind::valarray;
    if constexpr (is_std && bitset_shaped<T>) return kind::bitset;
    if constexpr (associative_shaped<T>) return kind::associative;
  }
  return kind::none;
}

// --- by function: serialize, load and save, load_minimal and save_minimal, as members or not, versioned or
// not -------

enum class form : std::uint8_t {
  none,
  ambiguous,
  member_serialize,
  free_serialize,
  member_split,
  free_split,
  member_minimal,
  free_minimal,
  aggregate,  // no functions: the members, one after another
  boost       // what Boost.Serialization would call
};

struct serialization {
  form how = form::none;
  bool versioned = false;
};

// What yonder/boost_serialization.hpp defines.
template <class T>
struct boost_way;
template <class T>
inline constexpr bool is_boost_wrapper = false;

namespace lookup {

// They hide functions of these names in the namespaces around us; those of T and of cereal are found by its
// arguments. Not deleted: GCC 11 would then find none of those.
void CEREAL_SERIALIZE_FUNCTION_NAME();
void CEREAL_SAVE_FUNCTION_NAME();
void CEREAL_LOAD_FUNCTION_NAME();
void CEREAL_SAVE_MINIMAL_FUNCTION_NAME();
void CEREAL_LOAD_MINIMAL_FUNCTION_NAME();

void yonder_uses_boost_serialization();
template <class T>
concept boost_namespace = requires(T const* t) {
  yonder_uses_boost_serialization(t);
};

template <class T, class... V>
concept member_serialize = requires(reader& ar, T& t, V... version) {
  cereal::access::member_serialize(ar, t, version...);
};
template <class T, class... V>
concept free_serialize = requires(reader& ar, T& t, V... version) {
  CEREAL_SERIALIZE_FUNCTION_NAME(ar, t, version...);
};
template <class T, class... V>
concept member_split = requires(reader& in, writer& out, T& t, V... version) {
  cereal::access::member_load(in, t, version...);
  cereal::access::member_save(out, t, version...);
};
template <class T, class... V>
concept free_split = requires(reader& in, writer& out, T& t, T const& constant, V... version) {
  CEREAL_LOAD_FUNCTION_NAME(in, t, version...);
  CEREAL_SAVE_FUNCTION_NAME(out, constant, version...);
};
template <class T, class... V>
concept member_minimal = requires(writer const& out, reader const& in, T& t, V... version) {
  cereal::access::member_load_minimal(in, t, cereal::access::member_save_minimal(out, t, version...),
                                      version...);
};
template <class T, class... V>
concept free_minimal = requires(writer const& out, reader const& in, T& t, T const& constant, V... version) {
  CEREAL_LOAD_MINIMAL_FUNCTION_NAME(in, t, CEREAL_SAVE_MINIMAL_FUNCTION_NAME(out, constant, version...),
                                    version...);
};

// Half of a pair.
template <class T>
concept half_free = requires(reader& in, T& t) {
  CEREAL_LOAD_FUNCTION_NAME(in, t);
}
|| requires(writer& out, T const& t) { CEREAL_SAVE_FUNCTION_NAME(out, t); }
|| requires(writer const& out, T const& t) { CEREAL_SAVE_MINIMAL_FUNCTION_NAME(out, t); };

// `How` is one of the first four forms, aggregate or boost; the two minimal ones go through a value, below.
template <form How, class Archive, class T, class... V>
[[gnu::always_inline]] inline void call_save(Archive& ar, T const& t, V... version) {
  if constexpr (How == form::member_serialize) {
    cereal::access::member_serialize(ar, const_cast<T&>(t), version...);
  } else if constexpr (How == form::free_serialize) {
    CEREAL_SERIALIZE_FUNCTION_NAME(ar, const_cast<T&>(t), version...);
  } else if constexpr (How == form::member_split) {
    cereal::access::member_save(ar, t, version...);
  } else if constexpr (How == form::aggregate) {
    visit_members<count_members<T>()>(t, [&ar](auto const&... member) { ar(member...); });
  } else if constexpr (How == form::boost) {
    boost_way<T>::serialize(ar, const_cast<T&>(t), version...);
  } else {
    CEREAL_SAVE_FUNCTION_NAME(ar, t, version...);
  }
}

template <form How, class Archive, class T, class... V>
[[gnu::always_inline]] inline void call_load(Archive& ar, T& t, V... version) {
  if constexpr (How == form::member_serialize) {
    cereal::access::member_serialize(ar, t, version...);
  } else if constexpr (How == form::free_serialize) {
    CEREAL_SERIALIZE_FUNCTION_NAME(ar, t, version...);
  } else if constexpr (How == form::member_split) {
    cereal::access::member_load(ar, t, version...);
  } else if constexpr (How == form::aggregate) {
    visit_members<count_members<T>()>(t, [&ar](auto&... member) { ar(member...); });
  } else if constexpr (How == form::boost) {
    boost_way<T>::serialize(ar, t, version...);
  } else {
    CEREAL_LOAD_FUNCTION_NAME(ar, t, version...);
  }
}

template <form How, class T, class... V>
auto call_save_minimal(writer const& ar, T const& t, V... version) {
  if constexpr (How == form::member_minimal) {
    return cereal::access::member_save_minimal(ar, t, version...);
  } else {
    return CEREAL_SAVE_MINIMAL_FUNCTION_NAME(ar, t, version...);
  }
}

template <form How, class T, class U, class... V>
void call_load_minimal(reader const& ar, T& t, U const& value, V... version) {
  if constexpr (How == form::member_minimal) {
    cereal::access::member_load_minimal(ar, t, value, version...);
  } else {
    CEREAL_LOAD_MINIMAL_FUNCTION_NAME(ar, t, value, version...);
  }
}

}  // namespace lookup

// `found`: whether each form exists, in the order of `form`, first unversioned, then versioned.
consteval serialization the_only_one(std::initializer_list<bool> found) {
  serialization result;
  std::uint8_t i = 0;
  for (bool const is : found) {
    if (is) {
      if (result.how != form::none) return {form::ambiguous, false};
      result = {static_cast<form>(2 + i % 6), i >= 6};
    }
    ++i;
  }
  return result;
}

// The form that cereal::specialize names for an otherwise ambiguous type.
template <class T>
consteval form specialized_form() {
  using cereal::specialization;
  constexpr auto is = []<specialization S>(std::integral_constant<specialization, S>) {
    return !std::is_base_of_v<std::false_type, cereal::specialize<reader, T, S>>;
  };
  if (is(std::integral_constant<specialization, specialization::member_serialize>{}))
    return form::member_serialize;
  if (is(std::integral_constant<specialization, specialization::non_member_serialize>{}))
    return form::free_serialize;
  if (is(std::integral_constant<specialization, specialization::member_load_save>{}))
    return form::member_split;
  if (is(std::integral_constant<specialization, specialization::non_member_load_save>{}))
    return form::free_split;
  if (is(std::integral_constant<specialization, specialization::member_load_save_minimal>{}))
    return form::member_minimal;
  if (is(std::integral_constant<specialization, specialization::non_member_load_save_minimal>{}))
    return form::free_minimal;
  return form::ambiguous;
}

template <class T>
consteval bool has_unversioned(form how) {
  switch (how) {
    case form::member_serialize: return lookup::member_serialize<T>;
    case form::free_serialize: return lookup::free_serialize<T>;
    case form::member_split: return lookup::member_split<T>;
    case form::free_split: return lookup::free_split<T>;
    case form::member_minimal: return lookup::member_minimal<T>;
    default: return lookup::free_minimal<T>;
  }
}

// An aggregate of the user's, for which no functions are written, nor begun.
template <class T>
consteval bool is_plain_aggregate() {
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || std::is_empty_v<T> ||
                origin_of<T> == origin::std)
    return false;
  else
    return !has_serialization_function<T>() && !lookup::half_free<T>;
}

template <class T>
consteval serialization find_unversioned() {
  return the_only_one({lookup::member_serialize<T>, lookup::free_serialize<T>, lookup::member_split<T>,
                       lookup::free_split<T>, lookup::member_minimal<T>, lookup::free_minimal<T>});
}

template <class T>
consteval serialization find_cereal_serialization() {
  using version = std::uint32_t;
  constexpr serialization found = the_only_one(
      {lookup::member_serialize<T>, lookup::free_serialize<T>, lookup::member_split<T>, lookup::free_split<T>,
       lookup::member_minimal<T>, lookup::free_minimal<T>, lookup::member_serialize<T, version>,
       lookup::free_serialize<T, version>, lookup::member_split<T, version>, lookup::free_split<T, version>,
       lookup::member_minimal<T, version>, lookup::free_minimal<T, version>});
  if constexpr (found.how == form::ambiguous) {
    constexpr form chosen = specialized_form<T>();
    return {chosen, chosen != form::ambiguous && !has_unversioned<T>(chosen)};
  } else if constexpr (found.how == form::none && is_plain_aggregate<T>()) {
    if constexpr (find_aggregate_defect<T>() == aggregate_defect::none) return {form::aggregate, false};
    return found;
  } else {
    return found;
  }
}

// A type of a namespace that uses Boost.Serialization says so itself where it has functions of cereal's, too.
template <class T>
consteval serialization find_serialization() {
  if constexpr (uses_boost_serialization<T>)
    return {form::boost, true};
  else if constexpr (!lookup::boost_namespace<T>)
    return find_cereal_serialization<T>();
  else if constexpr (find_unversioned<T>().how == form::none)
    return {form::boost, true};
  else
    return {form::ambiguous, false};
}

template <class T>
inline constexpr serialization serialization_of = find_serialization<T>();

// What save_minimal returns for T, and load_minimal takes.
template <class T, serialization S = serialization_of<T>>
struct minimal_value {
  using type =
      decltype(lookup::call_save_minimal<S.how>(std::declval<writer const&>(), std::declval<T const&>()));
};
template <class T, serialization S>
requires(S.versioned) struct minimal_value<T, S> {
  using type = decltype(lookup::call_save_minimal<S.how>(std::declval<writer const&>(),
                                                         std::declval<T const&>(), std::uint32_t{}));
};
template <class T>
using minimal_value_t = std::remove_cvref_t<typename minimal_value<T>::type>;

template <class T>
inline constexpr bool is_minimal =
    serialization_of<T>.how == form::member_minimal || serialization_of<T>.how == form::free_minimal;

// --- all of it together

template <class T>
consteval kind find_kind() {
  if constexpr (std::is_same_v<T, bool>) {
    return kind::boolean;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::byte>) {
    return kind::number;
  } else if constexpr (std::is_enum_v<T>) {
    return kind::enumeration;
  } else if constexpr (template_kind<T> != kind::none) {
    return template_kind<T>;
  } else if constexpr (!std::is_class_v<T> && !std::is_union_v<T>) {
    return kind::none;
  } else if constexpr (shape_kind<T>() != kind::none) {
    return shape_kind<T>();
  } else if constexpr (serialization_of<T>.how != form::none) {
    return kind::user;
  } else {
    return std::is_empty_v<T> ? kind::empty : kind::none;
  }
}

// T has no reference and no const.
template <class T>
inline constexpr kind kind_of = find_kind<T>();

// Arrays of such elements are blocks of bytes.
template <class T>
concept block_element = kind_of<T>
== kind::number || kind_of<T> == kind::boolean;

// Blocks below this many bytes are always inline and carry no mark; longer ones say with one byte where they
// are.
inline constexpr std::size_t marked_block_size = 4096;
inline constexpr std::size_t default_out_of_band_size = 32768;

}  // namespace yonder::detail

// For cereal's own functions for types of the standard library.
template <class T>
struct cereal::traits::is_output_serializable<cereal::BinaryData<T>, yonder::detail::writer>
    : std::true_type {};
template <class T>
struct cereal::traits::is_input_serializable<cereal::BinaryData<T>, yonder::detail::reader> : std::true_type {
};
CEREAL_SETUP_ARCHIVE_TRAITS(yonder::detail::reader, yonder::detail::writer)
