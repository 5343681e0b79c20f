// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "yonder/codec.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/detail/task_name.hpp"

namespace yonder {

// Lets an exception type come back as itself from remote calls. Declare it once, at namespace scope, beside
// the type:
//
//   inline constexpr yonder::exception_registration<out_of_paper> out_of_paper_travels;
//
// Type: derived from std::exception. It is made from its what(), where it has a constructor from a
// std::string, else by its default constructor; then its members are read, by its serialize (or another form
// that cereal knows). A type with members of its own needs one. What is made so comes back if its what() is
// the text that was thrown, else remote_error does. A Name must be stated for templates and for types in
// anonymous namespaces. The types of <stdexcept> are registered already.
template <class Type, detail::fixed_string Name = "">
class exception_registration;

namespace detail {

enum class exception_defect { none, not_exception, name, bad_name, state, members, text };

// What the standard library's part of Type takes: it travels as what().
template <class Type>
consteval std::size_t size_of_text_part() {
  if (std::is_base_of_v<std::logic_error, Type>) return sizeof(std::logic_error);
  if (std::is_base_of_v<std::runtime_error, Type>) return sizeof(std::runtime_error);
  return sizeof(std::exception);
}

template <class Type>
inline constexpr bool is_made_from_text = std::is_constructible_v<Type, std::string const&>;

// Whether its members travel.
template <class Type>
inline constexpr bool has_travelling_members = obstacle_of<Type, false> == obstacle::none;

template <class Type>
consteval exception_defect find_state_defect() {
  if constexpr (!is_made_from_text<Type> &&
                !(has_travelling_members<Type> && std::is_default_constructible_v<Type>))
    return exception_defect::state;
  else if constexpr (!has_travelling_members<Type> && sizeof(Type) > size_of_text_part<Type>())
    return exception_defect::members;
  else if constexpr (!is_made_from_text<Type> && size_of_text_part<Type>() > sizeof(std::exception))
    return exception_defect::text;
  else
    return exception_defect::none;
}

template <class Type, fixed_string Name>
consteval exception_defect find_exception_defect() {
  constexpr auto name = type_name<Type, Name>();
  if constexpr (!std::is_base_of_v<std::exception, Type>)
    return exception_defect::not_exception;
  else if constexpr (Name.view().empty() && !is_portable(name))
    return exception_defect::name;
  else if constexpr (!is_acceptable(name))
    return exception_defect::bad_name;
  else
    return find_state_defect<Type>();
}

// The defect in words: one error. Its return type is deduced, so that naming a call is enough.
template <class Type, exception_defect Found>
auto tell_exception() {
  static_assert(Found != exception_defect::not_exception,
                "yonder: an exception that travels is derived from std::exception");
  static_assert(Found != exception_defect::name,
                "yonder: compilers spell this exception's name differently; state one: "
                "yonder::exception_registration<E, \"name\">");
  static_assert(Found != exception_defect::bad_name,
                "yonder: an exception's name is 1 to 200 printable ASCII characters without spaces");
  static_assert(
      Found != exception_defect::state,
      "yonder: an exception that travels is serializable and default-constructible, or constructible "
      "from its what()");
  static_assert(Found != exception_defect::members,
                "yonder: the members of this exception would be lost; give it template <class Archive> void "
                "serialize(Archive& ar), beside its constructor from what()");
  static_assert(
      Found != exception_defect::text,
      "yonder: the what() of this exception would be lost; give it a constructor from a std::string, "
      "beside its serialize");
}

// what(), which may be null.
inline char const* text_of(std::exception const& thrown) noexcept {
  auto const* const text = thrown.what();
  return text != nullptr ? text : "";
}

template <class Type>
Type make_exception(std::string const& text) {
  if constexpr (is_made_from_text<Type>)
    return Type(text);
  else
    return Type();
}

// The hash of what its members are; 0 where none travel. Throws what making one throws, and codec_error
// (unstable_structure).
template <class Type>
std::uint64_t structure_of_members(std::string const& text) {
  if constexpr (has_travelling_members<Type>) {
    auto const record = [&](bool ones) {
      auto object = make_exception<Type>(text);
      structure_reader ar(ones);
      ar(object);
      ar.serializeDeferments();
      return ar.record();
    };
    static std::uint64_t const found = compare_structures(record(false), record(true)).hash;
    return found;
  }
  return 0;
}

// The state is what(), the hash and the members.
template <class Type, fixed_string Name>
struct exception_record {
  static bool encode(std::exception const& thrown, encoded& state) {
    if (typeid(thrown) != typeid(Type)) return false;
    std::string const text = text_of(thrown);
    encode_inline(state, text);
    encode_inline(state, structure_of_members<Type>(text));
    if constexpr (has_travelling_members<Type>) encode_inline(state, static_cast<Type const&>(thrown));
    return true;
  }

  static void raise(std::span<std::byte const> state) {
    std::optional<Type> made;
    try {
      reader ar(state, {});
      std::string text;
      std::uint64_t structure{};
      ar(text, structure);
      if (structure != structure_of_members<Type>(text)) return;
      made.emplace(make_exception<Type>(text));
      if constexpr (has_travelling_members<Type>) ar(*made);
      ar.finish();
      if (text_of(*made) != text) return;
    } catch (...) {
      return;
    }
    throw Type(*std::move(made));
  }

  static constinit inline exception_entry entry{exception_registration<Type, Name>::name, &encode, &raise,
                                                &typeid(Type), Name.view().empty()};
  static inline registration const registered{entry};
};

}  // namespace detail

template <class Type, detail::fixed_string Name>
class exception_registration {
  static constexpr auto found = detail::find_exception_defect<Type, Name>();
  using told = decltype(detail::tell_exception<Type, found>());

 public:
  // Under which it travels: the type's own name, or the stated one.
  static constexpr std::string_view name = detail::type_name<Type, Name>();

  constexpr exception_registration() noexcept {
    if constexpr (found == detail::exception_defect::none)
      (void)&detail::exception_record<Type, Name>::registered;
  }
};

}  // namespace yonder
