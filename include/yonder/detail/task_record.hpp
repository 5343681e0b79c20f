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
#include "yonder/detail/arguments.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/detail/signature.hpp"
#include "yonder/stream.hpp"

namespace yonder::detail {

template <auto Function>
constexpr decltype(auto) callee() noexcept {
  if constexpr (std::is_pointer_v<decltype(Function)>)
    return *Function;
  else
    return (Function);
}

// The input of the attempt that this thread runs.
template <class T>
input_stream<T> own_input() {
  auto* const caller = current_streams();
  if (caller == nullptr) throw_no_reader();
  return input_stream<T>(std::unique_ptr<item_stream<T>>(std::make_unique<caller_stream<T>>(*caller)));
}

// How an argument reaches a parameter P: by reference where that suffices, else moved.
template <class P, class Owned>
constexpr std::remove_cvref_t<P> handed(block_view<Owned>& value) {
  return {value.data, value.size};
}
template <class P, class Owned>
constexpr decltype(auto) handed(Owned& value) {
  if constexpr (is_input_stream<std::remove_cvref_t<P>>)
    return own_input<typename std::remove_cvref_t<P>::value_type>();
  else if constexpr (std::is_lvalue_reference_v<P> || is_view<std::remove_cvref_t<P>>)
    return static_cast<Owned const&>(value);
  else
    return std::move(value);
}

// Runs one call in a worker.
template <auto Function, class... P, std::size_t... I>
void invoke_task(type_list<P...>, std::index_sequence<I...>, std::span<std::byte const> bytes,
                 std::span<buffer const> buffers, decode_limits limits, encoded& result) {
  call_arguments<argument_type_t<P>...> values(bytes, buffers, limits);
  using returned = typename signature_of<decltype(Function)>::result;
  if constexpr (is_stream<returned>)
    produce(callee<Function>()(handed<P>(value_at<I>(values))...));
  else if constexpr (std::is_void_v<returned>)
    callee<Function>()(handed<P>(value_at<I>(values))...);
  else
    encode_owned(result, callee<Function>()(handed<P>(value_at<I>(values))...));
}

template <class Result>
struct returned_type {
  using type = std::conditional_t<std::is_void_v<Result>, std::tuple<>, Result>;
};
template <is_stream Result>
struct returned_type<Result> {
  using type = stream_of<stream_item_t<Result>>;
};

// The result, then the arguments; void is nothing.
template <class Result, class... P>
struct structure_of_task {
  using returned = typename returned_type<Result>::type;
  static std::uint64_t hash() { return structure_hash<returned, wire_type_t<P>...>(); }
  static std::string const& text() { return structure_text<returned, wire_type_t<P>...>(); }
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
