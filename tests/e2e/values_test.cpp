// SPDX-License-Identifier: Apache-2.0
//
// Values by reference: put(), results that are references, and where the bytes go.
#include <doctest/doctest.h>

#include <signal.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

namespace e2e::by_reference {
namespace {

using numbers = std::vector<double>;

numbers ramp(int size) {
  numbers made(static_cast<std::size_t>(size));
  std::iota(made.begin(), made.end(), 0.0);
  return made;
}
constexpr int large = 300'000;  // 2.4 MB: many pieces
double total_of_ramp(int size) { return (size - 1.0) * size / 2; }

double scaled_total(double factor, numbers const& all, std::string const& word) {
  return factor * std::accumulate(all.begin(), all.end(), 0.0) + static_cast<double>(word.size());
}
std::pair<int, double> total_where(numbers const& all) {
  return {process(), std::accumulate(all.begin(), all.end(), 0.0)};
}
yonder::ref<numbers> make_there(int size) { return yonder::put(ramp(size)); }
double total_of(yonder::ref<numbers> const& all) { return total(all.get()); }
std::pair<int, yonder::ref<numbers>> made_where(int size) { return {process(), make_there(size)}; }
yonder::ref<numbers> hand_on(yonder::ref<numbers> value) { return value; }
std::vector<yonder::ref<numbers>> several(int count) {
  std::vector<yonder::ref<numbers>> made;
  for (int i = 0; i < count; ++i) made.push_back(make_there(i + 1));
  return made;
}
yonder::ref<numbers> kept_there;
int keep(yonder::ref<numbers> value) {
  kept_there = std::move(value);
  return process();
}
double total_of_kept(int) { return total(kept_there.get()); }
double total_of_nested(std::vector<yonder::ref<numbers>> const& all) {
  double sum = 0;
  for (auto const& one : all) sum += total(one.get());
  return sum;
}
// In a process that is not `maker`.
std::pair<int, double> total_past(int maker, numbers const& all) {
  if (process() == maker) task::wait_for_stop.local();
  return total_where(all);
}
double total_elsewhere(int size) { return task::total.remote(yonder::put(ramp(size))); }

// So many of them have data, in this process.
struct counted {
  static inline std::atomic<int> alive{0};
  numbers data;
  counted() = default;
  explicit counted(int size) : data(ramp(size)) { ++alive; }
  counted(counted&& other) noexcept : data(std::move(other.data)) { other.data.clear(); }
  counted(counted const&) = delete;
  counted& operator=(counted const&) = delete;
  ~counted() {
    if (!data.empty()) --alive;
  }
  template <class Archive>
  void save(Archive& archive) const {
    archive(data);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(data);
    if (!data.empty()) ++alive;
  }
};
int size_of(counted const& one) { return static_cast<int>(one.data.size()); }
yonder::ref<counted> make_counted(int size) { return yonder::put(counted(size)); }
std::pair<int, int> alive_where(int) { return {process(), counted::alive.load()}; }

constexpr yonder::task<size_of, "e2e.size_of"> sizes;
constexpr yonder::task<make_counted, "e2e.make_counted"> making_counted;
constexpr yonder::task<alive_where, "e2e.alive_where"> counting_alive;
constexpr yonder::task<scaled_total, "e2e.scaled_total"> scaled;
constexpr yonder::task<total_where, "e2e.total_where"> totals_where;
constexpr yonder::task<make_there, "e2e.make_there"> making_there;
constexpr yonder::task<made_where, "e2e.made_where"> making_where;
constexpr yonder::task<total_of, "e2e.total_of"> totalled;
constexpr yonder::task<hand_on, "e2e.hand_on"> handing_on;
constexpr yonder::task<several, "e2e.several"> making_several;
constexpr yonder::task<keep, "e2e.keep"> keeping;
constexpr yonder::task<total_of_kept, "e2e.total_of_kept"> total_kept;
constexpr yonder::task<total_of_nested, "e2e.total_of_nested"> totalled_nested;
constexpr yonder::task<total_past, "e2e.total_past"> totals_past;
constexpr yonder::task<total_elsewhere, "e2e.total_elsewhere"> totalled_elsewhere;

TEST_CASE("a reference stands for the value that a task expects, and is one where it expects that") {
  auto const all = yonder::put(ramp(large));
  CHECK(all.get() == ramp(large));
  CHECK(task::total.remote(all) == total_of_ramp(large));
  CHECK(totalled.remote(all) == total_of_ramp(large));
  CHECK(scaled.remote(2.0, all, "four") == 2 * total_of_ramp(large) + 4);
  CHECK(scaled.spawn(1.0, all, std::string("1")).get() == total_of_ramp(large) + 1);
  auto const tried = task::total.try_remote(all);
  REQUIRE(tried.has_value());
  CHECK(*tried == total_of_ramp(large));
}

TEST_CASE("a reference and a call are arguments of one call, in any order") {
  auto const all = yonder::put(ramp(10));
  auto const word = yonder::put(std::string("word"));
  CHECK(scaled.remote(2.0, all, task::shout.spawn("abc")) == 2 * 45 + 4);
  CHECK(scaled.remote(2.0, task::doubled.spawn({}).get().empty() ? all : all, word) == 2 * 45 + 4);
}

TEST_CASE("what a task returns by reference stays with its worker, and is brought from there") {
  auto const made_there = making_where.remote(large);
  auto const where = made_there.first;
  auto const& all = made_there.second;
  CHECK((where != process()) != threads());
  CHECK(all.size() >= large * sizeof(double));
  CHECK(all.get() == ramp(large));
  CHECK(task::total.remote(all) == total_of_ramp(large));
  auto const same = handing_on.remote(all);
  CHECK(same == all);
  CHECK(same.get() == ramp(large));
  CHECK(totalled.remote(making_there.spawn(large)) == total_of_ramp(large));  // in the hub, from call to call
  auto const made = making_several.remote(5);
  REQUIRE(made.size() == 5);
  for (int i = 0; i < 5; ++i) CHECK(made[static_cast<std::size_t>(i)].get() == ramp(i + 1));
  CHECK(totalled_nested.remote(made) == 0 + 1 + 3 + 6 + 10);
}

TEST_CASE("a task makes values, and passes them on") {
  CHECK(totalled_elsewhere.remote(1000) == total_of_ramp(1000));
}

TEST_CASE("a reference that a task keeps is one after its caller's has gone") {
  auto value = yonder::put(ramp(100));
  auto const where = keeping.remote(value);
  value = {};
  // Whichever worker it is: the other has nothing.
  for (int tries = 0; tries < 100; ++tries) {
    auto const sum = total_kept.try_remote(0);
    if (!sum.has_value()) continue;
    CHECK(*sum == total_of_ramp(100));
    return;
  }
  FAIL("no worker has kept it: " << where);
}

TEST_CASE("a value moves to a process once: what is there is used when its maker has gone" *
          doctest::skip(threads())) {
  auto const made_there = making_where.remote(large);
  auto const maker = made_there.first;
  auto const& all = made_there.second;
  std::vector<yonder::call<std::pair<int, double>>> uses;
  uses.push_back(totals_past.spawn(maker, all));
  uses.push_back(totals_past.spawn(maker, all));
  auto const first = yonder::when_any(uses).get();  // the other one stands in the maker's way
  auto const used = uses[first].get();
  CHECK(used.first != maker);
  CHECK(used.second == total_of_ramp(large));
  uses[1 - first].cancel();
  ::kill(maker, SIGKILL);
  REQUIRE(watched_process(maker).ends_within(std::chrono::seconds(10)));
  (void)task::total.try_remote(numbers{});  // the hub has seen it
  auto const again = totals_where.remote(all);
  CHECK(again.first == used.first);
  CHECK(again.second == total_of_ramp(large));
  CHECK(failure_of([&] { (void)all.get(); }).code == yonder::errc::value_gone);  // it is not here
}

TEST_CASE("a value is freed with the last reference to it") {
  constexpr auto patience = std::chrono::seconds(20);
  auto const in_time = [end = std::chrono::steady_clock::now() + patience](auto const& holds) {
    while (!holds())
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  };
  {
    auto const here = yonder::put(counted(large));
    CHECK(counted::alive == 1);
    auto const copy = here;
  }
  CHECK(counted::alive == 0);  // nobody else had one
  {
    auto const here = yonder::put(counted(large));
    CHECK(sizes.remote(here) == large);
    CHECK(counted::alive == 1);
  }
  CHECK(in_time([] { return counted::alive == 0; }));
  {
    auto there = making_counted.remote(large);
    CHECK(sizes.remote(there) == large);
    CHECK(counting_alive.remote(0).second == 1);  // in the worker that was used last
    auto call = making_counted.spawn(large);      // whose result nobody asks for
    call.wait();
  }
  CHECK(in_time([] { return counting_alive.remote(0).second == 0; }));
}

TEST_CASE("a value is gone with the process that made it, in words" * doctest::skip(threads())) {
  auto const made_there = making_where.remote(100);
  auto const where = made_there.first;
  auto const& all = made_there.second;
  ::kill(where, SIGKILL);
  CHECK(watched_process(where).ends_within(std::chrono::seconds(10)));
  auto const failed = failure_of([&] { (void)all.get(); });
  CHECK(failed.code == yonder::errc::value_gone);
  CHECK(failed.message.find("make it again") != std::string::npos);
  auto const argument = failure_of([&] { (void)task::total.remote(all); });
  CHECK(argument.code == yonder::errc::value_gone);
  CHECK(argument.message.find("an argument by reference was not brought: ") == 0);
  auto const within = failure_of([&] { (void)totalled.remote(all); });
  CHECK(within.message.find("the process that had this value") != std::string::npos);
}

TEST_CASE(
    "a reference to nothing, a call that outlives the process, and a value past the limit are refused") {
  yonder::ref<numbers> const nothing;
  CHECK_FALSE(nothing);
  CHECK(failure_of([&] { (void)nothing.get(); }).code == yonder::errc::already_read);
  CHECK(failure_of([&] { (void)task::total.remote(nothing); }).code == yonder::errc::already_read);
  auto const all = yonder::put(ramp(10));
  auto const durable = failure_of([&] { (void)task::total.with({.durable = true}).remote(all); });
  CHECK(durable.code == yonder::errc::bad_configuration);
  CHECK(durable.message.find("pass get(), not the reference") != std::string::npos);
  auto const keyed = failure_of([&] { (void)task::total.with({.idempotency_key = "k"}).remote(all); });
  CHECK(keyed.code == yonder::errc::bad_configuration);
}

TEST_CASE("a value by reference has any type that travels, and any size") {
  CHECK(task::length.remote(yonder::put(std::string())) == 0);
  CHECK(task::length.remote(yonder::put(std::string(1'000'000, 'x'))) == 1'000'000);
  CHECK(task::move_point.remote(yonder::put(point{1, "here"}), 2).x == 3);
  CHECK(task::twice.remote(yonder::put(21)) == 42);
}

}  // namespace
}  // namespace e2e::by_reference
