// SPDX-License-Identifier: Apache-2.0
#include "src/core/dispatcher.hpp"

#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>
#include <span>
#include <utility>

// The dispatcher's view of calls that nobody can take: why, and what is told of them; and of those that wait
// behind long ones.
namespace yonder::core {
namespace {

constexpr std::size_t names_told = 20;

}  // namespace

// --- calls that nobody can take

bool dispatcher::has_takers(function_record const& function) {
  return std::any_of(function.offers.begin(), function.offers.end(),
                     [](auto const* by) { return by->has_takers(); });
}

std::vector<call_record*> dispatcher::waiting_for(pool_record const& pool) const {
  std::vector<call_record*> waiting;
  for (auto const& [key, function] : functions_) {
    if ((function->pool != &pool && !YONDER_MUTANT(other_pools_failed)) || has_takers(*function)) continue;
    function->queue.each([&](call_record& call) { waiting.push_back(&call); });
  }
  std::sort(waiting.begin(), waiting.end(), [](auto const* a, auto const* b) {
    return a->stamp != b->stamp ? a->stamp < b->stamp : a->id.number < b->id.number;
  });
  return waiting;
}

// --- functions that nobody offers

// Of a function that no pool starts workers for: somebody is there, or could be started, whose functions are
// known. Workers of a service's own program say nothing of what others have.
bool dispatcher::sources_known(function_record const& function) const {
  if (function.home != nullptr && !function.home->recruits) return true;  // its pool would, were they not
  auto const known = [](auto const* pool) { return pool->program != nullptr; };
  return in_service_ != own_in_service_ ||
         (!pools_.empty() && std::all_of(pools_.begin(), pools_.end(), known));
}

// The first of its workers that has this table has come, or the last one is gone.
void dispatcher::own_program_changed(pool_config const* own_model) {
  for (auto& [key, function] : functions_)
    if (key.home != nullptr && key.home->own_model == own_model) find_pool(*function);
}

// A worker knows better than the configuration of its pool, or an earlier worker, what the pool offers.
void dispatcher::learn(time_point now, pool_record& pool, image& program) {
  YONDER_REACHED(pool_learned);
  ++program.holders;
  if (auto* const believed = std::exchange(pool.program, &program)) release(now, *believed);
  for (auto& [key, function] : functions_) find_pool(*function);
  unknown_due_ = 0;
  some_stranded_ = true;
}

function_record* dispatcher::unknown(time_point now) {
  if (unknown_due_ > now) return nullptr;
  auto next_due = never;
  for (auto* one = unoffered_.first(); one != nullptr;) {
    auto& function = *one;
    one = unoffered_.after(function);
    if (function.expected && !function.queue.empty()) continue;
    auto until = function.was_offered ? add(function.unoffered_since, limits_.function_grace) : now;
    if (!function.build.is_any()) {  // those of other builds may be back before its own are
      auto const gone = gone_builds_.find(function.build.build);
      auto const since = gone == gone_builds_.end() ? limits_.began : std::max(limits_.began, gone->second);
      until = std::max(until, add(since, limits_.function_grace));
    }
    if (until > now) {
      next_due = std::min(next_due, until);
    } else if (function.queue.empty()) {
      unoffered_.remove(function);
      function.was_offered = false;
      release(function);
    } else if ((function.pool == nullptr || YONDER_MUTANT(pool_offers_ignored)) && sources_known(function)) {
      unoffered_.remove(function);
      function.was_offered = false;
      return &function;
    }
  }
  unknown_due_ = next_due;
  return nullptr;
}

bool dispatcher::is_offered(std::string_view name, std::uint64_t signature) const {
  auto const known = functions_.find({nullptr, name, signature});
  return known != functions_.end() && !known->second->offers.empty();
}

// Those of the workers that have it, or that pools had last, in words; empty: none has.
std::string dispatcher::builds_of(std::string_view name, std::uint64_t signature) const {
  std::vector<std::string> all;
  for (auto const* const one : in_order_)
    if (one->has(name, signature)) all.push_back(in_words(one->made_of));
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::string text;
  for (auto const& one : all) text.append(text.empty() ? "" : ", ").append(one);
  return text;
}

std::optional<failure> dispatcher::explain_builds(std::string const& name, std::uint64_t signature,
                                                  build_choice const& build) const {
  if (build.is_any()) return std::nullopt;
  auto const others = builds_of(name, signature);
  if (others.empty()) return std::nullopt;
  failure error;
  error.code = errc::unsatisfiable;
  error.message = "no worker that has \"" + name + "\" is of " + build_in_words(build.build) + ", which is " +
                  (build.program != 0 ? "the caller's" : "what the call asks for") +
                  " (options::build); those that have it are of " + others +
                  ": start workers of that build, or let the call say .build = yonder::build::any";
  return error;
}

failure dispatcher::explain_unknown(std::string const& name, std::uint64_t signature,
                                    std::vector<function_info> const* callers_functions,
                                    pool_config const* own_model) const {
  failure error;
  error.code = errc::unknown_function;
  std::vector<std::string_view> others;
  // Whether it is the one that was meant.
  auto const note = [&](auto const& other) {
    others.emplace_back(other.name);
    if (other.name != name || other.signature == signature) return false;
    error.code = errc::signature_mismatch;
    error.message = "workers have \"" + name + "\" with another structure";
    if (!other.schema.empty()) error.message += "; theirs: " + other.schema;
    if (callers_functions == nullptr) return true;
    for (auto const& mine : *callers_functions) {
      if (mine.name == name && mine.signature == signature && !mine.schema.empty()) {
        error.message += "; the caller's: " + mine.schema;
      }
    }
    return true;
  };
  for (auto const& [key, other] : functions_) {
    auto const* const of = other->home == nullptr ? nullptr : other->home->own_model;
    if (other->offers.empty() || of != own_model || (of == nullptr && other->home != nullptr)) continue;
    if (note(*other)) return error;
  }
  if (own_model != nullptr && others.empty())
    for (auto const& other : own_model->functions)
      if (note(other)) return error;
  // Those first that begin like what was asked for.
  std::sort(others.begin(), others.end(), [&](auto one, auto two) {
    auto const like = [&](std::string_view it) {
      return std::mismatch(name.begin(), name.end(), it.begin(), it.end()).first - name.begin();
    };
    auto const alike = like(one), others_alike = like(two);
    return alike != others_alike ? alike > others_alike : one < two;
  });
  others.erase(std::unique(others.begin(), others.end()), others.end());  // of several pools
  auto const count = others.size();
  std::string names;
  for (auto const other : std::span(others).first(std::min(count, names_told)))
    names.append(names.empty() ? "" : ", ").append(other);
  error.message =
      "no worker has a task named \"" + name + "\"; they have: " + (names.empty() ? "none" : names);
  if (count > names_told) error.message += " and " + std::to_string(count - names_told) + " more";
  error.message +=
      "; a worker has the tasks of the object files that are linked: link a static library that holds tasks "
      "whole";
  auto const known = functions_.find({nullptr, name, signature});
  if (known != functions_.end() && !known->second->last_loss.empty())
    error.message += "; of the last one that had it: " + known->second->last_loss;
  return error;
}

// --- waits that are long

std::string dispatcher::tell_of_wait(function_record const& function) const {
  return "a call of '" + function.name + "' has waited " + in_words(limits_.wait_notice) +
         ", and there is no worker that could take it: " + explain_wait(function);
}

// What the hub does not start, where a plan is for services alone.
std::string dispatcher::why_not_started() const {
  if (limits_.starts_for.empty()) return {};
  return ", and the hub starts workers for " + limits_.starts_for +
         " only (its plan has no pool 'default', which would be for all others)";
}

std::string dispatcher::explain_wait(function_record const& function) const {
  auto const lends = [](auto const* by) { return by->lent != 0; };
  if ((function.pool != nullptr && function.pool->recruits && in_service_ != 0 &&
       function.pool->start_failures == 0) ||
      std::any_of(function.offers.begin(), function.offers.end(), lends))
    return "those that came by themselves and have it serve others, and it gets one of them in its turn";
  if (auto const* const pool = function.pool; pool != nullptr) {
    if (pool->start_failures != 0)
      return "none could be started" + pool->failures_in_words() +
             (pool->delayed_why.empty() ? std::string() : "; the next one: " + pool->delayed_why);
    if (pool->needs.resources.any() && pool->workers() == 0)
      return "what each of its workers is to have is given to others, or not known yet";
    if (!pool->delayed_why.empty()) return "one is being started: " + pool->delayed_why;
    if (pool->starting != 0 && pool->starting == pool->held)
      return "there is no room for one yet: " + pool->held_why;
    if (pool->starting != 0) return "one is being started, and has not answered yet";
    return pool->recruits ? "none has come that has it" + why_not_started() : "none was started yet";
  }
  if (std::any_of(function.offers.begin(), function.offers.end(),
                  [](auto const* by) { return by->workers != 0; }))
    return "all that have this task wait for calls that their own tasks have made";
  if (auto const others = builds_of(function.name, function.signature);
      !function.build.is_any() && !others.empty())
    return "the call asks for " + build_in_words(function.build.build) +
           " (options::build), and those that have its task are of " + others;
  auto why = in_service_ == 0
                 ? std::string("none is connected")
                 : "none of the " + std::to_string(in_service_) + " that are connected has this task";
  why += why_not_started();
  if (!function.last_loss.empty()) why += "; of the last one that had it: " + function.last_loss;
  return why;
}

// --- work that waits behind a call that takes longer than was thought

void dispatcher::recalled(worker_session& worker) {
  worker.all_recalled = true;
  if (worker.program != nullptr) count_loaded(worker);
}

void dispatcher::count_loaded(worker_session& worker) {
  auto const count = [](bool& counted, std::size_t& all, bool counts) {
    if (std::exchange(counted, counts) != counts) all += counts ? 1 : std::size_t(-1);
  };
  auto const loaded = worker.items > worker.concurrency && !worker.all_recalled;
  // A batch is handed out ahead whatever runs there.
  auto const* const last = loaded ? worker.outstanding[worker.outstanding.size() - 1].call : nullptr;
  count(worker.counted_loaded, worker.program->loaded, loaded);
  auto const counted = worker.counted_singles;
  count(worker.counted_singles, worker.program->loaded_singles, last != nullptr && !last->function->batches);
  if (!counted && worker.counted_singles) note_waiting(worker, worker.places());
  if (worker.program->loaded_singles == 0) worker.program->waits_as = {};
}

// Its attempts from this one on are among what waits in workers.
void dispatcher::note_waiting(worker_session& worker, std::size_t first) {
  auto& noted = worker.program->waits_as;
  for (auto i = first; i < worker.outstanding.size() && !noted.several; ++i) {
    if (worker.outstanding[i].call == nullptr) continue;
    auto const& call = *worker.outstanding[i].call;
    if (noted.function == nullptr) noted = {call.function, call.flow, rank_of(call)};
    noted.several = noted.function != call.function || noted.flow != call.flow || noted.rank != rank_of(call);
  }
}

// Whether what waits in its busy workers would go elsewhere, or after what has come meanwhile, if it waited
// here. The only worker would take it up again before what is of the same lane.
bool dispatcher::could_serve_better(image const& one) const {
  auto const is_next_anyway = [&] {
    auto const& waits = one.waits_as;
    if (one.workers != 1 || waits.several || waits.function == nullptr) return false;
    auto const* const queued = one.order.only();
    return queued != nullptr && queued->function == waits.function && queued->flow == waits.flow &&
           queued->rank == waits.rank && waits.function->offers.size() == 1;
  };
  return (!one.order.empty() && !is_next_anyway()) || could_grow(one);
}

bool dispatcher::should_spread(time_point now) {
  if (spread_due_ != never && spread_due_ > now && queued_ != 0) return false;
  auto const any = std::any_of(in_order_.begin(), in_order_.end(), [&](auto* entry) {
    auto& one = *entry;
    return can_help(one) || (one.loaded_singles != 0 && could_serve_better(one));
  });
  if (!any) {
    spread_due_ = never;
    return false;
  }
  auto const patience = 2 * limits_.prefetch;
  if (spread_due_ == never) spread_due_ = add(now, patience);
  if (spread_due_ > now) return false;
  spread_due_ = add(now, patience);
  return true;
}

bool dispatcher::could_spread(time_point now, worker_session& worker) const {
  if (worker.program == nullptr || !worker.counted_loaded || now - worker.began_since < 2 * limits_.prefetch)
    return false;
  if (can_help(*worker.program)) return true;
  return worker.counted_singles && is_late(now, worker) && could_serve_better(*worker.program);
}

// Then nobody knows how long what is handed to it waits there. Of a worker elsewhere the answer may be on its
// way.
bool dispatcher::is_late(time_point now, worker_session const& worker) const {
  return !worker.outstanding.empty() &&
         now - worker.began_since >= 2 * limits_.prefetch + worker.conn.round_trip();
}

// A further worker of these functions may be started.
bool dispatcher::could_grow(image const& one) const {
  auto const may = [](pool_record const& pool) {
    return !pool.recruits && pool.impossible.empty() && pool.counted() < pool.config.max_workers;
  };
  if (one.home != nullptr) return may(*one.home);
  return std::any_of(pools_.begin(), pools_.end(),
                     [&](auto const* pool) { return pool->program == &one && may(*pool); });
}

}  // namespace yonder::core
