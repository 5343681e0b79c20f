// SPDX-License-Identifier: Apache-2.0
// The hub: workers whose time is bounded, as that of an allocation of a batch system is.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {

// Of an allocation: until nothing more is given to its worker.
duration hub::state::usable(duration allocation) const {
  return allocation == never ? never : allocation - std::min(config.end_margin, allocation / 8);
}

// Another one is asked for twice as long before as the last one took to come.
void hub::state::set_end(time_point now, worker_session& worker, duration remaining) {
  worker.lasts = usable(remaining);
  worker.ends_at = add(now, remaining);
  worker.drains_at = add(now, worker.lasts);
  if (worker.pool != nullptr) {
    auto const took = worker.start_since == 0 ? 0 : now - worker.start_since;
    worker.replace_at = add(now, worker.lasts - std::min(2 * took, worker.lasts / 2));
  }
  arm_grace(worker);
}

// Of the times at which something is to be done about that; never: none comes.
time_point hub::state::next_end(worker_session const& worker) {
  if (worker.goes() || worker.entering) return never;
  if (worker.park == parking::parked) return worker.drains_at;
  if (worker.program == nullptr) return never;
  auto const replaces = !worker.expires && worker.lent_by == nullptr;
  return std::min(worker.drains_at, replaces ? worker.replace_at : never);
}

void hub::state::end_time(time_point now, worker_session& worker, outputs& out) {
  if (worker.drains_at > now) {
    if (worker.replace_at > now) return;
    worker.expires = true;
    ++worker.pool->expiring;
    ++worker.pool->to_replace;
    return;
  }
  YONDER_REACHED(allocation_ended);
  if (YONDER_MUTANT(end_not_drained)) return static_cast<void>(worker.drains_at = never);
  if (worker.park != parking::none) return let_go(now, worker, out);
  worker_drains(now, worker, out);
}

// Whoever lends it its machine ends it: it says so itself.
void hub::state::take_drain(time_point now, worker_session& worker, frame const& message, outputs& out) {
  auto remaining = never;
  if (!read_drain(message, remaining)) return violated(now, worker, "a drain that does not decode", out);
  if (remaining != never) {
    worker.ends_at = std::min(worker.ends_at, add(now, remaining));
    worker.drains_at = now;
  }
  worker_drains(now, worker, out);
}

// Nobody tells how it ended, or that it was killed when its time was over.
bool hub::state::ends_with_allocation(time_point now, worker_session const& worker, peer_loss const& loss) {
  constexpr int killed = 9, terminated = 15;
  auto const by_itself =
      loss.exit_status || (loss.signal != 0 && loss.signal != killed && loss.signal != terminated);
  return worker.drains_at <= now && !by_itself && !worker.dying && !YONDER_MUTANT(ending_charged);
}

// True: it runs again, and has cost nothing. One that no allocation is long enough for would run for ever.
bool hub::state::cut_short(time_point now, call_record& call, std::string const& why) {
  if (!call.may_repeat() || (call.stream && !may_stream_again(call))) return false;
  if (call.cut_short >= config.quarantine_after) return false;
  ++call.cut_short;
  call.last_failure = why;
  call.charged = {};  // it was started
  requeue(now, call);
  return true;
}

// Calls that wait for a worker of its pool, and for whose timeout it has not the time, fresh as it is: after
// some of them nobody expects another one to bring more.
void hub::state::note_outlived(time_point now, worker_session const& worker, outputs& out) {
  constexpr int most = 3;
  std::vector<call_id> in_vain;
  work.each_waiting(*worker.pool, [&](call_record& call) {
    if (call.policy.timeout > worker.lasts && ++call.outlived >= most) in_vain.push_back(call.id);
  });
  for (auto const& id : in_vain)
    if (auto* const call = calls.find(id); call != nullptr)
      fail(now, *call, errc::unsatisfiable,
           "its timeout of " + in_words(call->policy.timeout) + " is longer than workers last here: " +
               std::to_string(most) + " have come since it waits, the last one with " +
               roughly_in_words(worker.lasts) + "; ask for longer allocations, or set a shorter timeout",
           out);
}

// Why no worker of its pool can ever run it, in words; empty: some can.
std::string hub::state::exceeds_allocation(call_record const& call) const {
  auto const* const pool = call.function->pool;
  if (pool == nullptr || call.policy.timeout <= usable(pool->config.allocation)) return {};
  return "its timeout of " + in_words(call.policy.timeout) +
         " is longer than a worker lasts here: " + in_words(usable(pool->config.allocation)) +
         "; ask for longer allocations, or set a shorter timeout";
}

}  // namespace yonder::core
