// SPDX-License-Identifier: Apache-2.0
#include "src/core/hub.hpp"

#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

namespace yonder::core {
namespace {

// A link is dead after the silence: so long a client's calls are kept without it, and so long a worker that
// cannot be reached may still hand in what it runs.
link_timing patient_timing(hub_config const& config) {
  auto timing = config.timing;
  if (timing.heartbeat > 0)
    timing.missed = static_cast<int>(std::max<duration>(timing.missed, config.silence / timing.heartbeat));
  return timing;
}

// "'a', 'b' and 3 more": services, where it starts workers for them alone.
std::string starts_only(hub_config const& config) {
  constexpr std::size_t told = 8;
  auto const& services = config.services;
  if (!config.pools.empty() && config.pools.front().max_workers != 0) return {};
  std::string text;
  for (auto const& [name, model] : std::span(services).first(std::min(services.size(), told)))
    text += (text.empty() ? "'" : ", '") + name + "'";
  return services.size() <= told ? text : text + " and " + std::to_string(services.size() - told) + " more";
}

}  // namespace

hub::state::state(hub_config made, time_point now)
    : config(std::move(made)),
      stands_since(now),
      random(config.seed),
      timers(now),
      logs(config.max_call_log, config.max_logs, config.seed >> 44U << 32U),
      calls({config.max_client_calls, config.max_client_bytes, config.max_calls, config.max_bytes,
             config.silence, config.journal, config.max_keys, config.weights},
            random, timers),
      sessions({config.max_peers, config.max_hello_bytes, config.max_table_bytes, config.session_timeout,
                patient_timing(config), config.limits, config.proves_sessions, &calls.account()},
               random, timers),
      work({config.prefetch, config.max_prefetch, config.max_prefetch_bytes, config.function_grace, now,
            config.wait_notice, starts_only(config)}),
      pools({config.scale_delay, config.start_timeout, config.start_failures, config.max_pools,
             config.max_demanded, config.max_depth, config.resource_patience, config.own_processes,
             config.machine, config.max_starts, config.pool_memory, config.services},
            config.pools, random, timers),
      budget({config.retry_tokens, config.retry_tokens_per_call, config.retry_tokens_per_second}, now),
      schedules(~config.seed) {
  calls.account().free_large = config.free_large;
  for (auto& pool : pools.pools()) work.add_pool(*pool);
}

// What every step ends with: work finds workers, workers find work.
void hub::state::settle(time_point now, outputs& out) {
  if (references.some_may_be_unused()) tell_unused(now, out);
  if (schedules.some_wait()) begin_runs(now, out);
  if (!condemned.empty()) kill_condemned(now, out);
  if (work.some_stranded()) find_other_homes(now);
  if (work.unknown_due() <= now) fail_unknown_functions(now, out);
  if (pools.some_impossible()) fail_impossible(now, out);
  if (work.queued() != 0 || work.batch_due() != never) dispatch(now, out);
  spread(now, out);
  if (!began_to_wait.empty()) recall_behind_waits(now, out);
  auto const has_pools = !pools.pools().empty();
  if (has_pools && (some_lack_workers || !pools.is_calm(now) || is_simulated)) bring_workers(now, out);
  if (has_pools || turns_due != never) take_turns(now, out);
  if (!yielding.empty()) end_turns(now, out);
  if (work.nested_came() || look_for_deadlocks || deadlocks_due <= now) break_deadlocks(now, out);
  if (has_pools && (!pools.is_calm(now) || is_simulated)) let_workers_go(now, out);
  while (auto* const function = work.long_wait(now)) tell_of_wait(now, *function, out);
  if (!returning.empty()) give_back(now, out);
  if (drain_look <= now) look_whether_drained(now, out);
}

void hub::state::bring_workers(time_point now, outputs& out) {
  auto const calm = !some_lack_workers && pools.is_calm(now);
  auto const before = out.size();
  unpark(now, out);
  pools.start_workers(now, out);
  recruit(now, out);
  YONDER_CHECK(!calm || (out.size() == before && pools.is_calm(now)), "pools are calm, and want a worker");
}

void hub::state::let_workers_go(time_point now, outputs& out) {
  auto const calm = pools.is_calm(now);
  auto const before = out.size();
  let_go_idle(now, out);
  pools.forget_unused(
      now, [this](pool_record const& pool) { tally.pool_is_gone(name_of_pool(pool), kind_of_pool(pool)); });
  YONDER_CHECK(!calm || (out.size() == before && pools.is_calm(now)), "pools are calm, and let a worker go");
}

// Whether this is the first tick after a time in which nobody drove the hub: what has come meanwhile is taken
// first, and nobody is judged by what he could not say.
bool hub::state::stood_still(time_point now) {
  auto const due = next_deadline();
  auto const late = due < now && now - due > config.timing.heartbeat;
  reads_first = late && !reads_first && !YONDER_MUTANT(stillness_judges);
  return reads_first;
}

void hub::state::tick(time_point now, outputs& out) {
  if (YONDER_RARELY()) return;  // as a timer that is late
  if (stood_still(now)) return;
  while (auto* const due = timers.expire(now)) {
    switch (static_cast<timer_kind>(due->kind)) {
      case timer_kind::call: call_time(now, static_cast<call_record&>(*due), out); break;
      case timer_kind::orphans: orphan_time(now, owner_of<caller_record>(*due), out); break;
      case timer_kind::client_link:
      case timer_kind::worker_link: link_time(now, owner_of<session>(*due), out); break;
      case timer_kind::worker_grace: grace_time(now, owner_of<worker_session>(*due), out); break;
      case timer_kind::peer_hello: hello_time(now, owner_of<peer_record>(*due), out); break;
      case timer_kind::start:
        give_up_starting(now, pools.timed_out(now, owner_of<start_record>(*due).id, out), out);
        break;
    }
  }
  hand_out_tokens(now);
  if (schedules.due <= now) look_at_schedules(now, out);
  forget_overdue(now, out);
  if (unclaimed_due <= now) end_unclaimed(now, out);
}

time_point hub::state::next_deadline() const {
  auto& waiting = const_cast<state&>(*this).tokenless;
  auto const token_due = waiting.empty() ? never : budget.next(waiting.front().count);
  return std::min({timers.next(), work.unknown_due(), work.long_wait_due(), work.spread_due(),
                   work.batch_due(), turns_due, pools.next_deadline(), kept.next_due(), token_due,
                   schedules.due, drain_look, deadlocks_due, unclaimed_due});
}

hub::hub(hub_config config, time_point now) : state_(std::make_unique<state>(std::move(config), now)) {}
hub::~hub() = default;

void hub::connected(time_point now, peer_id peer, peer_link link, outputs& out) {
  if (state_->over) return;
  state_->connected(now, peer, link, out);
  state_->settle(now, out);
}

void hub::lost(time_point now, peer_id peer, peer_loss const& loss, outputs& out) {
  state_->lost(now, peer, loss, out);
  state_->settle(now, out);
}

void hub::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  if (state_->over) return;
  state_->receive(now, peer, std::move(message), out);
  state_->settle(now, out);
}

void hub::revoked(time_point now, std::string_view identity, std::string const& why, outputs& out) {
  state_->revoked(now, identity, why, out);
  state_->settle(now, out);
}

void hub::worker_start_failed(time_point now, std::uint64_t start, std::string const& reason,
                              std::string const& stderr_tail, outputs& out) {
  state_->start_failed(now, start, reason, stderr_tail, out);
  state_->settle(now, out);
}

void hub::worker_placed(time_point now, std::uint64_t start, outputs& out) {
  state_->pools.placed(now, start);
  state_->settle(now, out);
}

void hub::worker_held(time_point now, std::uint64_t start, std::string const& why, outputs& out) {
  state_->pools.held(start, why);
  state_->settle(now, out);
}

void hub::worker_waits(std::uint64_t start, std::string why) { state_->pools.waits(start, std::move(why)); }

void hub::worker_ended(time_point now, std::uint64_t start, std::string const& reason,
                       std::string const& stderr_tail, outputs& out) {
  state_->worker_ended(now, start, reason, stderr_tail, out);
  state_->settle(now, out);
}

bool hub::recall(time_point now, recovered_record&& record) { return state_->recall(now, std::move(record)); }

void hub::recovered(time_point now, std::uint64_t last_record, outputs& out) {
  state_->recovered(now, last_record, out);
  state_->settle(now, out);
}

void hub::read_back(time_point now, std::uint64_t number, std::optional<recovered_record>&& record,
                    std::string const& why, outputs& out) {
  if (state_->over) return;
  state_->read_back(now, number, std::move(record), why, out);
  state_->settle(now, out);
}

void hub::set_clock(time_point now, std::int64_t utc) { state_->set_clock(now, utc); }

void hub::journal_failed(time_point now, std::string const& why, outputs& out) {
  state_->journal_failed(now, why, out);
  state_->settle(now, out);
}

void hub::refuse_durable(std::string why) { state_->journal_refusal = std::move(why); }

void hub::synced(time_point now, std::uint64_t record, outputs& out) {
  state_->synced(now, record, out);
  state_->settle(now, out);
}

void hub::observed(time_point now, machine has, outputs& out) {
  state_->pools.observed(std::move(has));
  state_->settle(now, out);
}

std::optional<failure> hub::scale(time_point now, pool_order const& order, outputs& out) {
  auto refused = state_->scale(order);
  state_->settle(now, out);
  return refused;
}

std::optional<failure> hub::warm(time_point now, pool_order const& order, outputs& out) {
  auto refused = state_->warm(order);
  state_->settle(now, out);
  return refused;
}

std::vector<pool_census> hub::pools() const { return state_->count_pools(); }

void hub::drain(time_point now, duration within, outputs& out) {
  state_->drain(now, within, out);
  state_->settle(now, out);
}

void hub::shutdown(time_point now, outputs& out) {
  auto& s = *state_;
  s.over = true;
  while (!s.sessions.clients().empty()) s.shut_down(now, *s.sessions.clients().begin()->second, out);
  while (!s.sessions.workers().empty()) s.shut_down(now, *s.sessions.workers().begin()->second, out);
}

void hub::tick(time_point now, outputs& out) {
  state_->tick(now, out);
  state_->settle(now, out);
}

time_point hub::next_deadline() const { return state_->next_deadline(); }

hub_counters hub::counters() const {
  auto seen = state_->counters;
  seen.workers_started = state_->pools.started();
  seen.start_failures = state_->pools.failures();
  return seen;
}

std::map<task_tally::place, task_numbers> const& hub::tasks() const { return state_->tally.tasks(); }

void hub::begin_day(std::uint32_t day) noexcept { state_->used.begin_day(day); }
std::vector<usage_row> hub::usage() const { return state_->used.rows(); }

hub_census hub::census() const {
  auto const& s = *state_;
  hub_census seen;
  seen.peers = s.sessions.peers();
  seen.clients = s.sessions.clients().size();
  seen.workers = s.sessions.workers().size();
  seen.starting = s.pools.starting();
  seen.calls = s.calls.size();
  seen.queued = s.work.queued();
  seen.delayed = s.delayed + s.tokenless.size();
  seen.frames_held = s.calls.size();
  seen.bytes = s.calls.bytes();
  seen.client_bytes = s.calls.caller_bytes();
  seen.functions = s.work.functions();
  seen.kept = s.kept.size();
  seen.kept_bytes = s.kept.body_bytes();
  seen.progress = s.progress.size();
  seen.timers = s.timers.size();
  for (auto const& [id, client] : s.sessions.clients()) seen.frames_held += client->conn.frames_held();
  for (auto const& [id, worker] : s.sessions.workers()) {
    seen.frames_held += worker->conn.frames_held();
    seen.attempts += worker->outstanding.size();
    if (worker->load == worker_load::idle) ++seen.idle_workers;
    if (worker->waits) ++seen.waiting_workers;
    if (worker->park == parking::parked) ++seen.parked_workers;
  }
  return seen;
}

std::vector<queue_census> hub::queues(time_point now) const {
  auto& s = *state_;
  std::map<std::pair<std::string_view, std::string>, queue_census> seen;  // of all builds and signatures
  s.work.each_function([&](function_record& function) {
    if (function.numbers == nullptr) return;
    auto const pool = function.pool != nullptr ? s.name_of_pool(*function.pool) : std::string();
    auto& one = seen[{function.name, pool}];
    one.calls += function.queue.items;
    function.queue.each_lane(
        [&](lane& each) { one.oldest = std::max(one.oldest, now - each.calls.front().queued_since); });
  });
  std::vector<queue_census> all;
  for (auto& [of, one] : seen) {
    one.task = of.first;
    one.pool = of.second;
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<gpu_census> hub::gpus() const { return state_->pools.gpus(); }

}  // namespace yonder::core
