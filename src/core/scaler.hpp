// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_records.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <unordered_map>

namespace yonder::core {

// In the simulator's own build what is left out because nothing would come of it is done, to see that nothing
// does.
#ifdef YONDER_SIMULATE_MUTANTS
inline constexpr bool is_simulated = true;
#else
inline constexpr bool is_simulated = false;
#endif

// How many workers there are: asks for those that work waits for, gives up on those that do not come, and
// tells which have been idle for too long.
class scaler {
 public:
  struct limits {
    duration scale_delay = 0;                // a call that waited so long asks for another worker
    duration start_timeout = 0;              // from start_worker to hello
    int start_failures = 0;                  // in a row, with no worker live: the waiting calls fail
    std::size_t pools = 0;                   // that are made for calls which say what they need
    std::size_t demanded = 0;                // workers of all of these
    std::uint32_t max_depth = 0;             // of calls that are made from within each other
    duration patience = 0;                   // with those that have what another pool waits for
    bool own_processes = true;               // that is what workers are
    std::optional<core::machine> machine{};  // that they share; none: it is observed when it must be known
    std::size_t starts = 64;                 // of one pool that are on their way at once
    duration pool_memory = 600 * second;     // without calls, before a pool gives way to another one
    std::vector<std::pair<std::string, pool_config>> services{};  // after which pools of these are made
  };

  scaler(limits const& allowed, std::vector<pool_config> const& pools, random_source& random,
         timer_wheel& timers);

  std::vector<std::unique_ptr<pool_record>>& pools() noexcept { return pools_; }

  // --- pools that are made for what calls need

  // By the requirements as they came; null: there is none so far.
  pool_record* find(std::string_view key);
  // After what a pool for these needs is made; null: its workers come by themselves.
  pool_config const* model_of(requirements const& needs) const;
  // The same where it is the service's own; null: it is not.
  pool_config const* own_model_of(requirements const& needs) const;
  // Why there can be none, in words; empty: it can be made.
  std::string unsatisfiable(requirements const& needs) const;
  pool_record& make(std::string_view key, requirements&& needs);
  // Those that have neither calls nor workers. Calls gone(pool) for each, before it goes.
  void forget_unused(time_point now, std::function<void(pool_record const&)> const& gone);

  // A worker has come that takes its first call when it has answered the welcome: the delay, after which a
  // further one is started, begins anew, unless more calls wait than that one and those that come will take.
  static void will_take_a_call(time_point now, pool_record& pool);
  // A worker has made its pool's service, or has not: then as failed().
  void entered(pool_record& pool);
  pool_record* entry_failed(time_point now, pool_record& pool, std::string const& reason,
                            std::string const& stderr_tail);
  // A worker that had come is no more.
  void gone(worker_session& worker);

  // What there is to be given: some pools can never have workers because of that.
  void observed(core::machine has);
  bool some_impossible() const noexcept { return some_impossible_; }
  // Of a place in a lease.
  std::string gpu_name(std::uint32_t place) const { return ledger_->has().gpus[place].id; }
  std::uint64_t gpu_memory_of(resource_lease const& lease) const {
    return ledger_ ? ledger_->gpu_memory_of(lease) : 0;
  }
  std::vector<gpu_census> gpus() const { return ledger_ ? ledger_->gpus() : std::vector<gpu_census>(); }
  // One of those, for which calls wait; null: none.
  pool_record* awaited_in_vain();
  // The worker computes nothing, or goes on: others may have its cores meanwhile.
  void set_waits(worker_session& worker, bool waits);

  // --- workers that are parked (scaler_parking.cpp)

  // Instead of being let go.
  static bool may_park(worker_session const& worker);
  // It was asked to; it has; it is one of those no more, as it goes or has failed.
  static void park(worker_session& worker);
  void parked(time_point now, worker_session& worker);
  static void forget_parked(worker_session& worker);
  // One that is to come back, as its pool needs a worker; it has its GPUs again. Null: none.
  worker_session* unpark(time_point now);
  // One that is to be let go; null: none.
  worker_session* parked_too_long(time_point now);

  // --- workers that came by themselves

  // Whether a pool that recruits needs one more.
  bool wants_recruit(time_point now, pool_record const& pool) const {
    return pool.recruits && wish_due(pool) <= now;
  }
  void recruited(time_point now, pool_record& pool, worker_session& worker);
  // It is no worker of its pool any more.
  static void dismissed(worker_session& worker) { --worker.pool->users; }

  // --- how large pools are

  // Why it cannot be like that, in words; empty: it is.
  std::string scale(pool_record& pool, pool_change const& change);
  void warm(pool_record& pool, std::size_t count);

  // Whether nothing is to be done for any pool now, as nearly always: all of them are of the configuration,
  // no call waits for a worker of theirs, no worker is to come, to go, or is parked.
  bool is_calm(time_point now) const {
    return !asks_ && !some_impossible_ && short_.empty() && want_room_.empty() &&
           pools_.size() == configured_ && std::all_of(pools_.begin(), pools_.end(), [&](auto const& one) {
             return asks_nothing(*one) && calm_until(*one) > now;
           });
  }
  // Asks for the workers that are due.
  void start_workers(time_point now, outputs& out);
  time_point next_deadline() const;
  // Whether a worker is on its way, or comes once all have ended that are not stuck.
  // `one_goes`: of all that calls asked for, at least one ends some time.
  bool can_start(pool_record const& pool, bool one_goes) const;

  // What was started elsewhere runs: its worker is expected from now on.
  void placed(time_point now, std::uint64_t start);
  // There is no room for it so far: an idle worker of another pool that comes by the same launcher goes.
  void held(std::uint64_t start, std::string const& why);
  // It is under way; why it is not there yet, in words. Empty: that is over.
  void waits(std::uint64_t start, std::string why);
  // Whether a worker with this token is awaited, whose credential was issued for that start (0: for none).
  bool awaits(std::uint64_t token, std::uint64_t issued_for) const;
  // Which start a worker comes of; 0: of none. And for whom it was.
  std::uint64_t start_of(std::uint64_t start, std::uint64_t token) const;
  pool_record const* pool_of(std::uint64_t start, std::uint64_t token) const;
  // The pool of a worker that has come by this start, or by the token that it brought; null: by itself.
  // The worker has what was leased for it.
  pool_record* succeeded(std::uint64_t start, std::uint64_t token, worker_session* worker = nullptr);
  // The pool whose waiting calls are to fail, for no worker of it comes; null: it is tried again.
  pool_record* failed(time_point now, std::uint64_t start, std::string const& reason,
                      std::string const& stderr_tail);
  // The same for one that did not come in time: it is to be ended; elsewhere, what that shows is waited for.
  pool_record* timed_out(time_point now, std::uint64_t start, outputs& out);
  // Why; the next start is a first one again.
  failure explain(pool_record& pool) const;

  // A worker that is to be let go; null: none.
  // It is looked at again as if it had just become idle.
  static void stay(time_point now, worker_session& worker) noexcept;
  worker_session* idle_too_long(time_point now);
  // The same, because another pool needs what it has for a worker of its own. It may have work.
  worker_session* in_the_way(time_point now);

  std::size_t starting() const noexcept { return starts_.size(); }
  std::uint64_t started() const noexcept { return started_; }
  std::uint64_t failures() const noexcept { return failures_; }

 private:
  bool launches() const;
  std::size_t kept() const;
  pool_record* least_used() const;
  void give_way(time_point now);
  bool is_full(pool_record const& pool) const;
  bool has_most(pool_record const& pool) const;
  bool no_more_demanded(pool_record const& pool) const;
  time_point wish_due(pool_record const& pool) const;
  bool can_lease(pool_record const& pool) const;
  bool could_lease(pool_record const& pool, bool (*stays)(worker_session const&)) const;
  resource_ledger left_by_others(pool_record const& pool) const;
  bool may_get(pool_record const& pool) const;
  void note_short(time_point now, pool_record& pool);
  static bool has_enough(resource_ledger const& left, pool_record const& pool);
  worker_session* in_the_way_of(time_point now, pool_record const& pool, resource_ledger left);
  bool is_in_the_way(time_point now, worker_session const& one, pool_record const& of);
  bool is_warm(pool_record const& pool) const;
  static void is_coming(time_point now, pool_record& pool);
  time_point start_due(pool_record const& pool) const;
  // Of a pool that asks for nothing only time changes anything, when this has come.
  static bool asks_nothing(pool_record const& pool) {
    return pool.queued == 0 && pool.waiting_since == never && pool.wanted == 0 && pool.held == 0 &&
           pool.expiring == 0 && pool.to_replace == 0 && pool.config.spare == 0 && pool.parked.empty() &&
           pool.short_since == never && pool.workers() >= pool.least() && !pool.recruits && !pool.shrinks &&
           !pool.gives_way;
  }
  static time_point calm_until(pool_record& pool) {
    if (pool.idle.empty() || pool.in_service <= pool.least()) return never;
    return add(pool.idle.front().idle_since, pool.config.scaledown_window);
  }
  time_point idle_due(pool_record& pool) const;
  static void came(pool_record& pool);
  worker_session* could_unpark(pool_record const& pool) const;
  time_point unpark_due(pool_record const& pool) const;
  static time_point parked_until(worker_session const& worker);
  static time_point parked_due(pool_record const& pool);
  pool_record* note_failure(time_point now, pool_record& pool, std::string const& reason,
                            std::string const& stderr_tail);
  void start_worker(time_point now, pool_record& pool, outputs& out);
  pool_record* end_start(std::uint64_t start);
  void give_up_held(pool_record& pool, outputs& out);
  std::size_t place_of_held(pool_record const& giving) const;

  limits limits_;
  random_source& random_;
  timer_wheel& timers_;
  std::vector<std::unique_ptr<pool_record>> pools_;  // those of the configuration first
  std::size_t configured_ = 0;                       // so many
  std::unordered_map<std::string_view, pool_record*> by_key_;
  pool_record* last_ = nullptr;  // that was asked for
  std::unordered_map<std::uint64_t, std::unique_ptr<start_record>> starts_;
  std::unordered_map<std::uint64_t, std::uint64_t> by_token_;
  std::vector<std::uint64_t> want_room_;   // starts that are held; the first to be so first
  std::optional<resource_ledger> ledger_;  // none: it is not known what there is
  bool asks_ = false;                      // for that
  bool asked_ = false;
  bool some_impossible_ = false;
  std::vector<worker_session*> holders_;  // workers with a lease
  std::vector<pool_record*> short_;       // pools that wait for what others have; the first to do so first
  time_point yield_due_ = never;          // when a worker that has work will have served for long enough
  std::size_t demanded_ = 0;              // workers of pools that calls asked for
  std::uint64_t secret_;                  // without it, one token would tell the next
  std::uint64_t last_start_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace yonder::core
