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
  } else if (!could_serve(needs)) {
    refused = explain_unknown(session, needs.service, needs.service_signature, needs.build,
                              pools.own_model_of(needs));
  } else {
    return &pools.make(asked, std::move(needs));
  }
  return nullptr;
}

// The pool of a call: null where it says nothing of its workers and those of all calls will do, or, in the
// words of `refused`, where there can be none. Whatever build a call asks for, there is a pool of it where
// the hub starts workers and does not know that they are of that.
pool_record* hub::state::home_of(call_message const& said, std::uint64_t session, failure& refused) {
  if (said.build.is_any() || all_are_of(said.build) ||
      (said.requirements.empty() && (pools.model_of({}) == nullptr || may_be_of(said.build))))
    return said.requirements.empty() ? nullptr : find_home(said.requirements, session, refused);
  if (last_home.asked != said.requirements || last_home.build != said.build) {
    requirements needs;
    if (!said.requirements.empty() &&
        !decode_requirements(std::as_bytes(std::span(said.requirements)), needs))
      return find_home(said.requirements, session, refused);
    needs.build = said.build;
    last_home = {std::string(said.requirements), said.build, encode_requirements(needs)};
  }
  return find_home(last_home.key, session, refused);
}

// Calls waited for a shared pool of which nothing was known, and its first worker is of another build.
void hub::state::find_other_homes(time_point now) {
  std::vector<function_record*> stranded;
  work.each_function([&](function_record& function) {
    if (function.pool == nullptr && function.offers.empty()) stranded.push_back(&function);
  });
  for (auto* const function : stranded) find_other_home(now, *function);
}

// False: there is none.
bool hub::state::find_other_home(time_point now, function_record& function) {
  if (function.home != nullptr || function.build.is_any() || function.queue.empty() ||
      pools.model_of({}) == nullptr || all_are_of(function.build) || may_be_of(function.build))
    return false;
  requirements needs;
  needs.build = function.build;
  failure refused;
  auto* const home = find_home(encode_requirements(needs), 0, refused);
  if (home == nullptr) return false;
  auto& target = work.function_of(function.name, function.signature, home, function.build);
  ++function.calls;  // keeps it
  while (!function.queue.empty()) {
    auto& call = function.queue.any();
    leave_stage(now, call);
    call.stage = call_stage::leaving;
    --function.calls;
    ++target.calls;
    if (target.numbers == nullptr) target.numbers = &tally.hold(function.name, name_of_pool(*home));
    call.function = &target;
    line_up(now, call);
  }
  if (--function.calls == 0) work.release(function);
  return true;
}

// Workers of the hub's are nothing else.
bool hub::state::all_are_of(build_choice const& build) const {
  auto const& all = config.pools;
  return !all.empty() && config.services.empty() && std::all_of(all.begin(), all.end(), [&](auto const& one) {
    return !one.elsewhere && !one.functions.empty() && takes(build, one.made_of);
  });
}

// A worker that calls share is of that, or the next one may be, as far as is known.
bool hub::state::may_be_of(build_choice const& build) {
  auto const& all = pools.pools();
  return std::any_of(all.begin(), all.end(), [&](auto const& one) {
    return !one->on_demand && (one->program == nullptr || takes(build, one->program->made_of));
  });
}

// Whether some worker has, or may have, the service. Of those of another program elsewhere nothing is known
// for good.
bool hub::state::could_serve(requirements const& needs) {
  if (needs.service.empty()) return true;
  auto const* const model = pools.model_of(needs);
  if (model == nullptr) return work.could_recruit(needs.service, needs.service_signature, needs.build);
  return (model->elsewhere && model->functions.empty()) ||
         work.could_offer(pools.own_model_of(needs), needs.service, needs.service_signature, needs.build);
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

failure hub::state::explain_unknown(std::uint64_t session, std::string const& name, std::uint64_t signature,
                                    build_choice const& build, pool_config const* own_model) {
  if (auto of_others = work.explain_builds(name, signature, build)) return std::move(*of_others);
  auto const* const client = sessions.client(session);
  return work.explain_unknown(name, signature, client == nullptr ? nullptr : &client->functions, own_model);
}

// --- services of workers that came by themselves

// Of workers that came by themselves, those that are idle make the services that calls wait for: first that
// which has had none for the longest.
void hub::state::recruit(time_point now, outputs& out) {
  if (std::exchange(some_lack_workers, false)) {
    std::vector<pool_record*> lacking;
    for (auto const& pool : pools.pools())
      if (pool->lacks.since != never) lacking.push_back(pool.get());
    std::stable_sort(lacking.begin(), lacking.end(),
                     [](auto const* a, auto const* b) { return a->lacks.since < b->lacks.since; });
    for (auto* const pool : lacking) recruit(now, *pool, out);
  }
  for (auto const& pool : pools.pools())
    if (pool->recruits && pool->lacks.since == never) recruit(now, *pool, out);
}

void hub::state::recruit(time_point now, pool_record& pool, outputs& out) {
  pool.lacks_recruits = false;
  while (pools.wants_recruit(now, pool)) {
    auto none_has = false;
    auto* const worker =
        work.find_recruit(pool.needs.service, pool.needs.service_signature, pool.needs.build, none_has);
    if (worker == nullptr) {
      pool.lacks_recruits = true;
      if (none_has) fail_unknown_service(now, pool, out);
      break;
    }
    auto table = dispatcher::table_of(*worker->program);
    work.lend(now, *worker);
    pools.recruited(now, pool, *worker);
    enter(now, *worker, std::move(table), out);
  }
  pool.wanted = 0;
  auto const has_none = pool.lacks_recruits && pool.queued != 0 && pool.counted() == 0;
  some_lack_workers = some_lack_workers || has_none;
  pool.lacks.note(now, has_none, config.resource_patience);
}

// Whether others wait for a worker that holds a service and has nothing to do. One of those that end their
// service for them is enough.
bool hub::state::is_missed(worker_session const& idle) {
  if (!is_awaited(idle)) return false;
  auto const& workers = sessions.workers();
  return std::none_of(workers.begin(), workers.end(), [&](auto const& entry) {
    return entry.second->leaving && entry.second->lent_by == idle.lent_by;
  });
}

// Whether others wait for one that came by itself: for what it holds is ended, calls of tasks that nobody
// else takes; or another service that has no worker so far.
bool hub::state::is_awaited(worker_session const& worker) {
  auto const is_lent = worker.lent_by != nullptr;
  auto const& from = is_lent ? *worker.lent_by : *worker.program;
  if (is_lent && dispatcher::is_missed(from)) return true;
  auto const& all = pools.pools();
  return std::any_of(all.begin(), all.end(), [&](auto const& pool) {
    return pool->lacks_recruits && pool->counted() == 0 && pool.get() != worker.pool &&
           from.has(pool->needs.service, pool->needs.service_signature, pool->needs.build);
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

// Where none is ever idle, whoever has waited for the patience gets one that has served others for as long,
// when it has ended what it runs; and one more whenever that takes as long again.
void hub::state::take_turns(time_point now, outputs& out) {
  turns_due = never;
  auto const look = [&](turn_wait& wait, pool_record const* pool, auto const& helps) {
    if (wait.since == never) return;
    if (wait.due <= now) {
      wait.due = add(now, config.resource_patience);
      if (auto* const worker = longest_serving(now, wait, pool, helps); worker != nullptr)
        yield(now, *worker, out);
    }
    turns_due = std::min(turns_due, wait.due);
  };
  for (std::size_t i = 0; some_lack_workers && i < pools.pools().size(); ++i) {
    auto& pool = *pools.pools()[i];
    look(pool.lacks, &pool, [&](image const& one) {
      return one.has(pool.needs.service, pool.needs.service_signature, pool.needs.build);
    });
  }
  work.each_that_lends([&](image& one) {
    one.missed.note(now, dispatcher::is_missed(one), config.resource_patience);
    look(one.missed, nullptr, [&](image const& other) { return &other == &one; });
  });
}

// `pool`: whose service it is to make; null: it is to end the one that it holds. Null: there is none, or it
// is to be looked for at wait.due.
worker_session* hub::state::longest_serving(time_point now, turn_wait& wait, pool_record const* pool,
                                            std::function<bool(image const&)> const& helps) {
  worker_session* longest = nullptr;
  for (auto const& [id, worker] : sessions.workers()) {
    auto const is_lent = worker->lent_by != nullptr;
    auto const* const program = is_lent ? worker->lent_by : worker->program;
    if ((worker->pool != nullptr && !is_lent) || program == nullptr || !helps(*program)) continue;
    if (worker->leaving) return nullptr;  // it comes back
    if (worker->goes() || worker->entering || worker->yields) continue;
    auto const stays =
        is_lent ? worker->pool == pool || worker->pool->in_service <= worker->pool->least() : pool == nullptr;
    if (!stays && (longest == nullptr || worker->served_since < longest->served_since))
      longest = worker.get();
  }
  auto const due = longest == nullptr ? now : add(longest->served_since, config.resource_patience);
  if (due <= now) return longest;
  wait.due = due;
  return nullptr;
}

// Until it has ended what it runs it is given nothing more, but what its tasks may wait for.
void hub::state::yield(time_point now, worker_session& worker, outputs& out) {
  worker.yields = true;
  recall_waiting(now, worker, out);
  work.update_load(now, worker);
  yielding.push_back(worker.id);
}

// Of those that give way: who has ended what it ran does so, and whom nobody waits for any more goes on.
void hub::state::end_turns(time_point now, outputs& out) {
  auto const ended = std::erase_if(yielding, [&](std::uint64_t id) {
    auto const found = sessions.workers().find(id);
    if (found == sessions.workers().end()) return true;
    auto& worker = *found->second;
    auto const may = worker.pool == nullptr || worker.pool->in_service > worker.pool->least();
    worker.yields = !worker.goes() && !worker.outstanding.empty() && may && is_awaited(worker);
    if (worker.goes()) return true;
    work.update_load(now, worker);
    auto const is_free = worker.lent_by != nullptr && worker.outstanding.empty();
    if (is_free && may && is_missed(worker)) send_back(now, worker, out);
    return !worker.yields;
  });
  if (ended != 0) recruit(now, out);
  dispatch(now, out);
}

// Again, as the end of one lets in the next of its order key.
void hub::state::fail_unknown_service(time_point now, pool_record& pool, outputs& out) {
  if (pool.expected) return;
  auto const& needs = pool.needs;
  for (auto waiting = work.waiting_for(pool); !waiting.empty(); waiting = work.waiting_for(pool))
    for (auto* const call : waiting)
      fail(now, *call, explain_unknown(call->id.session, needs.service, needs.service_signature, needs.build),
           out);
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
