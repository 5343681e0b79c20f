// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cereal/macros.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>

// The members of a plain aggregate, by the language alone: empty braces count them, a structured binding has
// them. After Boost.PFR, which counts by conversions instead.
namespace yonder::detail {

inline constexpr std::size_t most_members = 16;
inline constexpr std::size_t past_most_members = most_members + 1;
inline constexpr std::size_t unknown_member_count = most_members + 2;

struct anything {
  template <class T>
  operator T&() const;
  template <class T>
  operator T&&() const;
};

// clang-format off

// Of an aggregate; a base class counts as a member. Unknown where one cannot be made of empty
// braces: a reference, or what has no default constructor.
template <class T>
consteval std::size_t count_members() {
  if constexpr (!requires { T{{}}; })
    return requires(anything const& a) { T{a}; } ? unknown_member_count : 0;
  else if constexpr (!requires { T{{}, {}}; })
    return requires(anything const& a) { T{{}, a}; } ? unknown_member_count : 1;
  else if constexpr (!requires { T{{}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, a}; } ? unknown_member_count : 2;
  else if constexpr (!requires { T{{}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, a}; } ? unknown_member_count : 3;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, a}; } ? unknown_member_count : 4;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, a}; } ? unknown_member_count : 5;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 6;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 7;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 8;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 9;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 10;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 11;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 12;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 13;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 14;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 15;
  else if constexpr (!requires { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; })
    return requires(anything const& a) { T{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, a}; } ? unknown_member_count : 16;
  else
    return past_most_members;
}

// Calls `use` with all `Count` members of an object; they are const where it is.
template <std::size_t Count, class T, class Use>
[[gnu::always_inline]] constexpr decltype(auto) visit_members(T& object, Use&& use) {
#define YONDER_DETAIL_VISIT(count, ...)   \
  if constexpr (Count == (count)) {       \
    auto& [__VA_ARGS__] = object;         \
    return use(__VA_ARGS__);              \
  }
  YONDER_DETAIL_VISIT(1, m1)
  YONDER_DETAIL_VISIT(2, m1, m2)
  YONDER_DETAIL_VISIT(3, m1, m2, m3)
  YONDER_DETAIL_VISIT(4, m1, m2, m3, m4)
  YONDER_DETAIL_VISIT(5, m1, m2, m3, m4, m5)
  YONDER_DETAIL_VISIT(6, m1, m2, m3, m4, m5, m6)
  YONDER_DETAIL_VISIT(7, m1, m2, m3, m4, m5, m6, m7)
  YONDER_DETAIL_VISIT(8, m1, m2, m3, m4, m5, m6, m7, m8)
  YONDER_DETAIL_VISIT(9, m1, m2, m3, m4, m5, m6, m7, m8, m9)
  YONDER_DETAIL_VISIT(10, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10)
  YONDER_DETAIL_VISIT(11, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11)
  YONDER_DETAIL_VISIT(12, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12)
  YONDER_DETAIL_VISIT(13, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13)
  YONDER_DETAIL_VISIT(14, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14)
  YONDER_DETAIL_VISIT(15, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)
  YONDER_DETAIL_VISIT(16, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16)
#undef YONDER_DETAIL_VISIT
}

// Converts to the base classes of T.
template <class T>
struct base_of {
  template <class Base>
    requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>)
  operator Base() const;
};
struct nothing_else {};
template <class T>
concept has_base_class = requires(base_of<T> const& base) { T{base}; } &&
                         !requires(nothing_else const& other) { T{other}; };

// Whether T has a member function that cereal would call if it were whole.
struct serialization_names {
  int CEREAL_SERIALIZE_FUNCTION_NAME, CEREAL_SAVE_FUNCTION_NAME, CEREAL_LOAD_FUNCTION_NAME,
      CEREAL_SAVE_MINIMAL_FUNCTION_NAME, CEREAL_LOAD_MINIMAL_FUNCTION_NAME;
};
template <class T>
struct with_serialization_names : T, serialization_names {};

template <class T>
consteval bool has_serialization_function() {
  if constexpr (std::is_final_v<T>) return false;
  else {
    using both = with_serialization_names<T>;  // a name that T has, too, is ambiguous
#define YONDER_DETAIL_IS_FUNCTION(name) \
  (!requires { &both::name; } && !requires { requires std::is_member_object_pointer_v<decltype(&T::name)>; })
    return YONDER_DETAIL_IS_FUNCTION(CEREAL_SERIALIZE_FUNCTION_NAME) ||
           YONDER_DETAIL_IS_FUNCTION(CEREAL_SAVE_FUNCTION_NAME) ||
           YONDER_DETAIL_IS_FUNCTION(CEREAL_LOAD_FUNCTION_NAME) ||
           YONDER_DETAIL_IS_FUNCTION(CEREAL_SAVE_MINIMAL_FUNCTION_NAME) ||
           YONDER_DETAIL_IS_FUNCTION(CEREAL_LOAD_MINIMAL_FUNCTION_NAME);
#undef YONDER_DETAIL_IS_FUNCTION
  }
}

// clang-format on

// What members take that lie one after another.
template <class... M>
consteval std::size_t end_of_members() {
  std::size_t end = 0;
  ((end = (end + alignof(M) - 1) / alignof(M) * alignof(M) + sizeof(M)), ...);
  return end;
}
struct end_of {
  template <class... M>
  std::integral_constant<std::size_t, end_of_members<M...>()> operator()(M const&...) const;
};
struct any_is_const {
  template <class... M>
  std::bool_constant<(std::is_const_v<M> || ...)> operator()(M&...) const;
};

enum class aggregate_defect { none, base_class, too_many, unmade_member, layout, const_member };

template <class T>
consteval aggregate_defect find_aggregate_defect() {
  constexpr std::size_t count = count_members<T>();
  if constexpr (!requires { T{}; }) {
    return aggregate_defect::unmade_member;
  } else if constexpr (has_base_class<T>) {
    return aggregate_defect::base_class;
  } else if constexpr (count == past_most_members) {
    return aggregate_defect::too_many;
  } else if constexpr (count == unknown_member_count) {
    return aggregate_defect::unmade_member;
  } else {
    constexpr std::size_t end = decltype(visit_members<count>(std::declval<T const&>(), end_of{}))::value;
    if constexpr ((end + alignof(T) - 1) / alignof(T) * alignof(T) != sizeof(T))
      return aggregate_defect::layout;
    else if constexpr (decltype(visit_members<count>(std::declval<T&>(), any_is_const{}))::value)
      return aggregate_defect::const_member;
    else
      return aggregate_defect::none;
  }
}

}  // namespace yonder::detail
