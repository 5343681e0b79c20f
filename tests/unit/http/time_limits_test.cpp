// SPDX-License-Identifier: Apache-2.0
#include "src/http/time_limits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using yonder::http::time_limits;

struct limited final : yonder::http::timed {
  explicit limited(std::function<time_point(time_point)> looks) : look(std::move(looks)) {}
  time_point look_at_time(time_point at) override { return look(at); }
  std::function<time_point(time_point)> look;
};

constexpr auto never = (limited::time_point::max)();

}  // namespace

TEST_CASE("each limit is looked at when it is due, and not before, under one timer") {
  boost::asio::io_context context;
  time_limits limits(context);
  auto const begin = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<limited>> all;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    auto const due = begin + 150ms * (3 - i);
    all.push_back(std::make_unique<limited>([&order, due, i](auto at) {
      if (at < due) return due;
      order.push_back(i);
      return never;
    }));
    limits.add(*all.back());
    limits.set(due);
  }
  context.run();
  // One that is over is looked at with the others, each time.
  order.erase(std::unique(order.begin(), order.end()), order.end());
  CHECK(order.front() == 2);
  CHECK(std::count(order.begin(), order.end(), 0) == 1);
  CHECK(std::chrono::steady_clock::now() - begin >= 450ms);
}

TEST_CASE("a limit that takes others away as it is looked at, or throws, leaves those that stay theirs") {
  boost::asio::io_context context;
  time_limits limits(context);
  auto const begin = std::chrono::steady_clock::now();
  int seen = 0;
  limited last([&](auto) { return ++seen, never; });
  limited gone([](auto) { return never; });
  bool throws = true, is_there = true;
  limited first([&](auto) {
    if (std::exchange(throws, false)) throw std::bad_alloc();
    if (std::exchange(is_there, false)) limits.remove(gone);
    return never;
  });
  for (auto* const one : {&last, &gone, &first}) limits.add(*one);
  limits.set(begin);
  CHECK_THROWS_AS(context.run(), std::bad_alloc);
  CHECK(seen == 0);
  context.restart();
  context.run();
  CHECK(seen == 1);
  limits.remove(first);
  limits.remove(last);
}
