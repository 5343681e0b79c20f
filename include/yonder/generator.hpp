// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>
#include <version>

#include "yonder/error.hpp"

#ifdef __cpp_lib_generator
#include <generator>
#endif

namespace yonder {

// What a function returns that makes its result item by item, with co_yield: an input range, read once. The
// function runs as far as its items are asked for, on the thread that asks; what it throws is thrown there.
// Destroying the generator early destroys what the function holds.
//
//   yonder::generator<int> count_to(int n) {
//     for (int i = 1; i <= n; ++i) co_yield i;
//   }
//
// A task of such a function is called with stream().
template <class T>
class [[nodiscard]] generator {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "yonder: a generator's items are values");

 public:
  class promise_type;
  using value_type = T;

  generator(generator&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  generator& operator=(generator other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~generator() {
    if (coroutine_) coroutine_.destroy();
  }

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    iterator(iterator&&) noexcept = default;
    iterator& operator=(iterator&&) noexcept = default;

    // The item, which may be moved from.
    T&& operator*() const noexcept { return std::move(*coroutine_.promise().item_); }
    iterator& operator++() {
      coroutine_.promise().go_on(coroutine_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) { return i.coroutine_.done(); }

   private:
    friend generator;
    explicit iterator(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
    std::coroutine_handle<promise_type> coroutine_;
  };

  // Runs to the first item. Once. Throws usage_error where it was moved from.
  iterator begin() {
    if (!coroutine_) detail::throw_moved_from("generator");
    coroutine_.promise().go_on(coroutine_);
    return iterator(coroutine_);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  explicit generator(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

template <class T>
class generator<T>::promise_type {
 public:
  generator get_return_object() {
    return generator(std::coroutine_handle<promise_type>::from_promise(*this));
  }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  std::suspend_always yield_value(T&& item) noexcept {
    item_ = std::addressof(item);
    return {};
  }
  // A copy, which lasts until the function goes on.
  auto yield_value(T const& item) {
    struct awaiter : std::suspend_always {
      explicit awaiter(T const& from) : copy(from) {}
      void await_suspend(std::coroutine_handle<promise_type> by) noexcept {
        by.promise().item_ = std::addressof(copy);
      }
      T copy;
    };
    return awaiter(item);
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { thrown_ = std::current_exception(); }
  // A generator makes items; it does not wait for others.
  template <class Awaitable>
  void await_transform(Awaitable&&) = delete;

 private:
  friend generator;
  friend iterator;

  void go_on(std::coroutine_handle<promise_type> coroutine) {
    coroutine.resume();
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

  T* item_ = nullptr;
  std::exception_ptr thrown_;
};

namespace detail {

// What a function's result streams, if it is a generator: nothing for others.
template <class Result>
struct stream_item {};
template <class T>
struct stream_item<generator<T>> {
  using type = T;
};
#ifdef __cpp_lib_generator
template <class Reference, class Value, class Allocator>
struct stream_item<std::generator<Reference, Value, Allocator>> {
  using type = typename std::generator<Reference, Value, Allocator>::value_type;
};
#endif

template <class Result>
concept is_stream = requires {
  typename stream_item<std::remove_cv_t<Result>>::type;
};
template <is_stream Result>
using stream_item_t = typename stream_item<std::remove_cv_t<Result>>::type;

}  // namespace detail
}  // namespace yonder
