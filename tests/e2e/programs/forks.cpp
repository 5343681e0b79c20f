// SPDX-License-Identifier: Apache-2.0
//
// Forks with calls on their way. What is wrong goes to stdout, a line each.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace {

// The child of a task's fork returns from the task too, and does so first.
int forked(bool throws) {
  auto const child = ::fork();
  if (child == 0) {
    if (throws) throw std::runtime_error("from the child");
    return -1;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
constexpr yonder::task<forked, "forked"> forking;

// A task's fork calls before the task itself has: by a connection of the worker's.
int called_in_fork() {
  auto const child = ::fork();
  if (child == 0) {
    ::alarm(30);
    ::_exit(e2e::failure_of([] { e2e::task::add.remote(1, 2); }).code == yonder::errc::no_runtime ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0 ? e2e::task::add.remote(20, 3) : -1;
}
constexpr yonder::task<called_in_fork, "called_in_fork"> calling_in_fork;

bool all_right = true;

void expect(bool right, char const* what) {
  if (right) return;
  std::printf("not so: %s\n", what);
  std::fflush(stdout);
  all_right = false;
}

// Whether `body` holds in a fork, which hangs nowhere.
bool holds_in_fork(std::function<bool()> const& body) {
  auto const child = ::fork();
  if (child == 0) {
    ::alarm(30);
    ::_exit(body() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

template <class Body>
bool is_refused(Body body) {
  return e2e::failure_of(body).code == yonder::errc::no_runtime;
}

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

detached await_in_fork(yonder::call<bool>& call, bool& refused) {
  try {
    co_await call;
  } catch (yonder::error const& error) {
    refused = error.code() == yonder::errc::no_runtime;
  }
}

void check_calls() {
  auto ended = e2e::task::twice.spawn(21);
  ended.wait();
  auto running = e2e::task::wait_for_stop.spawn();
  expect(!running.get_for(1ms), "the call runs before the fork");
  auto const inert = [&] {
    bool coroutine_refused = false;
    await_in_fork(running, coroutine_refused);
    running.cancel();
    return is_refused([&] { running.get(); }) && is_refused([&] { (void)running.get_for(1h); }) &&
           running.try_get().error().code() == yonder::errc::no_runtime && coroutine_refused &&
           is_refused([] { e2e::task::add.remote(1, 2); }) &&
           is_refused([] { e2e::task::add.spawn(1, 2).get(); }) && ended.get() == 42;
  };
  expect(holds_in_fork(inert), "calls are inert in a fork, but for those that had ended");
  expect(holds_in_fork([&] { return holds_in_fork(inert) && inert(); }), "and in a fork of a fork");
  expect(!running.get_for(1ms), "a fork's cancel is no cancel");
  running.cancel();
  expect(e2e::failure_of([&] { running.get(); }).code == yonder::errc::cancelled, "ours is");
}

// Where a descriptor of ours may have been, there is one of the fork's now.
struct own_sockets {
  own_sockets() {
    for (auto& [one, other] : pairs) {
      std::array<int, 2> ends{};
      ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data());
      one = ends[0];
      other = ends[1];
    }
  }
  bool untouched() const {
    for (auto const& [one, other] : pairs) {
      for (int const fd : {one, other}) {
        pollfd looked_at{fd, POLLIN, 0};
        if (::fcntl(fd, F_GETFD) < 0 || ::poll(&looked_at, 1, 0) != 0) return false;
      }
    }
    return true;
  }
  std::array<std::pair<int, int>, 8> pairs;
};

void check_maps(std::unique_ptr<yonder::runtime>& here) {
  std::vector<int> const numbers{1, 2, 3, 4, 5, 6};
  auto ordered = std::make_optional(e2e::task::twice.map(numbers).window(2));
  auto as_they_come = std::make_optional(e2e::task::twice.map(numbers).unordered().window(2));
  auto in_order = ordered->begin();
  auto any = as_they_come->begin();
  expect(*in_order == 2, "a map begins");
  expect(holds_in_fork([&] {
           own_sockets const own;
           bool const refused = is_refused([&] {
                                  ++in_order;
                                  ++in_order;
                                  ++in_order;
                                }) &&
                                is_refused([&] {
                                  ++any;
                                  ++any;
                                  ++any;
                                });
           ordered.reset();
           as_they_come.reset();
           here.reset();
           return refused && own.untouched();
         }),
         "a map and a runtime end in a fork without touching what is the fork's");
  int sum = 0;
  for (; in_order != std::default_sentinel; ++in_order) sum += *in_order;
  expect(sum == 42, "the map goes on");
}

void check_descriptors() {
  expect(holds_in_fork([] {
           own_sockets const own;
           return holds_in_fork([&] { return own.untouched(); });
         }),
         "a fork of a fork keeps the descriptors of the fork");
  expect(holds_in_fork([] {
           yonder::runtime own({.max = 1});
           bool const works = e2e::task::add.remote(1, 2) == 3;
           return works && holds_in_fork([] { return is_refused([] { e2e::task::add.remote(1, 2); }); }) &&
                  e2e::task::add.remote(1, 2) == 3 && own.worker_count() == 1;
         }),
         "a fork may make a runtime of its own");
}

void check_tasks() {
  expect(forking.remote(false) == EXIT_SUCCESS, "the child of a task's fork ends, and the parent answers");
  expect(forking.remote(true) == EXIT_FAILURE, "also where the child throws");
  expect(calling_in_fork.remote() == 23, "a task's fork calls nothing, and the task does");
  yonder::runtime threads({.max = 1, .in_process = true});
  expect(forking.on(threads).remote(false) == EXIT_SUCCESS, "and where workers are threads");
}

detached fork_in_coroutine(yonder::call<bool>& call, std::atomic<int>& status) {
  try {
    co_await call;
  } catch (yonder::cancelled const&) {
  }
  auto const child = ::fork();
  if (child == 0) co_return;  // into the runtime
  int how = 0;
  ::waitpid(child, &how, 0);
  status = how;
  status.notify_one();
}

void check_coroutines() {
  std::atomic<int> status{-1};
  auto call = e2e::task::wait_for_stop.spawn();
  fork_in_coroutine(call, status);  // suspends: the call goes on
  call.cancel();
  status.wait(-1);
  expect(status == 0, "the child of a coroutine's fork ends where the coroutine does");
}

detached note_resumption(yonder::call<bool>& call, bool& resumed) {
  try {
    co_await call;
  } catch (yonder::cancelled const&) {
    resumed = true;
  }
}

void check_continuations() {
  std::promise<yonder::continuation> kept;
  yonder::runtime here(
      {.max = 1, .executor = [&kept](yonder::continuation next) { kept.set_value(std::move(next)); }});
  auto call = e2e::task::wait_for_stop.on(here).spawn();
  bool resumed = false;
  note_resumption(call, resumed);
  call.cancel();
  auto const next = kept.get_future().get();
  expect(holds_in_fork([&] {
           next();
           return !resumed;
         }),
         "a continuation does nothing in a fork");
  next();
  expect(resumed, "and goes on here");
}

// Says the worker's process, and is killed; its fork lives until nobody reads any more.
void leave_fork() {
  int const worker = e2e::task::process.remote();
  std::array<int, 2> parent{};
  if (::pipe(parent.data()) != 0) return;
  if (::fork() == 0) {
    ::close(parent[1]);
    char byte = 0;
    constexpr std::string_view lives =
        "the fork lives\n";  // written without a lock or memory of the parent's
    if (::read(parent[0], &byte, 1) == 0) std::ignore = ::write(STDOUT_FILENO, lives.data(), lives.size());
    pollfd readers{STDOUT_FILENO, 0, 0};
    ::poll(&readers, 1, 30'000);
    ::_exit(0);
  }
  std::printf("%d\n", worker);  // whoever reads it kills this process
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  auto here = std::make_unique<yonder::runtime>(argc, argv, yonder::runtime_options{.max = 1});
  e2e::task::add.remote(1, 2);
  if (std::getenv("YONDER_TEST_FORK") != nullptr) leave_fork();
  check_calls();
  check_maps(here);
  check_descriptors();
  check_tasks();
  check_coroutines();
  check_continuations();
  expect(e2e::task::add.remote(1, 2) == 3, "calls of the program itself go on");
  expect(holds_in_fork([&] { return here->worker_count() == 0 && here->addresses().empty(); }),
         "a fork has no workers");
  if (all_right) std::puts("all as it should be");
}
