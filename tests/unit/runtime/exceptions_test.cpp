// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/exceptions.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace {

yonder::core::failure described(std::string const& text, std::size_t most) {
  try {
    throw std::out_of_range(text);
  } catch (...) {
    return yonder::runtime_detail::describe_current_exception(most);
  }
}

TEST_CASE(
    "an exception's state travels up to the limit of a result, and past it the exception does without") {
  std::string const text(100, 'x');
  auto const whole = described(text, 1'000);
  auto const size = whole.payload.size();
  REQUIRE(size > text.size());
  CHECK(described(text, size).payload.size() == size);
  auto const cut = described(text, size - 1);
  CHECK(cut.payload.empty());
  CHECK(cut.message == text);
  CHECK(cut.type_name == whole.type_name);
  CHECK_THROWS_AS(yonder::runtime_detail::raise_registered(whole), std::out_of_range);
  CHECK_NOTHROW(yonder::runtime_detail::raise_registered(cut));
}

}  // namespace
