// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <unistd.h>

#include <numeric>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"
#include "yonder/yonder.hpp"

using namespace std::chrono_literals;

namespace e2e::batches {

// How many ran together, for each.
std::vector<int> company(std::span<int const> items) {
  return std::vector<int>(items.size(), static_cast<int>(items.size()));
}

using outcome = yonder::expected<int, std::string>;
std::vector<outcome> roots(std::span<int const> squares) {
  std::vector<outcome> found;
  for (int const square : squares) {
    int root = 0;
    while (root * root < square) ++root;
    if (root * root == square)
      found.emplace_back(root);
    else
      found.emplace_back(yonder::unexpected(std::to_string(square) + " is no square"));
  }
  return found;
}

std::vector<int> halves(std::span<int const> items) {
  std::vector<int> found;
  for (int const one : items) {
    if (one % 2 != 0)
      throw std::domain_error("odd: " + std::to_string(one) + " of " + std::to_string(items.size()));
    found.push_back(one / 2);
  }
  return found;
}

std::vector<int> lossy(std::span<int const> items) { return std::vector<int>(items.size() - 1); }

std::vector<int> deadly(std::span<int const> items) {
  if (items.size() > 1) ::_exit(7);
  return {items.begin(), items.end()};
}

std::vector<int> endless(std::span<int const> items) {
  while (items.size() > 1 && !yonder::this_call::stop_requested()) std::this_thread::yield();
  return {items.begin(), items.end()};
}

class scaled {
 public:
  explicit scaled(int factor) : factor_(factor) {}
  std::vector<int> times(std::span<int const> items) const {
    std::vector<int> found;
    for (int const one : items) found.push_back(one * factor_ * static_cast<int>(items.size()));
    return found;
  }

 private:
  int factor_;
};

constexpr auto for_ever = std::chrono::hours(1);
inline constexpr yonder::batched<company> company_of{{.max_wait = for_ever}};
inline constexpr yonder::batched<company, "e2e.pairs"> in_pairs{{.max_size = 2, .max_wait = for_ever}};
inline constexpr yonder::batched<company, "e2e.weighed"> weighed{
    {.max_wait = for_ever, .max_weight = 10, .weight = [](int const& n) {
       return static_cast<std::uint64_t>(n);
     }}};
inline constexpr yonder::batched<roots> root_of{{.max_wait = for_ever}};
inline constexpr yonder::batched<halves> half_of{{.max_wait = for_ever}};
inline constexpr yonder::batched<lossy> lossy_of;
inline constexpr yonder::batched<deadly> deadly_of{{.max_wait = for_ever}};
inline constexpr yonder::batched<endless> endless_of{{.max_wait = for_ever}};
inline constexpr yonder::service<scaled(int)> scale{{.max = 1}};
inline constexpr yonder::batched<&scaled::times> times{{.max_wait = for_ever}};

// A runtime of one worker, which does nothing until released: what is asked for meanwhile waits.
struct busy_worker {
  yonder::runtime here{{.max = 1, .in_process = threads()}};
  yonder::call<bool> held = [&] {
    task::nothing.on(here).remote();  // the worker is there
    return task::wait_for_stop.on(here).spawn();
  }();
  void release() { held.cancel(); }
};

template <class Task>
std::vector<typename Task::result> together(busy_worker& worker, Task const& task,
                                            std::vector<int> const& items) {
  std::vector<yonder::call<typename Task::result>> calls;
  for (int const one : items) calls.push_back(task.on(worker.here).spawn(one));
  worker.release();
  std::vector<typename Task::result> results;
  for (auto& one : calls) results.push_back(one.get());
  return results;
}

TEST_CASE("an idle worker takes one item at once, and a busy one finds a batch when it is done") {
  busy_worker worker;
  CHECK(together(worker, company_of, {1, 2, 3, 4}) == std::vector{4, 4, 4, 4});
  CHECK(company_of.on(worker.here).remote(1) == 1);
  CHECK(company_of.local(1) == 1);
}

TEST_CASE("a batch is bounded by its size and by the weight of its items") {
  {
    busy_worker worker;
    CHECK(together(worker, in_pairs, {1, 2, 3}) == std::vector{2, 2, 1});
  }
  busy_worker worker;
  CHECK(together(worker, weighed, {4, 6, 5, 5, 9}) == std::vector{2, 2, 2, 2, 1});
  CHECK(failure_of([&] { weighed.on(worker.here).remote(0); }).code == yonder::errc::bad_configuration);
  auto const heavy = failure_of([&] { weighed.on(worker.here).remote(11); });
  CHECK(heavy.code == yonder::errc::unsatisfiable);
  CHECK(heavy.message == "the weight of this item is 11; a batch takes from 1 to 10 (max_weight)");
  CHECK(weighed.on(worker.here).remote(10) == 1);
}

TEST_CASE("with expected, one bad item fails alone") {
  busy_worker worker;
  auto good = root_of.on(worker.here).spawn(16);
  auto bad = root_of.on(worker.here).spawn(17);
  auto other = root_of.on(worker.here).spawn(25);
  worker.release();
  CHECK(good.get() == 4);
  CHECK_THROWS_WITH_AS(bad.get(), "17 is no square", std::runtime_error);
  CHECK(other.get() == 5);
}

TEST_CASE("where the whole batch throws, items that may repeat run again alone, the others get its error") {
  busy_worker worker;
  auto const again = half_of.with({.idempotent = true}).on(worker.here);
  auto once = half_of.on(worker.here).spawn(8);
  auto odd = half_of.on(worker.here).spawn(7);
  auto repeated = again.spawn(6);
  auto fails_alone = again.spawn(5);
  worker.release();
  CHECK_THROWS_WITH_AS(once.get(), "odd: 7 of 4", std::domain_error);
  CHECK_THROWS_WITH_AS(odd.get(), "odd: 7 of 4", std::domain_error);
  CHECK(repeated.get() == 3);
  CHECK_THROWS_WITH_AS(fails_alone.get(), "odd: 5 of 1", std::domain_error);
}

TEST_CASE("a batch function that returns too few results fails in words, and the next call works") {
  CHECK_THROWS_WITH_AS(
      lossy_of.remote(1),
      "the batch function returned 0 results for 1 items; it has to return one for each, in order",
      std::logic_error);
  CHECK(company_of.remote(1) == 1);
}

TEST_CASE("a timeout is each item's, and what does not stop harms nobody who comes later") {
  busy_worker worker;
  auto const limited = endless_of.with({.timeout = 50ms}).on(worker.here);
  auto first = limited.spawn(1);
  auto second = limited.spawn(2);
  worker.release();
  CHECK(failure_of([&] { first.get(); }).code == yonder::errc::timed_out);
  CHECK(failure_of([&] { second.get(); }).code == yonder::errc::timed_out);
  CHECK(limited.remote(3) == 3);
}

TEST_CASE("methods of a service are batched, too") {
  auto const thrice = scale(3);
  CHECK(times.on(thrice).local(2) == 6);
  CHECK(times.on(thrice).remote(2) == 6);
  std::vector<int> numbers(50);
  std::iota(numbers.begin(), numbers.end(), 0);
  int index = 0;
  for (int const product : times.on(thrice).map(numbers)) {
    auto const plain = 3 * index++;
    CHECK((plain == 0 ? product == 0 : product % plain == 0));
  }
}

TEST_CASE("a batch whose worker dies is lost; what may repeat runs again, one by one" *
          doctest::skip(std::getenv("YONDER_E2E_THREADS") != nullptr)) {
  busy_worker worker;
  auto lost = deadly_of.on(worker.here).spawn(1);
  auto repeated = deadly_of.with({.idempotent = true}).on(worker.here).spawn(2);
  worker.release();
  CHECK(failure_of([&] { lost.get(); }).code == yonder::errc::worker_lost);
  CHECK(repeated.get() == 2);
}

}  // namespace e2e::batches
