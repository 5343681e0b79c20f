// SPDX-License-Identifier: Apache-2.0
// Workers that have nothing to do, and let others have their GPUs until they are needed again.
#include "src/core/scaler.hpp"

#include <algorithm>

namespace yonder::core {

// One that came by itself has no GPUs of this hub's. A pool has no more processes, those included, than it
// may have workers, but for those that were started because the parked ones did not get their GPUs back.
bool scaler::may_park(worker_session const& worker) {
  auto const& pool = *worker.pool;
  return pool.config.park_window > 0 && !pool.gives_way && worker.load == worker_load::idle &&
         worker.lent_by == nullptr && pool.workers() + pool.parked.size() <= pool.config.max_workers;
}

void scaler::park(worker_session& worker) {
  worker.park = parking::begins;
  worker.pool->parked.push_back(&worker);
}

void scaler::parked(time_point now, worker_session& worker) {
  worker.park = parking::parked;
  worker.parked_since = now;
  if (worker.lease) ledger_->set_aside(*worker.lease);
}

void scaler::forget_parked(worker_session& worker) { std::erase(worker.pool->parked, &worker); }

// The last one that parked: its memory is the likeliest to be where it was.
// Others may have waited longer for what it had.
worker_session* scaler::could_unpark(pool_record const& pool) const {
  std::optional<resource_ledger> left;
  auto const could = [&](worker_session const* one) {
    if (one->park != parking::parked || one->goes()) return false;
    if (!one->lease) return true;
    if (!left) left = left_by_others(pool);
    return left->could_go_on(*one->lease);
  };
  auto const found = std::find_if(pool.parked.rbegin(), pool.parked.rend(), could);
  return found == pool.parked.rend() ? nullptr : *found;
}

time_point scaler::unpark_due(pool_record const& pool) const {
  auto const due = pool.parked.empty() ? never : wish_due(pool);
  return due == never || could_unpark(pool) == nullptr ? never : due;
}

worker_session* scaler::unpark(time_point now) {
  for (auto& pool : pools_) {
    if (unpark_due(*pool) > now) continue;
    auto* const worker = could_unpark(*pool);
    forget_parked(*worker);
    worker->park = parking::ends;
    if (worker->lease) ledger_->go_on(*worker->lease);
    ++pool->entering;
    is_coming(now, *pool);
    return worker;
  }
  return nullptr;
}

time_point scaler::parked_until(worker_session const& worker) {
  return worker.pool->gives_way ? 0 : add(worker.parked_since, worker.pool->config.park_window);
}

time_point scaler::parked_due(pool_record const& pool) {
  auto next = never;
  for (auto const* const one : pool.parked)
    if (one->park == parking::parked && !one->goes()) next = std::min(next, parked_until(*one));
  return next;
}

worker_session* scaler::parked_too_long(time_point now) {
  for (auto const& pool : pools_) {
    if (parked_due(*pool) > now) continue;
    for (auto* const one : pool->parked)
      if (one->park == parking::parked && !one->goes() && parked_until(*one) <= now) return one;
  }
  return nullptr;
}

}  // namespace yonder::core
