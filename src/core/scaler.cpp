// SPDX-License-Identifier: Apache-2.0
#include "src/core/scaler.hpp"

#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr duration start_backoff = 100 * millisecond;  // after a failed start, times the failures in a row

}  // namespace

scaler::scaler(limits const& allowed, std::vector<pool_config> const& pools, random_source& random,
               timer_wheel& timers)
    : limits_(allowed), random_(random), timers_(timers), secret_(random.next()) {
  for (auto const& config : pools) {
    auto& pool = *pools_.emplace_back(std::make_unique<pool_record>());
    pool.config = config;
  }
}

// --- starting

time_point scaler::start_due(pool_record const& pool) const {
  if (pool.workers() < pool.config.min_workers) return pool.start_not_before;
  if (pool.queued == 0 || pool.workers() >= pool.config.max_workers) return never;
  if (pool.workers() == 0) return pool.start_not_before;
  if (pool.starting >= pool.queued || pool.waiting_since == never) return never;
  return std::max(pool.start_not_before, add(pool.waiting_since, limits_.scale_delay));
}

void scaler::start_workers(time_point now, outputs& out) {
  for (auto& pool : pools_) {
    if (pool->queued == 0) {
      pool->waiting_since = never;
    } else if (pool->waiting_since == never) {
      pool->waiting_since = now;
    }
    while (start_due(*pool) <= now) start_worker(now, *pool, out);
  }
}

void scaler::start_worker(time_point now, pool_record& pool, outputs& out) {
  pool.waiting_since = now;
  ++pool.starting;
  auto made = std::make_unique<start_record>();
  auto& start = *made;
  start.id = ++last_start_;
  do start.token = random_.next() ^ secret_;
  while (start.token == 0 || by_token_.contains(start.token));
  start.pool = &pool;
  start.start_timer.kind = static_cast<std::uint8_t>(timer_kind::start);
  start.start_timer.owner = &start;
  timers_.arm(start.start_timer, add(now, limits_.start_timeout));
  by_token_.emplace(start.token, start.id);
  out.emplace_back(out::start_worker{start.id, pool.config.id, start.token});
  starts_.emplace(start.id, std::move(made));
}

pool_record* scaler::succeeded(std::uint64_t start, std::uint64_t token) {
  if (auto const known = by_token_.find(token); start == 0 && known != by_token_.end()) start = known->second;
  auto const found = starts_.find(start);
  if (found == starts_.end()) return nullptr;
  auto& pool = *found->second->pool;
  ++started_;
  --pool.starting;
  pool.start_failures = 0;
  timers_.disarm(found->second->start_timer);
  by_token_.erase(found->second->token);
  starts_.erase(found);
  return &pool;
}

pool_record* scaler::failed(time_point now, std::uint64_t start, std::string const& reason,
                            std::string const& stderr_tail) {
  auto const found = starts_.find(start);
  if (found == starts_.end()) return nullptr;
  auto& pool = *found->second->pool;
  timers_.disarm(found->second->start_timer);
  by_token_.erase(found->second->token);
  starts_.erase(found);
  ++failures_;
  --pool.starting;
  ++pool.start_failures;
  pool.start_not_before = add(now, start_backoff * pool.start_failures);
  pool.failure_reason = reason;
  pool.failure_tail = stderr_tail;
  return pool.start_failures >= limits_.start_failures && pool.workers() == 0 ? &pool : nullptr;
}

pool_record* scaler::timed_out(time_point now, std::uint64_t start, outputs& out) {
  if (!YONDER_MUTANT(late_start_kept)) out.emplace_back(out::abandon_start{start});
  return failed(now, start, "the worker did not connect in time", {});
}

failure scaler::explain(pool_record& pool) const {
  failure error;
  error.code = errc::worker_start_failed;
  error.message = "no worker could be started, " + std::to_string(std::exchange(pool.start_failures, 0)) +
                  " times in a row; the last time " + pool.failure_reason;
  error.stderr_tail = pool.failure_tail;
  return error;
}

// --- letting go

time_point scaler::idle_due(pool_record& pool) const {
  if (pool.in_service <= pool.config.min_workers || pool.idle.empty()) return never;
  return add(pool.idle.front().idle_since, pool.config.idle_timeout);
}

worker_session* scaler::idle_too_long(time_point now) {
  for (auto& pool : pools_) {
    if (idle_due(*pool) <= now) return &pool->idle.front();
  }
  return nullptr;
}

time_point scaler::next_deadline() const {
  auto next = never;
  for (auto const& pool : pools_) next = std::min({next, start_due(*pool), idle_due(*pool)});
  return next;
}

}  // namespace yonder::core
