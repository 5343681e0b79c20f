// SPDX-License-Identifier: Apache-2.0
// The hub: tasks that wait for each other.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <unordered_set>

namespace yonder::core {

// Which of the tasks that wait might wait for ever: those of which nothing shows that they go on some time.
// Whoever computes does, and who waits for what is computed, or for what somebody will take.
struct hub::state::wait_search {
  hub::state& all;
  bool some_may_come = false;  // workers of an earlier hub
  struct waiting_run {
    call_record* call = nullptr;
    bool has_place = false;  // in its worker; else the answer of the one before it is on its way
  };
  std::vector<waiting_run> stuck{};

  wait_search(hub::state& of, bool others_may_come) : all(of), some_may_come(others_may_come) {
    for (auto const& [id, worker] : all.sessions.workers()) {
      worker->stuck = 0;
      if (worker->waiting_attempts == 0) continue;
      auto const places = worker->places();
      for (std::size_t i = 0; i < worker->outstanding.size(); ++i)
        if (auto* const call = worker->outstanding[i].call; call != nullptr && waits(*call))
          add({call, i < places});
    }
    for (auto again = true; std::exchange(again, false);)
      std::erase_if(stuck, [&](waiting_run const& one) {
        if (!wakes(*one.call)) return false;
        one.call->stuck = false;
        one.call->worker->stuck -= one.has_place ? 1 : 0;
        return again = true;
      });
  }
  wait_search(wait_search const&) = delete;
  wait_search& operator=(wait_search const&) = delete;
  ~wait_search() {
    for (auto const& one : stuck) one.call->stuck = false;
  }

  void add(waiting_run const& one) {
    one.call->stuck = true;
    one.call->worker->stuck += one.has_place ? 1 : 0;
    stuck.push_back(one);
  }

  static bool waits_for_calls(call_record const& call) { return call.nest && call.nest->waits; }
  static bool waits(call_record const& call) {
    return waits_for_calls(call) || (call.stream && call.stream->waits);
  }

  bool wakes(call_record& call) {
    if (call.stream && call.stream->waits) {
      auto const& stream = *call.stream;
      auto const is_held_back = stream.waits_for_reader() && stream.output.allowed != stream.allowed;
      if (is_held_back || call.parent == nullptr || goes_on(*call.parent)) return true;
    }
    if (!waits_for_calls(call)) return false;
    auto& children = call.nest->children;
    if (children.empty()) return true;
    for (auto* child = children.first(); child != nullptr; child = children.after(*child))
      if (ends(*child)) return true;
    return false;
  }

  // Of items that run as one, one knows what all of them wait for.
  static bool goes_on(call_record& call) {
    if (call.stage != call_stage::assigned || call.worker == nullptr) return true;
    if (call.stuck) return false;
    auto& list = call.worker->outstanding;
    std::size_t own = 0;
    while (call.worker->in_company != 0 && own < list.size() && list[own].call != &call) ++own;
    for (std::size_t i = 0; call.worker->in_company != 0 && own < list.size() && i < list.size(); ++i)
      if (list[i].call != nullptr && list[i].call->stuck && list[i].runs_with(list[own])) return false;
    return true;
  }

  bool ends(call_record& call) {
    switch (call.stage) {
      case call_stage::composing: return gets_value(call);
      case call_stage::ordered: return call.order->head == nullptr || ends(*call.order->head);
      case call_stage::queued: return is_taken(call);
      default: return goes_on(call);
    }
  }

  // One of those that it waits for, directly or not, ends; then the others are looked at again.
  bool gets_value(call_record& first) {
    std::unordered_set<call_record const*> seen{&first};
    for (std::vector<call_record*> next{&first}; !next.empty();) {
      auto const& call = *next.back();
      next.pop_back();
      for (auto const& one : call.composed->arguments) {
        if (one.value) continue;
        auto* const of = all.calls.find({call.id.session, one.where.number});
        if (of == nullptr) return true;
        if (of->stage != call_stage::composing) {
          if (ends(*of)) return true;
        } else if (seen.insert(of).second) {
          next.push_back(of);
        }
      }
    }
    return false;
  }

  static bool takes_work(worker_session const& worker) {
    return worker.in_service() && worker.stuck < worker.concurrency;
  }

  // One that holds a service, and ends it for whoever has waited for long.
  static bool comes_back(worker_session const& worker) {
    if (worker.leaving || worker.goes()) return worker.leaving;
    return worker.entering || (worker.stuck == 0 && worker.pool->in_service > worker.pool->least());
  }

  bool is_taken(call_record const& call) {
    auto const& function = *call.function;
    auto* const pool = function.pool;
    if (pool != nullptr && (pool->recruits ? is_recruited(*pool) : all.pools.can_start(*pool, one_goes())))
      return true;
    auto const offers = [&](image const* program) {
      return std::find(function.offers.begin(), function.offers.end(), program) != function.offers.end();
    };
    auto has_workers = false;
    for (auto const& [id, worker] : all.sessions.workers()) {
      if (worker->lent_by != nullptr && offers(worker->lent_by) && comes_back(*worker)) return true;
      if (worker->program == nullptr || !offers(worker->program)) continue;
      if (takes_work(*worker)) return true;
      has_workers = true;
    }
    return (!has_workers || some_may_come) && pool == nullptr;  // it fails, or somebody comes
  }

  // Of the workers that calls asked for: they are let go when they have nothing to do, but for their pool's
  // least.
  bool one_goes() {
    auto const may_go = [](pool_record const& pool) {
      return pool.on_demand && !pool.recruits && pool.workers() + pool.parked.size() > pool.least();
    };
    auto const& of_hub = all.pools.pools();
    auto const& workers = all.sessions.workers();
    return std::any_of(of_hub.begin(), of_hub.end(),
                       [&](auto const& pool) { return pool->starting != 0 && may_go(*pool); }) ||
           std::any_of(workers.begin(), workers.end(), [&](auto const& entry) {
             auto const* const pool = entry.second->pool;
             return entry.second->stuck == 0 && pool != nullptr && may_go(*pool);
           });
  }

  // One that came by itself, and goes on without what it holds.
  bool is_recruited(pool_record const& pool) {
    if (pool.entering != 0 || all.work.in_service() == 0) return true;
    auto none_has = true;
    for (auto const& [id, worker] : all.sessions.workers()) {
      auto const* const program = worker->lent_by != nullptr ? worker->lent_by : worker->program;
      auto const came_by_itself = worker->pool == nullptr || worker->lent_by != nullptr;
      if (program == nullptr || !came_by_itself ||
          !program->has(pool.needs.service, pool.needs.service_signature))
        continue;
      auto const serves_others = worker->lent_by != nullptr && worker->pool != &pool;
      if (serves_others ? comes_back(*worker) : worker->in_service() && worker->stuck == 0) return true;
      none_has = false;
    }
    return none_has;  // and so it fails
  }

  // Of the calls of tasks that are stuck and which nobody has taken, the one that came last.
  call_record* youngest() const {
    call_record* found = nullptr;
    for (auto const& one : stuck) {
      if (!waits_for_calls(*one.call)) continue;
      auto& children = one.call->nest->children;
      for (auto* child = children.first(); child != nullptr; child = children.after(*child)) {
        auto const taken = child->stage == call_stage::assigned;
        if (!taken && (found == nullptr || child->arrival > found->arrival)) found = child;
      }
    }
    return found;
  }

  static char const* why(call_record const& call) {
    if (call.stage == call_stage::ordered)
      return "the call that is before it under its order_key waits, directly or not, for a task that waits "
             "for this one; "
             "let tasks take order keys in the same order, or call with local()";
    if (call.stage == call_stage::composing)
      return "the call whose value is an argument here waits, directly or not, for a task that waits for "
             "this one; "
             "start more workers, or call with local()";
    return "every worker that has this task waits for calls of its own task, and no other can be started; "
           "start more workers, or call with local()";
  }
};

// Where all who could take a call wait, directly or not, for what nobody can take.
void hub::state::break_deadlocks(time_point now, outputs& out) {
  look_for_deadlocks = false;
  if (YONDER_MUTANT(deadlock_unseen)) return;
  auto const until = replaces_another ? add(stands_since, config.function_grace) : stands_since;
  deadlocks_due = now < until ? until : never;
  while (auto* const call = wait_search(*this, now < until).youngest())
    fail(now, *call, errc::would_deadlock, wait_search::why(*call), out);
}

}  // namespace yonder::core
