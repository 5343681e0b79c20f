// SPDX-License-Identifier: Apache-2.0
#include "src/core/scaler.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;

namespace {

struct tested_pools {
  random_source random{1};
  timer_wheel timers{0};
  outputs out;
  scaler core;

  explicit tested_pools(std::vector<pool_config> configs)
      : core({.scale_delay = millisecond, .start_timeout = 5 * second, .start_failures = 2}, configs, random,
             timers) {}

  pool_record& operator[](std::size_t index) { return *core.pools()[index]; }

  std::vector<out::start_worker> starts(time_point now) {
    core.start_workers(now, out);
    std::vector<out::start_worker> found;
    for (auto const& one : out) {
      if (auto const* const start = std::get_if<out::start_worker>(&one)) found.push_back(*start);
    }
    out.clear();
    return found;
  }
};

}  // namespace

TEST_CASE("each pool starts workers for what waits for it, at its own pace, up to its own limit") {
  tested_pools p(std::vector<pool_config>{{.id = 10, .max_workers = 2}, {.id = 20, .max_workers = 8}});
  p[1].queued = 3;
  auto const first = p.starts(0);
  REQUIRE(first.size() == 1);
  CHECK(first[0].pool == 20);
  CHECK(p.starts(millisecond - 1).empty());
  p[0].queued = 9;
  CHECK(p.starts(millisecond - 1)[0].pool == 10);
  CHECK(p.starts(millisecond)[0].pool == 20);
  CHECK(p.starts(2 * millisecond).size() == 2);
  for (int i = 3; i < 20; ++i) CHECK(p.starts(i * millisecond).empty());  // 2 of 2, and 3 for 3
}

TEST_CASE("a worker is told by its connection or by the token that it brings, and by nothing else") {
  tested_pools p(std::vector<pool_config>{{.id = 10, .max_workers = 4}});
  p[0].queued = 4;
  auto const one = p.starts(0).at(0);
  auto const other = p.starts(millisecond).at(0);
  CHECK(one.token != 0);
  CHECK(one.token != other.token);
  CHECK(p.core.succeeded(0, one.token + 1) == nullptr);
  CHECK(p.core.succeeded(0, 0) == nullptr);
  CHECK(p.core.succeeded(0, one.token) == &p[0]);
  CHECK(p.core.succeeded(0, one.token) == nullptr);
  CHECK(p.core.succeeded(other.start, 0) == &p[0]);
  CHECK(p.core.started() == 2);
  CHECK(p.core.starting() == 0);
  CHECK(p.timers.size() == 0);
}

TEST_CASE("starts that fail are repeated more and more slowly, until the waiting calls are given up") {
  tested_pools p(std::vector<pool_config>{{.max_workers = 1}});
  p[0].queued = 1;
  CHECK(p.core.failed(0, p.starts(0).at(0).start, "it exited", {}) == nullptr);
  CHECK(p.starts(99 * millisecond).empty());
  auto const next = p.starts(100 * millisecond);
  REQUIRE(next.size() == 1);
  CHECK(p.core.failed(100 * millisecond, next[0].start, "it exited again", "last words") == &p[0]);
  auto const error = p.core.explain(p[0]);
  CHECK(error.message == "no worker could be started, 2 times in a row; the last time it exited again");
  CHECK(error.stderr_tail == "last words");
  CHECK(p[0].start_failures == 0);
}

TEST_CASE(
    "the least of a pool that cannot be started is tried more and more seldom, and at once for a call") {
  tested_pools p(std::vector<pool_config>{{.min_workers = 1, .max_workers = 2}});
  std::size_t tried = 0;
  time_point now = 0;
  auto const try_until = [&](time_point end) {
    for (; now < end; now += 100 * millisecond) {
      for (auto const& start : p.starts(now)) {
        ++tried;
        auto* const given_up = p.core.failed(now, start.start, "no weights", {});
        if (given_up != nullptr) p.core.explain(*given_up);
      }
    }
  };
  try_until(10 * second);
  CHECK(tried == 7);  // after 0, 0.1, 0.3, 0.7, 1.5, 3.1 and 6.3 s
  try_until(3'600 * second);
  CHECK(tried < 80);
  CHECK(p.core.next_deadline() > now);
  CHECK(p.core.next_deadline() <= now + 60 * second);
  p[0].queued = 1;
  auto const start = p.starts(now);
  REQUIRE(start.size() == 1);
  p.core.succeeded(start[0].start, 0);
  p[0].queued = 0;
  auto const next = p.starts(now);  // it ended: the next one is a first one
  REQUIRE(next.size() == 1);
  p.core.failed(now, next[0].start, "no weights", {});
  CHECK(p.core.next_deadline() == now + 100 * millisecond);
}

TEST_CASE("a worker that does not connect in time is to be ended, and what comes of it later is a stranger") {
  tested_pools p(std::vector<pool_config>{{.max_workers = 1}});
  p[0].queued = 1;
  auto const start = p.starts(0).at(0);
  auto* const due = p.timers.expire(6 * second);
  REQUIRE(due != nullptr);
  CHECK(p.core.timed_out(6 * second, owner_of<start_record>(*due).id, p.out) == nullptr);
  REQUIRE(p.out.size() == 1);
  CHECK(std::get<out::abandon_start>(p.out[0]).start == start.start);
  CHECK(p.core.failures() == 1);
  CHECK(p.core.succeeded(start.start, start.token) == nullptr);
}

TEST_CASE("the least of each pool is started without a call, and stays when it is idle") {
  tested_pools p(std::vector<pool_config>{{.min_workers = 1, .max_workers = 3, .scaledown_window = second}});
  REQUIRE(p.starts(0).size() == 1);
  --p[0].starting;
  p[0].in_service = 2;
  worker_session longest;
  worker_session last;
  last.idle_since = second / 2;
  p[0].idle.push_back(longest);
  p[0].idle.push_back(last);
  CHECK(p.core.next_deadline() == second);
  CHECK(p.core.idle_too_long(second - 1) == nullptr);
  CHECK(p.core.idle_too_long(second) == &longest);
  p[0].idle.remove(longest);
  p[0].in_service = 1;
  CHECK(p.core.idle_too_long(100 * second) == nullptr);
  p[0].idle.remove(last);
}

TEST_CASE("a service has the numbers that its hub was given for it, and no more workers than those allow") {
  random_source random{1};
  timer_wheel timers{0};
  scaler::limits const allowed{
      .scale_delay = millisecond,
      .start_timeout = second,
      .start_failures = 2,
      .pools = 4,
      .demanded = 10,
      .machine = {},
      .services = {{"Here", {.min_workers = 1, .max_workers = 3, .spare = 2, .scaledown_window = second}}}};
  scaler core(allowed, {{.max_workers = 2}}, random, timers);
  auto const& own = core.make("more", {.max_workers = 8, .service = "Here"});
  CHECK(own.config.min_workers == 1);
  CHECK(own.config.max_workers == 3);
  CHECK(own.config.spare == 2);
  CHECK(own.config.scaledown_window == second);
  auto const& less = core.make("less", {.max_workers = 1, .service = "Here"});
  CHECK(less.config.max_workers == 1);
  CHECK(less.config.spare == 1);
  auto const& other = core.make("other", {.max_workers = 8, .service = "There"});
  CHECK(other.config.max_workers == 8);
  CHECK(other.config.spare == 0);
}

TEST_CASE("workers elsewhere are told what they are to have, and take nothing of this machine") {
  random_source random{1};
  timer_wheel timers{0};
  outputs out;
  scaler::limits const allowed{
      .scale_delay = millisecond,
      .start_timeout = second,
      .start_failures = 2,
      .pools = 4,
      .demanded = 10,
      .machine = machine{.gpus = {}, .cores = {0}, .remark = {}},
      .services = {
          {"Far",
           {.id = 2, .min_workers = 1, .max_workers = 3, .elsewhere = true, .scale_delay = 5 * second}}}};
  scaler core(allowed, {{.id = 1, .max_workers = 2}}, random, timers);
  requirements needs{.resources = {.gpus = 2, .cores = 8}, .service = "Near"};
  CHECK_FALSE(core.unsatisfiable(needs).empty());
  needs.service = "Far";
  CHECK(core.unsatisfiable(needs).empty());
  auto& pool = core.make("far", requirements(needs));
  CHECK(pool.config.min_workers == 1);
  CHECK(pool.config.max_workers == 3);
  pool.queued = 3;
  auto const starts = [&](time_point now) {
    core.start_workers(now, out);
    std::vector<out::start_worker> found;
    for (auto const& one : out)
      if (auto const* const start = std::get_if<out::start_worker>(&one)) found.push_back(*start);
    out.clear();
    return found;
  };
  auto const first = starts(0);
  REQUIRE(first.size() == 1);
  CHECK(first[0].pool == 2);
  CHECK(first[0].elsewhere);
  CHECK(first[0].needs == needs.resources);
  CHECK(first[0].gpus.empty());
  CHECK(first[0].cores.empty());
  CHECK(starts(5 * second - 1).empty());
  CHECK(starts(5 * second).size() == 1);
}
