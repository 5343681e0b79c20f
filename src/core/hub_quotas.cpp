// SPDX-License-Identifier: Apache-2.0
// The hub: calls past what their credential may have at once.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {

// What tasks call is not bounded: the call that waits for it would never end.
void hub::state::queue(time_point now, call_record& call) {
  if (drains && is_left(call)) return leave_to_next(now, call);
  auto* const whose = call.quota != nullptr || call.depth != 0 ? nullptr : quotas.find(call.caller->identity);
  if (whose == nullptr) return work.enqueue(now, call);
  call.stage = call_stage::held;
  call.quota = whose;
  whose->waiting[quota::rank_of(call)].push_back(call);
  let_in(now, *whose);
}

void hub::state::let_in(time_point now, quota& whose) {
  while (auto* const call = whose.first()) {
    auto const room = whose.room(*call);
    if (room == 0) return;
    auto& front = room == call->count ? *call : split(now, *call, room);
    whose.remove(front);
    if (drains && is_left(front)) {
      front.quota = nullptr;
      leave_to_next(now, front);
      continue;
    }
    whose.count(front);
    work.enqueue(now, front);
  }
}

// The call has ended.
void hub::state::leave_quota(time_point now, call_record& call) {
  if (call.quota == nullptr) return;
  auto& whose = *std::exchange(call.quota, nullptr);
  whose.discount(call);
  let_in(now, whose);
}

// Why it can never have its turn, in words; empty: it can.
std::string hub::state::exceeds_quota(call_record const& call) {
  auto const* const whose = call.depth != 0 ? nullptr : quotas.find(call.caller->identity);
  if (whose == nullptr || whose->max_gpus == 0 || quota::gpus_of(call) <= whose->max_gpus) return {};
  return "it asks for " + std::to_string(quota::gpus_of(call)) + " GPUs, and its key may have " +
         std::to_string(whose->max_gpus) + " at once (max_gpus); the hub's operator changes that";
}

std::string hub::state::why_held(call_record const& call) {
  auto const& whose = *call.quota;
  if (auto const& first = *call.quota->first(); &first != &call)
    return "others of its key go first; of these, the next one: " + why_held(first);
  if (whose.max_jobs != 0 && whose.jobs >= whose.max_jobs)
    return "its key may have " + std::to_string(whose.max_jobs) +
           " calls at once that run or wait for a worker"
           " (max_jobs), and has " +
           std::to_string(whose.jobs);
  return "it asks for " + std::to_string(quota::gpus_of(call)) + " of the " + std::to_string(whose.max_gpus) +
         " GPUs that its key may have at once (max_gpus), and " + std::to_string(whose.gpus) + " are in use";
}

}  // namespace yonder::core
