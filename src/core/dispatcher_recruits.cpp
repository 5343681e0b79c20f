// SPDX-License-Identifier: Apache-2.0
// Workers that are in no image for a while, or lent to a service.
#include "src/core/dispatcher.hpp"

#include <algorithm>
#include <utility>

namespace yonder::core {

void dispatcher::lend(time_point now, worker_session& worker) {
  leave_service(now, worker);
  worker.lent_by = std::exchange(worker.program, nullptr);
  --worker.lent_by->workers;
  if (++worker.lent_by->lent == 1) worker.lent_by->missed = {};
  worker.left_service = false;
}

void dispatcher::bring_back(time_point now, worker_session& worker) {
  worker.pool = nullptr;
  worker.concurrency = 1;
  worker.program = std::exchange(worker.lent_by, nullptr);
  worker.served_since = now;
  --worker.program->lent;
  ++worker.program->workers;
  ++in_service_;
  update_load(now, worker);
}

void dispatcher::set_aside(time_point now, worker_session& worker) {
  worker.table = table_of(*worker.program);
  leave_image(now, worker);
  worker.left_service = false;
}

void dispatcher::take_out(time_point now, worker_session& worker) {
  leave_image(now, worker);
  worker.left_service = false;
  worker.pool = nullptr;
}

bool dispatcher::could_recruit(std::string_view name, std::uint64_t signature, build_choice const& build) {
  auto none_has = false;
  find_recruit(name, signature, build, none_has);
  return !none_has;
}

worker_session* dispatcher::find_recruit(std::string_view name, std::uint64_t signature,
                                         build_choice const& build, bool& none_has) {
  none_has = in_service_ != own_in_service_;
  for (auto* const one : in_order_) {
    if (one->home != nullptr || !one->has(name, signature, build)) continue;
    none_has = false;
    for (auto* idle = one->idle.first(); idle != nullptr; idle = one->idle.after(*idle))
      if (idle->pool == nullptr) return idle;
  }
  return nullptr;
}

bool dispatcher::is_missed(image const& one) {
  return !one.order.empty() &&
         std::any_of(one.functions.begin(), one.functions.end(),
                     [](auto const* function) { return !function->queue.empty() && !has_takers(*function); });
}

}  // namespace yonder::core
