// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/detail/signature.hpp"
#include "yonder/map.hpp"

// What stands in for a refused task, so that its uses compile and the one error in words stays alone. Nothing
// here ever runs.
namespace yonder::detail {

// In place of call<R>, expected<R, error> and map_range.
template <class R>
class refused_outcome {
 public:
  R get() const { std::terminate(); }
  R value() const { std::terminate(); }
  R operator*() const { std::terminate(); }
  std::add_pointer_t<R> operator->() const { std::terminate(); }
  template <class T>
  operator T() const {
    std::terminate();
  }

  refused_outcome const& error() const { return *this; }
  refused_outcome const& id() const { return *this; }
  refused_outcome const& details() const { return *this; }
  refused_outcome const& get_for(auto&&) const { return *this; }
  refused_outcome const& try_get() const { return *this; }
  bool has_value() const { return false; }
  bool ready() const { return false; }
  void wait() const {}
  void cancel() const {}

  bool await_ready() const { return false; }
  void await_suspend(auto) const {}
  R await_resume() const { std::terminate(); }

  refused_outcome const& unordered() const { return *this; }
  refused_outcome const& window(auto) const { return *this; }
  refused_outcome<refused_outcome> on_error(auto) const { return {}; }
  refused_outcome begin() const { return *this; }
  refused_outcome end() const { return *this; }
  refused_outcome& operator++() { return *this; }
  bool operator!=(refused_outcome const&) const { return false; }
};

template <class R, class Parameters>
class refused_verbs_of;
template <class R, class... P>
class refused_verbs_of<R, type_list<P...>> {
 public:
  using result = R;
  R local(P...) const { std::terminate(); }
  R remote(P...) const { std::terminate(); }
  R operator()(P...) const { std::terminate(); }
  refused_outcome<R> try_remote(P...) const { return {}; }
  refused_outcome<R> spawn(P...) const { return {}; }
  refused_outcome<R> stream(auto&&...) const { return {}; }
  refused_outcome<R> map(auto&&) const { return {}; }
  refused_outcome<R> starmap(auto&&) const { return {}; }
  void for_each(auto&&, for_each_options = {}) const {}
  std::vector<failed_element> for_each(auto&&, on_error::collect_t, for_each_options = {}) const {
    return {};
  }
};

// Where the signature is not known: of a generic lambda, what it returns for such arguments.
template <class Callee>
class refused_verbs_of_unknown {
  template <class... A>
  static auto returned(A&&...) {
    if constexpr (std::is_invocable_v<Callee&, A...>)
      return std::type_identity<std::invoke_result_t<Callee&, A...>>{};
    else
      return std::type_identity<refused_outcome<void>>{};
  }
  template <class... A>
  using result_for = typename decltype(returned(std::declval<A>()...))::type;

 public:
  using result = void;
  template <class... A>
  result_for<A...> local(A&&...) const {
    std::terminate();
  }
  template <class... A>
  result_for<A...> remote(A&&...) const {
    std::terminate();
  }
  template <class... A>
  result_for<A...> operator()(A&&...) const {
    std::terminate();
  }
  template <class... A>
  refused_outcome<result_for<A...>> try_remote(A&&...) const {
    return {};
  }
  template <class... A>
  refused_outcome<result_for<A...>> spawn(A&&...) const {
    return {};
  }
  template <class Range>
  auto map(Range&& elements) const -> refused_outcome<result_for<decltype(*std::begin(elements))>> {
    return {};
  }
  refused_outcome<refused_outcome<void>> starmap(auto&&) const { return {}; }
  void for_each(auto&&, for_each_options = {}) const {}
  std::vector<failed_element> for_each(auto&&, on_error::collect_t, for_each_options = {}) const {
    return {};
  }
};

template <class F>
struct refused_verbs : refused_verbs_of_unknown<std::remove_pointer_t<F>> {};
template <class F>
requires requires { typename signature_of<F>::result; }
struct refused_verbs<F>
    : refused_verbs_of<typename signature_of<F>::result, typename signature_of<F>::parameters> {};

}  // namespace yonder::detail
