// SPDX-License-Identifier: Apache-2.0
#include "src/core/call_ranges.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/number_map.hpp"
#include "src/core/resting_deque.hpp"
#include "src/core/ring.hpp"
#include "src/core/slab.hpp"
#include "src/core/timer_wheel.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <random>
#include <unordered_map>
#include <vector>

using namespace yonder::core;

namespace {

struct item_tag {};
struct item : list_hook<item_tag> {
  int value = 0;
  void reset() { value = 0; }
};

}  // namespace

TEST_CASE("number_map does what std::unordered_map does, for numbers in order and for strides that collide") {
  for (std::uint64_t const stride :
       {std::uint64_t{1}, std::uint64_t{64}, std::uint64_t{4096}, std::uint64_t{1} << 40}) {
    std::mt19937_64 random(stride);
    number_map<item> map(random());
    std::unordered_map<std::uint64_t, item*> reference;
    std::deque<item> items(3'000);
    std::uint64_t last = 0;
    for (int step = 0; step < 20'000; ++step) {
      if (random() % 2 == 0 && last < items.size()) {
        auto& one = items[last++];
        bool const once = map.insert(last * stride, one) && !map.insert(last * stride, one);
        if (!once) FAIL("inserted twice, or not at all: " << last * stride);
        reference[last * stride] = &one;
      } else {
        auto const number = (random() % (last + 2)) * stride;
        auto const found = reference.find(number);
        item* const expected = found == reference.end() ? nullptr : found->second;
        bool const same = map.find(number) == expected && map.erase(number) == expected;
        if (!same) FAIL("found or erased another: " << number);
        reference.erase(number);
      }
      REQUIRE(map.size() == reference.size());
    }
  }
}

TEST_CASE("number_map finds numbers of any stride beside numbers in order") {
  number_map<item> map(7);
  std::deque<item> items(4'000);
  for (std::uint64_t i = 0; i < 2'000; ++i) REQUIRE(map.insert(i, items[i]));
  for (std::uint64_t i = 0; i < 2'000; ++i) REQUIRE(map.insert((i + 1) << 20, items[2'000 + i]));
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    REQUIRE(map.find(i) == &items[i]);
    REQUIRE(map.erase((i + 1) << 20) == &items[2'000 + i]);
  }
  CHECK(map.size() == 2'000);
}

TEST_CASE("ring keeps the order of a deque, also when its middle is taken out") {
  std::mt19937 random(3);
  ring<int> queue;
  std::deque<int> reference;
  for (int step = 0; step < 10'000; ++step) {
    auto const choice = random() % 5;
    if (choice < 3) {
      queue.push_back(step);
      reference.push_back(step);
    } else if (!reference.empty() && choice == 3) {
      queue.pop_front();
      reference.pop_front();
    } else if (!reference.empty()) {
      auto const index = random() % reference.size();
      queue.erase(index);
      reference.erase(reference.begin() + static_cast<std::ptrdiff_t>(index));
    }
    REQUIRE(queue.size() == reference.size());
    for (std::size_t i = 0; i < reference.size(); i += 1 + reference.size() / 3)
      REQUIRE(queue[i] == reference[i]);
  }
}

TEST_CASE("slab gives the same memory again, as reset() leaves it") {
  slab<item> items;
  auto& first = items.acquire();
  first.value = 7;
  items.release(first);
  auto& again = items.acquire();
  CHECK(&first == &again);
  CHECK(again.value == 0);
  CHECK(items.size() == 1);
}

TEST_CASE("intrusive_list keeps its order") {
  intrusive_list<item, item_tag> list;
  std::vector<item> items(4);
  list.push_back(items[1]);
  list.push_front(items[0]);
  list.push_back(items[3]);
  list.insert_after(items[1], items[2]);
  std::size_t index = 0;
  for (auto* one = list.first(); one != nullptr; one = list.after(*one)) CHECK(one == &items[index++]);
  CHECK(index == 4);
  list.remove(items[1]);
  CHECK_FALSE(list.contains(items[1]));
  CHECK(list.after(items[0]) == &items[2]);
  CHECK(list.size() == 3);
}

TEST_CASE("timers fire in order, never early, at most one slot late, whatever is moved and disarmed") {
  constexpr duration slot = duration{1} << 17;
  std::mt19937_64 random(5);
  for (int round = 0; round < 20; ++round) {
    time_point now = static_cast<time_point>(random() % (std::uint64_t{1} << 50));
    timer_wheel wheel(now);
    std::vector<timer> timers(200);
    std::map<timer*, time_point> armed;
    for (int step = 0; step < 2'000; ++step) {
      auto& one = timers[random() % timers.size()];
      switch (random() % 4) {
        case 0:
        case 1: {
          auto const when =
              now + static_cast<duration>(random() % (std::uint64_t{1} << (10 + random() % 40)));
          wheel.arm(one, when);
          armed[&one] = when;
          break;
        }
        case 2:
          wheel.disarm(one);
          armed.erase(&one);
          break;
        default: {
          auto const next = wheel.next();
          if (next == never) break;
          for (auto const& [which, when] : armed) CHECK(next <= when + slot);
          now = std::max(now, next + static_cast<duration>(random() % (2 * slot)));
          while (auto* const due = wheel.expire(now)) {
            CHECK(armed.at(due) <= now);
            armed.erase(due);
          }
          for (auto const& [which, when] : armed) CHECK(when + slot > now);
        }
      }
      REQUIRE(wheel.size() == armed.size());
    }
  }
}

TEST_CASE("a timer for never is not armed, and one beyond every wheel is kept") {
  timer_wheel wheel(0);
  timer one;
  wheel.arm(one, never);
  CHECK(wheel.next() == never);
  wheel.arm(one, never - 1);
  CHECK(wheel.size() == 1);
  CHECK(wheel.expire(std::int64_t{1} << 60) == nullptr);
  CHECK(one.armed());
}

TEST_CASE("ranges of calls overlap as the frames do that are about them") {
  call_ranges ranges;
  CHECK_FALSE(ranges.overlaps({1, 5}, 100));
  ranges.add({1, 10}, 1);
  ranges.add({1, 10}, 1);
  ranges.add({1, 20}, 5);
  auto const is_about = [&](std::uint64_t number) { return ranges.overlaps({1, number}, 1); };
  CHECK(is_about(10));
  CHECK_FALSE(is_about(11));
  CHECK_FALSE(is_about(9));
  CHECK(is_about(20));
  CHECK(is_about(24));
  CHECK_FALSE(is_about(25));
  CHECK(ranges.overlaps({1, 0}, 11));
  CHECK_FALSE(ranges.overlaps({1, 0}, 10));
  CHECK_FALSE(ranges.overlaps({2, 10}, 1));
  CHECK_FALSE(ranges.overlaps({0, 10}, 1));
  ranges.remove({1, 10}, 1);
  CHECK(is_about(10));
  ranges.remove({1, 10}, 1);
  CHECK_FALSE(is_about(10));
  ranges.remove({1, 20}, 5);
  CHECK_FALSE(ranges.overlaps({1, 0}, 1'000));
}

TEST_CASE("what one question costs does not rise with the number of frames") {
  call_ranges ranges;
  for (std::uint64_t i = 0; i < 200'000; ++i) ranges.add({1, 3 * (i % 100'000)}, 1);
  std::size_t found = 0;
  for (std::uint64_t i = 0; i < 300'000; ++i) found += ranges.overlaps({1, i}, 1);
  CHECK(found == 100'000);
}

TEST_CASE("a resting_deque is an empty deque before it has elements, and once it rests") {
  resting_deque<int> queue;
  CHECK(queue.begin() == queue.end());
  queue.rest();
  for (int i = 0; i < 1'000; ++i) queue.push_back(int{i});
  queue.rest();  // it does not
  CHECK(queue.size() == 1'000);
  CHECK(queue[700] == 700);
  queue.erase(queue.begin() + 700);
  CHECK(queue[700] == 701);
  queue.pop_back();
  CHECK(queue.back() == 998);
  while (!queue.empty()) queue.pop_front();
  CHECK(queue.size() == 0);
  auto moved = std::move(queue);
  moved.rest();
  CHECK(moved.begin() == moved.end());
  moved.push_back(7);
  CHECK(moved.front() == 7);
}
