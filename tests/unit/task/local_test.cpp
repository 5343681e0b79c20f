// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/error.hpp"
#include "yonder/task.hpp"

namespace zoo {

struct animal {
  std::string name;
  int legs = 0;
  void serialize(auto& ar) { ar(name, legs); }
};

// Counts how it came here.
struct traveller {
  int copies = 0;
  int moves = 0;
  traveller() = default;
  traveller(traveller const& other) : copies(other.copies + 1), moves(other.moves) {}
  traveller(traveller&& other) noexcept : copies(other.copies), moves(other.moves + 1) {}
  traveller& operator=(traveller const&) = default;
  void serialize(auto& ar) { ar(copies, moves); }
};

constexpr int twice(int number) { return 2 * number; }
constexpr int thrice(int number) noexcept { return 3 * number; }
int legs(animal const& of) { return of.legs; }
int total(std::vector<int> const& numbers) {
  int sum = 0;
  for (int const number : numbers) sum += number;
  return sum;
}
std::unique_ptr<int> boxed(std::unique_ptr<int> number) {
  ++*number;
  return number;
}
traveller by_value(traveller guest) { return guest; }
std::pair<int, int> seen(traveller const& guest) { return {guest.copies, guest.moves}; }
std::size_t length(std::string_view text) { return text.size(); }
int sum_of(std::span<int const> numbers) { return total({numbers.begin(), numbers.end()}); }
void fail(std::string const& why) { throw std::domain_error(why); }
std::string const constant(int number) { return std::to_string(number); }  // NOLINT
int nothing_given() { return 7; }

inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::task<thrice> thrice_task;
inline constexpr yonder::task<legs> legs_task;
inline constexpr yonder::task<total> total_task;
inline constexpr yonder::task<boxed> boxed_task;
inline constexpr yonder::task<by_value> by_value_task;
inline constexpr yonder::task<seen> seen_task;
inline constexpr yonder::task<length> length_task;
inline constexpr yonder::task<sum_of> sum_of_task;
inline constexpr yonder::task<fail> fail_task;
inline constexpr yonder::task<constant> constant_task;
inline constexpr yonder::task<nothing_given> nothing_given_task;
inline constexpr auto lambda = [](int a, int b) constexpr noexcept { return a - b; };
inline constexpr yonder::task<&lambda> lambda_task;
constexpr yonder::task<[](int a, int b) { return a / b; }, "zoo/divide"> divide_task;

}  // namespace zoo

using namespace zoo;

static_assert(twice_task.local(2) == 4);
static_assert(twice_task.with({.retries = 3}).local(2) == 4);
static_assert(lambda_task.local(5, 2) == 3);
static_assert(divide_task.local(6, 2) == 3);

static_assert(!noexcept(twice_task.local(1)));
static_assert(noexcept(thrice_task.local(1)));
static_assert(noexcept(lambda_task.local(1, 2)));
static_assert(!noexcept(divide_task.local(1, 2)));

static_assert(std::is_same_v<decltype(twice_task.local(1)), int>);
static_assert(std::is_same_v<decltype(boxed_task.local(nullptr)), std::unique_ptr<int>>);
static_assert(std::is_void_v<decltype(fail_task.local(""))>);
static_assert(std::is_same_v<decltype(constant_task)::result, std::string>);

namespace {
template <class Task, class... A>
concept spawnable = requires(Task const& task, A&&... a) {
  task.spawn(std::forward<A>(a)...);
};
}  // namespace

// Whether a task can be called is asked of the task, as of any callable: its verbs refuse in words.
static_assert(std::is_invocable_v<decltype(length_task) const&, char const*>);
static_assert(!std::is_invocable_v<decltype(length_task) const&, int*>);
static_assert(!std::is_invocable_v<decltype(twice_task) const&>);
static_assert(!std::is_invocable_v<decltype(twice_task) const&, int, int>);
static_assert(spawnable<decltype(boxed_task), std::unique_ptr<int>>);

TEST_CASE("local calls the function in this process, without a runtime") {
  CHECK(twice_task.local(21) == 42);
  CHECK(legs_task.local(animal{"cat", 4}) == 4);
  CHECK(constant_task.local(5) == "5");
  CHECK(nothing_given_task.local() == 7);
}

TEST_CASE("local takes braced arguments") {
  CHECK(legs_task.local({"spider", 8}) == 8);
  CHECK(total_task.local({1, 2, 3}) == 6);
  CHECK(length_task.local({"abc", 2}) == 2);
  CHECK(seen_task.local({}) == std::pair(0, 0));
}

TEST_CASE("local passes move-only arguments and results") {
  CHECK(*boxed_task.local(std::make_unique<int>(41)) == 42);
}

TEST_CASE("local copies and moves as often as a plain call") {
  traveller guest;
  CHECK(by_value_task.local(guest).copies == by_value(guest).copies);
  CHECK(by_value_task.local(guest).moves == by_value(guest).moves);
  CHECK(by_value_task.local(traveller()).copies == 0);
  traveller other;
  CHECK(by_value_task.local(std::move(guest)).moves == by_value(std::move(other)).moves);
  CHECK(seen_task.local(traveller()) == std::pair(0, 0));
}

TEST_CASE("views refer to the caller's own memory") {
  std::string const text = "lion";
  int const numbers[] = {1, 2, 3};
  CHECK(length_task.local(text) == 4);
  CHECK(length_task.local("tiger") == 5);
  CHECK(sum_of_task.local(numbers) == 6);
  CHECK(sum_of_task.local(std::vector{4, 5}) == 9);
}

TEST_CASE("what the function throws comes out of local as it is") {
  CHECK_THROWS_WITH_AS(fail_task.local("why"), "why", std::domain_error);
}

TEST_CASE("a call by placement::local needs no runtime") {
  constexpr yonder::options here{.placement = yonder::placement::local};
  CHECK(twice_task.with(here)(4) == 8);
  CHECK(*boxed_task.with(here)(std::make_unique<int>(1)) == 2);
  CHECK(length_task.with(here)("abc") == 3);
  int const numbers[] = {1, 2, 3};
  CHECK(sum_of_task.with(here)(numbers) == 6);
  CHECK_THROWS_AS(fail_task.with(here)(std::string("x")), std::domain_error);
}

TEST_CASE("a remote call without a runtime is an error in words") {
  auto const check = [](auto&& call) {
    try {
      call();
      FAIL("no error");
    } catch (yonder::usage_error const& error) {
      CHECK(error.code() == yonder::errc::no_runtime);
      CHECK(std::string_view(error.what()).find("yonder::runtime") != std::string_view::npos);
    }
  };
  check([] { return twice_task.remote(1); });
  check([] { return twice_task(1); });
  check([] { twice_task.spawn(1).wait(); });
  CHECK(twice_task.try_remote(1).error().code() == yonder::errc::no_runtime);
  check([] {
    for (int const each : twice_task.map(std::vector{1})) return each;
    return 0;
  });
}
