// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "yonder/detail/argument_check.hpp"
#include "yonder/detail/refused_task.hpp"
#include "yonder/detail/signature.hpp"
#include "yonder/detail/task_check.hpp"
#include "yonder/detail/task_record.hpp"
#include "yonder/expected.hpp"
#include "yonder/options.hpp"
#include "yonder/stream.hpp"

namespace yonder::detail {

template <class Result, class... P>
consteval bool does_stream(type_list<P...>) {
  return is_stream<Result> || (is_input_stream<std::remove_cvref_t<P>> || ...);
}

// What a caller passes for a parameter P of such a task.
template <class P>
using streamed_argument_t =
    std::conditional_t<is_input_stream<std::remove_cvref_t<P>>, std::remove_cvref_t<P>, passed_t<P>>;

// The verbs of a task that streams.
template <class Task, auto Function, class Parameters>
class stream_verbs;

template <class Task, auto Function, class... P>
class stream_verbs<Task, Function, type_list<P...>> {
  using callee_type = decltype(callee<Function>());
  using record = task_record<Task, Function, type_list<P...>>;
  using passed = type_list<streamed_argument_t<P>...>;
  static_assert((int{is_input_stream<std::remove_cvref_t<P>>} + ... + 0) <= 1,
                "yonder: a task takes one input_stream at most");

 public:
  using result = typename signature_of<decltype(Function)>::result;

  // In this process: the function itself.
  template <class... A>
  [[gnu::always_inline]] constexpr decltype(auto) local(A&&... a) const {
    if constexpr (std::is_invocable_v<callee_type, A...>)
      return callee<Function>()(std::forward<A>(a)...);
    else if constexpr (fit<false, type_list<P...>, A...>)  // GCC 12: an array for a span
      return static_cast<stream_verbs const volatile&>(*this).local(std::forward<A>(a)...);
    else
      return refused_arguments<result>(type_list<P...>(), type_list<A...>());
  }
  template <class = void>
  constexpr decltype(auto) local(P... p) const volatile {
    return callee<Function>()(std::forward<P>(p)...);
  }

  // The items of a task that returns a generator, made on a worker: see stream_range. Rvalues are moved in,
  // lvalues copied; the range for an input_stream is referred to if it is an lvalue.
  template <class... A>
  auto stream(A&&... a) const {
    static_assert(is_stream<result>, "yonder: stream() is for a task that returns yonder::generator<T>");
    if constexpr (is_stream<result> && fit<false, passed, A...>)
      return stream_range<stream_item_t<result>>(start(std::forward<A>(a)...));
    else
      return refused<typename travelling_result<result>::type, is_stream<result>, A...>();
  }

  // Of a task that takes an input_stream and returns a value: on a worker, while this thread reads the range
  // that feeds it.
  template <class... A>
  auto remote(A&&... a) const {
    static_assert(!is_stream<result>, "yonder: a task that returns a generator is called with stream()");
    if constexpr (!is_stream<result> && fit<false, passed, A...>)
      return decode_reply<result>(*start(std::forward<A>(a)...).run());
    else
      return refused<result, !is_stream<result>, A...>();
  }
  // As remote(), with the error as a value.
  template <class... A>
  auto try_remote(A&&... a) const {
    static_assert(!is_stream<result>, "yonder: a task that returns a generator is called with stream()");
    if constexpr (!is_stream<result> && fit<false, passed, A...>)
      return decode_expected<result>(*start(std::forward<A>(a)...).run());
    else
      return refused<result, !is_stream<result>, A...>();
  }

  template <class... A>
  void spawn(A&&...) const {
    static_assert(sizeof...(A) > ~0U,
                  "yonder: a task that streams is called with stream(), or with remote() "
                  "where it returns a value: it needs a thread that reads or feeds it");
  }
  template <class... A>
  void map(A&&...) const {
    static_assert(sizeof...(A) > ~0U, "yonder: a task that streams is not mapped: call it with stream()");
  }

  static constexpr void register_task() noexcept { (void)&record::registered; }
  static constexpr task_entry const& entry() noexcept { return record::entry; }

 private:
  // In place of what a verb returns; the arguments are wrong where the verb is right.
  template <class R, bool RightVerb, class... A>
  static refused_outcome<R> refused() {
    if constexpr (RightVerb) tell_arguments<false>(passed(), type_list<A...>());
    return {};
  }

  Task const& self() const { return static_cast<Task const&>(*this); }

  std::string_view worker_needs() const {
    if constexpr (requires { self().needs(); })
      return self().needs();
    else
      return {};
  }

  template <class... A>
  stream_call start(A&&... a) const {
    encoded arguments;
    std::unique_ptr<item_source> input;
    encode_owned(arguments, taken<P>(input, std::forward<A>(a))...);
    return stream_call(self().where(), record::entry, self().settings(), worker_needs(), std::move(arguments),
                       std::move(input));
  }

  template <class Q, class A>
  static decltype(auto) taken(std::unique_ptr<item_source>& input, A&& a) {
    if constexpr (is_input_stream<std::remove_cvref_t<Q>>) {
      using items = std::remove_cvref_t<Q>;
      input = std::make_unique<encoding_source<typename items::value_type>>(items(std::forward<A>(a)));
      return wire_type_t<Q>();
    } else {
      return accepted<Q>(std::forward<A>(a));
    }
  }
};

}  // namespace yonder::detail
