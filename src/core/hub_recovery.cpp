// SPDX-License-Identifier: Apache-2.0
// The hub: what the journal of an earlier one says.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <vector>

namespace yonder::core {

bool hub::state::recall(time_point now, recovered_record&& said) {
  using kind = out::append::kind;
  switch (said.what) {
    case kind::call:
      if (is_of_schedule(said)) return recall_schedule(std::move(said));
      return said.body && recall_call(now, std::move(said));
    case kind::started:
      each_part(now, said.call, said.items, [&](call_record& call) {
        call.start_recorded = true;
        call.start_for = said.worker;
      });
      return true;
    case kind::ended: return recall_outcome(now, std::move(said));
    case kind::forgotten: recall_forgotten(now, said); return true;
  }
  return false;
}

void hub::state::recall_forgotten(time_point now, recovered_record const& said) {
  recall_forgotten_schedule(said.call);
  each_part(now, said.call, said.items, [&](call_record& call) { forget(now, call); });
  if (YONDER_MUTANT(outcome_kept)) return;
  for (std::uint32_t i = 0; i < said.items;) {
    call_id const next{said.call.session, said.call.number + i};
    i += std::max(take_out_kept(next, said.items - i), 1U);
  }
}

// It waits by itself until recovered() says where.
bool hub::state::recall_call(time_point now, recovered_record&& said) {
  if (said.function == says_run && !recall_run(said)) return false;
  frame_ref const whole(std::move(*said.body));
  call_message about;
  packed_items items;
  if (!read_call(whole->metadata(), about) || !read_items(*whole, items) || items.count != said.items)
    return false;
  auto const is_keyed = !about.idempotency.key.empty();
  if (is_keyed && items.count != 1) return false;
  about.policy.durable = about.policy.durable || is_keyed || said.function == says_run;
  auto& caller = calls.restore(said.call.session, said.identity);
  auto& call = calls.add(caller, said.call, said.items, size_of(*whole));
  call.stage = call_stage::leaving;
  auto const home = about.requirements.empty() ? nullptr : recalled_home(about.requirements);
  set_terms(now, call, about, whole, items, {0, said.items, 0, whole->payload().size()}, home);
  if (call.deadline != never) call.deadline = std::max<duration>(0, call.deadline - said.age);
  call.accepted = true;
  if (is_keyed) hold_key(call, about.idempotency);
  calls.orphan(now, call);
  if (config.traces) begin_trace(now, call);
  store_away(call);
  failure refused;
  return take_turn(call, about.turn, refused);
}

bool hub::state::recall_outcome(time_point now, recovered_record&& said) {
  recall_forgotten(now, said);
  if (!said.body) return false;
  if (YONDER_MUTANT(outcome_lost)) return true;
  frame_ref outcome(std::move(*said.body));
  if (read_item_count(*outcome) != said.items) return false;
  auto const left = std::max<duration>(0, config.result_time - said.age);
  auto const signature = outcome->head.signature;
  auto& one = kept.add(said.call, said.items, said.identity, said.function, std::move(outcome),
                       add(now, left), cached_bytes());
  if (said.items == 1) recall_key(one, signature, said.key);
  return true;
}

// Calls see(call) for what is known of these calls, of exactly them.
template <class See>
void hub::state::each_part(time_point now, call_id first, std::uint32_t items, See&& see) {
  for (std::uint32_t i = 0; i < items;) {
    call_id const next{first.session, first.number + i};
    auto* const known = calls.find(next);
    if (known == nullptr) {
      ++i;
      continue;
    }
    auto const behind = known->id.number + known->count - next.number;
    auto const count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, items - i));
    see(isolate(now, *known, next.number, count));
    i += count;
  }
}

// They were taken before, and were possible then.
pool_record* hub::state::recalled_home(std::string_view asked) {
  auto* home = pools.find(asked);
  requirements needs;
  if (home == nullptr && decode_requirements(std::as_bytes(std::span(asked)), needs))
    home = &pools.make(asked, std::move(needs));
  if (home != nullptr) home->expected = true;
  return home;
}

// As they came.
void hub::state::recovered(time_point now, std::uint64_t last, outputs& out) {
  last_record = synced_record = last;
  recovered_schedules(now, out);
  std::vector<call_record*> all;
  calls.each([&](call_record& call) { all.push_back(&call); });
  std::sort(all.begin(), all.end(), [](auto const* a, auto const* b) {
    return a->arrival != b->arrival ? a->arrival < b->arrival : a->id < b->id;
  });
  std::set<function_record const*> told;
  for (auto* const call : all) {
    dispatcher::expect(*call->function);
    // It was taken, so it waits for longer ones; whoever runs the hub is told.
    if (auto const why = exceeds_allocation(*call); !why.empty() && told.insert(call->function).second)
      out.emplace_back(out::notice{"durable calls of \"" + call->function->name + "\" wait: " + why});
    if (!call->start_recorded || call->may_repeat() || YONDER_MUTANT(uncertain_run_again)) {
      arm(*call);
      line_up(now, *call);
    } else {
      seek(now, *call);
    }
  }
  came_without(now, out::append::ends_with_hub, "the hub ended with its workers while the call may have run",
               out);
}

// --- what workers have of an earlier hub

// The worker that may have it has time to come back.
void hub::state::seek(time_point now, call_record& call) {
  call.stage = call_stage::sought;
  call.was_abandoned = true;
  call.due = add(now, config.silence);
  arm(call);
  keep_turn(call);
  if (call.start_for != 0) sought_at[call.start_for].emplace_back(call.id, call.count);
}

// What the worker holds of it, and nobody has claimed, has the number of an earlier hub: another one is told
// apart from that.
void hub::state::step_past_held(worker_session const& worker, call_record& call) {
  auto const& all = worker.outstanding;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].adopted && all[i].id.session == call.id.session &&
        all[i].id.number - call.id.number < call.count)
      call.attempt = std::max(call.attempt, all[i].number + 1);
}

// Nothing of its order key begins before it has ended.
void hub::state::keep_turn(call_record& call) {
  if (call.order != nullptr && call.order->head == nullptr) call.order->head = &call;
}

void hub::state::not_found_again(time_point now, call_record& call, std::string_view why, outputs& out) {
  ++call.tries;
  fail(now, call, errc::worker_lost, std::string(why) + "; whether it ran is unknown", out);
}

// What is still sought there is nowhere. That it was not run is likely, and not known: nothing runs it again.
void hub::state::came_without(time_point now, std::uint64_t worker, std::string_view why, outputs& out) {
  auto const missed = sought_at.extract(worker);
  if (missed.empty()) return;
  for (auto const& [first, count] : missed.mapped())
    each_part(now, first, count, [&](call_record& call) {
      if (call.stage != call_stage::sought || call.start_for != worker) return;
      YONDER_REACHED(came_without);
      call.due = never;
      not_found_again(now, call, why, out);
    });
}

// Whose attempt that is; null: it is not awaited.
call_record* hub::state::sought(time_point now, held_attempt const& by) {
  auto* const call = calls.find(by.call);
  if (call == nullptr || call->stage != call_stage::sought || call->claim != by.ticket) return nullptr;
  return &isolate(now, *call, by.call.number, 1);
}

// The worker is of this session, and has been given nothing in it.
void hub::state::take_held(time_point now, worker_session& worker, std::span<held_attempt const> all,
                           outputs& out) {
  worker.held_some = true;
  for (auto const& one : all) adopt(now, worker, one, out);
  if (worker.outstanding.empty()) return;
  work.update_load(now, worker);
  note_running(now, worker);
  for (auto const& one : all) {
    auto* const call = calls.find(one.call);
    if (call == nullptr || call->worker != &worker || call->due == never) continue;
    call->due = std::max(now, call->due - std::min(one.ran, call->due));
    arm(*call);
  }
}

// Its answer is to come, as of any other attempt.
void hub::state::adopt(time_point now, worker_session& worker, held_attempt const& one, outputs& out) {
  if (find_attempt(worker, one.call, one.attempt) != worker.outstanding.size())  // said twice
    return void(++counters.protocol_violations);
  auto* const call = sought(now, one);
  if (call != nullptr) {
    YONDER_REACHED(adopted);
    if (one.ticket != 0) YONDER_REACHED(claimed);
    call->handed_over = one.ticket != 0;
    call->stage = call_stage::leaving;
    call->due = never;
    arm(*call);
    note_assigned(now, *call);
  }
  if (YONDER_MUTANT(adopted_runs_again) && call != nullptr) {
    line_up(now, *call);
    work.adopt(now, nullptr, worker, one.call, one.attempt);
    return;
  }
  work.adopt(now, call, worker, one.call, one.attempt);
  if (call != nullptr) return;
  if (one.ticket != 0 && !unclaimed.contains({one.call, one.ticket})) return await_claim(now, worker, one);
  auto& fenced = worker.outstanding[worker.outstanding.size() - 1];
  fenced.told_to_stop = say_cancel(now, worker, fenced, 0, out);
}

// It begins anew, as it has not heard of the session in which it was to go on with what it has: that is
// sought once more.
void hub::state::seek_again(time_point now, worker_session& worker, std::span<held_attempt const> all,
                            outputs& out) {
  for (std::size_t i = 0; i < worker.outstanding.size(); ++i) {
    auto& attempt = worker.outstanding[i];
    auto const is_it = [&](held_attempt const& one) {
      return one.call == attempt.id && one.attempt == attempt.number;
    };
    if (!attempt.adopted || attempt.call == nullptr || std::none_of(all.begin(), all.end(), is_it)) continue;
    auto& call = *attempt.call;
    leave_nest(now, call, worker, out);
    worker.outstanding[i].call = nullptr;
    call.worker = nullptr;
    seek(now, call);
  }
}

// The worker keeps the outcome that it has told until it hears that it need not.
void hub::state::note_holder(time_point now, worker_session& worker, call_id id, std::uint32_t number,
                             outputs& out) {
  auto* const call = calls.find(id);
  if (call != nullptr && call->stage == call_stage::recording && call->attempt == number)
    call->holder = worker.id;
  else if (!over && journal_fault.empty())
    say_taken(now, worker, id, number, out);
}

void hub::state::say_taken(time_point now, worker_session& worker, call_id id, std::uint32_t number,
                           outputs& out) {
  auto message = make_control(frame_type::taken);
  message.head.call = id;
  message.head.attempt = number;
  send(now, worker, std::move(message), out);
}

}  // namespace yonder::core
