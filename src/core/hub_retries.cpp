// SPDX-License-Identifier: Apache-2.0
// The hub: which attempts are made again, and when.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {

namespace {

// Whether another attempt may end otherwise than by this exception, as the call says of its type.
bool is_worth_retrying(call_record const& call, failure const& error) {
  auto const rule = read_retry(call.message->metadata());
  return !rule || rule->allows(error.type_name);
}

}  // namespace

bool hub::state::may_retry(call_record const& call, failure const& error) const {
  if (call.stream && !may_stream_again(call)) return false;
  auto const tries_left = call.tries <= call.policy.retries;
  switch (error.code) {
    case errc::worker_lost:
      return tries_left || call.policy.idempotent || YONDER_MUTANT(lost_attempt_repeated);
    case errc::timed_out: return tries_left;
    case errc::failed: return tries_left && is_worth_retrying(call, error);
    default: return false;
  }
}

void hub::state::retry_later(time_point now, call_record& call, failure error) {
  call.last_failure = std::move(error.message);
  call.claim = 0;
  call.handed_over = false;
  if (YONDER_MUTANT(retry_forgotten)) return;
  if (drains && is_left(call)) return leave_to_next(now, call);
  compact(call);
  if (tokenless.empty() && budget.take(now, call.count)) return begin_backoff(now, call);
  YONDER_REACHED(tokenless);
  call.stage = call_stage::tokenless;
  call.due = never;
  tokenless.push_back(call);
  arm(call);
}

// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS, 2015).
void hub::state::begin_backoff(time_point now, call_record& call) {
  counters.retries += call.count;
  ++delayed;
  if (YONDER_MUTANT(order_forgotten) && call.order != nullptr) {
    call.order->head = nullptr;
    open(now, *call.order);
  }
  auto most = config.backoff_first;
  for (std::uint32_t i = 1; i < call.tries && most < config.backoff_cap; ++i) most *= 2;
  most = std::min(most, config.backoff_cap);
  call.stage = call_stage::delayed;
  call.due = add(now, static_cast<duration>(random.below(static_cast<std::uint64_t>(most) + 1)));
  arm(call);
}

void hub::state::hand_out_tokens(time_point now) {
  while (!tokenless.empty() && budget.take(now, tokenless.front().count)) {
    auto& call = tokenless.front();
    tokenless.remove(call);
    begin_backoff(now, call);
  }
}

}  // namespace yonder::core
