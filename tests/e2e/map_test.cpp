// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/tasks.hpp"

namespace e2e {
namespace {

std::vector<int> count_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Counts up, and how far it was read.
struct counter {
  int* read;
  int last;
  struct iterator {
    int* read;
    int value;
    int operator*() const {
      *read = std::max(*read, value + 1);
      return value;
    }
    iterator& operator++() {
      ++value;
      return *this;
    }
    bool operator==(iterator const& other) const { return value == other.value; }
  };
  iterator begin() { return {read, 0}; }
  iterator end() { return {read, last}; }
};

int accept_below_5(int n) {
  if (n >= 5) throw std::out_of_range("5 or more");
  return n;
}
int divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}
constexpr yonder::task<accept_below_5, "e2e.accept_below_5"> accept_below;
constexpr yonder::task<divide, "e2e.divide"> divided;

int refuse_sevens(int n) {
  if (n % 97 == 7) throw std::out_of_range(std::to_string(n));
  return n;
}
// A few of them are large.
std::string name_of(int n) { return std::to_string(n) + std::string(n % 50 == 49 ? 10'000 : 0, 'x'); }
int stop_at_100(int n) {
  while (n == 100 && !yonder::this_call::stop_requested()) std::this_thread::yield();
  return n;
}
// One waits for the file that another makes, which comes soon after it.
int wait_for_next(int n, std::string const& file) {
  while (n == 64 && ::access(file.c_str(), F_OK) != 0) std::this_thread::yield();
  if (n == 70) ::close(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  return n;
}
constexpr yonder::task<refuse_sevens, "e2e.refuse_sevens"> no_sevens;
constexpr yonder::task<name_of, "e2e.name_of"> named;
constexpr yonder::task<stop_at_100, "e2e.stop_at_100"> stopped_at_100;
constexpr yonder::task<wait_for_next, "e2e.wait_for_next"> waits_for_next;

}  // namespace

TEST_CASE("map yields every result in the order of its input") {
  auto const input = count_to(2000);
  int expected = 0;
  for (int const n : task::twice.map(input)) CHECK(n == 2 * expected++);
  CHECK(expected == 2000);
}

TEST_CASE("map takes any range, also an empty one and temporaries") {
  std::list<std::string> words{"a", "b"};
  std::vector<std::string> shouted;
  for (auto&& word : task::shout.map(words)) shouted.push_back(word);
  CHECK(shouted == std::vector<std::string>{"a!", "b!"});
  for ([[maybe_unused]] int n : task::twice.map(std::vector<int>{})) FAIL("an empty range has no results");
  int sum = 0;
  for (int const n : task::twice.map(std::vector<int>{1, 2, 3})) sum += n;
  CHECK(sum == 12);
}

TEST_CASE("unordered map yields every result once and says whose it is") {
  std::vector<int> seen(500);
  auto results = task::twice.map(count_to(500)).unordered();
  for (auto i = results.begin(); i != results.end(); ++i) {
    CHECK(*i == 2 * static_cast<int>(i.index()));
    ++seen[i.index()];
  }
  CHECK(std::count(seen.begin(), seen.end(), 1) == 500);
}

TEST_CASE("unordered map yields first what is done first") {
  folder const files;
  std::vector<std::tuple<int, std::string>> const input{{64, files / "made"}, {1, ""}};
  auto results = waits_for_next.starmap(input).unordered();
  auto next = results.begin();
  CHECK(next.index() == 1);
  wait_for_next(70, files / "made");  // what the first one waits for
  ++next;
  CHECK(next.index() == 0);
  ++next;
  CHECK(next == results.end());
}

TEST_CASE("map is lazy: it reads its input no further than the window") {
  int read = 0;
  auto results = task::twice.map(counter{&read, 1000}).window(10);
  CHECK(read == 0);
  auto i = results.begin();
  CHECK(read == 10);
  ++i;
  CHECK(read == 11);
}

TEST_CASE("a map that is left early cancels the rest without waiting") {
  int taken = 0;
  for ([[maybe_unused]] int n : task::twice.map(count_to(10'000)))
    if (++taken == 3) break;
  CHECK(taken == 3);
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE("the first error of a map throws") {
  std::vector<std::string> const kinds{"no", "out_of_range", "no"};
  int good = 0;
  CHECK_THROWS_AS(
      [&] {
        for (int const n : task::fail_with.map(kinds)) good += n == 0;
      }(),
      std::out_of_range);
  CHECK(good == 1);
}

TEST_CASE("a map that collects errors yields each result or error") {
  std::vector<std::string> const kinds{"no", "out_of_range", "no", "unregistered"};
  std::vector<bool> good;
  for (auto& result : task::fail_with.map(kinds).on_error(yonder::on_error::collect))
    good.push_back(result.has_value());
  CHECK(good == std::vector<bool>{true, false, true, false});
}

TEST_CASE("an item that throws in the middle of others fails alone") {
  int index = 0;
  for (auto const& result : no_sevens.map(count_to(5000)).on_error(yonder::on_error::collect)) {
    CAPTURE(index);
    if (index % 97 == 7) {
      REQUIRE_FALSE(result.has_value());
      CHECK(std::string(result.error().what()).find(std::to_string(index)) != std::string::npos);
    } else {
      REQUIRE(result.has_value());
      CHECK(*result == index);
    }
    ++index;
  }
  CHECK(index == 5000);
}

TEST_CASE("large values among small ones come whole and in order") {
  int index = 0;
  for (auto const& name : named.map(count_to(1000))) CHECK(name == name_of(index++));
  CHECK(index == 1000);
}

TEST_CASE("calls that were spawned in a burst know their own numbers") {
  std::vector<yonder::call<std::string>> calls;
  for (int i = 0; i < 1000; ++i) calls.push_back(task::own_id.spawn());
  for (auto& call : calls) CHECK(call.get() == yonder::to_string(call.id()));
}

TEST_CASE("a call that runs among others is told to stop, and they go on") {
  yonder::runtime one({.max = 1, .in_process = threads()});
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(stopped_at_100.on(one).spawn(i));
  CHECK(calls[99].get() == 99);
  calls[100].cancel();
  for (int i = 0; i < 300; ++i)
    if (i != 100) CHECK(calls[static_cast<std::size_t>(i)].get() == i);
  CHECK(failure_of([&] { calls[100].get(); }).code == yonder::errc::cancelled);
}

TEST_CASE("an item that lasts holds up none that came with it while another worker is idle") {
  folder const files;
  std::vector<std::tuple<int, std::string>> input;
  for (int i = 0; i < 300; ++i) input.emplace_back(i, files / "made");
  waits_for_next.for_each(std::vector(input.begin() + 100, input.end()));  // they are known to be short
  int sum = 0;
  for (int const n : waits_for_next.starmap(input).window(300)) sum += n;
  CHECK(sum == 299 * 150);
}

TEST_CASE("starmap takes each call's arguments from a tuple") {
  std::vector<std::tuple<int, int>> const pairs{{1, 2}, {3, 4}};
  std::vector<int> sums;
  for (int const sum : task::add.starmap(pairs)) sums.push_back(sum);
  CHECK(sums == std::vector<int>{3, 7});
}

TEST_CASE("a window may be larger than anything, and smaller than a ring's first size") {
  for (auto const window : {SIZE_MAX, std::size_t{300}, std::size_t{3}, std::size_t{1}, std::size_t{0}}) {
    int next = 0;
    for (int const n : task::twice.map(count_to(1000)).window(window)) REQUIRE(n == 2 * next++);
    CHECK(next == 1000);
    std::vector<int> seen(1000);
    for (int const n : task::twice.map(count_to(1000)).unordered().window(window))
      ++seen[static_cast<std::size_t>(n) / 2];
    CHECK(std::count(seen.begin(), seen.end(), 1) == 1000);
  }
}

TEST_CASE("for_each runs every call and throws the first error") {
  task::twice.for_each(count_to(300));
  CHECK_THROWS_AS(task::fail_with.for_each(std::vector<std::string>{"no", "out_of_range"}),
                  std::out_of_range);
  CHECK_THROWS_AS(
      task::fail_with.for_each(std::vector<std::string>{"no", "out_of_range"}, {.unordered = true}),
      std::out_of_range);
}

TEST_CASE("for_each reads its input no further than its window: it ends at the first error") {
  int read = 0;
  CHECK_THROWS_AS(accept_below.for_each(counter{&read, 1000}, {.window = 10}), std::out_of_range);
  CHECK(read == 15);  // number 5 fails when ten more were on their way
}

TEST_CASE("for_each that collects runs every element, and says which failed") {
  std::vector<std::string> const kinds{"no", "out_of_range", "no", "unregistered"};
  auto const failed = task::fail_with.for_each(kinds, yonder::on_error::collect, {.window = 2});
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].index == 1);
  CHECK(failed[1].index == 3);
  CHECK(failed[1].cause.code() == yonder::errc::failed);
  CHECK(task::fail_with.for_each(kinds, yonder::on_error::collect, {.unordered = true}).size() == 2);
  CHECK(task::twice.for_each(count_to(20), yonder::on_error::collect).empty());
}

TEST_CASE("for_each of several parameters takes tuples") {
  task::add.for_each(std::vector<std::tuple<int, int>>{{1, 2}, {3, 4}});
  auto const failed =
      divided.for_each(std::vector<std::pair<int, int>>{{1, 1}, {1, 0}}, yonder::on_error::collect);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].index == 1);
}

}  // namespace e2e
