// SPDX-License-Identifier: Apache-2.0
// The dispatcher: workers that leave, or wait.
#include "src/core/check.hpp"
#include "src/core/dispatcher.hpp"

#include <algorithm>

namespace yonder::core {

void dispatcher::leave_service(time_point now, worker_session& worker) {
  if (worker.program == nullptr) return;  // it has not come so far
  if (!std::exchange(worker.left_service, true)) {
    YONDER_CHECK(in_service_ != 0 && (worker.pool == nullptr || worker.pool->in_service != 0),
                 "the workers in service are fewer than those that leave");
    --in_service_;
    if (is_of_own_program(*worker.program)) --own_in_service_;
    if (worker.pool != nullptr) --worker.pool->in_service;
    if (worker.pool != nullptr && worker.waits) --worker.pool->waiting;
    if (std::exchange(worker.expires, false)) {
      auto& pool = *worker.pool;
      pool.to_replace = std::min(pool.to_replace, --pool.expiring);
    }
  }
  move_to(now, worker, worker_load::out_of_service);
}

void dispatcher::set_waits(worker_session& worker, bool waits) {
  if (worker.program == nullptr || std::exchange(worker.waits, waits) == waits) return;
  auto const change = waits ? std::size_t{1} : ~std::size_t{0};
  worker.program->waiting += change;
  if (worker.pool != nullptr && !worker.left_service) worker.pool->waiting += change;
  if (worker.isolated) worker.pool->isolated -= change;
}

void dispatcher::leave(time_point now, worker_session& worker) {
  leave_image(now, worker);
  if (worker.lent_by == nullptr) return;
  --worker.lent_by->lent;
  release(now, *std::exchange(worker.lent_by, nullptr));
}

void dispatcher::leave_image(time_point now, worker_session& worker) {
  if (worker.program == nullptr) return;
  leave_service(now, worker);
  if (std::exchange(worker.counted_loaded, false)) --worker.program->loaded;
  if (std::exchange(worker.counted_singles, false) && --worker.program->loaded_singles == 0)
    worker.program->waits_as = {};
  auto const is_last = --worker.program->workers == 0;
  auto const* const own = is_of_own_program(*worker.program) ? worker.program->home->own_model : nullptr;
  release(now, *std::exchange(worker.program, nullptr));
  if (is_last && own != nullptr) own_program_changed(own);
}

}  // namespace yonder::core
