// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "yonder/detail/export.hpp"

namespace yonder {

namespace detail {
class engine;
}  // namespace detail

// What goes on when a call has ended: a coroutine, or nothing if it was destroyed meanwhile. Run it once, on
// any thread; in a fork it does nothing.
class YONDER_API continuation {
 public:
  explicit continuation(std::shared_ptr<detail::engine> owner) noexcept : owner_(std::move(owner)) {}
  void operator()() const;

 private:
  std::shared_ptr<detail::engine> owner_;
};

// Where coroutines that awaited a call go on: a function that takes a continuation and has it run, now or
// later. It is called on a thread of the runtime that does nothing else. Copies share the function.
class executor {
 public:
  executor() noexcept = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, executor> && std::is_invocable_v<F&, continuation>)
      executor(F function)  // NOLINT(google-explicit-constructor): as std::function
      : function_(std::make_shared<F>(std::move(function))),
        call_([](void* target, continuation&& next) { (*static_cast<F*>(target))(std::move(next)); }) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }
  void operator()(continuation next) const { call_(function_.get(), std::move(next)); }

 private:
  std::shared_ptr<void> function_;
  void (*call_)(void*, continuation&&) = nullptr;
};

}  // namespace yonder
