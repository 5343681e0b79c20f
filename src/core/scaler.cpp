// SPDX-License-Identifier: Apache-2.0
#include "src/core/scaler.hpp"

#include "src/core/check.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <tuple>

namespace yonder::core {
namespace {

// After a failed start: for calls that wait, times the failures that they have not been told yet; for workers
// that nobody waits for doubled by each in a row.
constexpr duration start_backoff = 100 * millisecond;
constexpr duration longest_pause = 60 * second;
// Of pools whose workers came by themselves, where the needs do not say.
constexpr std::size_t most_recruits = 1'024;
constexpr duration recruits_window = 10 * second;
// For which what is started elsewhere may take to end, when it did not come in time, before nothing is known.
constexpr duration last_words_of_late = 10 * second;
constexpr char late_words[] = "the worker did not connect in time";

}  // namespace

scaler::scaler(limits const& allowed, std::vector<pool_config> const& pools, random_source& random,
               timer_wheel& timers)
    : limits_(allowed), random_(random), timers_(timers), secret_(random.next()) {
  if (limits_.machine) ledger_.emplace(*limits_.machine);
  for (auto const& config : pools) {
    auto& pool = *pools_.emplace_back(std::make_unique<pool_record>());
    pool.config = config;
  }
  configured_ = pools_.size();
}

// --- pools that are made for what calls need

bool scaler::launches() const { return configured_ != 0 && pools_.front()->config.max_workers != 0; }

pool_config const* scaler::own_model_of(requirements const& needs) const {
  auto const found = std::find_if(limits_.services.begin(), limits_.services.end(),
                                  [&](auto const& one) { return one.first == needs.service; });
  return found == limits_.services.end() ? nullptr : &found->second;
}

pool_config const* scaler::model_of(requirements const& needs) const {
  auto const* const own = own_model_of(needs);
  return own == nullptr && launches() ? &pools_.front()->config : own;
}

pool_record* scaler::find(std::string_view key) {
  if (last_ != nullptr && last_->key == key) return last_;
  auto const found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : last_ = found->second;
}

std::string scaler::unsatisfiable(requirements const& needs) const {
  auto const of_process = needs.resources.any() || needs.isolate;
  auto const* const model = model_of(needs);
  if (model == nullptr && (needs.service.empty() || of_process))
    return "the hub starts no workers of its own, and those that came by themselves have no GPUs, cores, "
           "memory or "
           "process of their own; set runtime_options::max there";
  if (kept() >= limits_.pools)
    return "the hub has " + std::to_string(limits_.pools) +
           " pools for calls that say what they need of their workers, and makes no more; let calls share "
           "what "
           "they can";
  auto const elsewhere = model != nullptr && model->elsewhere;
  if (of_process && !limits_.own_processes && !elsewhere)
    return "workers are threads of this process here (runtime_options::in_process), which have no GPUs, "
           "cores, memory "
           "or process of their own; let them be processes";
  if (auto const least = std::max(needs.min_workers, needs.spare); least > limits_.demanded)
    return std::to_string(least) + " workers are wanted at least; the hub starts at most " +
           std::to_string(limits_.demanded) + " for calls that say what they need of them";
  return ledger_ && !elsewhere ? ledger_->unsatisfiable(needs.resources) : std::string();
}

pool_record& scaler::make(std::string_view key, requirements&& needs) {
  auto const* const model = model_of(needs);
  auto const* const own = own_model_of(needs);
  auto const is_named = own != nullptr;
  auto& pool = *pools_.emplace_back(std::make_unique<pool_record>());
  pool.recruits = model == nullptr;
  if (pool.recruits)
    pool.config = {.max_workers = most_recruits, .scaledown_window = recruits_window};
  else
    pool.config = *model;
  pool.config.functions.clear();
  pool.config.min_workers = std::max<std::size_t>(needs.min_workers, is_named ? pool.config.min_workers : 0);
  if (needs.max_workers != 0)
    pool.config.max_workers = std::min<std::size_t>(
        needs.max_workers, pool.config.elsewhere || is_named ? pool.config.max_workers : limits_.demanded);
  pool.config.max_workers = std::max(pool.config.max_workers, pool.config.min_workers);
  pool.config.spare =
      std::max<std::size_t>(needs.spare, is_named ? std::min(pool.config.spare, pool.config.max_workers) : 0);
  pool.config.max_queue = needs.max_queue;
  if (needs.scaledown_window >= 0) pool.config.scaledown_window = needs.scaledown_window;
  pool.config.park_window = needs.park_window;
  pool.on_demand = true;
  pool.own_model = own;
  pool.key = key;
  pool.needs = std::move(needs);
  asks_ = asks_ || (pool.leases() && !ledger_ && !asked_);
  by_key_.emplace(pool.key, &pool);
  return pool;
}

// Pools that are made for calls, but for those that go.
std::size_t scaler::kept() const {
  auto const going =
      std::count_if(pools_.begin(), pools_.end(), [](auto const& one) { return one->gives_way; });
  return pools_.size() - configured_ - static_cast<std::size_t>(going);
}

// The one whose last call is the longest ago, among those that may go; null: none may.
pool_record* scaler::least_used() const {
  pool_record* least = nullptr;
  for (auto const& one : pools_) {
    auto const stays = !one->on_demand || one->is_set || one->gives_way || one->is_used();
    if (stays || one->used_last == never) continue;
    if (least == nullptr || one->used_last < least->used_last) least = one.get();
  }
  return least;
}

// So that there is room for another one before it is asked for.
void scaler::give_way(time_point now) {
  if (pools_.size() - configured_ < limits_.pools || kept() < limits_.pools) return;
  auto* const least = least_used();
  if (least != nullptr && add(least->used_last, limits_.pool_memory) <= now) least->gives_way = true;
}

void scaler::forget_unused(time_point now, std::function<void(pool_record const&)> const& gone) {
  give_way(now);
  for (auto place = pools_.size(); place > configured_; --place) {
    auto& pool = *pools_[place - 1];
    if (pool.users != 0 || pool.workers() != 0) continue;
    auto const stays = pool.least() + pool.wanted != 0 || pool.is_set;
    if (stays && pool.impossible.empty()) continue;
    if (pool.start_not_before > now && !YONDER_MUTANT(failure_forgotten)) continue;
    gone(pool);
    if (last_ == &pool) last_ = nullptr;
    std::erase(short_, &pool);
    by_key_.erase(pool.key);
    pools_.erase(pools_.begin() + static_cast<std::ptrdiff_t>(place - 1));
  }
}

// --- starting

bool scaler::no_more_demanded(pool_record const& pool) const {
  return pool.on_demand && !pool.recruits && demanded_ >= limits_.demanded;
}

// Each worker may have others wait for what it runs, one for each call that was made within another.
bool scaler::is_full(pool_record const& pool) const {
  return (no_more_demanded(pool) && pool.parked.empty()) || has_most(pool);
}

bool scaler::has_most(pool_record const& pool) const {
  return pool.workers() >= pool.config.max_workers * (std::size_t{1} + limits_.max_depth);
}

bool scaler::can_start(pool_record const& pool, bool one_goes) const {
  if (pool.workers() != pool.waiting) return true;  // it is on its way, or takes a call some time, or goes
  if (pool.counted() >= pool.config.max_workers || has_most(pool) || (is_full(pool) && !one_goes))
    return false;
  return could_lease(pool, [](auto const& one) { return one.stuck != 0; });
}

// --- what workers are given

void scaler::observed(core::machine has) {
  ledger_.emplace(std::move(has));
  for (auto& pool : pools_) {
    if (!pool->leases()) continue;
    pool->impossible = ledger_->unsatisfiable(pool->needs.resources);
    some_impossible_ = some_impossible_ || !pool->impossible.empty();
  }
}

pool_record* scaler::awaited_in_vain() {
  auto const found = std::find_if(pools_.begin(), pools_.end(), [](auto const& pool) {
    return !pool->impossible.empty() && pool->queued != 0;
  });
  return found == pools_.end() ? nullptr : found->get();
}

// Of what there is, what is not given away, and not kept for the pool that has waited longest of those that
// can have what they need once the others have let go what they may.
resource_ledger scaler::left_by_others(pool_record const& pool) const {
  auto left = *ledger_;
  auto const first =
      std::find_if(short_.begin(), short_.end(), [&](auto const* one) { return may_get(*one); });
  if (first != short_.end() && *first != &pool) left.reserve((*first)->needs.resources);
  return left;
}

// Whoever waits for others keeps what it has, and so do the least workers of a pool.
bool scaler::may_get(pool_record const& pool) const {
  resource_ledger left(ledger_->has());
  for (auto* const one : holders_) one->pool->seen = 0;
  for (auto* const one : holders_) {
    if (one->park == parking::parked) continue;  // what it still has it gives up
    auto& its = *one->pool;
    bool const is_least = its.seen++ < its.least() && &its != &pool;
    if (one->waits || is_least) left.hold(*one->lease);
  }
  return left.fits(pool.needs.resources);
}

bool scaler::can_lease(pool_record const& pool) const {
  if (!pool.leases()) return true;
  if (!ledger_) return false;
  if (short_.empty() || short_.front() == &pool) return ledger_->fits(pool.needs.resources);
  return left_by_others(pool).fits(pool.needs.resources);
}

// Once all are gone of whom `stays` does not say that they stay.
bool scaler::could_lease(pool_record const& pool, bool (*stays)(worker_session const&)) const {
  if (!pool.leases() || !ledger_) return true;
  resource_ledger left(ledger_->has());
  for (auto const* const one : holders_)
    if (stays(*one)) left.hold(*one->lease);
  return left.fits(pool.needs.resources);
}

void scaler::set_waits(worker_session& worker, bool waits) {
  if (!worker.lease) return;
  if (waits)
    ledger_->give_back_cores(*worker.lease);
  else
    ledger_->take_back_cores(*worker.lease);
}

void scaler::gone(worker_session& worker) {
  auto& pool = *worker.pool;
  if (pool.on_demand) --pool.users;
  if (pool.on_demand && !pool.recruits) --demanded_;
  if (worker.isolated && !worker.waits) --pool.isolated;
  if (!worker.lease) return;
  ledger_->give_back(*worker.lease);
  std::erase(holders_, &worker);
}

// Pools wait for what others have in the order in which they began to.
worker_session* scaler::in_the_way(time_point now) {
  yield_due_ = never;
  for (auto* const pool : short_) {
    auto left = left_by_others(*pool);
    for (auto* const one : holders_)
      if (one->dying || (one->draining && one->outstanding.empty()) || one->park == parking::begins)
        left.give_back(*one->lease);  // it goes, or parks
    if (has_enough(left, *pool)) continue;
    if (auto* const found = in_the_way_of(now, *pool, std::move(left))) return found;
  }
  return nullptr;
}

// Enough for another worker, or for one that is parked to come back.
bool scaler::has_enough(resource_ledger const& left, pool_record const& pool) {
  return left.fits(pool.needs.resources) ||
         std::any_of(pool.parked.begin(), pool.parked.end(), [&](auto const* one) {
           return one->park == parking::parked && !one->goes() && one->lease && left.could_go_on(*one->lease);
         });
}

// The longest idle of those that hold anything of what is needed, then those that have served the longest, if
// letting some of them go is enough; of those the first one without which it is not. Of the idle ones those
// that the pool itself has parked come last.
worker_session* scaler::in_the_way_of(time_point now, pool_record const& pool, resource_ledger left) {
  std::vector<worker_session*> others;
  for (auto* const one : holders_)
    if (is_in_the_way(now, *one, pool)) others.push_back(one);
  auto const place = [&](worker_session const& one) {
    auto const is_idle = one.load == worker_load::idle || one.park == parking::parked;
    return std::tuple(!is_idle, one.pool == &pool, is_idle ? one.idle_since : one.served_since);
  };
  std::stable_sort(others.begin(), others.end(),
                   [&](auto const* a, auto const* b) { return place(*a) < place(*b); });
  std::vector<worker_session*> chosen;
  for (auto* const one : others) one->pool->seen = 0;
  for (auto* const one : others) {
    auto& its = *one->pool;
    if (one->in_service() && its.in_service <= its.least() + its.seen++) continue;
    chosen.push_back(one);
    left.give_back(*one->lease);
    if (has_enough(left, pool)) break;
  }
  if (!has_enough(left, pool)) return nullptr;
  for (auto* const one : chosen) {
    left.hold(*one->lease);
    if (!has_enough(left, pool)) return one;
  }
  return nullptr;
}

// One that has work goes only for a pool that has fewer workers than its own.
bool scaler::is_in_the_way(time_point now, worker_session const& one, pool_record const& of) {
  auto const& needs = of.needs.resources;
  auto const& has = *one.lease;
  auto const helps = (needs.gpus != 0 && !has.gpus.empty()) || (needs.cores != 0 && !has.cores.empty()) ||
                     (needs.memory != 0 && has.needs.memory != 0);
  if (one.park == parking::parked && !one.goes()) return needs.memory != 0 && has.needs.memory != 0;
  if (!helps || one.pool == &of || !one.in_service() || one.program == nullptr) return false;
  if (one.load == worker_load::idle) return true;
  if (one.waits || one.outstanding.empty() || one.pool->in_service <= of.workers()) return false;
  auto const due = add(std::max(of.short_since, one.served_since), limits_.patience);
  if (due > now) yield_due_ = std::min(yield_due_, due);
  return due <= now;
}

void scaler::note_short(time_point now, pool_record& pool) {
  auto const is_short =
      pool.leases() && ledger_ && !pool.recruits && wish_due(pool) <= now && !can_lease(pool);
  if (is_short == (pool.short_since != never)) return;
  pool.short_since = is_short ? now : never;
  if (is_short)
    short_.push_back(&pool);
  else
    std::erase(short_, &pool);
}

// --- how large pools are

std::string scaler::scale(pool_record& pool, pool_change const& change) {
  auto next = pool.config;
  next.min_workers = change.min_workers.value_or(next.min_workers);
  next.max_workers = change.max_workers.value_or(next.max_workers);
  next.spare = change.spare.value_or(next.spare);
  next.max_queue = change.max_queue.value_or(next.max_queue);
  next.scaledown_window = change.scaledown_window.value_or(next.scaledown_window);
  next.park_window = change.park_window.value_or(next.park_window);
  if (next.max_workers == 0) return "max is 0; a pool that has calls needs a worker";
  if (next.max_workers < next.min_workers || next.max_workers < next.spare)
    return "max would be " + std::to_string(next.max_workers) + ", min " + std::to_string(next.min_workers) +
           " and buffer " + std::to_string(next.spare) + "; let max be no less than both";
  pool.shrinks = next.max_workers < pool.config.max_workers;
  pool.config = std::move(next);
  pool.is_set = true;
  pool.gives_way = false;
  return {};
}

void scaler::warm(pool_record& pool, std::size_t count) {
  auto const most = std::min(count, pool.config.max_workers);
  pool.wanted = std::max(pool.wanted, most - std::min(most, pool.workers()));
}

// As warm as it may be: for what nobody waits for, nobody has to make room.
bool scaler::is_warm(pool_record const& pool) const {
  if (pool.recruits) return false;
  auto const is_known = ledger_ || !pool.leases();
  return !pool.impossible.empty() || pool.workers() >= pool.config.max_workers || is_full(pool) ||
         (is_known && !can_lease(pool));
}

void scaler::is_coming(time_point now, pool_record& pool) {
  pool.waiting_since = now;
  if (pool.wanted != 0) --pool.wanted;
  if (pool.to_replace != 0) --pool.to_replace;
}

// --- when workers are started

time_point scaler::start_due(pool_record const& pool) const {
  if (pool.lacks_recruits || pool.starting >= limits_.starts || no_more_demanded(pool)) return never;
  auto const due = wish_due(pool);
  return due == never || can_lease(pool) ? due : never;
}

time_point scaler::wish_due(pool_record const& pool) const {
  if (!pool.impossible.empty()) return never;
  if (pool.wanted != 0 && pool.workers() < pool.config.max_workers && !is_full(pool))
    return pool.start_not_before;
  if (pool.workers() < pool.least() + pool.expiring && !is_full(pool))
    return pool.queued != 0 ? pool.start_not_before : std::max(pool.start_not_before, pool.least_not_before);
  if (pool.lasting() >= pool.config.max_workers || is_full(pool)) return never;
  auto const coming = pool.starting + pool.entering;
  auto const works = pool.queued != 0 || pool.in_service > pool.idle.size();
  if (works && pool.idle.size() + coming < pool.config.spare) return pool.start_not_before;
  if (works && pool.to_replace != 0) return pool.start_not_before;
  if (pool.queued == 0) return never;
  if (pool.counted() == 0) return pool.start_not_before;
  if (coming >= pool.queued || pool.waiting_since == never) return never;
  auto const delay = pool.config.scale_delay != 0 ? pool.config.scale_delay : limits_.scale_delay;
  return std::max(pool.start_not_before, add(pool.waiting_since, delay));
}

void scaler::start_workers(time_point now, outputs& out) {
  if (std::exchange(asks_, false)) {
    asked_ = true;
    out.emplace_back(out::observe_machine{});
  }
  auto const start = [&](pool_record& pool) {
    while (!pool.recruits && start_due(pool) <= now) {
      if (YONDER_RARELY())
        pool.start_not_before = add(now, limits_.scale_delay);
      else
        start_worker(now, pool, out);
    }
    if (pool.wanted != 0 && is_warm(pool)) pool.wanted = 0;
    note_short(now, pool);
  };
  for (auto* const pool : std::vector(short_)) start(*pool);
  for (auto& pool : pools_) {
    if (pool->queued == 0) {
      pool->waiting_since = never;
    } else if (pool->waiting_since == never) {
      pool->waiting_since = now;
    }
    if (pool->is_used()) pool->gives_way = false;
    if (pool->is_used() || pool->used_last == never) pool->used_last = now;
    if (pool->held != 0) give_up_held(*pool, out);
    start(*pool);
  }
}

void scaler::recruited(time_point now, pool_record& pool, worker_session& worker) {
  worker.pool = &pool;
  is_coming(now, pool);
  ++pool.entering;
  ++pool.users;
}

void scaler::start_worker(time_point now, pool_record& pool, outputs& out) {
  is_coming(now, pool);
  ++pool.starting;
  if (pool.on_demand) {
    ++pool.users;
    ++demanded_;
  }
  auto made = std::make_unique<start_record>();
  auto& start = *made;
  start.id = ++last_start_;
  do start.token = random_.next() ^ secret_;
  while (start.token == 0 || by_token_.contains(start.token));
  start.pool = &pool;
  if (pool.leases()) start.lease = ledger_->take(pool.needs.resources);
  start.since = now;
  start.start_timer.kind = static_cast<std::uint8_t>(timer_kind::start);
  start.start_timer.owner = &start;
  if (!pool.config.elsewhere) timers_.arm(start.start_timer, add(now, limits_.start_timeout));
  by_token_.emplace(start.token, start.id);
  out::start_worker wanted{.start = start.id,
                           .pool = pool.config.id,
                           .token = start.token,
                           .exit_timeout = pool.needs.exit_timeout,
                           .elsewhere = pool.config.elsewhere};
  if (wanted.elsewhere) {
    wanted.needs = pool.needs.resources;
    // Of those that calls share, as the first that came was.
    wanted.build = pool.needs.build.is_any() && pool.program != nullptr ? pool.program->made_of.build
                                                                        : pool.needs.build.build;
  }
  if (start.lease) {
    for (auto const place : start.lease->gpus) wanted.gpus.push_back(ledger_->has().gpus[place].id);
    wanted.cores = start.lease->cores;
  }
  out.emplace_back(std::move(wanted));
  starts_.emplace(start.id, std::move(made));
}

// Nobody waits for them any more.
void scaler::give_up_held(pool_record& pool, outputs& out) {
  auto const works = pool.in_service > pool.idle.size();
  if (pool.queued != 0 || pool.wanted != 0 || works) return;
  std::vector<std::uint64_t> all;
  for (auto const& [id, start] : starts_)
    if (start->pool == &pool && start->held) all.push_back(id);
  std::sort(all.begin(), all.end(), std::greater<>());
  for (auto const id : all) {
    if (pool.workers() <= pool.least() + pool.expiring) return;
    out.emplace_back(out::abandon_start{id});
    end_start(id);
  }
}

void scaler::held(std::uint64_t start, std::string const& why) {
  auto const found = starts_.find(start);
  if (found == starts_.end()) return;
  auto& pool = *found->second->pool;
  if (!std::exchange(found->second->held, true)) ++pool.held;
  pool.held_why = why;
  if (std::find(want_room_.begin(), want_room_.end(), start) == want_room_.end()) want_room_.push_back(start);
}

void scaler::waits(std::uint64_t start, std::string why) {
  auto const found = starts_.find(start);
  if (found == starts_.end()) return;
  auto& pool = *found->second->pool;
  if (why.empty()) return pool.forget_delay(start);
  pool.delayed = start;
  pool.delayed_why = std::move(why);
}

// Of another pool's start for which a worker of this one makes room; want_room_.size(): of none.
std::size_t scaler::place_of_held(pool_record const& giving) const {
  if (!giving.config.elsewhere) return want_room_.size();
  auto const found = std::find_if(want_room_.begin(), want_room_.end(), [&](std::uint64_t id) {
    auto const& pool = *starts_.at(id)->pool;
    return &pool != &giving && pool.config.id == giving.config.id;
  });
  return static_cast<std::size_t>(found - want_room_.begin());
}

bool scaler::awaits(std::uint64_t token, std::uint64_t issued_for) const {
  if (token == 0) return issued_for == 0;
  auto const found = by_token_.find(token);
  return found != by_token_.end() && (issued_for == 0 || found->second == issued_for);
}

std::uint64_t scaler::start_of(std::uint64_t start, std::uint64_t token) const {
  if (start != 0) return start;
  auto const known = by_token_.find(token);
  return known == by_token_.end() ? 0 : known->second;
}

pool_record const* scaler::pool_of(std::uint64_t start, std::uint64_t token) const {
  auto const found = starts_.find(start_of(start, token));
  return found == starts_.end() ? nullptr : found->second->pool;
}

void scaler::placed(time_point now, std::uint64_t start) {
  auto const found = starts_.find(start);
  if (found == starts_.end() || !found->second->pool->config.elsewhere) return;
  if (std::exchange(found->second->held, false)) --found->second->pool->held;
  std::erase(want_room_, start);
  found->second->pool->forget_delay(start);
  auto const within = found->second->pool->config.start_timeout;
  timers_.arm(found->second->start_timer, add(now, within != 0 ? within : limits_.start_timeout));
}

pool_record* scaler::succeeded(std::uint64_t start, std::uint64_t token, worker_session* worker) {
  start = start_of(start, token);
  auto const found = starts_.find(start);
  if (found == starts_.end()) return nullptr;
  auto& pool = *found->second->pool;
  YONDER_CHECK(pool.starting != 0, "a pool has lost count of its starts");
  ++started_;
  --pool.starting;
  if (pool.has_service())
    ++pool.entering;
  else
    came(pool);
  if (worker != nullptr && pool.config.elsewhere) worker->start = start;
  if (worker != nullptr) worker->start_since = found->second->since;
  if (worker != nullptr && found->second->lease) {
    worker->lease = std::move(found->second->lease);
    holders_.push_back(worker);
  }
  if (found->second->held) --pool.held;
  std::erase(want_room_, start);
  pool.forget_delay(start);
  timers_.disarm(found->second->start_timer);
  by_token_.erase(found->second->token);
  starts_.erase(found);
  return &pool;
}

// Its worker does not come; null: it is none.
pool_record* scaler::end_start(std::uint64_t start) {
  auto const found = starts_.find(start);
  if (found == starts_.end()) return nullptr;
  auto& pool = *found->second->pool;
  YONDER_CHECK(pool.starting != 0, "a pool has lost count of its starts");
  if (found->second->lease) ledger_->give_back(*found->second->lease);
  if (found->second->held) --pool.held;
  std::erase(want_room_, start);
  pool.forget_delay(start);
  timers_.disarm(found->second->start_timer);
  by_token_.erase(found->second->token);
  starts_.erase(found);
  --pool.starting;
  if (pool.on_demand) {
    --pool.users;
    --demanded_;
  }
  return &pool;
}

pool_record* scaler::failed(time_point now, std::uint64_t start, std::string const& reason,
                            std::string const& stderr_tail) {
  auto const found = starts_.find(start);
  auto const was_late = found != starts_.end() && found->second->token == 0 && reason != late_words;
  auto* const pool = end_start(start);
  if (pool == nullptr) return nullptr;
  return note_failure(now, *pool, was_late ? std::string(late_words) + "; it " + reason : reason,
                      stderr_tail);
}

void scaler::entered(pool_record& pool) {
  --pool.entering;
  came(pool);
}

void scaler::will_take_a_call(time_point now, pool_record& pool) {
  if (pool.waiting_since != never && pool.queued <= pool.starting + pool.entering + 1)
    pool.waiting_since = now;
}

void scaler::came(pool_record& pool) {
  pool.start_failures = pool.failures_in_row = 0;
  pool.least_not_before = 0;
}

pool_record* scaler::entry_failed(time_point now, pool_record& pool, std::string const& reason,
                                  std::string const& stderr_tail) {
  --pool.entering;
  return note_failure(now, pool, reason, stderr_tail);
}

pool_record* scaler::note_failure(time_point now, pool_record& pool, std::string const& reason,
                                  std::string const& stderr_tail) {
  ++failures_;
  ++pool.start_failures;
  auto const doubled = start_backoff << std::min(pool.failures_in_row++, 10);
  if (!YONDER_MUTANT(entry_repeated_at_once)) {
    pool.start_not_before = add(now, std::min(longest_pause, start_backoff * pool.start_failures));
    pool.least_not_before = add(now, std::min(longest_pause, doubled));
  }
  if (pool.start_failures >= limits_.start_failures) pool.wanted = 0;
  pool.failure_reason = reason;
  pool.failure_tail = stderr_tail;
  return pool.start_failures >= limits_.start_failures && pool.counted() == 0 ? &pool : nullptr;
}

pool_record* scaler::timed_out(time_point now, std::uint64_t start, outputs& out) {
  auto& record = *starts_.at(start);
  auto const is_second = record.token == 0;
  if (!is_second && !YONDER_MUTANT(late_start_kept)) out.emplace_back(out::abandon_start{start});
  if (is_second || !record.pool->config.elsewhere) return failed(now, start, late_words, {});
  by_token_.erase(std::exchange(record.token, 0));  // who comes by it now is a stranger
  timers_.arm(record.start_timer, add(now, last_words_of_late));
  return nullptr;
}

failure scaler::explain(pool_record& pool) const {
  failure error;
  error.code = errc::worker_start_failed;
  error.message = "no worker could be started" + pool.failures_in_words();
  pool.start_failures = 0;
  error.stderr_tail = pool.failure_tail;
  return error;
}

// --- letting go

// Spare workers are kept as long as others of their pool work.
time_point scaler::idle_due(pool_record& pool) const {
  auto const is_in_vain = pool.queued != 0 && !pool.idle.empty() && pool.idle.front().passed_over;
  if (is_in_vain && pool.lasting() >= pool.config.max_workers) return 0;
  if (pool.shrinks && pool.in_service > pool.config.max_workers && !pool.idle.empty()) return 0;
  if (pool.gives_way && !pool.idle.empty()) return 0;
  if (pool.in_service <= pool.least() || pool.idle.empty()) return never;
  if (place_of_held(pool) != want_room_.size()) return 0;
  if (pool.idle.size() <= pool.config.spare && pool.idle.size() < pool.in_service) return never;
  return add(pool.idle.front().idle_since, pool.config.scaledown_window);
}

void scaler::stay(time_point now, worker_session& worker) noexcept {
  worker.idle_since = now;
  worker.pool->idle.remove(worker);
  worker.pool->idle.push_back(worker);
}

worker_session* scaler::idle_too_long(time_point now) {
  for (auto& pool : pools_) {
    if (idle_due(*pool) > now) continue;
    auto const served = place_of_held(*pool);
    if (served != want_room_.size())
      want_room_.erase(want_room_.begin() + static_cast<std::ptrdiff_t>(served));
    return &pool->idle.front();
  }
  return nullptr;
}

time_point scaler::next_deadline() const {
  if (pools_.empty()) return never;
  auto next = short_.empty() ? never : yield_due_;
  for (auto const& pool : pools_) {
    auto const is_calm = want_room_.empty() && asks_nothing(*pool);
    if (is_calm) next = std::min(next, calm_until(*pool));
    if (is_calm && !is_simulated) continue;
    auto const due = std::min({start_due(*pool), unpark_due(*pool), idle_due(*pool), parked_due(*pool)});
    YONDER_CHECK(!is_calm || due == calm_until(*pool), "a pool is calm, and is to be looked at earlier");
    next = std::min(next, due);
  }
  if (pools_.size() - configured_ < limits_.pools || kept() < limits_.pools) return next;
  auto const* const least = least_used();
  return least == nullptr ? next : std::min(next, add(least->used_last, limits_.pool_memory));
}

}  // namespace yonder::core
