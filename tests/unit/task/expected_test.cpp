// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/expected.hpp"

namespace {

using text = yonder::expected<std::string, std::runtime_error>;
using box = yonder::expected<std::unique_ptr<int>, std::runtime_error>;
using done = yonder::expected<void, std::runtime_error>;

yonder::unexpected<std::runtime_error> failure() {
  return yonder::unexpected<std::runtime_error>(std::runtime_error("why"));
}
done work(bool well) {
  if (!well) return failure();
  return {};
}

}  // namespace

static_assert(std::is_same_v<text::value_type, std::string>);
static_assert(std::is_same_v<text::error_type, std::runtime_error>);
static_assert(std::is_void_v<done::value_type>);
static_assert(std::is_same_v<decltype(std::declval<text&>().value()), std::string&>);
static_assert(std::is_same_v<decltype(std::declval<text const&>().value()), std::string const&>);
static_assert(std::is_same_v<decltype(std::declval<text>().value()), std::string&&>);
static_assert(std::is_same_v<decltype(*std::declval<text&>()), std::string&>);
static_assert(std::is_same_v<decltype(*std::declval<text const&>()), std::string const&>);
static_assert(std::is_same_v<decltype(*std::declval<text>()), std::string&&>);
static_assert(!std::is_convertible_v<text, bool>);  // only explicitly
static_assert(std::is_constructible_v<bool, text>);
static_assert(std::is_default_constructible_v<done>);
static_assert(!std::is_default_constructible_v<text>);
static_assert(!std::is_copy_constructible_v<box>);
static_assert(std::is_nothrow_move_constructible_v<box>);
static_assert(!std::is_convertible_v<int, yonder::expected<std::vector<int>, int>>);
static_assert(std::is_constructible_v<yonder::expected<std::vector<int>, int>, int>);

TEST_CASE("an expected value is there") {
  text const value = "yes";
  CHECK(value.has_value());
  CHECK(static_cast<bool>(value));
  CHECK(value.value() == "yes");
  CHECK(*value == "yes");
  CHECK(value->size() == 3);
  CHECK(value.value_or("no") == "yes");
}

TEST_CASE("an error is there instead, and value() throws it") {
  text const error = failure();
  CHECK_FALSE(error.has_value());
  CHECK_FALSE(static_cast<bool>(error));
  CHECK(std::string(error.error().what()) == "why");
  CHECK(error.value_or("other") == "other");
  CHECK_THROWS_WITH_AS((void)error.value(), "why", std::runtime_error);
  CHECK_THROWS_WITH_AS((void)text(failure()).value(), "why", std::runtime_error);
}

TEST_CASE("an expected value can be changed in place") {
  text value = std::string("a");
  value.value() += 'b';
  *value += 'c';
  value->push_back('d');
  CHECK(*value == "abcd");
}

TEST_CASE("an expected can be assigned either way") {
  text one = "first";
  text const two = failure();
  one = two;
  CHECK_FALSE(one);
  one = text("again");
  CHECK(*one == "again");
}

TEST_CASE("a move-only value is moved out") {
  CHECK(*box(std::make_unique<int>(3)).value() == 3);
  box value = std::make_unique<int>(4);
  auto const taken = *std::move(value);
  CHECK(*taken == 4);
  CHECK(*box(std::make_unique<int>(5)).value_or(nullptr) == 5);
  CHECK(box(failure()).value_or(nullptr) == nullptr);
}

TEST_CASE("an expected void is done or failed") {
  CHECK(work(true).has_value());
  CHECK_NOTHROW((void)work(true).value());
  CHECK_FALSE(work(false).has_value());
  CHECK(std::string(work(false).error().what()) == "why");
  CHECK_THROWS_WITH_AS((void)work(false).value(), "why", std::runtime_error);
}

TEST_CASE("value and error may be of one type") {
  yonder::expected<int, int> const value = 1;
  yonder::expected<int, int> const error = yonder::unexpected<int>(2);
  CHECK(*value == 1);
  CHECK(error.error() == 2);
  CHECK_THROWS_AS((void)error.value(), int);
}
