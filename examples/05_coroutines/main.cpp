// SPDX-License-Identifier: Apache-2.0
//
// Calls are awaitable in any coroutine. It resumes on the runtime's own thread: no thread waits.
#include <yonder/yonder.hpp>

#include <coroutine>
#include <exception>
#include <future>
#include <iostream>

int collatz(int n) { return n % 2 == 0 ? n / 2 : 3 * n + 1; }

inline constexpr yonder::task<collatz> next;

// The least that a coroutine needs; a library's task type does as well.
struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

detached steps_to_one(int n, std::promise<int>& done) {
  int steps = 0;
  for (; n != 1; ++steps) n = co_await next.spawn(n);
  done.set_value(steps);
}

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  std::promise<int> from_27;
  std::promise<int> from_97;
  steps_to_one(27, from_27);  // both are on their way at once
  steps_to_one(97, from_97);
  std::cout << "27: " << from_27.get_future().get() << " steps\n";
  std::cout << "97: " << from_97.get_future().get() << " steps\n";
}
