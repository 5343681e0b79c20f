// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "yonder/task.hpp"

using namespace std::chrono_literals;
using yonder::options;
using yonder::placement;

namespace {

constexpr options all{.retries = 1,
                      .timeout = 2s,
                      .deadline = 3s,
                      .idempotent = true,
                      .placement = placement::local,
                      .priority = 1,
                      .fairness_key = "a",
                      .weight = 1,
                      .order_key = "b"};
constexpr options others{.retries = 10,
                         .timeout = 20s,
                         .deadline = 30s,
                         .idempotent = false,
                         .placement = placement::prefer_local};

constexpr bool same(options const& a, options const& b) {
  return a.retries == b.retries && a.timeout == b.timeout && a.deadline == b.deadline &&
         a.idempotent == b.idempotent && a.placement == b.placement && a.priority == b.priority &&
         a.fairness_key == b.fairness_key && a.weight == b.weight && a.order_key == b.order_key;
}

}  // namespace

int half(int number) { return number / 2; }
inline constexpr yonder::task<half> half_task{{.retries = 3, .timeout = 5s}};
inline constexpr yonder::task<half, "half-plain"> half_plain;

static_assert(same(options{}.over(all), all));
static_assert(same(all.over(options{}), all));
static_assert(same(all.over(others), all));
static_assert(same(options{}.over(options{}), options{}));

// Each field alone overrides itself and nothing else.
static_assert(same(options{.retries = 1}.over(others), {.retries = 1,
                                                        .timeout = 20s,
                                                        .deadline = 30s,
                                                        .idempotent = false,
                                                        .placement = placement::prefer_local}));
static_assert(same(options{.timeout = 2s}.over(others), {.retries = 10,
                                                         .timeout = 2s,
                                                         .deadline = 30s,
                                                         .idempotent = false,
                                                         .placement = placement::prefer_local}));
static_assert(same(options{.deadline = 3s}.over(others), {.retries = 10,
                                                          .timeout = 20s,
                                                          .deadline = 3s,
                                                          .idempotent = false,
                                                          .placement = placement::prefer_local}));
static_assert(same(options{.idempotent = true}.over(others), {.retries = 10,
                                                              .timeout = 20s,
                                                              .deadline = 30s,
                                                              .idempotent = true,
                                                              .placement = placement::prefer_local}));
static_assert(same(
    options{.placement = placement::local}.over(others),
    {.retries = 10, .timeout = 20s, .deadline = 30s, .idempotent = false, .placement = placement::local}));

// A setting of zero or false is a setting.
static_assert(same(options{.retries = 0, .timeout = 0s, .idempotent = false}.over(all),
                   {.retries = 0,
                    .timeout = 0s,
                    .deadline = 3s,
                    .idempotent = false,
                    .placement = placement::local,
                    .priority = 1,
                    .fairness_key = "a",
                    .weight = 1,
                    .order_key = "b"}));

// A key is a copy of its text.
static_assert(options{.order_key = std::string_view("k")}.over(all).order_key->view() == "k");
static_assert(options{.priority = 9}.over(all).priority == 9U);
static_assert(options{.idempotency_key = "k"}.over(all).idempotency_key->view() == "k");
static_assert(all.over(options{.idempotency_key = "k"}).idempotency_key->view() == "k");
static_assert(options{.retry = yonder::no_retry_for<int, long>}.over(all).retry->types.size() == 2);
static_assert(all.over(options{.retry = yonder::no_retry_for<int>}).retry->others);
static_assert(!yonder::retry_for<int>.others);
static_assert(all.over(options{.weight = 3}).weight == 1U);

static_assert(half_task.settings().retries == 3U);
static_assert(half_task.settings().timeout == 5s);
static_assert(!half_task.settings().deadline);
static_assert(same(half_plain.settings(), options{}));

static_assert(same(half_task.with({.timeout = 1s, .idempotent = true}).settings(),
                   {3, 1s, std::nullopt, true, std::nullopt}));
static_assert(same(half_task.with({}).settings(), half_task.settings()));
static_assert(same(half_task.with({.retries = 1}).with({.deadline = 9s}).settings(),
                   {1, 5s, 9s, std::nullopt, std::nullopt}));
static_assert(half_task.settings().retries == 3U);  // with() changes a copy

TEST_CASE("a call is made where its placement says") {
  using yonder::detail::here_or_yonder;
  CHECK(here_or_yonder(placement::local).here());
  CHECK_FALSE(here_or_yonder(placement::remote).here());
}

TEST_CASE("prefer_local keeps as many calls here as the machine has cores, however many went yonder") {
  using slots = std::vector<std::unique_ptr<yonder::detail::here_or_yonder>>;
  auto const fill = [](slots& into, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      into.push_back(std::make_unique<yonder::detail::here_or_yonder>(placement::prefer_local));
  };
  auto const cores = std::max(1U, std::thread::hardware_concurrency());
  slots here, away, again;
  fill(here, cores);
  for (auto const& slot : here) CHECK(slot->here());
  fill(away, cores + 1);
  for (auto const& slot : away) CHECK_FALSE(slot->here());
  here.clear();
  fill(again, cores);
  for (auto const& slot : again) CHECK(slot->here());
}
