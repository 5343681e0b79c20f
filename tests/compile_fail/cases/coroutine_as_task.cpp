// SPDX-License-Identifier: Apache-2.0
// expect: a coroutine is no task: nobody resumes it on a worker
#include <coroutine>
#include <yonder/task.hpp>

struct later {
  struct promise_type {
    later get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  later() = default;
  later(later const&) = default;
};
later compute(int number);
inline constexpr yonder::task<compute> compute_task;

void use() {
  compute_task.remote(1);
  compute_task.spawn(2).get();
}
