// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/tasks.hpp"
#include "tests/support/slow_link.hpp"
#include "transports/zmq/keys.hpp"

// One hub, and neighbours that are slow, large, or die: whoever makes small calls is served as if alone.
namespace e2e {
namespace {

using namespace std::chrono_literals;
using yonder::testing::slow_link;

// As long as the issue's own case only where time is given: YONDER_E2E_LARGE.
bool large() { return std::getenv("YONDER_E2E_LARGE") != nullptr; }
std::size_t large_bytes() { return std::size_t{large() ? 200U : 16U} << 20; }
int small_calls() { return YONDER_IS_SANITIZED ? 300 : 2'000; }
constexpr std::size_t slow_rate = 8'000'000;  // bytes a second

class site {
 public:
  site() = default;
  ~site() {
    for (auto& each : processes_) {
      each.kill(SIGKILL);
      each.wait();
    }
  }
  site(site const&) = delete;
  site& operator=(site const&) = delete;

  std::string keys() const { return folder_ / "keys"; }
  std::string address() const { return hub_.addresses().front(); }
  std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(address().substr(address().rfind(':') + 1)));
  }

  yonder::platform::child_process& start(std::string const& program,
                                         std::vector<std::string> const& arguments) {
    return processes_.emplace_back(yonder::platform::spawn({.path = program,
                                                            .arguments = arguments,
                                                            .environment = {"YONDER_KEYS=" + keys()},
                                                            .output = -1,
                                                            .inherited = {}}));
  }
  void start_worker(std::string const& at) {
    start(YONDER_REMOTE_WORKER, {"remote_worker", "--yonder-worker", at});
  }

  yonder::runtime_options client(std::string const& at) const {
    return {.hub = at, .keys = keys(), .connect_timeout = 20s};
  }

 private:
  folder folder_;
  yonder::runtime hub_{[this] {
    yonder::transport::keygen(keys());
    return yonder::runtime_options{.max = 0, .bind = {"tcp://127.0.0.1:*"}, .keys = keys()};
  }()};
  std::list<yonder::platform::child_process> processes_;
};

// Microseconds of each, sorted.
std::vector<double> time_small_calls(yonder::runtime& client) {
  std::vector<double> times;
  for (int i = 0; i < small_calls(); ++i) {
    auto const begin = std::chrono::steady_clock::now();
    REQUIRE(task::add.on(client).remote(i, 1) == i + 1);
    times.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

double percentile(std::vector<double> const& sorted, int percent) {
  return sorted[(sorted.size() - 1) * static_cast<std::size_t>(percent) / 100];
}

std::string told(std::vector<double> const& sorted) {
  return std::to_string(percentile(sorted, 50)) + "/" + std::to_string(percentile(sorted, 99)) + "/" +
         std::to_string(sorted.back());
}

// As many processes as there are cores, that only compute: what the system itself leaves of a small call's
// time where others are as busy as bulk makes them.
class busy_cores {
 public:
  busy_cores() {
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i)
      processes_.push_back(yonder::platform::spawn({.path = "/bin/sh",
                                                    .arguments = {"sh", "-c", "while :; do :; done"},
                                                    .environment = {},
                                                    .output = -1,
                                                    .inherited = {}}));
  }
  ~busy_cores() {
    for (auto& each : processes_) {
      each.kill(SIGKILL);
      each.wait();
    }
  }
  busy_cores(busy_cores const&) = delete;
  busy_cores& operator=(busy_cores const&) = delete;

 private:
  std::list<yonder::platform::child_process> processes_;
};

}  // namespace

TEST_CASE("slow, large and dying neighbours do not hold up who makes small calls, and get their own values") {
  site here;
  slow_link to_worker(here.port(), slow_rate);
  slow_link to_client(here.port(), slow_rate);
  for (int i = 0; i < 6; ++i) here.start_worker(here.address());  // one for each of their calls, and one more
  here.start_worker(to_worker.address());
  yonder::runtime small(here.client(here.address()));
  auto const alone = time_small_calls(small);

  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::atomic<int> large_done{0}, slow_done{0};
  std::thread large_client([&] {
    yonder::runtime client(here.client(here.address()));
    std::vector<double> const numbers(large_bytes() / sizeof(double), 1.0);
    do {
      if (task::total.on(client).remote(numbers) != static_cast<double>(numbers.size())) ++wrong;
      ++large_done;
    } while (!over.load());
  });
  std::thread slow_client([&] {
    yonder::runtime client(here.client(to_client.address()));
    constexpr int size = 2'000'000;
    do {
      if (task::fill.on(client).remote(size).size() != size) ++wrong;
      ++slow_done;
    } while (!over.load());
  });
  auto& doomed = here.start(YONDER_BUSY_CLIENT, {"busy_client", here.address()});
  auto beside = time_small_calls(small);
  doomed.kill(SIGKILL);
  auto const after_death = time_small_calls(small);
  over.store(true);
  large_client.join();
  slow_client.join();

  CHECK(wrong == 0);
  CHECK(large_done >= 1);
  CHECK(slow_done >= 1);
  auto const among_busy = [&] {
    busy_cores const others;
    return time_small_calls(small);
  }();
  MESSAGE("small calls, p50/p99/most in us: alone "
          << told(alone) << ", beside all " << told(beside) << ", after one died " << told(after_death)
          << ", beside processes that only compute " << told(among_busy));
  MESSAGE("p99 beside all is " << percentile(beside, 99) / percentile(alone, 99) << " x alone, "
                               << percentile(beside, 99) / percentile(among_busy, 99)
                               << " x beside processes that only compute; large calls " << large_done.load()
                               << ", slow ones " << slow_done.load());
}

TEST_CASE("arguments that take longer than a silence arrive over a slow link, and calls go on beside them") {
  constexpr std::size_t rate = 2'000'000;
  site here;
  slow_link narrow(here.port(), rate);
  here.start_worker(here.address());
  yonder::runtime client(here.client(narrow.address()));
  CHECK(task::add.on(client).remote(1, 2) == 3);
  std::vector<double> const numbers(11 * rate / sizeof(double), 1.0);  // 11 s; silence is 10
  auto sum = task::total.on(client).spawn(numbers);
  int beside = 0;
  while (!sum.ready()) {
    REQUIRE(task::add.on(client).remote(beside, 1) == beside + 1);
    ++beside;
  }
  CHECK(sum.get() == static_cast<double>(numbers.size()));
  CHECK(beside > 1);
}

}  // namespace e2e
