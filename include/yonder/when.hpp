// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <coroutine>
#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/call.hpp"

namespace yonder {

namespace detail {

// Returns once one of them has ended: which one, the first such. Not if there is none.
YONDER_API std::size_t wait_for_any(std::vector<call_ref> const& calls);

// A coroutine that goes on when `wanted` of these calls have ended. It may be destroyed while it waits.
class YONDER_API calls_awaiter {
 public:
  calls_awaiter(std::vector<call_ref> calls, std::size_t wanted);
  calls_awaiter(calls_awaiter const&) = delete;
  calls_awaiter& operator=(calls_awaiter const&) = delete;
  ~calls_awaiter();

  bool await_ready() const noexcept;
  // Throws usage_error (bad_configuration) where more are wanted than there are.
  bool await_suspend(std::coroutine_handle<> waiting);

 protected:
  std::size_t first_ended() const noexcept;

 private:
  struct count;

  std::vector<call_ref> calls_;
  std::size_t wanted_;
  std::shared_ptr<count>
      count_;  // outlives this: with several wanted or not, others of the calls tell it later
};

}  // namespace detail

// All of some calls: get() and co_await return their results in order, or throw the first error in that order
// when all have ended. Refers to the calls, which go on if it is dropped.
template <class R>
class [[nodiscard]] all_of_calls {
 public:
  explicit all_of_calls(std::vector<call<R>>& calls) : calls_(calls) {}

  // Waits for all: a vector of their results, or nothing where they return none.
  auto get() {
    for (auto& one : calls_) one.wait();
    return results();
  }

  // As get(), without blocking.
  auto operator co_await() {
    struct awaiter : detail::calls_awaiter {
      awaiter(all_of_calls& of, std::vector<detail::call_ref> refs)
          : detail::calls_awaiter(refs, refs.size()), all(of) {}
      auto await_resume() { return all.results(); }
      all_of_calls& all;
    };
    std::vector<detail::call_ref> refs;
    for (auto const& one : calls_) refs.push_back(detail::call_access::state_of(one));
    return awaiter(*this, std::move(refs));
  }

 private:
  auto results() {
    if constexpr (std::is_void_v<R>) {
      for (auto& one : calls_) one.get();
    } else {
      std::vector<R> all;
      all.reserve(calls_.size());
      for (auto& one : calls_) all.push_back(one.get());
      return all;
    }
  }

  std::vector<call<R>>& calls_;
};

// All of these calls, which must outlive what is returned.
template <class R>
all_of_calls<R> when_all(std::vector<call<R>>& calls) {
  return all_of_calls<R>(calls);
}

// Of calls of several types: get() and co_await return a tuple.
template <class... R>
class [[nodiscard]] all_of_these_calls {
  static_assert(!(std::is_void_v<R> || ...), "yonder: when_all of single calls takes those with results");

 public:
  explicit all_of_these_calls(call<R>&... calls) : calls_(calls...) {}

  // Waits for all.
  std::tuple<R...> get() {
    std::apply([](auto&... one) { (one.wait(), ...); }, calls_);
    return results();
  }

  // As get(), without blocking.
  auto operator co_await() {
    struct awaiter : detail::calls_awaiter {
      awaiter(all_of_these_calls& of, std::vector<detail::call_ref> refs)
          : detail::calls_awaiter(std::move(refs), sizeof...(R)), all(of) {}
      std::tuple<R...> await_resume() { return all.results(); }
      all_of_these_calls& all;
    };
    return awaiter(*this, std::apply(
                              [](auto&... one) {
                                return std::vector<detail::call_ref>{detail::call_access::state_of(one)...};
                              },
                              calls_));
  }

 private:
  // In order: braces.
  std::tuple<R...> results() {
    return std::apply([](auto&... one) { return std::tuple<R...>{one.get()...}; }, calls_);
  }

  std::tuple<call<R>&...> calls_;
};

// The same for calls of several types, which have results.
template <class... R>
requires(sizeof...(R) > 0) all_of_these_calls<R...> when_all(call<R>&... calls) {
  return all_of_these_calls<R...>(calls...);
}

// Any of some calls: get() and co_await return the place of one that has ended, whatever its outcome. Refers
// to the calls; the others go on. There must be one.
template <class R>
class [[nodiscard]] any_of_calls {
 public:
  explicit any_of_calls(std::vector<call<R>> const& calls) {
    for (auto const& one : calls) refs_.push_back(detail::call_access::state_of(one));
  }

  // Waits for one; throws usage_error (bad_configuration) where there is none.
  std::size_t get() const { return detail::wait_for_any(refs_); }

  // As get(), without blocking.
  auto operator co_await() const {
    struct awaiter : detail::calls_awaiter {
      using calls_awaiter::calls_awaiter;
      std::size_t await_resume() const noexcept { return first_ended(); }
    };
    return awaiter(refs_, 1);
  }

 private:
  std::vector<detail::call_ref> refs_;
};

// Any of these calls.
template <class R>
any_of_calls<R> when_any(std::vector<call<R>> const& calls) {
  return any_of_calls<R>(calls);
}

}  // namespace yonder
