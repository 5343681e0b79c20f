// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <exception>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/call.hpp"
#include "yonder/detail/argument_check.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/detail/map_check.hpp"
#include "yonder/detail/placement.hpp"
#include "yonder/detail/refused_task.hpp"
#include "yonder/detail/signature.hpp"
#include "yonder/detail/stream_verbs.hpp"
#include "yonder/detail/task_check.hpp"
#include "yonder/detail/task_name.hpp"
#include "yonder/detail/task_record.hpp"
#include "yonder/expected.hpp"
#include "yonder/map.hpp"
#include "yonder/options.hpp"
#include "yonder/runtime.hpp"
#include "yonder/stream.hpp"

namespace yonder {

template <detail::one_function_choose_an_overload_by_static_cast auto Function,
          detail::fixed_string Name = "">
class task;

namespace detail {

// The verbs of a task whose parameters are P…
template <class Task, auto Function, class Parameters>
class verbs;

template <class Task>
class spread;

template <class Task>
inline constexpr bool has_batches = requires {
  Task::invoke_batch;
};

// yonder/callback.hpp
template <class Task, class Callback>
class task_with_callback;

// Specialized by yonder/asio.hpp.
template <class Task, class = void>
struct async_call {
  static constexpr bool is_included = false;
};

template <class Task, auto Function, class... P>
class verbs<Task, Function, type_list<P...>> {
  using callee_type = decltype(callee<Function>());
  using record = task_record<Task, Function, type_list<P...>>;
  using passed = type_list<passed_t<P>...>;

 public:
  using result = typename signature_of<decltype(Function)>::result;

  // In this process: the same machine code as the plain call.
  template <class... A>
  [[gnu::always_inline]] constexpr decltype(auto) local(A&&... a) const
      noexcept(std::is_nothrow_invocable_v<callee_type, A...>) {
    if constexpr (std::is_invocable_v<callee_type, A...>)
      return callee<Function>()(std::forward<A>(a)...);
    else if constexpr (fit<false, type_list<P...>, A...>)  // GCC 12: an array for a span
      return static_cast<verbs const volatile&>(*this).local(std::forward<A>(a)...);
    else
      return refused_arguments<result>(type_list<P...>(), type_list<A...>());
  }
  // For braced arguments, local({1, 2}): `volatile` makes it lose every tie.
  template <class = void>
  constexpr decltype(auto) local(P... p) const volatile {
    return callee<Function>()(std::forward<P>(p)...);
  }

  // On a worker; blocks. Throws what the task threw where its type is registered (those of <stdexcept> are),
  // else remote_error; and the other classes of yonder/error.hpp.
  result remote(passed_t<P>... p) const;

  // As remote(), with the error as a value.
  expected<result, error> try_remote(passed_t<P>... p) const;

  // On a worker; returns at once. Rvalues are moved in, lvalues copied. Some arguments may be calls: here,
  // and below, yonder::call<R> stands for an R that is to come, and yonder::ref<R> for one that is elsewhere.
  template <class... A>
  yonder::call<result> spawn(A&&... a) const {
    if constexpr (fit<false, passed, A...>)
      return yonder::call<result>(
          start_owned(self().where(), detail::departure::now, accepted<P>(std::forward<A>(a))...));
    else if constexpr (fit<true, passed, A...>)
      return yonder::call<result>(start_composed(std::forward<A>(a)...));
    else
      refuse<A...>();
  }
  // For braced arguments.
  template <class = void>
  yonder::call<result> spawn(P... p) const volatile {
    return const_cast<verbs const*>(this)->spawn(std::forward<P>(p)...);
  }

  // Where some arguments are calls.
  template <class... A>
  requires(!fit<false, passed, A...>) result remote(A&&... a)
  const {
    if constexpr (fit<true, passed, A...>) {
      auto const made = start_composed(std::forward<A>(a)...);
      wait(*made);
      return decode_reply<result>(*made);
    } else {
      refuse<A...>();
    }
  }
  template <class... A>
  requires(!fit<false, passed, A...>) expected<result, error> try_remote(A&&... a)
  const {
    if constexpr (fit<true, passed, A...>) {
      auto const made = start_composed(std::forward<A>(a)...);
      wait(*made);
      return decode_expected<result>(*made);
    } else {
      refuse<A...>();
    }
  }

  // On a worker; ends in a completion token of Boost.Asio, the last argument. See yonder/asio.hpp, which has
  // to be included.
  template <class... A>
  auto async(A&&... a) const {
    constexpr bool is_included = async_call<Task>::is_included;
    constexpr bool has_token = sizeof...(A) == sizeof...(P) + 1;
    static_assert(is_included, "async: include <yonder/asio.hpp>, and link yonder::asio");
    static_assert(!is_included || has_token,
                  "yonder: async takes the task's arguments, each of them, then a completion token");
    if constexpr (is_included && has_token)
      return async_from(type_list<A...>(), std::forward_as_tuple(std::forward<A>(a)...),
                        std::index_sequence_for<P...>());
    else
      return refused_outcome<result>();
  }

  // This task, durable, with another one that is called with what it returns: task.then(other).spawn(…). See
  // yonder/callback.hpp, which has to be included.
  template <class Callback>
  auto then(Callback const& callback) const {
    return task_with_callback<Task, Callback>(self(), callback);
  }

  // Where options::placement says.
  template <class... A>
  requires fit<false, type_list<P...>, A...> result operator()(A&&... a) const {
    here_or_yonder const place(settings().placement.value_or(placement::remote));
    return place.here() ? static_cast<result>(local(std::forward<A>(a)...)) : remote(a...);
  }

  // The task over a range of its only parameter: see map_range.
  template <class Range>
  auto map(Range&& elements) const {
    if constexpr (must_map<Range, P...>::value)
      return map_range<Task, Range>(self(), std::forward<Range>(elements));
    else
      return refused_outcome<result>();
  }

  // The task over a range of tuples, each one call's arguments.
  template <class Range>
  auto starmap(Range&& tuples) const {
    if constexpr (must_starmap<Range, P...>::value)
      return map_range<spread<Task>, Range>(spread<Task>(self()), std::forward<Range>(tuples));
    else
      return refused_outcome<result>();
  }

  // The task for every element, for its effects; waits for all. The first error throws, after cancelling the
  // rest. A task of several parameters takes a range of tuples, as starmap does.
  template <class Range>
  void for_each(Range&& elements, for_each_options how = {}) const {
    if constexpr (must_visit<Range>::value) detail::drain(visit(std::forward<Range>(elements)), how);
  }
  // Runs every element, whatever fails, and returns what failed: in the order of the input, or as it came.
  template <class Range>
  std::vector<failed_element> for_each(Range&& elements, on_error::collect_t,
                                       for_each_options how = {}) const {
    if constexpr (must_visit<Range>::value)
      return detail::drain(visit(std::forward<Range>(elements)), on_error::collect, how);
    else
      return {};
  }

  static constexpr void register_task() noexcept { (void)&record::registered; }

  // One call of a map. Not for users.
  template <class... A>
  call_ref start(engine_ref const& where, A&&... a) const {
    return start_owned(where, departure::gathered, accepted<P>(std::forward<A>(a))...);
  }

  // One call that nobody waits for in a function of ours. Not for users.
  template <class... A>
  call_ref start_unattended(A&&... a) const {
    return start_owned(self().where(), departure::now, accepted<P>(std::forward<A>(a))...);
  }

  // The arguments as they travel, and what a worker does with them. For testing.hpp.
  static encoded encoded_arguments(passed_t<P>... p) {
    encoded content;
    encode(content, p...);
    return content;
  }
  static constexpr task_entry const& entry() noexcept { return record::entry; }

 private:
  template <class Range>
  using must_visit =
      std::conditional_t<sizeof...(P) == 1, detail::must_map<Range, P...>, detail::must_starmap<Range, P...>>;
  template <class Range>
  auto visit(Range&& elements) const {
    if constexpr (sizeof...(P) == 1)
      return map(std::forward<Range>(elements));
    else
      return starmap(std::forward<Range>(elements));
  }

  Task const& self() const { return static_cast<Task const&>(*this); }
  options const& settings() const { return self().settings(); }
  // Which batches a call with these arguments may be in.
  template <class... A>
  batch_terms company_of(A const&... a) const {
    if constexpr (has_batches<Task>)
      return self().batch_of(a...);
    else
      return {};
  }
  // What its workers have to be like.
  std::string_view worker_needs() const {
    if constexpr (requires { self().needs(); })
      return self().needs();
    else
      return {};
  }

  // What parameter Q is on the wire: a view is copied.
  template <class Q, class A>
  static wire_type_t<Q> owned(A&& a) {
    if constexpr (std::is_constructible_v<wire_type_t<Q>, A>) {
      return wire_type_t<Q>(std::forward<A>(a));
    } else {
      passed_t<Q> const view(std::forward<A>(a));
      return wire_type_t<Q>(view.begin(), view.end());
    }
  }

  template <class... A>
  call_ref start_owned(engine_ref const& where, departure when, A&&... a) const {
    auto call = begin_call(record::entry, settings(), worker_needs(), company_of(a...));
    encode_owned(call.content, std::forward<A>(a)...);
    return submit(where, record::entry, settings(), std::move(call), when);
  }

  template <class... A>
  call_ref start_composed(A&&... a) const {
    static_assert(!has_batches<Task>,
                  "yonder: what a batch weighs has to be there when it is called: pass "
                  "get(), not the call or the reference");
    auto call = begin_call(record::entry, settings(), worker_needs());
    std::vector<awaited_value> awaited;
    (put_argument<P>(call, awaited, std::forward<A>(a)), ...);
    if constexpr (!(is_call<std::remove_cvref_t<A>> || ...))
      return submit(self().where(), record::entry, settings(), std::move(call), departure::now);
    else
      return submit_composed(self().where(), record::entry, settings(), std::move(call), std::move(awaited));
  }
  template <class Q, class A>
  static void put_argument(outgoing& call, std::vector<awaited_value>& awaited, A&& a) {
    auto& content = call.content;
    if constexpr (is_call<std::remove_cvref_t<A>>)
      awaited.push_back({call_access::state_of(a), content.head.size() - call.metadata_size,
                         content.buffers.size(), !std::is_lvalue_reference_v<A>});
    else if constexpr (is_ref<std::remove_cvref_t<A>> && !std::is_convertible_v<A, passed_t<Q>>)
      put_value(call, ref_access::of(a));
    else
      encode_owned(content, accepted<Q>(std::forward<A>(a)));
  }

  // A…: the arguments, then the token.
  template <class... A, class All, std::size_t... I>
  auto async_from(type_list<A...>, All&& all, std::index_sequence<I...>) const {
    using travelling = std::tuple<wire_type_t<P>...>;
    auto const owned_arguments = [&]() -> travelling {
      if constexpr (fit<false, passed, std::tuple_element_t<I, std::tuple<A...>>...>)
        return travelling(owned<P>(std::get<I>(std::move(all)))...);
      else
        return refused_arguments<travelling>(passed(),
                                             type_list<std::tuple_element_t<I, std::tuple<A...>>...>());
    };
    return async_call<Task>::start(self(), owned_arguments(), std::get<sizeof...(I)>(std::move(all)));
  }

  template <class... A>
  [[noreturn]] static void refuse() {
    tell_arguments<true>(passed(), type_list<A...>());
    std::terminate();
  }

  // One call, whose arguments are borrowed until it has ended.
  call_ref begin(passed_t<P>... p) const;
};

// Not inline, so that YONDER_EXTERN_TASK spares a unit their instantiation.

template <class Task, auto Function, class... P>
auto verbs<Task, Function, type_list<P...>>::remote(passed_t<P>... p) const -> result {
  auto const call = begin(p...);
  wait(*call);
  return decode_reply<result>(*call);
}

template <class Task, auto Function, class... P>
auto verbs<Task, Function, type_list<P...>>::try_remote(passed_t<P>... p) const -> expected<result, error> {
  call_ref call;
  try {
    call = begin(p...);
  } catch (error const& refused) {
    return unexpected<error>(error(refused.details()));
  }
  wait(*call);
  return decode_expected<result>(*call);
}

template <class Task, auto Function, class... P>
call_ref verbs<Task, Function, type_list<P...>>::begin(passed_t<P>... p) const {
  auto call = begin_call(record::entry, settings(), worker_needs(), company_of(p...));
  encode(call.content, p...);
  return submit(self().where(), record::entry, settings(), std::move(call), departure::awaited);
}

// The verbs of whatever task it is.
template <class Task, auto Function, class Parameters>
using verbs_of =
    std::conditional_t<does_stream<typename signature_of<std::remove_cv_t<decltype(Function)>>::result>(
                           Parameters{}),
                       stream_verbs<Task, Function, Parameters>, verbs<Task, Function, Parameters>>;

template <class Task, auto Function, fixed_string Name, defect Found = find_defect<Function, Name>()>
class checked_verbs : public refused_verbs<std::remove_cv_t<decltype(Function)>> {
  using told = decltype(tell<Function, Found>());

 public:
  static constexpr void register_task() noexcept {}
};
template <class Task, auto Function, fixed_string Name>
class checked_verbs<Task, Function, Name, defect::none>
    : public verbs_of<Task, Function,
                      typename signature_of<std::remove_cv_t<decltype(Function)>>::parameters> {
  static_assert(sizeof(sole_task_named<Task, fixed_name<Function, Name>()>) != 0);
};

// As a task for starmap: one tuple is one call's arguments.
template <class Task>
class spread {
 public:
  using result = typename Task::result;
  explicit spread(Task const& task) : task_(task) {}

  engine_ref where() const { return task_.where(); }

  template <class Tuple>
  call_ref start(engine_ref const& where, Tuple&& arguments) const {
    return std::apply([&](auto&&... a) { return task_.start(where, static_cast<decltype(a)>(a)...); },
                      std::forward<Tuple>(arguments));
  }

 private:
  Task task_;
};

}  // namespace detail

// A function that can be called here or yonder. Declare it once, at namespace scope, where callers see it:
//
//   Sentiment get_sentiment(std::string const& text);
//   inline constexpr yonder::task<get_sentiment> sentiment{{.retries = 3, .timeout = 5s}};
//
// Function: a function (one of several overloads by a cast, with a stated Name), the address of a named
// lambda, or a stateless lambda (with a stated Name). Parameters and result travel by value: const
// references, string_view and span<T const> parameters are owned on the other side. What cannot travel is
// refused by the compiler.
template <detail::one_function_choose_an_overload_by_static_cast auto Function, detail::fixed_string Name>
class task : public detail::checked_verbs<task<Function, Name>, Function, Name> {
 public:
  // Equal in every build of the program: deduced for plain functions and named lambdas, else Name.
  static constexpr std::string_view name = detail::task_name<Function, Name>();

  constexpr task(options settings = {}) : options_(settings) {
    detail::checked_verbs<task, Function, Name>::register_task();
  }

  // This task with `settings` where they are set.
  [[nodiscard]] constexpr task with(options settings) const {
    task changed = *this;
    changed.options_ = settings.over(options_);
    return changed;
  }

  // This task on `where` instead of the process's current runtime.
  [[nodiscard]] constexpr task on(runtime& where) const {
    task changed = *this;
    changed.runtime_ = &where;
    return changed;
  }

  // The options that its calls have.
  [[nodiscard]] constexpr options const& settings() const { return options_; }

  // The runtime that calls go to. Throws usage_error where there is none.
  [[nodiscard]] detail::engine_ref where() const {
    return runtime_ != nullptr ? runtime_->engine() : detail::current_engine();
  }

 private:
  options options_;
  runtime* runtime_ = nullptr;
};

namespace detail {

template <auto Function>
inline constexpr bool has_deduced_name<task<Function, "">> = true;

}  // namespace detail
}  // namespace yonder
