// SPDX-License-Identifier: Apache-2.0
// The hub: what is asked for, and how it is tried.
#include "src/core/callbacks.hpp"
#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {

std::string describe_loss(peer_loss const& loss) {
  if (!loss.reason.empty()) return "the worker " + loss.reason;
  if (loss.signal != 0) return "the worker was ended by signal " + std::to_string(loss.signal);
  if (loss.exit_status) return "the worker exited with status " + std::to_string(*loss.exit_status);
  return "the connection to the worker ended";
}

namespace {

// What a hub hands over is nothing else (hub_handover.cpp).
bool may_be_claimed(call_message const& said, packed_items const& items, header const& head) {
  return head.attempt != 0 && items.count == 1 && !said.stream && said.arguments.empty() &&
         said.parent.attempt == 0 && !said.policy.durable && said.schedule.empty() &&
         said.idempotency.key.empty();
}

}  // namespace

void hub::state::take_call(time_point now, client_session& client, frame&& message, outputs& out) {
  auto const id = message.head.call;
  if (id.session != client.id) return violated(now, client, "a call of another session", out);
  // One that keeps its credit has no more of them: each is of a call that it waits for, or on its way.
  if (client.untaken.size() > config.max_client_calls + 2 * link::window)
    return violated(now, client, "a call, and it does not take what it was sent", out);
  if (id.number >= first_callback) return violated(now, client, "a call under a callback's number", out);
  if (client.conn.lacks_payload()) return turn_away(now, client, message, out);
  auto* const known = calls.find(id);
  if ((known != nullptr && known->orphaned_since == never) || client.searches.contains(id.number) ||
      is_wanted(client, id.number))
    return violated(now, client, "a call under a number that is in flight", out);
  call_message said;
  packed_items items;
  auto const is_keyed = [&] { return !said.idempotency.key.empty(); };
  if (!read_call(message.metadata(), said) || !read_items(message, items) ||
      id.number + items.count < id.number || ((said.stream || !said.arguments.empty()) && items.count > 1) ||
      (is_keyed() && (said.stream || !said.arguments.empty() || items.count > 1)) ||
      ((message.head.flags & flag_claimed) != 0 && !may_be_claimed(said, items, message.head)) ||
      (items.count > 1 && (!said.schedule.empty() || !said.callback.metadata.empty())) ||
      !are_within(message, said.arguments)) {
    ++counters.protocol_violations;
    return answer(now, client, id, failure_of(errc::protocol_violation, "the call does not decode"), out);
  }
  if (items.count == 1 && is_value_order(said.function))
    return take_value_order(now, client, std::string(said.function), std::move(message), out);
  if (said.parent.attempt == 0 && client.peer != nullptr && !client.peer->may_call)
    return refuse_call(
        now, client, id, items.count,
        failure_of(errc::unauthorized,
                   "this key is a worker's: it calls only from within tasks that it runs; the "
                   "hub's operator gives one that may call (yonder keys issue NAME --role client)"),
        out);
  auto const outlives = said.policy.durable || !said.schedule.empty() || (is_keyed() && config.journal);
  if (!said.says_build && !outlives) said.build = usual_choice(client.made_of);
  if (items.count == 1 && is_hub_order(said.function)) {
    // That a map of its is over is also said behind its end.
    if (said.function != tell_map && !may_ask(client, said.parent))
      return answer(now, client, id,
                    failure_of(errc::cancelled, "the attempt whose task made this call has ended"), out);
    if (is_call_search(said.function)) return take_search(now, client, said, message, out);
    return take_order(now, client, said, message, out);
  }
  if (!said.schedule.empty()) return take_schedule(now, client, said, message, out);
  if (items.count > 1) return take_batch(now, client, said, items, std::move(message), out);
  if (known != nullptr) return take_again(now, client, isolate(now, *known, id.number, 1), out);
  if (give_kept(now, client, id, 1, out) != 0) return;
  if (is_keyed() && take_keyed(now, client, said, message, out)) return;
  if (is_keyed() && config.journal) said.policy.durable = true;
  auto const bytes = message.payload().size();
  take_new(now, client, id, said, frame_ref(std::move(message)), items, {0, 1, 0, bytes}, out);
}

void hub::state::refuse_call(time_point now, client_session& client, call_id id, std::uint32_t count,
                             failure const& why, outputs& out) {
  for (std::uint32_t i = 0; i < count; ++i)
    answer(now, client, {id.session, id.number + i}, copy_of(why), out);
}

// What is known is waited for again; what lies between is new.
void hub::state::take_batch(time_point now, client_session& client, call_message const& said,
                            packed_items const& items, frame&& message, outputs& out) {
  auto const id = message.head.call;
  if (id.number > calls.find_caller(client.id)->highest && !kept.has_any(id, items.count)) {
    auto const bytes = message.payload().size();
    return take_new(now, client, id, said, frame_ref(std::move(message)), items, {0, items.count, 0, bytes},
                    out);
  }
  for (std::uint32_t i = 1; i < items.count; ++i) {
    auto const* const known = calls.find({id.session, id.number + i});
    if ((known != nullptr && known->orphaned_since == never) || is_wanted(client, id.number + i))
      return violated(now, client, "a call under a number that is in flight", out);
  }
  frame_ref const whole(std::move(message));
  items_range range{0, 0, 0, 0};
  while (range.first < items.count) {
    call_id const next{id.session, id.number + range.first};
    auto* const known = calls.find(next);
    auto const left = items.count - range.first;
    range.count = known != nullptr ? 1 : give_kept(now, client, next, left, out);
    auto const is_new = known == nullptr && range.count == 0;
    if (known != nullptr) {
      auto const behind = known->id.number + known->count - next.number;
      range.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, left));
      take_again(now, client, isolate(now, *known, next.number, range.count), out);
    } else if (is_new) {
      auto const is_free = [&](call_id const& one) {
        return calls.find(one) == nullptr && kept.find(one) == nullptr;
      };
      while (++range.count < left && is_free({id.session, next.number + range.count})) {
      }
    }
    range.bytes = items.size_of(range.first, range.count);
    if (is_new) take_new(now, client, next, said, whole, items, range, out);
    range.first += range.count;
    range.offset += range.bytes;
  }
}

void hub::state::take_new(time_point now, client_session& client, call_id id, call_message const& said,
                          frame_ref const& whole, packed_items const& items, items_range const& range,
                          outputs& out) {
  auto& caller = *calls.find_caller(client.id);
  auto const size = size_of(*whole);
  auto const refuse = [&](failure const& why) { refuse_call(now, client, id, range.count, why, out); };
  call_record* parent = nullptr;
  if (said.parent.attempt != 0 && !is_entering(client, said.parent)) {
    failure refused;
    parent = parent_of(now, client, said.parent, refused);
    if (parent == nullptr) return refuse(refused);
  }
  auto const is_claimed = (whole->head.flags & flag_claimed) != 0;
  if (drains && !is_claimed && is_left(client, said))
    return say_given_back(now, client, id, range.count, out);
  auto const turn_down = [&](failure const& why) {
    if (parent != nullptr) note_ended(*parent, range.count, 0);
    refuse(why);
  };
  if ((whole->head.flags & flag_known) != 0 && !YONDER_MUTANT(known_made_anew))
    return turn_down(unknown("the hub has lost this call, or its outcome was taken"));
  if (said.policy.durable)
    if (auto const fault = not_durable(said); fault) return turn_down(*fault);
  if (auto const fault = misfit_of_callback(said, id); fault) return turn_down(*fault);
  if (!said.idempotency.key.empty())
    if (auto const full = keys_full(); full) return turn_down(*full);
  if (auto const full = calls.overload(caller, range.count, size); !full.empty())
    return turn_down(failure_of(errc::overloaded, full));
  budget.on_calls(range.count);
  auto& call = calls.add(caller, id, range.count, size);
  failure refused;
  auto* const home = home_of(said, id.session, refused);
  auto const has_home = home != nullptr || (said.requirements.empty() && refused.message.empty());
  set_terms(now, call, said, whole, items, range, home);
  if (parent != nullptr) join_parent(call, *parent);
  call.of_hub = said.parent.attempt != 0 || !said.arguments.empty();
  if (config.traces) begin_trace(now, call);
  if (said.stream) begin_stream(call, *said.stream);
  compact(call);
  if (!take_turn(call, said.turn, refused)) {
    call.stage = call_stage::leaving;
    return fail(now, call, std::move(refused), out);
  }
  // It was taken once, and is not to be queued: its worker may be there before those that it would wait for.
  if (is_claimed && !YONDER_MUTANT(claimed_runs_again)) {
    call.claim = whole->head.attempt;
    return claim(now, call, out);
  }
  if (auto const& batch = said.batching;
      batch.max_weight != 0 && (batch.weight == 0 || batch.weight > batch.max_weight)) {
    call.stage = call_stage::leaving;
    return fail(now, call, batch.weight == 0 ? errc::bad_configuration : errc::unsatisfiable,
                "the weight of this item is " + std::to_string(batch.weight) + "; a batch takes from 1 to " +
                    std::to_string(batch.max_weight) + " (max_weight)",
                out);
  }
  if (!has_home) {
    call.stage = call_stage::leaving;
    return fail(now, call, std::move(refused), out);
  }
  if (auto why = exceeds_allocation(call); !why.empty()) {
    call.stage = call_stage::leaving;
    return fail(now, call, errc::unsatisfiable, std::move(why), out);
  }
  if (auto why = exceeds_quota(call); !why.empty()) {
    call.stage = call_stage::leaving;
    return fail(now, call, errc::unsatisfiable, std::move(why), out);
  }
  auto* const taken = admit(now, call, out);
  if (taken == nullptr) return;
  if (!said.idempotency.key.empty()) hold_key(*taken, said.idempotency);
  if (!said.arguments.empty() && !await_arguments(now, *taken, said.arguments, out)) return;
  arm(*taken);
  if (said.arguments.empty()) begin_call(now, *taken, out);
}

// As its frame says.
void hub::state::set_terms(time_point now, call_record& call, call_message const& said,
                           frame_ref const& whole, packed_items const& items, items_range const& range,
                           pool_record* home) {
  counters.calls += range.count;
  call.arrival = ++last_arrival;
  call.function = &work.function_of(said.function, whole->head.signature, home,
                                    YONDER_MUTANT(build_ignored) ? build_choice{} : said.build);
  ++call.function->calls;
  if (call.function->numbers == nullptr) {
    auto const* const pool = call.function->pool;
    call.function->numbers =
        &tally.hold(said.function, pool != nullptr ? name_of_pool(*pool) : std::string());
  }
  call.function->numbers->calls += range.count;
  // Of a batch of which some calls were known there is the part that was not.
  auto const is_whole = range.count == items.count;
  call.function->numbers->argument_bytes += is_whole ? size_of(*whole) : range.bytes;
  call.policy = said.policy;
  call.batching = said.batching;
  call.function->batches = said.batching.max_items != 0;
  if (!said.callback.metadata.empty())
    call.callback = said.callback.of_any_outcome ? called_back::always : called_back::with_value;
  if (said.policy.durable && call.function->was_offered) dispatcher::expect(*call.function);
  call.deadline = YONDER_MUTANT(deadline_forgotten) ? never : from_remaining(whole->head.remaining_us, now);
  call.message = whole;
  call.packed = items;
  call.first = range.first;
  call.offset = range.offset;
  call.payload = range.bytes;
}

// It has all that it needs.
void hub::state::begin_call(time_point now, call_record& call, outputs& out) {
  if (call.policy.durable && !YONDER_MUTANT(journal_overtaken)) {
    compact(call);  // the record is of these items, which may be a part of what came
    return append(call, out::append::kind::call, call.message, out);
  }
  line_up(now, call);
}

// The caller is back, and asks for what it had asked for.
void hub::state::take_again(time_point now, client_session& client, call_record& call, outputs& out) {
  calls.subscribe(call);
  if (call.stage == call_stage::put_off && is_left(call)) return leave_to_next(now, call);
  if (call.stage == call_stage::ended) {
    compact(call);
    auto outcome = call.message;
    outcome->head.call = call.id;
    forget(now, call);
    return send_outcome(now, client, std::move(outcome), out);
  }
  if (call.accepted) say_accepted(now, call, out);
  if (call.stream && call.stream->input.allowed != stream_level{}) say_input_allowed(now, call, out);
}

void hub::state::take_cancel(time_point now, client_session& client, frame const& message, outputs& out) {
  auto const id = message.head.call;
  auto const count = id.session == client.id ? read_item_count(message) : 0;
  for (std::uint32_t i = 0; i < count;) {
    call_id const next{id.session, id.number + i};
    auto* const call = calls.find(next);
    ++i;
    if (call == nullptr) {  // it has ended already, or it asks for another one
      cancel_search(now, client, next.number, out);
      continue;
    }
    if (YONDER_MUTANT(cancel_loses) && call->stage == call_stage::queued) continue;
    auto const behind = call->id.number + call->count - next.number;
    auto const items = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, count - i + 1));
    i += items - 1;
    cancel(now, YONDER_MUTANT(batch_cancelled) ? *call : isolate(now, *call, next.number, items), out);
  }
}

void hub::state::cancel(time_point now, call_record& call, outputs& out) {
  if (leave_to_joined(now, call)) return;
  if (call.stage == call_stage::assigned) abandon(now, call, out);
  auto const is_told = calls.goes_on(call) && call.in_journal() &&
                       (!call.finders.empty() || call.callback == called_back::always);
  auto const ran_once = call.key != nullptr && call.was_abandoned && !call.may_repeat();
  if (journal_fault.empty() && (is_told || ran_once)) return cancel_found(now, call, out);
  if (!call.has_ended()) {
    counters.cancelled += call.count;
    call.function->numbers->cancelled += call.count;
    if (call.traced != nullptr) trace_call(now, call, errc::cancelled, out);
  }
  if (calls.goes_on(call) && journal_fault.empty()) record(call, out::append::kind::forgotten, {}, out);
  if (!call.finders.empty())
    tell_finders(now, call,
                 frame_ref(make_error(errc::cancelled, {}, "the call was cancelled by its caller")), out);
  cancel_dependents(now, call, out);
  forget(now, call);
}

// Its caller hears nothing more of it; its key has it, where it may have run. Those who have found it are
// told what the journal says: the outcome that is being written, or this one.
void hub::state::cancel_found(time_point now, call_record& call, outputs& out) {
  if (call.orphaned_since == never) calls.orphan(now, call);
  if (call.has_ended()) return;
  fail(now, call, errc::cancelled, "the call was cancelled by its caller", out);
}

// --- items that part ways

// The first `at` items of the call, which stay where the call is.
call_record& hub::state::split(time_point now, call_record& call, std::uint32_t at) {
  YONDER_REACHED(batch_split);
  auto& front = calls.split(call, at);
  front.stage = call.stage;
  switch (call.stage) {
    case call_stage::queued:
      if (call.payload * 2 < call.message->payload().size()) compact(call);
      work.queue_before(now, call, front);
      break;
    case call_stage::stalled: call.caller->stalled.insert_before(call, front); break;
    case call_stage::held: call.quota->waiting.at(quota::rank_of(call)).insert_before(call, front); break;
    case call_stage::recording:
    case call_stage::unsynced: unsynced.insert_before(call, front); break;
    case call_stage::tokenless: tokenless.insert_before(call, front); break;
    case call_stage::delayed:
      ++delayed;
      front.due = call.due;
      break;
    case call_stage::assigned: {
      auto& worker = *(front.worker = call.worker);
      auto& list = worker.outstanding;
      std::size_t index = 0;
      while (list[index].call != &call) ++index;
      work.split(worker, index, at);
      list[index].call = &front;
      std::swap(front.due, call.due);
      arm(call);
      break;
    }
    case call_stage::sought: front.due = call.due; break;
    case call_stage::returning: returning.insert_before(call, front); break;
    case call_stage::ordered:
    case call_stage::reading:
    case call_stage::composing:  // it is one
    case call_stage::ended:
    case call_stage::put_off:
    case call_stage::leaving: break;
  }
  if (!front.has_ended()) arm(front);
  return front;
}

// Exactly these items of the call.
call_record& hub::state::isolate(time_point now, call_record& call, std::uint64_t number,
                                 std::uint32_t count) {
  if (auto const before = static_cast<std::uint32_t>(number - call.id.number); before != 0)
    split(now, call, before);
  return count == call.count ? call : split(now, call, count);
}

// The call keeps the bytes of its own items only.
void hub::state::compact(call_record& call) {
  if (call.is_whole() || call.stored) return;
  call.message =
      frame_ref(slice(*call.message, call.packed, {call.first, call.count, call.offset, call.payload}));
  call.first = 0;
  call.offset = 0;
  read_items(*call.message, call.packed);
  calls.resize(call, size_of(*call.message));
}

// --- what a worker answers

void hub::state::take_answer(time_point now, worker_session& worker, frame&& message, outputs& out) {
  auto const head = message.head;
  auto const is_held = (head.flags & flag_held) != 0;
  if (worker.entering && head.call.session == 0) return take_entry(now, worker, message, out);
  packed_items items;
  items.count = read_item_count(message);
  auto const ran_us = std::min<std::uint64_t>(head.remaining_us, never / microsecond);
  auto const ran = static_cast<duration>(ran_us) * microsecond;
  auto const with_values = head.type == frame_type::result;
  if (items.count == 0 || (with_values && !read_items(message, items)))
    return violated(now, worker, "an answer that does not decode", out);
  items_range range;
  while (range.first < items.count) {
    auto const number = head.call.number + range.first;
    auto const index = find_attempt(worker, {head.call.session, number}, head.attempt);
    if (index == worker.outstanding.size())
      return violated(now, worker, "an answer to what it was not asked", out);
    auto const& attempt = worker.outstanding[index];
    auto const behind = attempt.id.number + attempt.count - number;
    range.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, items.count - range.first));
    auto const place = isolate_attempt(now, worker, index, number, range.count);
    auto const all = range.count == items.count;
    if (items.sizes != nullptr) range.bytes = items.size_of(range.first, range.count);
    auto part = all           ? std::move(message)
                : with_values ? slice(message, items, range)
                              : frame{message.head, message.body.duplicate(), {}};
    part.head.call.number = number;
    take_part(now, worker, place, std::move(part), ran / items.count, out);
    if (is_held) note_holder(now, worker, {head.call.session, number}, head.attempt, out);
    range.first += range.count;
    range.offset += range.bytes;
  }
}

std::size_t hub::state::find_attempt(worker_session& worker, call_id id, std::uint32_t number) {
  auto& list = worker.outstanding;
  std::size_t index = 0;
  for (; index < list.size(); ++index) {
    auto const& one = list[index];
    if (one.number == number && one.id.session == id.session && id.number - one.id.number < one.count) break;
  }
  return index;
}

// Its answer, which other items may have in common with it, is on its way: neither its timeout nor the time
// of grace goes on, and what is next runs.
void hub::state::take_end(time_point now, worker_session& worker, frame const& message, outputs& out) {
  auto const& head = message.head;
  auto const items = read_item_count(message);
  for (std::uint32_t i = 0; i < items;) {
    call_id const next{head.call.session, head.call.number + i};
    auto const index = find_attempt(worker, next, head.attempt);
    if (index == worker.outstanding.size())
      return violated(now, worker, "the end of what it was not asked", out);
    auto const& found = worker.outstanding[index];
    auto const behind = found.id.number + found.count - next.number;
    auto const count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, items - i));
    i += count;
    note_end(worker, worker.outstanding[isolate_attempt(now, worker, index, next.number, count)]);
  }
  arm_grace(worker);
  note_running(now, worker);
}

void hub::state::note_end(worker_session& worker, attempt_record& attempt) {
  if (std::exchange(attempt.ended, true)) return;
  ++worker.ended;
  attempt.stop_by = never;
  if (attempt.call == nullptr) return;
  attempt.call->due = never;
  arm(*attempt.call);
}

// Exactly these items of the attempt, in a place of their own, which is returned.
std::size_t hub::state::isolate_attempt(time_point now, worker_session& worker, std::size_t index,
                                        std::uint64_t number, std::uint32_t count) {
  auto const part = [&](std::uint32_t at) {
    auto& attempt = worker.outstanding[index];
    if (attempt.call != nullptr) {
      split(now, *attempt.call, at);
    } else {
      work.split(worker, index, at);
    }
  };
  if (auto const before = static_cast<std::uint32_t>(number - worker.outstanding[index].id.number);
      before != 0) {
    part(before);
    ++index;
  }
  if (count != worker.outstanding[index].count) part(count);
  return index;
}

// An answer to exactly one attempt, each of whose items has run so long.
void hub::state::take_part(time_point now, worker_session& worker, std::size_t index, frame&& message,
                           duration ran, outputs& out) {
  auto const& head = message.head;
  auto& list = worker.outstanding;
  auto* call = list[index].call;
  auto const is_its_own = [](attempt_record const& one, call_record const& of) {
    return of.count == one.count && (one.in_company || (of.attempt == one.number && of.id == one.id));
  };
  YONDER_CHECK(call == nullptr || (call->worker == &worker && is_its_own(list[index], *call)),
               "an attempt and its call have parted");
#ifdef YONDER_SIMULATE_MUTANTS
  if (YONDER_MUTANT(fence_ignored) && call == nullptr) {
    call = unfenced(now, head.call, list[index].count, out);
    index = find_attempt(worker, head.call, head.attempt);  // others may have left
  }
#endif
  if (call == nullptr && keep_for_claim(now, worker, index, message, ran)) return;
  if (call == nullptr) {
    YONDER_REACHED(fenced);
    counters.fenced += list[index].count;
    if (YONDER_MUTANT(slot_leaked)) return;
    return answered(now, worker, index);
  }
  if (YONDER_MUTANT(foreign_slot_freed)) {
    list[index].call = nullptr;
    index = 0;
    if (list[0].call != nullptr) list[0].call->worker = nullptr;
  }
  if ((head.flags & flag_not_started) == 0) count_use(*call, worker, list[index], ran * call->count);
  note_answer(*call, message);
  if (call->traced != nullptr && head.type == frame_type::result) call->traced->began = now - ran;
  leave_nest(now, *call, worker, out);
  call->worker = nullptr;
  if (head.type == frame_type::result) {
    work.measure(*call->function, ran);
    call->function->numbers->count_runs(ran, call->count);
    answered(now, worker, index);
    return take_result(now, *call, std::move(message), out);
  }
  answered(now, worker, index);
  take_error(now, worker, *call, message, out);
}

void hub::state::take_result(time_point now, call_record& call, frame&& message, outputs& out) {
  if (call.stream ? !is_end_of(call, message) : !read_nothing(message)) {
    ++counters.protocol_violations;
    return fail(now, call, errc::protocol_violation, "the worker's result does not decode", out);
  }
  auto const* const client = sessions.client(call.id.session);
  if (client != nullptr && !within(client->limits, message) && !calls.goes_on(call) && call.key == nullptr) {
    return fail(now, call, errc::too_large,
                excess_in_words(message, client->limits, "the result takes", "client"), out);
  }
  if (is_past_recording(call)) return end_unrecorded(now, call, journal_fault, out);
  counters.completed += call.count;
  call.function->numbers->succeeded += call.count;
  call.function->numbers->result_bytes += size_of(message);
  message.head.attempt = call.tries + 1;
  complete(now, call, std::move(message), out);
}

namespace {

// Whoever has joined it waits for longer than its worker was told.
bool is_prolonged(time_point now, call_record const& call) {
  return call.key != nullptr && call.deadline > now;
}

}  // namespace

void hub::state::take_error(time_point now, worker_session& worker, call_record& call, frame const& message,
                            outputs& out) {
  // What was handed back waits again, whatever its worker said of that.
  auto const not_started = (message.head.flags & flag_not_started) != 0;
  if (auto code = errc::failed; not_started && (message.head.flags & flag_shared) == 0 &&
                                read_error_code(message, code) &&
                                (code != errc::deadline_exceeded || is_prolonged(now, call)))
    return requeue(now, call);
  failure error;
  if (!read_error(message, error)) {
    ++counters.protocol_violations;
    return fail(now, call, errc::protocol_violation, "the worker's error does not decode", out);
  }
  error.worker = worker.name;
  // Whose fault it was is not known: it runs again by itself.
  if ((message.head.flags & flag_shared) != 0 && call.may_repeat() &&
      !YONDER_MUTANT(shared_failure_believed)) {
    call.alone = true;
    call.charged = {};  // it was started
    return requeue(now, call);
  }
  if (!not_started) return attempt_failed(now, call, std::move(error), out);
  if (error.code == errc::deadline_exceeded) return fail(now, call, std::move(error), out);
  requeue(now, call);
}

void hub::state::requeue(time_point now, call_record& call) {
  counters.requeued += call.count;
  call.claim = 0;
  call.handed_over = false;
  compact(call);
  call.due = never;
  call.worker = nullptr;
  arm(call);
  wait_again(now, call);
}

void hub::state::attempt_failed(time_point now, call_record& call, failure error, outputs& out) {
  ++call.tries;
  if (may_retry(call, error)) return retry_later(now, call, std::move(error));
  fail(now, call, std::move(error), out);
}

// A worker ended before it started the call, which costs nothing, unless the call seems to be what ends
// workers: a frame that they refuse, say.
void hub::state::unstarted_lost(time_point now, call_record& call, peer_loss const& loss, bool suspect,
                                outputs& out) {
  if (!suspect || ++call.unstarted < config.unstarted_after) return requeue(now, call);
  failure error =
      failure_of(errc::worker_lost, std::to_string(call.unstarted) +
                                        " workers ended when the call reached them, before they started "
                                        "it; it is not tried again: " +
                                        describe_loss(loss));
  error.stderr_tail = loss.stderr_tail;
  fail(now, call, std::move(error), out);
}

void hub::state::attempt_lost(time_point now, call_record& call, worker_session const& worker,
                              peer_loss const& loss, bool culprit, outputs& out) {
  if (culprit) ++call.kills;
  auto why = describe_loss(loss);
  if (ends_with_allocation(now, worker, loss)) {
    why = "allocation_ending: the worker's allocation ended while it ran the call (" + why + ")";
    if (cut_short(now, call, why)) return;
  }
  failure error = failure_of(errc::worker_lost, why + "; whether the call ran is unknown");
  error.worker = worker.name;
  error.signal = loss.signal;
  error.exit_status = loss.exit_status;
  error.stderr_tail = loss.stderr_tail;
  if (call.kills >= config.quarantine_after && !YONDER_MUTANT(quarantine_forgotten)) {
    YONDER_REACHED(quarantined);
    ++call.tries;
    error.message +=
        "; " + std::to_string(call.kills) + " workers ended while they ran it, it is not tried again";
    return fail(now, call, std::move(error), out);
  }
  attempt_failed(now, call, std::move(error), out);
}

#ifdef YONDER_SIMULATE_MUTANTS
// The call that a fenced attempt belonged to, as if it still counted.
call_record* hub::state::unfenced(time_point now, call_id id, std::uint32_t count, outputs& out) {
  auto* const call = calls.find(id);
  if (call == nullptr || call->stage == call_stage::ended || call->stage == call_stage::recording ||
      call->id.number != id.number || call->count != count)
    return nullptr;
  if (call->stage == call_stage::assigned) abandon(now, *call, out);
  return call;
}
#endif

// --- time

void hub::state::call_time(time_point now, call_record& call, outputs& out) {
  if (call.deadline <= now) {
    if (call.stage == call_stage::sought) ++call.tries;
    if (call.stage == call_stage::assigned) {
      ++call.tries;
      if (call.traced != nullptr) call.traced->code = errc::deadline_exceeded;
      abandon(now, call, out);
    }
    auto text = std::string("the call's deadline passed");
    if (!call.last_failure.empty()) text += "; before that: " + call.last_failure;
    return fail(now, call, errc::deadline_exceeded, std::move(text), out);
  }
  if (call.due > now) return arm(call);
  call.due = never;
  if (call.stage == call_stage::delayed) {
    --delayed;
    arm(call);
    return line_up(now, call);
  }
  if (call.stage == call_stage::sought) {
    constexpr auto why = "the hub ended while the call may have run, and no worker came back that has it";
    if (call.claim == 0) return not_found_again(now, call, why, out);
    return attempt_failed(
        now, call, failure_of(errc::worker_lost, std::string(why) + "; whether it ran is unknown"), out);
  }
  if (YONDER_MUTANT(timeout_forgotten)) return;
  if (call.count > 1 && !YONDER_MUTANT(batch_times_out))
    return attempt_timed_out(now, split(now, call, 1), out);  // the item that runs
  attempt_timed_out(now, call, out);
}

void hub::state::attempt_timed_out(time_point now, call_record& call, outputs& out) {
  call.due = never;
  auto error =
      failure_of(errc::timed_out, "the attempt outlasted its timeout of " + in_words(call.policy.timeout));
  auto* const worker = call.worker;
  if (worker != nullptr) error.worker = worker->name;
  if (call.traced != nullptr) call.traced->code = errc::timed_out;
  abandon(now, call, out);
  if (worker != nullptr && call.function->batches) worker_drains(now, *worker, out);
  attempt_failed(now, call, std::move(error), out);
}

void hub::state::orphan_time(time_point now, caller_record& caller, outputs& out) {
  if (YONDER_MUTANT(lost_client_kept)) return;
  auto const session = caller.session;
  while (auto* const held = calls.find_caller(session)) {
    auto* const call = calls.expired(now, *held);
    if (call == nullptr) return;
    YONDER_REACHED(orphaned);
    cancel(now, *call, out);
  }
}

}  // namespace yonder::core
