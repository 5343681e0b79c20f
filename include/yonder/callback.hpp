// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "yonder/call_id.hpp"
#include "yonder/detail/arguments.hpp"
#include "yonder/detail/task_parameters.hpp"
#include "yonder/errc.hpp"
#include "yonder/task.hpp"

namespace yonder {

// How a call has ended, for a callback that is to know of every end.
template <class R>
struct completion {
  call_id call{};            // which has ended
  errc code{};               // why it has no value; errc() where it has one
  std::string type{};        // of the exception that the task threw; empty: it threw none
  std::string message{};     // the error in words, its first 4095 bytes
  std::optional<R> value{};  // what it returned

  // Whether the call has ended well.
  [[nodiscard]] bool has_value() const noexcept { return value.has_value(); }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(call.session, call.number, code, type, message, value);
  }
};
// The same of a call that returns nothing.
template <>
struct completion<void> {
  call_id call{};         // which has ended
  errc code{};            // why it has not returned; errc() where it has
  std::string type{};     // of the exception that the task threw; empty: it threw none
  std::string message{};  // the error in words, its first 4095 bytes
  bool returned = false;  // it did

  // Whether the call has ended well.
  [[nodiscard]] bool has_value() const noexcept { return returned; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(call.session, call.number, code, type, message, returned);
  }
};

namespace detail {

template <class R, class Parameters>
inline constexpr bool takes_value = false;
template <class R, class P>
inline constexpr bool takes_value<R, type_list<P>> = std::is_same_v<wire_type_t<P>, R>;
template <>
inline constexpr bool takes_value<void, type_list<>> = true;
template <class R, class Parameters>
inline constexpr bool takes_completion = false;
template <class R, class P>
inline constexpr bool takes_completion<R, type_list<P>> = std::is_same_v<wire_type_t<P>, completion<R>>;

// A call of the task, as it travels, without its arguments.
template <class Task>
outgoing begin_call_of(Task const& task, options const& settings) {
  std::string_view needs;
  if constexpr (requires { task.needs(); }) needs = task.needs();
  return begin_call(Task::entry(), settings, needs);
}

// A task with another one that is called with what it returns.
template <class Task, class Callback>
class task_with_callback {
 public:
  using result = typename Task::result;
  using parameters = parameters_of_t<Task>;

  task_with_callback(Task const& task, Callback const& callback) : task_(task), callback_(callback) {
    using taken = typename callback_parameters<Callback>::type;
    static_assert(takes_value<result, taken> || takes_completion<result, taken>,
                  "yonder: then() takes a task whose only parameter is what the call returns (none, where "
                  "that is void), or a yonder::completion of it");
    static_assert(!has_batches<Callback>, "yonder: a task that runs as batches cannot be a callback");
  }

  // As the task's, of a durable call. The callback is made by the hub when the call has ended, whoever is
  // gone by then, and is on disk when the call's outcome is. Throws bad_configuration where the call is not
  // durable, or the callback has an idempotency_key; and what spawn() throws.
  template <class... A>
  yonder::call<result> spawn(A&&... a) const {
    return spawn_with(parameters(), std::forward<A>(a)...);
  }

  // Not for users: the call as a callback of another.
  outgoing call_as_callback() const {
    auto made = begin_call_of(task_, durable_settings());
    add_to(made);
    return made;
  }
  [[nodiscard]] options const& settings() const { return task_.settings(); }
  static constexpr task_entry const& entry() noexcept { return Task::entry(); }

 private:
  template <class T>
  struct callback_parameters {
    using type = parameters_of_t<T>;
  };
  template <class T, class C>
  struct callback_parameters<task_with_callback<T, C>> {
    using type = parameters_of_t<T>;
  };

  options durable_settings() const {
    auto settings = task_.settings();
    settings.durable = true;
    return settings;
  }

  void add_to(outgoing& call) const {
    auto settings = callback_.settings();
    settings.durable = true;
    auto const of_any = takes_completion<result, typename callback_parameters<Callback>::type>;
    if constexpr (requires { callback_.call_as_callback(); })
      add_callback(call, Callback::entry(), settings, callback_.call_as_callback(), of_any);
    else
      add_callback(call, Callback::entry(), settings, begin_call_of(callback_, settings), of_any);
  }

  template <class... P, class... A>
  yonder::call<result> spawn_with(type_list<P...>, A&&... a) const {
    if constexpr (fit<false, type_list<passed_t<P>...>, A...>) {
      std::tuple<wire_type_t<P>...> arguments(wire_type_t<P>(accepted<P>(std::forward<A>(a)))...);
      return std::apply(
          [this](auto&... each) {
            batch_terms batch;
            if constexpr (has_batches<Task>) batch = task_.batch_of(each...);
            std::string_view needs;
            if constexpr (requires { task_.needs(); }) needs = task_.needs();
            auto call = begin_call(Task::entry(), task_.settings(), needs, batch);
            encode_owned(call.content, std::move(each)...);
            add_to(call);
            return yonder::call<result>(
                submit(task_.where(), Task::entry(), task_.settings(), std::move(call), departure::now));
          },
          arguments);
    } else {
      tell_arguments<false>(type_list<passed_t<P>...>(), type_list<A...>());
      std::terminate();
    }
  }

  Task task_;
  Callback callback_;
};

}  // namespace detail

// The id of the call that the callback of this call is, once it is made: yonder::find has its outcome.
YONDER_API call_id callback_id(call_id const& of);

}  // namespace yonder
