// SPDX-License-Identifier: Apache-2.0
//
// Tasks that call tasks. The pool has two workers.
#include <doctest/doctest.h>

#include <chrono>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace e2e {

class prepared_service {
 public:
  explicit prepared_service(int n) : start_(task::twice.remote(n)) {}
  int start() const { return start_; }

 private:
  int start_;
};

namespace {

int sum_of_doubles(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 1);
  int sum = 0;
  for (int const twice : task::twice.map(numbers)) sum += twice;
  return sum;
}
std::string survive(std::string const& how) {
  try {
    task::crash.remote(how);
  } catch (yonder::worker_lost const& lost) {
    return "lost by signal " + std::to_string(lost.details().signal);
  }
  return "not lost";
}
int fail_within(std::string const& kind) { return task::fail_with.remote(kind); }
bool wait_within() { return task::wait_for_stop.remote(); }
bool wait_twice_within() {
  try {
    task::wait_for_stop.remote();
  } catch (yonder::cancelled const&) {
  }
  return task::wait_for_stop.remote();
}
std::string helper_thread() {
  std::string said;
  std::thread([&] { said = failure_of([] { task::twice.remote(1); }).message; }).join();
  return said;
}
// Its own trace, and that of what it calls, and of what that calls.
std::vector<std::string> traces(int depth);
constexpr yonder::task<&traces, "e2e.traces"> tracing;
std::vector<std::string> traces(int depth) {
  std::vector<std::string> seen{yonder::this_call::trace()};
  if (depth == 0) return seen;
  for (auto& one : tracing.remote(depth - 1)) seen.push_back(std::move(one));
  return seen;
}
std::vector<std::string> traces_of_company(std::span<int const> items) {
  auto const own = yonder::this_call::trace();
  auto const nested = tracing.remote(0).front();
  return std::vector<std::string>(items.size(), own + "/" + nested);
}
int own_runtime() {
  yonder::runtime other({.max = 1, .in_process = true});
  return task::twice.on(other).remote(21);
}
int dig(int depth);
constexpr yonder::task<&dig, "e2e.dig"> digging;
int dig(int depth) { return depth == 0 ? 0 : 1 + digging.remote(depth - 1); }
int leave_behind(int n) {
  for (int i = 0; i < n; ++i) (void)task::wait_for_stop.spawn();
  return n;
}
bool give_up_soon() { return task::wait_for_stop.spawn().get_for(1ms).has_value(); }

std::vector<int> double_twice(std::span<int const> numbers) {
  std::vector<int> doubled;
  for (int const n : task::twice.map(numbers)) doubled.push_back(2 * n);
  return doubled;
}
constexpr yonder::batched<traces_of_company, "e2e.traces_of_company"> tracing_company{{.max_size = 4}};
constexpr yonder::batched<double_twice, "e2e.double_twice"> doubled_twice{{.max_size = 4}};
constexpr yonder::service<prepared_service(int), "e2e.prepared"> prepared{{.max = 1}};
constexpr yonder::method<&prepared_service::start, "e2e.prepared.start"> tell_start;

constexpr yonder::task<sum_of_doubles, "e2e.sum_of_doubles"> summed;
constexpr yonder::task<survive, "e2e.survive"> surviving;
constexpr yonder::task<fail_within, "e2e.fail_within"> failing;
constexpr yonder::task<wait_within, "e2e.wait_within"> waiting;
constexpr yonder::task<wait_twice_within, "e2e.wait_twice_within"> waiting_twice;
constexpr yonder::task<helper_thread, "e2e.helper_thread"> helped;
constexpr yonder::task<own_runtime, "e2e.own_runtime"> with_own_runtime;
constexpr yonder::task<leave_behind, "e2e.leave_behind"> leaving_behind;
constexpr yonder::task<give_up_soon, "e2e.give_up_soon"> giving_up;

}  // namespace

TEST_CASE("a task calls tasks: remote, spawn and map") {
  CHECK(task::nested.remote() == "from a worker!");
  CHECK(task::leaves.remote(1) == 2);
  CHECK(summed.remote(1000) == 1'001'000);
}

TEST_CASE("fork-join of branching 2 and depth 8 takes 2 · depth · cores processes at most") {
  constexpr int depth = 8;
  yonder::runtime here({.max = 2, .in_process = threads()});
  CHECK(task::leaves.on(here).remote(depth) == 256);
  CHECK(here.worker_count() <= 2 * depth * 2);
  CHECK(task::leaves.on(here).remote(depth) == 256);  // by the same ones
  CHECK(here.worker_count() <= 2 * depth * 2);
}

TEST_CASE("many calls that call on go through two workers' worth of computing") {
  std::vector<int> const depths(20, 2);
  for (int const count : task::leaves.map(depths)) CHECK(count == 4);
}

TEST_CASE("what a nested call throws reaches the task that made it, and through it the caller") {
  CHECK_THROWS_WITH_AS(failing.remote("out_of_range"), "past the end", std::out_of_range);
  if (!threads()) CHECK(surviving.remote("abort") == "lost by signal 6");
}

TEST_CASE("the deadline of a call ends what its task has called, and its cancel does") {
  auto const late = failure_of([] { waiting.with({.deadline = 50ms}).remote(); });
  CHECK(late.code == yonder::errc::deadline_exceeded);
  auto cancelled = waiting_twice.spawn();
  CHECK_FALSE(cancelled.get_for(20ms).has_value());
  cancelled.cancel();
  CHECK(failure_of([&] { cancelled.get(); }).code == yonder::errc::cancelled);
  CHECK(summed.remote(3) == 12);
}

TEST_CASE("the trace of a call is inherited by what its task calls, each with its caller as the parent") {
  constexpr std::string_view given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  CHECK(yonder::this_call::trace().empty());
  auto const parts_of = [&](std::vector<std::string> const& seen) {
    std::set<std::string> traces, spans;
    for (auto const& one : seen) {
      CHECK(one.size() == given.size());
      traces.insert(one.substr(3, 32) + one.substr(52));
      spans.insert(one.substr(36, 16));
    }
    CHECK(spans.size() == seen.size());
    CHECK(traces.size() == 1);
    return *traces.begin();
  };
  CHECK(parts_of(tracing.with({.traceparent = given}).remote(2)) == "4bf92f3577b34da6a3ce929d0e0e4736-01");
  auto own = tracing.spawn(2);
  auto const id = to_string(own.id());
  CHECK(parts_of(own.get()) == id + "-00");  // what begins by itself is known by its call
  auto const one = tracing_company.with({.traceparent = given}).remote(1);
  CHECK(one.substr(3, 32) == given.substr(3, 32));
  CHECK(one.substr(59, 32) == given.substr(3, 32));
  for (auto& of_several : tracing_company.with({.traceparent = given}).map(std::vector<int>(8))) {
    CHECK(of_several.substr(3, 32) == given.substr(3, 32));
    CHECK(of_several.substr(59, 32) == given.substr(3, 32));
  }
  auto const refused = failure_of([] { tracing.with({.traceparent = "00-1-2-3"}).remote(0); });
  CHECK(refused.code == yonder::errc::bad_configuration);
  CHECK(refused.message.find("the traceparent is '00-1-2-3'") == 0);
}

TEST_CASE("a task that waits for some time only goes on after it") { CHECK_FALSE(giving_up.remote()); }

TEST_CASE("what a task has spawned and not waited for ends with it") {
  CHECK(leaving_behind.remote(10) == 10);
  CHECK(task::twice.remote(4) == 8);  // no worker is taken
}

TEST_CASE("calls that call on without end are refused in words") {
  auto const refused = failure_of([] { digging.remote(40); });
  CHECK(refused.message.find("nested_too_deep") != std::string::npos);
  CHECK(digging.remote(5) == 5);
}

TEST_CASE("workers are started for calls that wait while nothing else happens") {
  yonder::runtime here({.max = 2, .in_process = threads()});
  auto busy = task::wait_for_stop.on(here).spawn();  // one worker's worth of computing is left
  CHECK(digging.on(here).with({.deadline = 20s}).remote(30) == 30);
  busy.cancel();
}

TEST_CASE("helper threads of a worker's task are told who may call") {
  if (threads()) return;  // there, they call as any thread of the program does
  CHECK(helped.remote().find("the thread that it was called on") != std::string::npos);
}

TEST_CASE("a batched function calls tasks, and so does the constructor of a service") {
  std::vector<int> const numbers{1, 2, 3, 4, 5, 6};
  int sum = 0;
  for (int const n : doubled_twice.map(numbers)) sum += n;
  CHECK(sum == 84);
  CHECK(tell_start.on(prepared(20)).remote() == 40);
}

TEST_CASE("a task may have a runtime of its own") {
  if (!threads()) return;  // a worker has none: it is one
  CHECK(with_own_runtime.remote() == 42);
}

}  // namespace e2e
