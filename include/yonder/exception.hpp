// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "yonder/codec.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/detail/task_name.hpp"

namespace yonder {

// An exception type that comes back as itself from remote calls. Declare it once, at namespace scope, beside
// the type:
//
//   inline constexpr yonder::exception<out_of_paper> out_of_paper_travels;
//
// Type: derived from std::exception; serializable and default-constructible, or constructible from its
// what(). A Name must be stated for templates and for types in anonymous namespaces. The types of <stdexcept>
// are registered already.
template <class Type, detail::fixed_string Name = "">
class exception;

namespace detail {

template <class Type, fixed_string Name>
struct exception_record {
  static constexpr bool serializes = is_travelling<Type>;
  static_assert(serializes || std::is_constructible_v<Type, std::string const&>,
                "yonder: an exception that travels is serializable, or constructible from its what()");

  static bool encode(std::exception const& thrown, encoded& state) {
    if (typeid(thrown) != typeid(Type)) return false;
    if constexpr (serializes)
      detail::encode(state, static_cast<Type const&>(thrown));
    else
      detail::encode(state, std::string(thrown.what()));
    return true;
  }

  [[noreturn]] static void raise(std::span<std::byte const> state) {
    if constexpr (serializes)
      throw detail::decode<Type>(state, {});
    else
      throw Type(detail::decode<std::string>(state, {}));
  }

  static constinit inline exception_entry entry{exception<Type, Name>::name, &encode, &raise};
  static inline registration const registered{entry};
};

}  // namespace detail

template <class Type, detail::fixed_string Name>
class exception {
  static_assert(std::is_base_of_v<std::exception, Type>,
                "yonder: an exception that travels is derived from std::exception");

 public:
  static constexpr std::string_view name = detail::type_name<Type, Name>();
  static_assert(
      detail::is_portable(name) || !Name.view().empty(),
      "yonder: compilers spell this exception's name differently; state one: yonder::exception<E, \"name\">");

  constexpr exception() noexcept { (void)&detail::exception_record<Type, Name>::registered; }
};

}  // namespace yonder
