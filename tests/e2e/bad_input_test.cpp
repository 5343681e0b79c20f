// SPDX-License-Identifier: Apache-2.0
//
// What bad input gets, of services, batches, streams, nested calls and pools: a typed error with what was
// asked and what there is, and the next call works.
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace e2e::bad_input {

class hanging {
 public:
  explicit hanging(bool hangs) {
    while (hangs && !yonder::this_call::stop_requested()) std::this_thread::sleep_for(1ms);
  }
  int answer() const { return 42; }
};
inline constexpr yonder::service<hanging(bool), "e2e.hanging"> hangings{{.max = 1, .enter_timeout = 50ms}};
inline constexpr yonder::method<&hanging::answer, "e2e.answer"> answer;

namespace {

std::vector<int> one_too_many(std::span<int const> items) { return std::vector<int>(items.size() + 1); }
std::uint64_t weight_of(int const& item) { return static_cast<std::uint64_t>(item); }
std::vector<int> same(std::span<int const> items) { return {items.begin(), items.end()}; }
constexpr yonder::batched<one_too_many, "e2e.one_too_many"> too_many;
constexpr yonder::batched<same, "e2e.same"> weighed_same{{.max_weight = 10, .weight = weight_of}};

yonder::generator<int> never_yields(bool yields) {
  while (!yields && !yonder::this_call::stop_requested()) std::this_thread::sleep_for(1ms);
  co_yield 1;
}
constexpr yonder::task<never_yields, "e2e.never_yields"> silent;

// Each calls the other, for ever.
int chicken(int eggs);
int egg(int chickens);
constexpr yonder::task<&chicken, "e2e.chicken"> chickens;
constexpr yonder::task<&egg, "e2e.egg"> eggs;
int chicken(int hatched) { return hatched == 0 ? 0 : eggs.remote(hatched); }
int egg(int laid) { return chickens.remote(laid); }

constexpr yonder::task<[](int n) { return n; }, "e2e.echoed"> echoed;

std::string describe(yonder::error_details const& error) {
  return std::string(yonder::to_string(error.code)) + ": " + error.message;
}

}  // namespace

TEST_CASE("bad input: max below min") {
  auto const made = failure_of([] { yonder::runtime here({.min = 3, .max = 2, .is_current = false}); });
  CHECK(describe(made) ==
        "bad_configuration: runtime_options: max is 2, min 3 and buffer 0; let max be no less than both");
  auto const service = failure_of([] { (void)hangings.with({.min = 3, .max = 2})(false); });
  CHECK(describe(service) ==
        "bad_configuration: at most 2 workers are wanted, and at least 3; let max be no less than min");
  yonder::runtime here({.max = 2, .in_process = threads(), .is_current = false});
  auto const scaled = failure_of([&] { here.scale({.min = 3}); });
  CHECK(describe(scaled) ==
        "bad_configuration: max would be 2, min 3 and buffer 0; let max be no less than both");
  CHECK(echoed.on(here).remote(7) == 7);
  CHECK(here.pools().at(0).min == 0);  // nothing of it was taken
}

TEST_CASE("bad input: a GPU index that is not there" * doctest::skip(threads())) {
  yonder::runtime here({.max = 1,
                        .resources = yonder::resources{.gpu_memory = {std::uint64_t{8} << 30}, .cpu = 1},
                        .is_current = false});
  auto const refused = failure_of([&] { echoed.on(here).with({.gpu = 2}).remote(1); });
  CHECK(describe(refused) ==
        "unsatisfiable: each worker is to have gpu = 2; there is 1 GPU (0: 8 GiB), 1 core and 0 bytes of "
        "memory");
  CHECK(echoed.on(here).with({.gpu = 1}).remote(7) == 7);
}

TEST_CASE("bad input: a weight of zero or past the bound") {
  CHECK(describe(failure_of([] { weighed_same.remote(0); })) ==
        "bad_configuration: the weight of this item is 0; a batch takes from 1 to 10 (max_weight)");
  CHECK(describe(failure_of([] { weighed_same.remote(11); })) ==
        "unsatisfiable: the weight of this item is 11; a batch takes from 1 to 10 (max_weight)");
  CHECK(weighed_same.remote(10) == 10);
  for (unsigned const weight : {0U, 1001U})
    CHECK(describe(failure_of([&] { echoed.with({.fairness_key = "k", .weight = weight}).remote(1); })) ==
          "bad_configuration: the weight is " + std::to_string(weight) + "; there are 1 to 1000");
  CHECK(echoed.with({.fairness_key = "k", .weight = 1000U}).remote(7) == 7);
}

TEST_CASE("bad input: batches of no item") {
  CHECK(describe(failure_of([] { (void)yonder::batched<same, "e2e.same_of_none">({.max_size = 0}); })) ==
        "bad_configuration: batch_options::max_size is 0; a batch holds one item at least");
  CHECK(weighed_same.remote(1) == 1);
}

TEST_CASE("bad input: a nested cycle") {
  auto const refused = failure_of([] { chickens.remote(1); });
  CHECK(refused.message.find("nested_too_deep") != std::string::npos);
  CHECK(refused.message.find("32") != std::string::npos);
  CHECK(chickens.remote(0) == 0);
}

TEST_CASE("bad input: a service whose constructor hangs") {
  auto const hung = failure_of([] { answer.on(hangings(true)).remote(); });
  CHECK(hung.code == yonder::errc::worker_start_failed);
  CHECK(hung.message.find("took longer than 50 ms to make its service 'e2e.hanging'") != std::string::npos);
  CHECK(answer.on(hangings(false)).remote() == 42);
}

TEST_CASE("bad input: a batch function that returns the wrong number of results") {
  CHECK_THROWS_WITH_AS(
      too_many.remote(1),
      "the batch function returned 2 results for 1 items; it has to return one for each, in order",
      std::logic_error);
  CHECK(weighed_same.remote(3) == 3);
}

TEST_CASE("bad input: a generator that never yields") {
  auto const read = [](yonder::options settings, bool yields) {
    int sum = 0;
    for (int const one : silent.with(settings).stream(yields)) sum += one;
    return sum;
  };
  auto const late = failure_of([&] { read({.timeout = 20ms}, false); });
  CHECK(late.code == yonder::errc::timed_out);
  CHECK(late.message.find("20 ms") != std::string::npos);
  CHECK(failure_of([&] { read({.deadline = 20ms}, false); }).code == yonder::errc::deadline_exceeded);
  CHECK(read({.timeout = 30s}, true) == 1);
}

}  // namespace e2e::bad_input
