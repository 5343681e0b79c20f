// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <concepts>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "yonder/detail/service_slot.hpp"
#include "yonder/service_options.hpp"
#include "yonder/task.hpp"
#include "yonder/this_call.hpp"

namespace yonder {

template <class Signature, detail::fixed_string Name = "">
class service;
template <auto Function, detail::fixed_string Name = "">
class method;
template <class T>
class instance;

namespace detail {

template <class F>
struct method_signature;
template <class R, class C, class... P>
struct method_signature<R (C::*)(P...)> : signature<R, P...> {
  using of = C;
  using function = R (*)(P...);
  static constexpr bool is_const = false;
};
template <class R, class C, class... P>
struct method_signature<R (C::*)(P...) const> : method_signature<R (C::*)(P...)> {
  static constexpr bool is_const = true;
};
template <class R, class C, class... P>
struct method_signature<R (C::*)(P...) noexcept> : method_signature<R (C::*)(P...)> {};
template <class R, class C, class... P>
struct method_signature<R (C::*)(P...) const noexcept> : method_signature<R (C::*)(P...) const> {};

template <class T>
concept tells_health = requires(T const& object) {
  { object.healthy() } -> std::convertible_to<bool>;
};

template <class D, class Base>
concept is_derived_from = std::is_base_of_v<Base, D> && !std::is_same_v<Base, D>;
template <class D>
[[noreturn]] void refuse_inherited() {
  static_assert(
      sizeof(D) == 0,
      "yonder: this method is one of a base class; a service's are its own class's: declare one that "
      "calls it");
  std::terminate();
}

// How many calls one object of T takes at once.
template <class T>
constexpr unsigned concurrency_of() {
  if constexpr (requires { std::integral_constant<unsigned, T::concurrency>(); })
    return T::concurrency;
  else
    return 1;
}

// Asks after every call, whatever came of it.
template <class T>
class health_check {
 public:
  explicit health_check(T const&) noexcept {}
  ~health_check() {}  // not trivial: a variable of it is used
};
template <tells_health T>
class health_check<T> {
 public:
  explicit health_check(T const& object) noexcept : object_(object) {}
  health_check(health_check const&) = delete;
  health_check& operator=(health_check const&) = delete;
  ~health_check() {
    try {
      if (object_.healthy()) return;
    } catch (...) {  // one that cannot tell is not
    }
    this_call::retire_worker();
  }

 private:
  T const& object_;
};

// A method as a plain function: of the object that this thread's worker has made.
template <auto Function, fixed_string Name, class Parameters>
struct method_on_worker;
template <auto Function, fixed_string Name, class... P>
struct method_on_worker<Function, Name, type_list<P...>> {
  using shape = method_signature<decltype(Function)>;
  static typename shape::declared_result call(P... p) {
    using T = typename shape::of;
    auto* const slot = current_service();
    auto* const object = slot != nullptr ? slot->template get<T>() : nullptr;
    if (object == nullptr) throw_no_instance(task_name<Function, Name>());
    if constexpr (is_stream<typename shape::declared_result>) {
      return checked(*object, (object->*Function)(std::forward<P>(p)...));
    } else {
      health_check<T> const after(*object);
      return (object->*Function)(std::forward<P>(p)...);
    }
  }

 private:
  // Asks when the last item is made, or nobody wants more.
  template <class Object, class Items>
  static Items checked(Object& object, Items items) {
    health_check<Object> const after(object);
    for (auto&& item : items) co_yield std::forward<decltype(item)>(item);
  }
};

template <class T, class... P>
T* make_from(std::span<std::byte const> arguments, std::span<buffer const> buffers, decode_limits limits) {
  call_arguments<wire_type_t<P>...> values(arguments, buffers, limits);
  auto const make = [&]<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (std::is_constructible_v<T, P...>)
      return new T(handed<P>(value_at<I>(values))...);
    else
      return static_cast<T*>(nullptr);  // the service is refused
  };
  return make(std::index_sequence_for<P...>());
}

// The registry entry that makes a worker's object.
template <class Service, class T, class... P>
struct service_record {
  using structure = structure_of_task<void, P...>;
  static void invoke(std::span<std::byte const> arguments, std::span<buffer const> buffers,
                     decode_limits limits, encoded&) {
    auto* const slot = current_service();
    if (slot == nullptr) throw_no_instance(Service::name);
    slot->fill<T>([&] { return make_from<T, P...>(arguments, buffers, limits); });
  }
  static task_entry entry;
  static registration const registered;
};
template <class Service, class T, class... P>
constinit task_entry service_record<Service, T, P...>::entry{
    Service::name, &structure::hash, &structure::text, &invoke, &image_tag, &typeid(Service), false};
template <class Service, class T, class... P>
registration const service_record<Service, T, P...>::registered{entry};

// What the copies of one instance share.
template <class T>
struct instance_state {
  std::string terms;
  std::string arguments;
  T* (*make)(std::string const& arguments) = nullptr;
  std::once_flag made;
  std::unique_ptr<T> here;
};

}  // namespace detail

// A service with its parameters: whose object a method is called on. Workers make one each, from these
// parameters, before their first call, and keep it as long as they live; calls on equal instances share them.
// Making one starts nothing. One that was moved from throws usage_error when it is used.
template <class T>
class instance {
 public:
  explicit instance(std::shared_ptr<detail::instance_state<T>> state) : state_(std::move(state)) {}

  // The object of this process that local() calls are made on: made when it is first asked for, destroyed
  // with the last copy of this instance. Throws what the constructor throws.
  T& local() const {
    auto& of = state();
    std::call_once(of.made, [&] { of.here.reset(of.make(of.arguments)); });
    return *of.here;
  }

  // For detail: what a hub is told.
  std::string_view terms() const { return state().terms; }

 private:
  detail::instance_state<T>& state() const {
    if (!state_) detail::throw_moved_from("instance of a service");
    return *state_;
  }

  std::shared_ptr<detail::instance_state<T>> state_;
};

// A class whose objects live on workers: constructed from P… once in each (with all that is slow: models that
// are loaded, connections that are made), destroyed when the worker is let go. Its methods are called as
// tasks are. Declare it at namespace scope, where callers see it:
//
//   inline constexpr yonder::service<Translator(std::string)> translator{{.max = 4}};
//   inline constexpr yonder::method<&Translator::translate> translate{{.timeout = 5s}};
//
//   auto const german = translator("de");      // one pool of workers for each set of parameters
//   translate.on(german).remote("good day");   // also local, spawn, map, …
//
// T may say what it has on a GPU, for service_options::park_window: `void release_gpu();` leaves nothing
// there, and `void restore_gpu();` brings it back, before the next call; neither is called while a call runs.
// The destructor may find it released. Without them the CUDA driver does it, where it can (570 and later, and
// a worker that is a process); what throws, or cannot be done, is let go instead.
//
// T may also say that it takes several calls at once, on threads: `static constexpr unsigned concurrency =
// 8;`; and whether it is still of use: `bool healthy() const`, which is asked after every call: after a false
// the worker ends, and another takes its place. A constructor that throws fails the calls that wait for it,
// with worker_start_failed and its text, after three attempts in a row.
template <class T, class... P, detail::fixed_string Name>
class service<T(P...), Name> {
  using record = detail::service_record<service, T, P...>;
  static_assert(std::is_class_v<T>, "yonder: a service is a class: yonder::service<Class(Parameters…)>");
  static_assert((detail::is_travelling<detail::wire_type_t<P>> && ...),
                "yonder: the parameters of a service travel to its workers, as those of a task do");
  static_assert(
      !std::is_class_v<T> || std::is_constructible_v<T, P...>,
      "yonder: the class of a service has no constructor that takes these parameters, or it is abstract");
  static_assert(!Name.view().empty() || detail::is_portable(detail::type_name<T, Name>()),
                "yonder: compilers spell the name of this class differently; state one: "
                "yonder::service<T(P…), \"name\">");

 public:
  static constexpr std::string_view name = detail::type_name<T, Name>();  // under which it travels

  constexpr service(service_options settings = {}) : settings_(settings) { (void)&record::registered; }

  // The service with these parameters.
  [[nodiscard]] instance<T> operator()(detail::passed_t<P>... p) const {
    auto state = std::make_shared<detail::instance_state<T>>();
    detail::encoded content;
    (detail::encode_inline(content, p), ...);
    auto const bytes = content.head.bytes();
    state->arguments.assign(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    state->terms = detail::encode_terms({.name = name,
                                         .signature = record::structure::hash(),
                                         .concurrency = detail::concurrency_of<T>(),
                                         .settings = settings_,
                                         .arguments = state->arguments});
    state->make = [](std::string const& arguments) {
      return detail::make_from<T, P...>(std::as_bytes(std::span(arguments)), {}, {});
    };
    return instance<T>(std::move(state));
  }

  // The same class with these settings, all of them.
  [[nodiscard]] constexpr service with(service_options settings) const { return service(settings); }
  [[nodiscard]] constexpr service_options const& settings() const { return settings_; }  // that it has

 private:
  service_options settings_;
};

namespace detail {

// A method of one instance: a task.
template <auto Function, fixed_string Name>
class bound_method
    : public verbs_of<
          bound_method<Function, Name>,
          &method_on_worker<Function, Name, typename method_signature<decltype(Function)>::parameters>::call,
          typename method_signature<decltype(Function)>::parameters> {
  using shape = method_signature<decltype(Function)>;
  using of = instance<typename shape::of>;

 public:
  static constexpr std::string_view name = task_name<Function, Name>();

  bound_method(of object, options settings, runtime* where)
      : object_(std::move(object)), options_(settings), runtime_(where) {}

  [[nodiscard]] bound_method with(options settings) const {
    return {object_, settings.over(options_), runtime_};
  }
  [[nodiscard]] bound_method on(runtime& where) const { return {object_, options_, &where}; }

  // On the object of this process.
  template <class... A>
  requires std::is_invocable_v<decltype(Function), typename shape::of&, A...>
  decltype(auto) local(A&&... a) const { return (object_.local().*Function)(std::forward<A>(a)...); }

  // Where options::placement says.
  template <class... A>
  requires std::is_invocable_v<decltype(Function), typename shape::of&, A...>
  typename shape::result operator()(A&&... a) const {
    here_or_yonder const place(settings().placement.value_or(placement::remote));
    if (place.here()) return static_cast<typename shape::result>(local(std::forward<A>(a)...));
    return this->remote(a...);
  }

  [[nodiscard]] options const& settings() const { return options_; }
  [[nodiscard]] engine_ref where() const {
    return runtime_ != nullptr ? runtime_->engine() : current_engine();
  }
  [[nodiscard]] std::string_view needs() const { return object_.terms(); }

 private:
  of object_;
  options options_;
  runtime* runtime_ = nullptr;
};

}  // namespace detail

// A method of a service's class, as a task; .on(instance) says of which object. An overloaded one is chosen
// by a cast, with a stated Name.
template <auto Function, detail::fixed_string Name>
class method {
  static_assert(std::is_member_function_pointer_v<decltype(Function)>,
                "yonder: a method is a member function's address: yonder::method<&Class::function>");
  static_assert(!Name.view().empty() || detail::is_portable(detail::task_name<Function, Name>()),
                "yonder: compilers spell the name of this method differently; state one: "
                "yonder::method<&Class::function, \"name\">");
  using bound = detail::bound_method<Function, Name>;
  using of = typename detail::method_signature<decltype(Function)>::of;
  static_assert(detail::concurrency_of<of>() >= 1, "yonder: a service's concurrency is 1 or more");

 public:
  static constexpr std::string_view name = bound::name;  // under which it travels

  constexpr method(options settings = {}) : options_(settings) { bound::register_task(); }

  // The method of this object, as a task.
  [[nodiscard]] bound on(instance<of> object) const { return {std::move(object), options_, nullptr}; }
  // In place of an error that nobody understands.
  template <detail::is_derived_from<of> D>
  bound on(instance<D>) const {
    detail::refuse_inherited<D>();
  }

  // With other options where `settings` says so.
  [[nodiscard]] constexpr method with(options settings) const { return method(settings.over(options_)); }
  [[nodiscard]] constexpr options const& settings() const { return options_; }  // that its calls have

 private:
  options options_;
};

}  // namespace yonder
