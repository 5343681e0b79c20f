// SPDX-License-Identifier: Apache-2.0
#include "src/core/bulk_pace.hpp"

#include <doctest/doctest.h>

#include <deque>

using namespace yonder::core;

namespace {

// A line that carries so many bytes a millisecond, and takes `delay` each way.
struct line {
  std::size_t per_millisecond;
  duration delay;
  bulk_pace pace{};
  duration shortest = never;
  time_point now = second;
  time_point free = 0;
  std::size_t in_flight = 0;
  duration longest_queue = 0;  // since the last look at it

  struct one {
    std::size_t bytes;
    time_point left, comes;
    bulk_pace::mark mark;
  };
  std::deque<one> under_way{};

  void carry(duration time) {
    for (auto const end = now + time; now < end;) {
      while (in_flight < pace.window()) {
        auto const bytes = pace.chunk();
        in_flight += bytes;
        free = std::max(free, now) +
               static_cast<duration>(bytes) * millisecond / static_cast<duration>(per_millisecond);
        longest_queue = std::max(longest_queue, free - now);
        under_way.push_back({bytes, now, free + 2 * delay, pace.leaves(now, bytes, in_flight)});
      }
      auto const next = under_way.front();
      under_way.pop_front();
      now = next.comes;
      in_flight -= next.bytes;
      shortest = std::min(shortest, now - next.left);
      pace.arrived(now, next.mark, next.bytes, now - next.left, shortest);
    }
  }
};

}  // namespace

TEST_CASE("a slow line is given little at a time, and stays busy") {
  line slow{8'000, 100 * microsecond};
  slow.carry(2 * second);
  CHECK(slow.longest_queue < 60 * millisecond);
  CHECK(slow.free > slow.now);
}

TEST_CASE("a fast line is given the whole window, and so is a long one") {
  line fast{1'000'000, 50 * microsecond};
  fast.carry(second);
  CHECK(fast.pace.window() == bulk_pace::most);
  line far{1'000'000, 50 * millisecond};
  far.carry(second);
  CHECK(far.pace.window() == bulk_pace::most);
}

TEST_CASE("a line that is far and not fast stays busy, too") {
  line far{1'000, 100 * millisecond};
  far.carry(10 * second);
  far.longest_queue = 0;
  far.carry(second);
  CHECK(far.longest_queue < 500 * millisecond);
  CHECK(far.free > far.now);
}

TEST_CASE("a line that becomes fast again is given more") {
  line changing{4'000, 100 * microsecond};
  changing.carry(second);
  CHECK(changing.pace.window() < bulk_pace::most / 2);
  changing.per_millisecond = 500'000;
  changing.carry(second);
  CHECK(changing.pace.window() == bulk_pace::most);
}

TEST_CASE("what is under way by itself says nothing of how the line carries much") {
  for (auto const waited : {50 * millisecond, millisecond}) {
    bulk_pace pace;
    auto const left = pace.leaves(second, 5'000, 5'000);
    pace.arrived(second + waited, left, 5'000, waited, millisecond);
    CHECK(pace.window() == bulk_pace::least);
  }
}
