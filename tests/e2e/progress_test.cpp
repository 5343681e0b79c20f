// SPDX-License-Identifier: Apache-2.0
//
// How far tasks say that they are. The pool has two workers.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "src/runtime/orders.hpp"
#include "src/runtime/progress_bar.hpp"
#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/tasks.hpp"

namespace e2e::progress {

void open_gate(std::string const& gate) { std::ofstream(gate).put('x'); }
void wait_at(std::string const& gate) {
  while (!std::filesystem::exists(gate) && !yonder::this_call::stop_requested()) std::this_thread::yield();
}

// Says how far it is, and waits at a gate for somebody to have seen it.
int in_two_steps(std::string const& gates) {
  yonder::this_call::report_progress(0.25, "begun");
  wait_at(gates + "1");
  yonder::this_call::report_progress(0.75, std::string(300, 'x'));
  wait_at(gates + "2");
  return 1;
}
int beyond(double fraction, std::string const& gate) {
  yonder::this_call::report_progress(fraction);
  wait_at(gate);
  return 2;
}
// Of many that run in a row, one reports and waits.
int in_company(int n, std::string const& gate) {
  yonder::this_call::report_progress(0.5, std::to_string(n));
  if (n == 7) wait_at(gate);
  return n;
}
class Counter {
 public:
  static constexpr unsigned concurrency = 2;
  explicit Counter(int by) : by_(by) { yonder::this_call::report_progress(0.1, "made"); }
  int count(std::string const& gate) const {
    yonder::this_call::report_progress(0.5, std::to_string(by_));
    wait_at(gate);
    return by_;
  }

 private:
  int by_;
};

inline constexpr yonder::task<e2e::progress::in_two_steps> steps;
inline constexpr yonder::task<e2e::progress::beyond> outside;
inline constexpr yonder::task<e2e::progress::in_company> companion;
inline constexpr yonder::service<Counter(int)> counter;
inline constexpr yonder::method<&Counter::count> counted;

namespace {

// What a call's task says, for whoever waits until it says so.
class heard {
 public:
  template <class Call>
  explicit heard(Call const& call) {
    call.on_progress([all = all_](yonder::progress_report const& latest) {
      std::lock_guard const held(all->mutex);
      all->reports.push_back(latest);
      all->came.notify_all();
    });
  }
  yonder::progress_report until(double fraction) {
    std::unique_lock held(all_->mutex);
    auto const& reports = all_->reports;
    all_->came.wait(held, [&] { return !reports.empty() && reports.back().fraction == fraction; });
    return reports.back();
  }

 private:
  struct state {
    std::mutex mutex;
    std::condition_variable came;
    std::vector<yonder::progress_report> reports;
  };
  std::shared_ptr<state> all_ = std::make_shared<state>();
};

// Stderr, as long as it lives.
class redirected {
 public:
  explicit redirected(int to) : before_(::dup(STDERR_FILENO)) { ::dup2(to, STDERR_FILENO); }
  ~redirected() { ::dup2(before_.get(), STDERR_FILENO); }
  redirected(redirected const&) = delete;
  redirected& operator=(redirected const&) = delete;

 private:
  yonder::platform::unique_fd before_;
};

}  // namespace

TEST_CASE("whoever waits for a call hears how far its task is, and may ask") {
  folder const place;
  auto const gates = place / "gate";
  auto call = steps.spawn(gates);
  heard listener(call);
  CHECK(listener.until(0.25).text == "begun");
  CHECK(call.progress()->text == "begun");
  open_gate(gates + "1");
  CHECK(listener.until(0.75).text == std::string(256, 'x'));  // what is longer is cut
  open_gate(gates + "2");
  CHECK(call.get() == 1);
  CHECK(call.progress()->fraction == 0.75);
}

TEST_CASE("a task that says nothing has said nothing, and outside of a call nothing is said") {
  auto call = task::add.spawn(1, 2);
  CHECK(call.get() == 3);
  CHECK_FALSE(call.progress());
  yonder::this_call::report_progress(0.5, "nobody hears it");
}

TEST_CASE("a fraction outside of its range counts as the nearest, and what is no number as none") {
  struct {
    double said, heard;
  } const each[]{{-1, 0}, {7, 1}, {std::numeric_limits<double>::quiet_NaN(), 0}};
  for (auto const& one : each) {
    folder const place;
    auto call = outside.spawn(one.said, place / "gate");
    heard listener(call);
    listener.until(one.heard);
    open_gate(place / "gate");
    CHECK(call.get() == 2);
  }
}

TEST_CASE("calls of a service that run at once are told apart, and its constructor speaks to nobody") {
  folder const place;
  auto const service = counted.on(counter(5));
  auto first = service.spawn(place / "first");
  auto second = service.spawn(place / "second");
  heard of_first(first), of_second(second);
  CHECK(of_first.until(0.5).text == "5");
  CHECK(of_second.until(0.5).text == "5");
  open_gate(place / "second");
  CHECK(second.get() == 5);
  CHECK(first.progress()->fraction == 0.5);
  open_gate(place / "first");
  CHECK(first.get() == 5);
}

TEST_CASE("what a listener throws is its own, and the next report comes") {
  folder const place;
  auto const gates = place / "gate";
  auto call = steps.spawn(gates);
  auto const told = std::make_shared<std::counting_semaphore<>>(0);
  {
    yonder::platform::unique_fd const nowhere(::open("/dev/null", O_WRONLY));
    redirected const quiet(nowhere.get());
    call.on_progress([told](yonder::progress_report const&) {
      told->release();
      throw std::runtime_error("not now");
    });
    told->acquire();
    open_gate(gates + "1");
    told->acquire();
    open_gate(gates + "2");
    CHECK(call.get() == 1);
  }
}

TEST_CASE("a map shows a bar on a terminal, in which what runs counts as far as it is") {
  yonder::platform::unique_fd const terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(terminal);
  REQUIRE(::grantpt(terminal.get()) == 0);
  REQUIRE(::unlockpt(terminal.get()) == 0);
  yonder::platform::unique_fd screen(::open(::ptsname(terminal.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(screen);
  ::setenv("TERM", "xterm", 1);
  folder const place;
  std::vector<std::tuple<int, std::string>> all;
  for (int i = 0; i < 8; ++i) all.emplace_back(i, place / "gate");
  std::string shown;
  std::thread reader([&] {
    char text[512];
    for (ssize_t size = 0; (size = ::read(terminal.get(), text, sizeof text)) > 0;) {
      shown.append(text, static_cast<std::size_t>(size));
      if (shown.find(" 93% ") != std::string::npos) open_gate(place / "gate");  // seven and a half of eight
    }
  });
  int sum = 0;
  {
    redirected const to_screen(screen.get());
    for (int const one : companion.starmap(all).progress()) sum += one;
  }
  screen.reset();
  reader.join();
  CHECK(sum == 28);
  CHECK(shown.find("7/8") != std::string::npos);
  CHECK(shown.find("8/8") != std::string::npos);
  CHECK(shown.find("100% [##") != std::string::npos);
  CHECK(shown.ends_with("\n"));
}

TEST_CASE("on a pipe a map shows nothing") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  yonder::platform::unique_fd const out(ends[0]);
  yonder::platform::unique_fd in(ends[1]);
  {
    redirected const to_pipe(in.get());
    task::thrice.for_each(std::vector<int>{1, 2, 3}, {.progress = true});
  }
  in.reset();
  char byte = 0;
  CHECK(::read(out.get(), &byte, 1) == 0);
}

TEST_CASE("orders that are given at once among many calls in flight are each taken") {
  folder const place;
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 80; ++i) calls.push_back(companion.spawn(7, place / "gate"));
  auto const engine = yonder::detail::current_engine();
  std::atomic<int> refused{0};
  {
    std::vector<std::jthread> askers;
    for (int i = 0; i < 8; ++i)
      askers.emplace_back([&] {
        for (int n = 0; n < 20; ++n) try {
            yonder::detail::maps_of(engine);
          } catch (yonder::error const&) {
            ++refused;
          }
      });
  }
  open_gate(place / "gate");
  CHECK(refused == 0);
  for (auto& call : calls) call.get();
}

TEST_CASE("a map that shows itself is told to its hub while it goes on, and no other one is") {
  folder const place;
  std::vector<std::tuple<int, std::string>> all;
  for (int i = 0; i < 8; ++i) all.emplace_back(i, place / "gate");
  auto const engine = yonder::detail::current_engine();
  std::vector<yonder::detail::map_seen> seen;
  std::size_t most = 0;
  auto const look = [&] {
    seen = yonder::detail::maps_of(engine);
    most = std::max(most, seen.size());
  };
  int sum = 0, others = 0;
  std::thread looker([&] {
    while (seen.empty() || seen[0].done < 7) look();
    // One of two workers waits at the gate: the other map has the other one, for as long as a report takes.
    std::thread other([&] {
      for (int const one : companion.starmap(all)) others += one;
    });
    for (auto const until = seen[0].elapsed + 1500ms; seen[0].elapsed < until;) look();
    open_gate(place / "gate");
    other.join();
  });
  for (int const one : companion.starmap(all).progress().unordered()) sum += one;
  looker.join();
  CHECK(sum == 28);
  CHECK(others == 28);
  CHECK(most == 1);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].task == companion.name);
  CHECK(seen[0].total == 8);
  CHECK(seen[0].failed == 0);
  CHECK(seen[0].elapsed >= 1s);
  CHECK(seen[0].fraction() > 0.87);
  CHECK(seen[0].left().has_value());
  // Over, it is none: what it said last goes before whatever is asked later.
  CHECK(yonder::detail::maps_of(engine).empty());
}

TEST_CASE("a bar's line has the percentage, the count, the rate and the time that is left") {
  using yonder::detail::bar_line;
  constexpr auto second = yonder::core::second;
  CHECK(bar_line({.done = 420, .total = 1000, .elapsed = 12 * second}, 80) ==
        " 42% [############..................] 420/1000  35.0/s  17 s left");
  CHECK(bar_line({.done = 1, .total = 4, .running = 1.5, .elapsed = 1000 * second}, 80) ==
        " 62% [##################............] 1/4  16 min 40 s each  10 min 00 s left");
  CHECK(bar_line({.done = 0, .total = 3}, 80) == "  0% [..............................] 0/3");
  CHECK(bar_line({.done = 1000, .total = 1000, .elapsed = 7300 * second, .over = true}, 80) ==
        "100% [##############################] 1000/1000  7 s each  2 h 01 min");
  CHECK(bar_line({.done = 12, .elapsed = 6 * second}, 80) == "12  2.00/s  6 s");
  CHECK(bar_line({.done = 0, .total = 0}, 80) == "100% [##############################] 0/0  0 s left");
  CHECK(bar_line({.done = 420, .total = 1000, .elapsed = 12 * second}, 20) == " 42% 420/1000  35.0/");
}

}  // namespace e2e::progress
