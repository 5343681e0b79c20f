// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <cstdint>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/detail/durations.hpp"
#include "yonder/error.hpp"
#include "yonder/expected.hpp"
#include "yonder/service.hpp"
#include "yonder/task.hpp"

namespace yonder {

// How items of T are put together.
template <class T>
struct batch_options {
  // Items of one batch: at most so many, and at least one.
  unsigned max_size = 32;

  // An idle worker takes what there is at once. While all are busy items collect: as soon as they make a
  // whole batch, or one has waited for so long, the batch goes to a worker that is still computing, so that
  // it finds it there when it is done.
  std::chrono::nanoseconds max_wait = std::chrono::milliseconds(5);

  // The weights of one batch's items together: at most so much; an item of no weight, or of more, fails. 0:
  // not looked at.
  std::uint64_t max_weight = 0;

  // What an item weighs, tokens say. Called by its caller.
  std::uint64_t (*weight)(T const& item) = nullptr;
};

namespace detail {

// Where the options are a constant, the compiler stops here.
[[noreturn]] inline void a_batch_holds_one_item_at_least() {
  throw_error({.code = errc::bad_configuration,
               .message = "batch_options::max_size is 0; a batch holds one item at least"});
}
template <class T>
constexpr batch_options<T> const& checked(batch_options<T> const& how) {
  if (how.max_size == 0) a_batch_holds_one_item_at_least();
  return how;
}

template <class R>
struct batch_result {
  using type = R;
};
template <class R, class E>
struct batch_result<expected<R, E>> {
  using type = R;
};

template <class E>
[[noreturn]] void throw_item_error(E const& error) {
  if constexpr (std::is_same_v<E, std::exception_ptr>)
    std::rethrow_exception(error);
  else if constexpr (std::is_convertible_v<E const&, std::string>)
    throw std::runtime_error(std::string(error));
  else
    throw error;
}

// The item's own value; throws its own error.
template <class Outcome>
decltype(auto) item_value(Outcome&& outcome) {
  if constexpr (requires { outcome.error(); }) {
    if (!outcome.has_value()) throw_item_error(outcome.error());
    if constexpr (!std::is_void_v<typename std::remove_cvref_t<Outcome>::value_type>)
      return *std::forward<Outcome>(outcome);
  } else {
    return std::forward<Outcome>(outcome);
  }
}

// What a batch function is: span<T const> → vector<R>, or → vector<expected<R, E>>. `Outcome`: of one item.
template <class Result, class Parameters>
struct batch_shape_of {
  static constexpr bool is_valid = false;
  using item = int;  // so that one line says what is wrong
  using result = int;
};
template <class Outcome, class T>
struct batch_shape_of<std::vector<Outcome>, type_list<std::span<T const>>> {
  static constexpr bool is_valid = true;
  using item = T;
  using outcome = Outcome;
  using result = typename batch_result<Outcome>::type;
};

template <auto Function, bool IsMethod = std::is_member_function_pointer_v<decltype(Function)>>
struct batch_shape {
  using whole = signature_of<decltype(Function)>;
  using shape = batch_shape_of<typename whole::result, typename whole::parameters>;
  static auto call(auto items) { return callee<Function>()(items); }
};
template <auto Function>
struct batch_shape<Function, true> {
  using whole = method_signature<decltype(Function)>;
  using shape = batch_shape_of<typename whole::result, typename whole::parameters>;
  static auto call(auto items) {
    return method_on_worker<Function, fixed_string<1>(""), typename whole::parameters>::call(items);
  }
};

YONDER_API void check_batch_size(std::size_t items, std::size_t results);

// One item's function, and how a worker runs several.
template <auto Function>
struct batch_function {
  using shape = typename batch_shape<Function>::shape;
  using item = typename shape::item;
  using result = typename shape::result;
  static_assert(shape::is_valid,
                "yonder: what is batched takes one std::span<T const>, and returns std::vector<R> or "
                "std::vector<yonder::expected<R, E>>");

  static result one(item const& argument) {
    if constexpr (shape::is_valid) {
      auto outcomes = batch_shape<Function>::call(std::span<item const>(&argument, 1));
      check_batch_size(1, outcomes.size());
      return static_cast<result>(item_value(std::move(outcomes.front())));
    } else {
      return argument;
    }
  }

  // What cannot be decoded, or encoded, fails by itself.
  static void several([[maybe_unused]] std::span<batch_item> items, [[maybe_unused]] decode_limits limits) {
    if constexpr (shape::is_valid) run(items, limits);
  }

 private:
  static void run(std::span<batch_item> items, decode_limits limits) {
    std::vector<item> arguments;
    std::vector<batch_item*> whose;
    arguments.reserve(items.size());
    for (auto& one : items) {
      attempt(one,
              [&] { arguments.push_back(std::get<0>(decode<std::tuple<item>>(one.arguments, {}, limits))); });
      if (!one.error) whose.push_back(&one);
    }
    if (arguments.empty()) return;
    auto outcomes = batch_shape<Function>::call(std::span<item const>(arguments));
    check_batch_size(arguments.size(), outcomes.size());
    for (std::size_t i = 0; i < whose.size(); ++i)
      attempt(*whose[i], [&] { put(*whose[i], std::move(outcomes[i])); });
  }

  template <class Step>
  static void attempt(batch_item& one, Step step) {
    try {
      step();
    } catch (...) {
      one.error = std::current_exception();
    }
  }
  template <class Outcome>
  static void put(batch_item& one, Outcome&& outcome) {
    if constexpr (std::is_void_v<result>)
      item_value(std::forward<Outcome>(outcome));
    else
      encode_owned(one.result, result(item_value(std::forward<Outcome>(outcome))));
  }
};

// What a call says of the batches that it may be in.
template <class T>
batch_terms terms_of(batch_options<T> const& how, T const& item) {
  return {how.max_size, how.max_wait.count(), how.max_weight, how.weight != nullptr ? how.weight(item) : 1};
}

template <auto Function, fixed_string Name>
class bound_batched;

}  // namespace detail

// A function that computes many at once, called with one: F takes span<T const> and returns vector<R>, in
// order, or vector<expected<R, E>>, where each item has its own outcome. Callers, in whatever process, see a
// task T → R; what they ask for meanwhile runs together. Declare it at namespace scope:
//
//   std::vector<float> score(std::span<std::string const> texts);
//   inline constexpr yonder::batched<score> score_one{{.max_size = 64}};
//
//   score_one.remote("good job");              // also local, spawn, map, …
//
// F may be a method of a service, &Model::score: then .on(instance) says of which object.
//
// Where F throws for the whole, or its worker is lost, items that may run more than once (retries,
// idempotent) run again, one by one, and the others get that error. A timeout is for each item: it is
// answered at once, and the worker takes nothing more; it is killed when nobody waits for any item that it
// runs.
template <auto Function, detail::fixed_string Name = "">
class batched
    : public detail::verbs<batched<Function, Name>, &detail::batch_function<Function>::one,
                           detail::type_list<typename detail::batch_function<Function>::item const&>> {
  using parts = detail::batch_function<Function>;
  static_assert(!Name.view().empty() || detail::is_portable(detail::task_name<Function, Name>()),
                "yonder: compilers spell the name of this function differently; state one: "
                "yonder::batched<f, \"name\">");

 public:
  static constexpr std::string_view name = detail::task_name<Function, Name>();  // under which it travels
  // Runs a batch in a worker; what the registry keeps.
  static constexpr detail::batch_invoker invoke_batch = &parts::several;

  constexpr batched(batch_options<typename parts::item> how = {}, options settings = {})
      : how_(detail::checked(how)), options_(settings) {
    batched::register_task();
  }

  // With other options where `settings` says so.
  [[nodiscard]] constexpr batched with(options settings) const {
    return batched(how_, settings.over(options_));
  }
  // By this runtime, which must outlive its calls' making.
  [[nodiscard]] constexpr batched on(runtime& where) const {
    batched changed = *this;
    changed.runtime_ = &where;
    return changed;
  }

  [[nodiscard]] constexpr options const& settings() const { return options_; }  // that its calls have
  // The runtime that calls go to. Throws usage_error where there is none.
  [[nodiscard]] detail::engine_ref where() const {
    return runtime_ != nullptr ? runtime_->engine() : detail::current_engine();
  }
  // How an item is gathered with others.
  [[nodiscard]] detail::batch_terms batch_of(typename parts::item const& item) const {
    return detail::terms_of(how_, item);
  }

 private:
  batch_options<typename parts::item> how_;
  options options_;
  runtime* runtime_ = nullptr;
};

// Of a method: .on(instance) makes a task of it.
template <auto Function, detail::fixed_string Name>
requires std::is_member_function_pointer_v<decltype(Function)>
class batched<Function, Name> {
  using bound = detail::bound_batched<Function, Name>;
  using of = typename detail::method_signature<decltype(Function)>::of;
  using item = typename detail::batch_function<Function>::item;

 public:
  static constexpr std::string_view name = detail::task_name<Function, Name>();  // under which it travels

  constexpr batched(batch_options<item> how = {}, options settings = {})
      : how_(detail::checked(how)), options_(settings) {
    bound::register_task();
  }

  // The method of this object, as a task whose calls are gathered.
  [[nodiscard]] bound on(instance<of> object) const { return {std::move(object), how_, options_, nullptr}; }
  // In place of an error that nobody understands.
  template <detail::is_derived_from<of> D>
  bound on(instance<D>) const {
    detail::refuse_inherited<D>();
  }
  // With other options where `settings` says so.
  [[nodiscard]] constexpr batched with(options settings) const {
    return batched(how_, settings.over(options_));
  }
  [[nodiscard]] constexpr options const& settings() const { return options_; }  // that its calls have

 private:
  batch_options<item> how_;
  options options_;
};

namespace detail {

template <auto Function, fixed_string Name>
class bound_batched : public verbs<bound_batched<Function, Name>, &batch_function<Function>::one,
                                   type_list<typename batch_function<Function>::item const&>> {
  using parts = batch_function<Function>;
  using item = typename parts::item;
  using of = instance<typename method_signature<decltype(Function)>::of>;

 public:
  static constexpr std::string_view name = task_name<Function, Name>();
  static constexpr batch_invoker invoke_batch = &parts::several;

  bound_batched(of object, batch_options<item> how, options settings, runtime* where)
      : object_(std::move(object)), how_(how), options_(settings), runtime_(where) {}

  [[nodiscard]] bound_batched with(options settings) const {
    return {object_, how_, settings.over(options_), runtime_};
  }
  [[nodiscard]] bound_batched on(runtime& where) const { return {object_, how_, options_, &where}; }

  // On the object of this process, a batch of one.
  typename parts::result local(item const& argument) const {
    auto outcomes = (object_.local().*Function)(std::span<item const>(&argument, 1));
    check_batch_size(1, outcomes.size());
    return static_cast<typename parts::result>(item_value(std::move(outcomes.front())));
  }
  typename parts::result operator()(item const& argument) const {
    here_or_yonder const place(settings().placement.value_or(placement::remote));
    return place.here() ? local(argument) : this->remote(argument);
  }

  [[nodiscard]] options const& settings() const { return options_; }
  [[nodiscard]] engine_ref where() const {
    return runtime_ != nullptr ? runtime_->engine() : current_engine();
  }
  [[nodiscard]] std::string_view needs() const { return object_.terms(); }
  [[nodiscard]] batch_terms batch_of(item const& argument) const { return terms_of(how_, argument); }

 private:
  of object_;
  batch_options<item> how_;
  options options_;
  runtime* runtime_ = nullptr;
};

}  // namespace detail
}  // namespace yonder
