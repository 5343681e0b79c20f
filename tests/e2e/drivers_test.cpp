// SPDX-License-Identifier: Apache-2.0
//
// What the drivers decide, seen from a program: stops that come early, coroutines that compute, signals, maps
// whose consumer works.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <future>
#include <mutex>
#include <yonder/stop_token.hpp>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace e2e {
namespace {

// Which worker runs this: its process, and its thread.
std::uint64_t worker() {
  static std::atomic<std::uint64_t> last{0};
  thread_local std::uint64_t const own = ++last;
  return static_cast<std::uint64_t>(::getpid()) << 32U | own;
}
constexpr yonder::task<worker, "e2e.worker"> which_worker;

// Returns once a helper thread that was given the call's token has been told to stop.
bool helper_waits_for_stop() {
  auto const token = yonder::this_call::token();
  bool const same = token.id() == yonder::this_call::id() && token.attempt() == yonder::this_call::attempt();
  std::thread([token] {
    std::promise<void> told;
    std::stop_callback const on_stop(yonder::stop_token_of(token), [&told] { told.set_value(); });
    told.get_future().wait();
    while (!token.stop_requested()) std::this_thread::yield();
  }).join();
  return same;
}
constexpr yonder::task<helper_waits_for_stop, "e2e.helper_waits_for_stop"> helper_waits;

int leave_mark(std::string const& folder, int n) {
  ::close(::open((folder + "/" + std::to_string(n)).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  return n;
}
constexpr yonder::task<leave_mark, "e2e.leave_mark"> marked;

struct temporary_folder {
  std::string path = "/tmp/yonder-e2e-XXXXXX";
  temporary_folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~temporary_folder() {
    for (int i = 0; i < 100; ++i) ::unlink((path + "/" + std::to_string(i)).c_str());
    ::rmdir(path.c_str());
  }
  bool has(int n) const { return ::access((path + "/" + std::to_string(n)).c_str(), F_OK) == 0; }
};

yonder::runtime_options one_worker() { return {.max = 1, .in_process = threads()}; }

struct background {
  struct promise_type {
    background get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    struct last {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
        ended.promise().done.store(true, std::memory_order_release);
      }
      void await_resume() noexcept {}
    };
    last final_suspend() noexcept { return {}; }
    std::atomic<bool> done{false};  // it may be destroyed
    void return_void() {}
    [[noreturn]] void unhandled_exception() { throw; }
  };
  std::coroutine_handle<promise_type> handle;
};

// These wait for a call that ends when it is cancelled: they never go on at once, on the thread that made
// them.
background hold(yonder::call<bool>& call, std::promise<void>& resumed, std::future<void> release) {
  try {
    co_await call;
  } catch (yonder::cancelled const&) {
    resumed.set_value();
    release.wait();
  }
}

background note_thread(yonder::call<bool>& call, std::thread::id& where, bool& done) {
  try {
    co_await call;
  } catch (yonder::cancelled const&) {
    where = std::this_thread::get_id();
    done = true;
  }
}

background fall(yonder::call<bool>& call) { co_await call; }

// A coroutine that goes on until it is released.
class held_coroutine {
 public:
  explicit held_coroutine(yonder::call<bool> call) : call_(std::move(call)) {
    coroutine_ = hold(call_, resumed_, release_.get_future()).handle;
    call_.cancel();
    resumed_.get_future().wait();
  }
  void release() {
    release_.set_value();
    while (!coroutine_.promise().done.load(std::memory_order_acquire)) std::this_thread::yield();
    coroutine_.destroy();
  }

 private:
  yonder::call<bool> call_;
  std::promise<void> resumed_;
  std::promise<void> release_;
  std::coroutine_handle<background::promise_type> coroutine_;
};

// Runs what it is given on the thread that calls run_until().
class loop {
 public:
  void post(yonder::continuation next) {
    std::lock_guard const held(mutex_);
    due_.push_back(std::move(next));
    came_.notify_one();
  }
  void run_until(bool const& done) {
    std::unique_lock held(mutex_);
    while (!done) {
      came_.wait(held, [&] { return !due_.empty(); });
      auto const next = due_.front();
      due_.pop_front();
      held.unlock();
      next();
      held.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<yonder::continuation> due_;
};

std::atomic<int> signals_taken{0};

}  // namespace

TEST_CASE("a call that is cancelled at once costs no worker") {
  yonder::runtime here(one_worker());
  auto const first = which_worker.on(here).remote();
  for (int i = 0; i < 20; ++i) {
    auto call = task::wait_for_stop.on(here).spawn();
    call.cancel();
    CHECK(which_worker.on(here).remote() == first);
    CHECK_THROWS_AS(call.get(), yonder::cancelled);
  }
}

TEST_CASE("a task's helper threads learn by its token that it is to stop") {
  yonder::runtime here(one_worker());
  auto const first = which_worker.on(here).remote();
  auto call = helper_waits.on(here).with({.timeout = 20ms}).spawn();
  CHECK_THROWS_AS(call.get(), yonder::timed_out);
  CHECK(which_worker.on(here).remote() == first);  // the task has returned: its worker was not ended
}

TEST_CASE("outside of a task there is no call") {
  auto const token = yonder::this_call::token();
  CHECK_FALSE(token.stop_requested());
  CHECK(token.attempt() == 0);
  CHECK(token.id() == yonder::call_id{});
  CHECK_FALSE(yonder::this_call::stop_token().stop_possible());
}

TEST_CASE("a coroutine that goes on for long holds up no other call") {
  held_coroutine busy(task::wait_for_stop.spawn());
  auto other = task::twice.spawn(2);
  auto const too_long = std::chrono::steady_clock::now() + 30s;
  while (!other.ready() && std::chrono::steady_clock::now() < too_long)
    std::this_thread::yield();  // nobody waits: the housekeeper leads
  bool const is_held_up = !other.ready();
  busy.release();
  CHECK_FALSE(is_held_up);
  CHECK(other.get() == 4);
}

TEST_CASE("coroutines go on where runtime_options::executor says") {
  loop own;
  bool done = false;
  std::thread::id where;
  auto options = one_worker();
  options.executor = [&own](auto next) { own.post(std::move(next)); };
  yonder::runtime here(options);
  auto call = task::wait_for_stop.on(here).spawn();
  auto const noted = note_thread(call, where, done);
  call.cancel();
  own.run_until(done);
  CHECK(where == std::this_thread::get_id());
  noted.handle.destroy();
}

TEST_CASE("an exception that a coroutine lets out ends nothing") {
  auto call = task::wait_for_stop.spawn();
  auto const fallen = fall(call);
  call.cancel();
  held_coroutine next(task::wait_for_stop.spawn());  // goes on after it, on the same thread
  next.release();
  fallen.handle.destroy();
}

TEST_CASE("a map sends its next call while its consumer works on a result") {
  temporary_folder const folder;
  std::vector<std::tuple<std::string, int>> arguments;
  for (int i = 0; i < 12; ++i) arguments.emplace_back(folder.path, i);
  for (int const n : marked.starmap(arguments).window(2))
    while (n < 11 && !folder.has(n + 1)) std::this_thread::yield();
  CHECK(folder.has(11));
}

TEST_CASE("threads of the runtime take no signals") {
  struct sigaction counting {};
  struct sigaction before {};
  counting.sa_handler = [](int) { ++signals_taken; };
  REQUIRE(::sigaction(SIGUSR1, &counting, &before) == 0);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, SIGUSR1);
  {
    yonder::runtime here(one_worker());
    CHECK(task::twice.on(here).remote(1) == 2);
    held_coroutine busy(task::wait_for_stop.on(here).spawn());  // every thread stands
    sigset_t mask;
    REQUIRE(::pthread_sigmask(SIG_BLOCK, &only, &mask) == 0);
    for (int i = 0; i < 100; ++i) {
      REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
      CHECK(task::twice.on(here).remote(i) == 2 * i);
    }
    siginfo_t taken;
    timespec const at_once{0, 0};
    CHECK(::sigtimedwait(&only, &taken, &at_once) == SIGUSR1);  // it has waited for a thread of the program
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &mask, nullptr) == 0);
    busy.release();
  }
  CHECK(signals_taken == 0);
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
}

}  // namespace e2e
