// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>

#include "yonder/detail/signature.hpp"

// What a task can be mapped over: one error in words for all else.
namespace yonder::detail {

template <class Range>
concept any_range = requires(Range& range) {
  std::begin(range) != std::end(range);
};

template <class Range>
using element_t = decltype(*std::begin(std::declval<Range&>()));

enum class map_defect { none, not_range, parameters, element, tuple };

template <class Range, class... P>
consteval map_defect find_map_defect() {
  if constexpr (!any_range<Range>)
    return map_defect::not_range;
  else if constexpr (sizeof...(P) != 1)
    return map_defect::parameters;
  else if constexpr (!(std::is_convertible_v<element_t<Range>, passed_t<P>> && ...))
    return map_defect::element;
  else
    return map_defect::none;
}

template <class Tuple, class... P>
consteval bool is_argument_tuple() {
  using tuple = std::remove_cvref_t<Tuple>;
  if constexpr (requires { std::tuple_size<tuple>::value; }) {
    if constexpr (std::tuple_size_v<tuple> == sizeof...(P))
      return []<std::size_t... I>(std::index_sequence<I...>) {
        return (std::is_convertible_v<decltype(std::get<I>(std::declval<Tuple>())), passed_t<P>> && ...);
      }
    (std::index_sequence_for<P...>{});
  }
  return false;
}

template <class Range, class... P>
consteval map_defect find_starmap_defect() {
  if constexpr (!any_range<Range>)
    return map_defect::not_range;
  else if constexpr (!is_argument_tuple<element_t<Range>, P...>())
    return map_defect::tuple;
  else
    return map_defect::none;
}

// The defect in words: one error. Its return type is deduced, so that naming a call is enough.
template <class Range, map_defect Found>
auto tell_map() {
  static_assert(Found != map_defect::not_range, "yonder: map takes a range: what has a begin and an end");
  static_assert(Found != map_defect::parameters,
                "yonder: map is for a task of one parameter; starmap takes a range of tuples of arguments");
  static_assert(Found != map_defect::element,
                "yonder: the elements of this range do not convert to the task's parameter");
  static_assert(
      Found != map_defect::tuple,
      "yonder: starmap, and for_each of several parameters, takes a range of tuples, each with what "
      "converts to the task's parameters");
}

template <class Range, class... P>
struct must_map {
  static constexpr map_defect found = find_map_defect<Range, P...>();
  static constexpr bool value = found == map_defect::none;
  using told = decltype(tell_map<Range, found>());
};

template <class Range, class... P>
struct must_starmap {
  static constexpr map_defect found = find_starmap_defect<Range, P...>();
  static constexpr bool value = found == map_defect::none;
  using told = decltype(tell_map<Range, found>());
};

}  // namespace yonder::detail
