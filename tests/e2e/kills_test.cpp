// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <numeric>

#include "tests/e2e/fixture.hpp"

using namespace std::chrono_literals;

// 100,000 calls over two workers, of which the one that has just answered is killed every second.
namespace e2e {
namespace {

struct answer {
  int value = 0;
  int process = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value, process);
  }
};

answer work(int n) {
  auto const end = std::chrono::steady_clock::now() + 100us;
  while (std::chrono::steady_clock::now() < end) {
  }
  return {n * 2, ::getpid()};
}
constexpr yonder::task<work, "e2e.work"> working;

constexpr int calls = 100'000;
// What a kill costs at most: the item that runs, and the one before it, whose value waits in the worker for
// those that follow (core::worker_config::result_delay, which is as long as an item).
constexpr int lost_by_kill = 2;

std::vector<int> input() {
  std::vector<int> numbers(calls);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

class killer {
 public:
  void saw(int process) {
    auto const now = std::chrono::steady_clock::now();
    if (now - last_ < 1s) return;
    last_ = now;
    ++kills_;
    ::kill(process, SIGKILL);
  }
  int kills() const { return kills_; }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  int kills_ = 0;
};

}  // namespace

TEST_CASE("with retries every result is right and none is missing, whoever is killed") {
  killer every_second;
  int expected = 0;
  for (answer const& a : working.with({.retries = 5}).map(input())) {
    REQUIRE(a.value == 2 * expected++);
    every_second.saw(a.process);
  }
  CHECK(expected == calls);
  CHECK(every_second.kills() >= 2);
  MESSAGE("killed ", every_second.kills(), " workers");
}

TEST_CASE("without retries each lost call is a typed error, and every other result is right") {
  killer every_second;
  int index = 0;
  int lost = 0;
  for (auto const& result : working.map(input()).on_error(yonder::on_error::collect)) {
    if (result) {
      REQUIRE(result->value == 2 * index);
      every_second.saw(result->process);
    } else {
      REQUIRE(result.error().code() == yonder::errc::worker_lost);
      CHECK(result.error().details().signal == SIGKILL);
      ++lost;
    }
    ++index;
  }
  CHECK(index == calls);
  CHECK(lost <= lost_by_kill * every_second.kills());
  MESSAGE("killed ", every_second.kills(), " workers, lost ", lost, " calls");
}

}  // namespace e2e
