// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/detail/signature.hpp"

namespace yonder::detail {

template <auto Function>
constexpr decltype(auto) callee() noexcept {
  if constexpr (std::is_pointer_v<decltype(Function)>)
    return *Function;
  else
    return (Function);
}

// How an owned argument reaches a parameter P: by reference where that suffices, else moved.
template <class P, class Owned>
constexpr decltype(auto) handed(Owned& value) noexcept {
  if constexpr (std::is_lvalue_reference_v<P> || is_view<std::remove_cvref_t<P>>)
    return static_cast<Owned const&>(value);
  else
    return std::move(value);
}

// Runs one call in a worker.
template <auto Function, class... P, std::size_t... I>
void invoke_task(type_list<P...>, std::index_sequence<I...>, std::span<std::byte const> bytes,
                 std::span<buffer const> buffers, decode_limits limits, encoded& result) {
  auto values = decode<std::tuple<wire_type_t<P>...>>(bytes, buffers, limits);
  if constexpr (std::is_void_v<typename signature_of<decltype(Function)>::result>)
    callee<Function>()(handed<P>(std::get<I>(values))...);
  else
    encode_owned(result, callee<Function>()(handed<P>(std::get<I>(values))...));
}

// The result, then the arguments; void is nothing.
template <class Result, class... P>
struct structure_of_task {
  using returned = std::conditional_t<std::is_void_v<Result>, std::tuple<>, Result>;
  static std::uint64_t hash() { return structure_hash<returned, wire_type_t<P>...>(); }
  static std::string text() { return structure_text<returned, wire_type_t<P>...>(); }
};

// Whether a task states no name.
template <class Task>
inline constexpr bool has_deduced_name = false;

template <class Task>
constexpr batch_invoker batch_invoker_of() {
  if constexpr (requires { Task::invoke_batch; })
    return Task::invoke_batch;
  else
    return nullptr;
}

// The registry entry of a task: one per image.
template <class Task, auto Function, class Parameters>
struct task_record;

template <class Task, auto Function, class... P>
struct task_record<Task, Function, type_list<P...>> {
  using structure = structure_of_task<typename signature_of<decltype(Function)>::result, P...>;

  static void invoke(std::span<std::byte const> bytes, std::span<buffer const> buffers, decode_limits limits,
                     encoded& result);
  static task_entry entry;
  static registration const registered;
};

// Not inline, so that YONDER_EXTERN_TASK spares a unit their instantiation.

template <class Task, auto Function, class... P>
void task_record<Task, Function, type_list<P...>>::invoke(std::span<std::byte const> bytes,
                                                          std::span<buffer const> buffers,
                                                          decode_limits limits, encoded& result) {
  invoke_task<Function>(type_list<P...>{}, std::index_sequence_for<P...>{}, bytes, buffers, limits, result);
}

template <class Task, auto Function, class... P>
constinit task_entry task_record<Task, Function, type_list<P...>>::entry{Task::name,
                                                                         &structure::hash,
                                                                         &structure::text,
                                                                         &invoke,
                                                                         &image_tag,
                                                                         &typeid(symbol_of<Function>),
                                                                         has_deduced_name<Task>,
                                                                         batch_invoker_of<Task>()};

template <class Task, auto Function, class... P>
registration const task_record<Task, Function, type_list<P...>>::registered{entry};

}  // namespace yonder::detail
