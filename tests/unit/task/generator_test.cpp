// SPDX-License-Identifier: Apache-2.0
#include "yonder/generator.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "yonder/stream.hpp"

namespace {

yonder::generator<int> squares(int n) {
  for (int i = 0; i < n; ++i) co_yield i* i;
}
yonder::generator<std::unique_ptr<int>> boxes(int n) {
  for (int i = 0; i < n; ++i) co_yield std::make_unique<int>(i);
}
yonder::generator<std::string> greetings() {
  std::string const kept = "good day";
  co_yield kept;
  co_yield "hello";
  co_yield kept;
}
yonder::generator<int> fall(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
  throw std::domain_error("over the edge");
}
yonder::generator<int> hold(std::shared_ptr<int> held) {
  for (;;) co_yield *held;
}

static_assert(std::ranges::input_range<yonder::generator<int>>);
static_assert(!std::is_copy_constructible_v<yonder::generator<int>>);
static_assert(std::is_nothrow_move_constructible_v<yonder::generator<int>>);
static_assert(std::is_convertible_v<std::vector<int>, yonder::input_stream<long>>);
static_assert(!std::is_convertible_v<std::vector<std::string>, yonder::input_stream<int>>);

}  // namespace

TEST_CASE("a generator's items come in order, and it ends") {
  std::vector<int> seen;
  for (int const i : squares(4)) seen.push_back(i);
  CHECK(seen == std::vector<int>{0, 1, 4, 9});
  for (int const i : squares(0)) CHECK(i < 0);
}

TEST_CASE("a generator, or a stream of input, that was moved from is refused, in words") {
  auto made = squares(3);
  auto const kept = std::move(made);
  yonder::input_stream<int> input(std::vector<int>{1, 2});
  auto const read = std::move(input);
  // NOLINTBEGIN(bugprone-use-after-move)
  CHECK_THROWS_WITH_AS(made.begin(),
                       "already_read: this generator was moved from: use the one that it was moved to",
                       yonder::usage_error);
  CHECK_THROWS_AS(input.begin(), yonder::usage_error);
  CHECK_THROWS_AS(input.next(), yonder::usage_error);
  // NOLINTEND(bugprone-use-after-move)
}

TEST_CASE("items are moved out, and those of an lvalue are copies") {
  int sum = 0;
  for (auto&& box : boxes(4)) sum += *std::exchange(box, nullptr);
  CHECK(sum == 6);
  std::vector<std::string> taken;
  for (auto&& text : greetings()) taken.push_back(std::move(text));
  CHECK(taken == std::vector<std::string>{"good day", "hello", "good day"});
}

TEST_CASE("what a generator throws is thrown behind its items, also before the first one") {
  int seen = 0;
  CHECK_THROWS_AS(
      [&] {
        for (int const i : fall(3)) seen += i >= 0;
      }(),
      std::domain_error);
  CHECK(seen == 3);
  auto at_once = fall(0);
  CHECK_THROWS_AS((void)at_once.begin(), std::domain_error);
}

TEST_CASE("a generator that is left early destroys what it holds, one that was never begun likewise") {
  auto const held = std::make_shared<int>(7);
  for (int const i : hold(held)) {
    CHECK(i == 7);
    break;
  }
  CHECK(held.use_count() == 1);
  {
    auto const unread = hold(held);
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("an input_stream reads any range whose elements convert, once each") {
  std::vector<int> const numbers{1, 2, 3};
  yonder::input_stream<long> referred(numbers);
  CHECK(referred.next() == 1);
  long rest = 0;
  for (long const n : referred) rest += n;
  CHECK(rest == 5);
  CHECK_FALSE(referred.next());
  yonder::input_stream<int> moved(squares(3));
  int sum = 0;
  for (int const n : moved) sum += n;
  CHECK(sum == 5);
}
