// SPDX-License-Identifier: Apache-2.0
// The hub: where calls run that say what they need, also on workers that it did not start.
#include "src/core/hub_state.hpp"

#include <algorithm>

namespace yonder::core {

// The pool for what a call needs; null: `refused` says why there is none.
pool_record* hub::state::find_home(std::string_view asked, std::uint64_t session, failure& refused) {
  if (auto* const known = pools.find(asked); known != nullptr) {
    if (known->impossible.empty()) return known;
    refused = failure_of(errc::unsatisfiable, known->impossible);
    return nullptr;
  }
  requirements needs;
  if (!decode_requirements(std::as_bytes(std::span(asked)), needs)) {
    ++counters.protocol_violations;
    refused = failure_of(errc::protocol_violation, "what the call needs of its worker does not decode");
  } else if (auto fault = fault_of(needs); !fault.empty()) {
    refused = failure_of(errc::bad_configuration, std::move(fault));
  } else if (auto missing = pools.unsatisfiable(needs); !missing.empty()) {
    refused = failure_of(errc::unsatisfiable, std::move(missing));
  } else if (!needs.service.empty() &&
             !(pools.launches() ? work.could_offer(needs.service, needs.service_signature)
                                : work.could_recruit(needs.service, needs.service_signature))) {
    refused = explain_unknown(session, needs.service, needs.service_signature);
  } else {
    return &pools.make(asked, std::move(needs));
  }
  return nullptr;
}

// The same, and for no needs the hub's own.
pool_record* hub::state::pool_of(std::string_view needs, failure& refused) {
  if (!needs.empty()) return find_home(needs, 0, refused);
  if (!config.pools.empty()) return pools.pools().front().get();
  refused =
      failure_of(errc::unsatisfiable, "this hub starts no workers of its own; set runtime_options::max");
  return nullptr;
}

// What waits for a pool that can never have a worker, however it came to wait there: also what is let in when
// another call of its order key ends.
void hub::state::fail_impossible(time_point now, outputs& out) {
  while (auto* const pool = pools.awaited_in_vain())
    for (auto* const call : work.waiting_for(*pool))
      fail(now, *call, errc::unsatisfiable, pool->impossible, out);
}

// Its first items, as many as may wait for its pool; the others are told. Null: none of them may.
call_record* hub::state::admit(time_point now, call_record& call, outputs& out) {
  auto const* const pool = call.function->pool;
  auto const room = pool == nullptr ? call.count : pool->room(call.order != nullptr);
  if (room >= call.count) return &call;
  call.stage = call_stage::leaving;
  auto* const taken = room == 0 ? nullptr : &calls.split(call, static_cast<std::uint32_t>(room));
  fail(now, call, errc::overloaded,
       std::to_string(pool->waiting_items()) + " calls wait for this pool, and it takes " +
           std::to_string(pool->config.max_queue) + " (max_queue)",
       out);
  return taken;
}

failure hub::state::explain_unknown(std::uint64_t session, std::string const& name, std::uint64_t signature) {
  auto const* const client = sessions.client(session);
  return work.explain_unknown(name, signature, client == nullptr ? nullptr : &client->functions);
}

// --- services of workers that came by themselves

// Of workers that came by themselves, those that are idle make the services that calls wait for.
void hub::state::recruit(time_point now, outputs& out) {
  for (auto const& pool : pools.pools()) {
    pool->lacks_recruits = false;
    while (pools.wants_recruit(now, *pool)) {
      auto none_has = false;
      auto* const worker = work.find_recruit(pool->needs.service, pool->needs.service_signature, none_has);
      if (worker == nullptr) {
        pool->lacks_recruits = true;
        if (none_has) fail_unknown_service(now, *pool, out);
        break;
      }
      std::vector<function_info> table;
      for (auto const* const one : worker->program->functions)
        table.push_back({one->name, one->signature, one->schema});
      work.lend(now, *worker);
      pools.recruited(now, *pool, *worker);
      enter(now, *worker, std::move(table), out);
    }
    if (pool->recruits) pool->wanted = 0;
  }
}

// Whether others wait for a worker that holds a service and has nothing to do: calls of tasks that nobody
// else takes, or another service that has none so far. One of those that end their service for them is
// enough.
bool hub::state::is_missed(worker_session const& idle) {
  auto const& from = *idle.lent_by;
  auto const has = [&](requirements const& needs) {
    return std::any_of(from.functions.begin(), from.functions.end(), [&](auto const* one) {
      return one->signature == needs.service_signature && one->name == needs.service;
    });
  };
  auto const lacks = [&](auto const& pool) {
    return pool->lacks_recruits && pool->counted() == 0 && has(pool->needs);
  };
  auto const& all = pools.pools();
  if (!dispatcher::is_missed(from) && std::none_of(all.begin(), all.end(), lacks)) return false;
  auto const& workers = sessions.workers();
  return std::none_of(workers.begin(), workers.end(), [&](auto const& entry) {
    return entry.second->leaving && entry.second->lent_by == &from;
  });
}

void hub::state::send_back_missed(time_point now, outputs& out) {
  for (auto const& pool : pools.pools()) {
    if (!pool->recruits || pool->in_service <= pool->least()) continue;
    auto* idle = pool->idle.first();
    while (idle != nullptr && !is_missed(*idle)) idle = pool->idle.after(*idle);
    if (idle != nullptr) send_back(now, *idle, out);
  }
}

// Again, as the end of one lets in the next of its order key.
void hub::state::fail_unknown_service(time_point now, pool_record& pool, outputs& out) {
  auto const& needs = pool.needs;
  for (auto waiting = work.waiting_for(pool); !waiting.empty(); waiting = work.waiting_for(pool))
    for (auto* const call : waiting)
      fail(now, *call, explain_unknown(call->id.session, needs.service, needs.service_signature), out);
}

// It ends its service, and runs what others run that came by themselves.
void hub::state::send_back(time_point now, worker_session& worker, outputs& out) {
  auto const exit = worker.pool->needs.exit_timeout;
  pools.dismissed(worker);
  work.take_out(now, worker);
  worker.leaving = true;
  ask(now, worker, leave_service, exit != 0 ? exit : config.session_timeout, out);
}

}  // namespace yonder::core
