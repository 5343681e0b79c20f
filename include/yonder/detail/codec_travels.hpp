// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "yonder/detail/codec_kinds.hpp"
#include "yonder/detail/task_name.hpp"

// Which types can travel, and one line in words for each that cannot.
namespace yonder::detail {

enum class obstacle {
  none,
  raw_pointer,
  function_pointer,
  shared_pointer,
  polymorphic_pointer,
  array_pointer,
  reference,
  incomplete,
  view,
  wide_character,
  wide_number,
  ambiguous,
  function_object,
  coroutine,
  no_functions,
  no_header,
  no_default_constructor,
  base_class,
  too_many_members,
  unmade_member,
  unbound_member,
  const_member
};

template <class T>
inline constexpr bool is_view = false;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;

// By their names, so that <functional> is not needed here.
template <class T>
consteval bool is_function_object() {
  auto const name = type_name<T, "">();
  return origin_of<T> == origin::std && name.find("function<") < name.find('<');
}

// `made`: the codec has to make such an object, it is not just handed one.
template <class T, bool Made>
consteval obstacle find_obstacle();

template <class T, bool Made>
inline constexpr obstacle obstacle_of = find_obstacle<T, Made>();

// Of several types.
template <bool Made, class... T>
consteval obstacle first_obstacle() {
  obstacle result = obstacle::none;
  ((result == obstacle::none ? void(result = obstacle_of<std::remove_cv_t<T>, Made>) : void()), ...);
  return result;
}

// Of the parts of a tuple, a pair or a variant.
template <bool Made, class... T, template <class...> class C>
consteval obstacle part_obstacle(C<T...> const*) {
  return first_obstacle<Made, T...>();
}

template <class T>
consteval obstacle number_obstacle() {
  if (std::is_same_v<T, wchar_t>) return obstacle::wide_character;
  return sizeof(T) > 8 ? obstacle::wide_number : obstacle::none;
}

template <bool Made, class T, class D>
consteval obstacle pointer_obstacle(std::unique_ptr<T, D> const*) {
  if constexpr (std::is_array_v<T>) {
    return obstacle::array_pointer;
  } else if constexpr (Made && std::is_pointer_v<D>) {
    return obstacle::function_pointer;
  } else if constexpr (std::is_polymorphic_v<T>) {
    return obstacle::polymorphic_pointer;
  } else {
    using pointee = std::remove_const_t<T>;
    return obstacle_of<pointee, !cereal::traits::has_load_and_construct<pointee, reader>::value>;
  }
}

// What orders or hashes elements is made anew where they arrive.
template <class... Function>
consteval obstacle order_obstacle() {
  if ((std::is_pointer_v<Function> || ...)) return obstacle::function_pointer;
  return (std::is_default_constructible_v<Function> && ...) ? obstacle::none
                                                            : obstacle::no_default_constructor;
}
template <class T>
consteval obstacle container_order_obstacle() {
  if constexpr (requires { typename T::key_compare; })
    return order_obstacle<typename T::key_compare>();
  else
    return order_obstacle<typename T::hasher, typename T::key_equal>();
}

// The element types of the standard library's containers, durations and the like.
template <class T>
consteval obstacle library_obstacle() {
  if constexpr (requires { typename T::mapped_type; }) {
    return first_obstacle<true, typename T::key_type, typename T::mapped_type>();
  } else if constexpr (requires { typename T::value_type; }) {
    return obstacle_of<typename T::value_type, true>;
  } else if constexpr (requires { typename T::rep; }) {
    return obstacle_of<typename T::rep, true>;
  } else {
    return obstacle::none;
  }
}

template <class T>
consteval obstacle user_obstacle() {
  if constexpr (serialization_of<T>.how == form::ambiguous) {
    return obstacle::ambiguous;
  } else if constexpr (is_minimal<T>) {
    return obstacle_of<minimal_value_t<T>, true>;
  } else if constexpr (origin_of<T> == origin::std) {
    return library_obstacle<T>();
  } else {
    return obstacle::none;
  }
}

// Of a class without functions.
template <class T>
consteval obstacle class_obstacle() {
  if constexpr (is_plain_aggregate<T>()) {
    switch (find_aggregate_defect<T>()) {
      case aggregate_defect::base_class: return obstacle::base_class;
      case aggregate_defect::too_many: return obstacle::too_many_members;
      case aggregate_defect::unmade_member: return obstacle::unmade_member;
      case aggregate_defect::layout: return obstacle::unbound_member;
      default: return obstacle::const_member;
    }
  } else if constexpr (is_function_object<T>()) {
    return obstacle::function_object;
  } else {
    return origin_of<T> == origin::std ? obstacle::no_header : obstacle::no_functions;
  }
}

template <class T, bool Made>
consteval obstacle find_obstacle_of_kind() {
  constexpr kind k = kind_of<T>;
  if constexpr (is_view<T>) {
    return obstacle::view;
  } else if constexpr (k == kind::number) {
    return number_obstacle<T>();
  } else if constexpr (k == kind::string || k == kind::vector || k == kind::optional || k == kind::valarray) {
    return obstacle_of<typename T::value_type, true>;
  } else if constexpr (k == kind::array) {
    return obstacle_of<std::remove_cvref_t<decltype(std::declval<T&>()[0])>, Made>;
  } else if constexpr (k == kind::tuple) {
    return part_obstacle<Made>(static_cast<T const*>(nullptr));
  } else if constexpr (k == kind::variant) {
    return part_obstacle<true>(static_cast<T const*>(nullptr));
  } else if constexpr (k == kind::associative) {
    constexpr obstacle of_order = Made ? container_order_obstacle<T>() : obstacle::none;
    return of_order == obstacle::none ? library_obstacle<T>() : of_order;
  } else if constexpr (k == kind::unique_pointer) {
    return pointer_obstacle<Made>(static_cast<T const*>(nullptr));
  } else if constexpr (k == kind::raw_pointer) {
    return obstacle::raw_pointer;
  } else if constexpr (k == kind::shared_pointer || k == kind::weak_pointer) {
    return obstacle::shared_pointer;
  } else if constexpr (k == kind::user) {
    return user_obstacle<T>();
  } else if constexpr (requires { typename T::promise_type; }) {
    return obstacle::coroutine;  // also one without members, which would be an aggregate
  } else if constexpr (k == kind::none) {
    if (std::is_function_v<T> || std::is_member_pointer_v<T>) return obstacle::raw_pointer;
    return class_obstacle<T>();
  } else {
    return obstacle::none;
  }
}

template <class T>
inline constexpr bool is_complete = requires {
  sizeof(T);  // NOLINT(bugprone-sizeof-expression): of whatever type
};

template <class T, bool Made>
consteval obstacle find_obstacle() {
  if constexpr (std::is_reference_v<T>)
    return obstacle::reference;
  else if constexpr ((std::is_class_v<T> || std::is_union_v<T>)&&!is_complete<T>)
    return obstacle::incomplete;
  else if constexpr (constexpr obstacle found = find_obstacle_of_kind<T, Made>(); found != obstacle::none)
    return found;
  else
    return Made && !std::is_default_constructible_v<T> ? obstacle::no_default_constructor : obstacle::none;
}

// The obstacle in words: one error per T. Its return type is deduced, so that naming a call is enough.
template <class T, obstacle Found>
auto tell_obstacle() {
  static_assert(Found != obstacle::raw_pointer,
                "yonder: a pointer means nothing in another process; send the value, or a std::unique_ptr");
  static_assert(
      Found != obstacle::function_pointer,
      "yonder: a comparator, hash or deleter that is a function pointer does not travel, and would be "
      "null; give it a type, such as decltype([](auto& a, auto& b) { ... })");
  static_assert(
      Found != obstacle::shared_pointer,
      "yonder: a shared_ptr or weak_ptr cannot be shared with another process; send the value, or a "
      "std::unique_ptr");
  static_assert(
      Found != obstacle::polymorphic_pointer,
      "yonder: a pointer to a polymorphic class cannot travel, because bytes must not choose a type; send "
      "a std::variant of the classes");
  static_assert(Found != obstacle::array_pointer,
                "yonder: a unique_ptr<T[]> has no size; send a std::vector");
  static_assert(
      Found != obstacle::reference,
      "yonder: a T& cannot refer to an object of another process; take T or T const&, return the result");
  static_assert(Found != obstacle::incomplete,
                "yonder: this type is only declared here; include its definition before the task");
  static_assert(
      Found != obstacle::view,
      "yonder: a view has no owner after decoding; hold a std::string or std::vector (a parameter may be a "
      "string_view or a span<T const>)");
  static_assert(Found != obstacle::wide_character,
                "yonder: wchar_t has no fixed width; send char, char8_t, char16_t or char32_t");
  static_assert(Found != obstacle::wide_number,
                "yonder: long double and 128-bit integers have no fixed form; send double or std::int64_t");
  static_assert(Found != obstacle::ambiguous,
                "yonder: this type has more than one way to serialize; leave one of serialize, save/load and "
                "save_minimal/load_minimal, or name it by cereal::specialize");
  static_assert(Found != obstacle::function_object,
                "yonder: a std::function holds code, which stays behind; send what it depends on, and choose "
                "the function where the task runs");
  static_assert(Found != obstacle::coroutine,
                "yonder: a coroutine is no task: nobody resumes it on a worker; return the value itself, and "
                "co_await the task's spawn(...)");
  static_assert(
      Found != obstacle::no_functions,
      "yonder: this type cannot be serialized; give it template <class Archive> void serialize(Archive& "
      "ar), or both save and load");
  static_assert(
      Found != obstacle::no_header,
      "yonder: this type of the standard library needs its <cereal/types/...> header, if it has one");
  static_assert(
      Found != obstacle::base_class,
      "yonder: an aggregate with a base class needs template <class Archive> void serialize(Archive& ar) "
      "{ ar(cereal::base_class<Base>(this), ...); }");
  static_assert(Found != obstacle::too_many_members,
                "yonder: an aggregate of more than 16 members needs template <class Archive> void "
                "serialize(Archive& ar)");
  static_assert(
      Found != obstacle::unmade_member,
      "yonder: a member of this aggregate is a reference or has no default constructor; give it others, "
      "or the aggregate save and load");
  static_assert(
      Found != obstacle::unbound_member,
      "yonder: an aggregate with bit-fields, or whose members are packed or aligned, needs save and load");
  static_assert(Found != obstacle::const_member,
                "yonder: a const member cannot be loaded into; drop the const");
  static_assert(Found != obstacle::no_default_constructor,
                "yonder: a type that travels needs a public default constructor");
}

// Naming must_travel<T> complete is an error, in one line, once per T, if T cannot travel. It looks into the
// standard library's templates; the members of a user's class are checked when its functions are compiled.
template <class T, bool Made>
struct must_travel {
  static constexpr obstacle found = obstacle_of<T, Made>;
  static constexpr bool value = found == obstacle::none;
  using told = decltype(tell_obstacle<std::conditional_t<value, void, T>, found>());
};

// Whether the codec can write a T and make one from bytes; an error in words for none of them.
template <class T>
inline constexpr bool is_travelling = obstacle_of<T, true> == obstacle::none;

// The same, with the error. To be called before anything else names T.
template <class... T>
consteval bool check_travels() {
  return (must_travel<T, true>::value && ...);
}

// What a parameter of type P is on the wire: views are owned there. `T&` and `T*` stay what they are, and are
// refused.
template <class P>
struct wire_type {
  using type = std::remove_cv_t<P>;
};
template <class P>
struct wire_type<P const&> : wire_type<P> {};
template <class P>
struct wire_type<P&&> : wire_type<P> {};
template <class C, class Traits>
struct wire_type<std::basic_string_view<C, Traits>> {
  using type = std::basic_string<C, Traits>;
};
template <class T, std::size_t N>
struct wire_type<std::span<T const, N>> {
  using type = std::vector<T>;
};
template <class P>
using wire_type_t = typename wire_type<P>::type;

}  // namespace yonder::detail
