// SPDX-License-Identifier: Apache-2.0
// The hub: how many workers there are.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr duration start_backoff = 100 * millisecond;  // after a failed start, times the failures in a row

}  // namespace

time_point hub::state::scale_due() const {
  auto const ours = ours_in_service + starts.size();
  if (ours < config.min_workers) return start_not_before;
  if (queued == 0 || ours >= config.max_workers) return never;
  if (ours == 0) return start_not_before;
  if (starts.size() >= queued || waiting_since == never) return never;
  return std::max(start_not_before, add(waiting_since, config.scale_delay));
}

void hub::state::scale(time_point now, outputs& out) {
  if (queued == 0) {
    waiting_since = never;
  } else if (waiting_since == never) {
    waiting_since = now;
  }
  while (config.max_workers != 0 && scale_due() <= now) start_worker(now, out);
  let_go_idle(now, out);
}

void hub::state::start_worker(time_point now, outputs& out) {
  waiting_since = now;
  auto made = std::make_unique<start_record>();
  auto& start = *made;
  start.id = ++last_start;
  start.start_timer.kind = static_cast<std::uint8_t>(timer_kind::start);
  start.start_timer.owner = &start;
  timers.arm(start.start_timer, add(now, config.start_timeout));
  starts.emplace(start.id, std::move(made));
  out.emplace_back(out::start_worker{start.id});
}

void hub::state::start_succeeded(std::uint64_t start) {
  auto const found = starts.find(start);
  if (found == starts.end()) return;
  ++counters.workers_started;
  start_failures = 0;
  timers.disarm(found->second->start_timer);
  starts.erase(found);
}

void hub::state::start_failed(time_point now, std::uint64_t start, std::string const& reason,
                              std::string const& stderr_tail, outputs& out) {
  auto const found = starts.find(start);
  if (found == starts.end()) return;
  timers.disarm(found->second->start_timer);
  starts.erase(found);
  ++counters.start_failures;
  ++start_failures;
  start_not_before = add(now, start_backoff * start_failures);
  start_failure_reason = reason;
  start_failure_tail = stderr_tail;
  if (start_failures >= config.start_failures && in_service == 0 && starts.empty())
    give_up_starting(now, out);
}

void hub::state::give_up_starting(time_point now, outputs& out) {
  failure error;
  error.code = errc::worker_start_failed;
  error.message = "no worker could be started, " + std::to_string(start_failures) +
                  " times in a row; the last time " + start_failure_reason;
  error.stderr_tail = start_failure_tail;
  start_failures = 0;
  std::vector<call_record*> waiting;
  for (auto& [key, function] : functions) {
    for (auto* call = function->queue.first(); call != nullptr; call = function->queue.after(*call)) {
      waiting.push_back(call);
    }
  }
  std::sort(waiting.begin(), waiting.end(), [](auto const* a, auto const* b) { return a->stamp < b->stamp; });
  for (auto* const call : waiting) {
    failure copy;
    copy.code = error.code;
    copy.message = error.message;
    copy.stderr_tail = error.stderr_tail;
    fail(now, *call, std::move(copy), out);
  }
}

// --- letting go

void hub::state::let_go_idle(time_point now, outputs& out) {
  while (ours_in_service > config.min_workers && !idle_started.empty() &&
         add(idle_started.front().idle_since, config.idle_timeout) <= now) {
    drain(now, idle_started.front(), out);
  }
}

void hub::state::drain(time_point now, worker_session& worker, outputs& out) {
  timers.arm(worker.grace_timer, add(now, config.session_timeout));
  worker_drains(now, worker, out);
}

// It is given nothing more, and told so: it may go once it has answered everything that came before.
void hub::state::worker_drains(time_point now, worker_session& worker, outputs& out) {
  if (std::exchange(worker.draining, true)) return;
  leave_service(now, worker);
  send(now, worker, make_control(frame_type::drain), out);
}

void hub::state::kill(time_point now, worker_session& worker, std::string reason, outputs& out) {
  if (worker.dying || YONDER_MUTANT(grace_forgotten)) return;
  worker.dying = true;
  ++counters.workers_killed;
  leave_service(now, worker);
  if (!worker.conn.reliable()) return dismiss(now, worker, errc::disconnected, std::move(reason), out);
  out.emplace_back(out::kill_worker{worker.conn.peer(), std::move(reason)});
}

}  // namespace yonder::core
