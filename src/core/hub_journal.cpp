// SPDX-License-Identifier: Apache-2.0
// The hub: what a journal is told, and what waits for it.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

// It may be kept for a day: no transport's memory is.
void own(frame& message) {
  if (message.body.owner()) message.body = byte_buffer::copy_of(message.body.bytes());
  for (auto& block : message.buffers) block = detail::owned_copy(block.bytes());
}

}  // namespace

// Why such a call cannot be durable; none: it can.
std::optional<failure> hub::state::not_durable(call_message const& said) const {
  if (!config.journal)
    return failure_of(
        errc::unsatisfiable,
        "the call is to be durable, and this hub has no journal: start it with one (`yonder hub "
        "--journal FOLDER`, runtime_options::journal)");
  if (auto const& why = journal_fault.empty() ? journal_refusal : journal_fault; !why.empty())
    return failure_of(errc::overloaded, "no durable call is taken: " + why);
  if (said.stream || !said.arguments.empty())
    return failure_of(errc::bad_configuration,
                      said.stream ? "a call that streams cannot be durable"
                                  : "the arguments of a durable call are values: pass get(), not the call");
  if (kept.bytes() >= config.max_kept_bytes)
    return failure_of(errc::overloaded,
                      "the hub has " + std::to_string(kept.size()) +
                          " outcomes of durable calls that nobody has taken yet, of which it remembers " +
                          std::to_string(config.max_kept_bytes) + " bytes at most; get() what has ended");
  return std::nullopt;
}

// Durable calls only; says what happened.
void hub::state::record(call_record& call, out::append::kind what, frame_ref body, outputs& out) {
  call.record = ++last_record;
  out::append said{call.record, what, call.id, call.count, std::move(body)};
  if (what == out::append::kind::started) said.worker = call.start_for;
  if (said.body) said.identity = call.caller->identity;
  if (said.body && what == out::append::kind::ended) {
    said.function = call.function->name;
    said.key = recorded_key(call);
  }
  if (what == out::append::kind::call) add_progress(call, said);
  out.emplace_back(std::move(said));
}

// The call waits until that is on disk.
void hub::state::append(call_record& call, out::append::kind what, frame_ref body, outputs& out) {
  record(call, what, std::move(body), out);
  call.stage = call_stage::unsynced;
  unsynced.push_back(call);
}

// As the journal names it. A process of this hub's own is none of the next one's.
std::uint64_t hub::state::mark_of(worker_session const& worker) {
  auto const* const pool = worker.pool;
  auto const is_own = pool != nullptr && !pool->recruits && !pool->config.elsewhere;
  return is_own ? out::append::ends_with_hub : worker.id;
}

bool hub::state::must_record_start(call_record const& call, worker_session const& worker) const {
  auto const is_recorded = call.start_recorded && call.start_for == mark_of(worker);
  return calls.goes_on(call) && !call.may_repeat() && !is_recorded && !YONDER_MUTANT(start_unrecorded);
}

// The one that the journal says the call is with, as long as it has room; null: any other will do.
worker_session* hub::state::worker_of_start(call_record const& call) {
  if (!call.start_recorded || call.start_for == 0 || call.start_for == out::append::ends_with_hub)
    return nullptr;
  auto const found = sessions.workers().find(call.start_for);
  if (found == sessions.workers().end()) return nullptr;
  auto& worker = *found->second;
  auto const& offers = call.function->offers;
  auto const is_free = worker.load == worker_load::idle || worker.load == worker_load::open;
  return is_free && std::find(offers.begin(), offers.end(), worker.program) != offers.end() ? &worker
                                                                                            : nullptr;
}

// That the first items, as many as the worker may be given, may be started from now on. Where these are
// several the packs behind them go along: one wait for the disk is for all of them. The worker is kept free
// for them meanwhile: what is recorded so, and not started, is unknown after a crash.
void hub::state::record_start(time_point now, call_record& call, worker_session& worker, outputs& out) {
  auto& lane = call.lane->calls;
  auto* next = &call;
  dispatcher::load_to_come recorded;
  for (auto items = work.room(now, worker, call); items != 0;) {
    auto& first = items == next->count ? *next : split(now, *next, items);
    next = lane.after(first);
    ++recorded.records;
    recorded.items += items;
    recorded.bytes += first.payload;
    work.dequeue(first);
    first.start_for = mark_of(worker);
    append(first, out::append::kind::started, {}, out);
    worker.awaits_record = first.record;
    auto const goes_along = items > 1 && next != nullptr && next->count > 1 &&
                            must_record_start(*next, worker) && !next->stored && next->deadline > now &&
                            !calls.stalls(*next->caller);
    items = goes_along ? work.room_behind(worker, *next, recorded) : 0;
  }
  awaiting_record.emplace_back(worker.awaits_record, worker.id);
  if (!worker.goes()) work.update_load(now, worker);
}

void hub::state::release_workers(time_point now, std::uint64_t up_to) {
  while (!awaiting_record.empty() && awaiting_record.front().first <= up_to) {
    auto const [record, id] = awaiting_record.front();
    awaiting_record.pop_front();
    auto const found = sessions.workers().find(id);
    if (found == sessions.workers().end() || found->second->awaits_record != record) continue;
    found->second->awaits_record = 0;
    if (!found->second->goes()) work.update_load(now, *found->second);
  }
}

// Its outcome would have to be written down, and cannot be.
bool hub::state::is_past_recording(call_record const& call) const {
  return !journal_fault.empty() && calls.goes_on(call) && call.in_journal();
}

// Nobody is told of it before it is on disk: it may be told again after a crash, and must be the same. What
// ends because the hub does is the next one's to decide, by what the journal says so far.
void hub::state::record_outcome(time_point now, call_record& call, frame&& message, outputs& out) {
  if (over) return forget(now, call);
  own(message);
  frame_ref outcome(std::move(message));
  auto* const callback = append_callback(now, call, *outcome, out);
  record(call, out::append::kind::ended, outcome, out);
  hold_outcome(now, call, std::move(outcome), call_stage::recording);
  call.caller->recording += call.bytes;
  unsynced.push_back(call);
  if (callback != nullptr) begin_callback(now, *callback, call.record, out);
  if (YONDER_MUTANT(outcome_overtakes)) conclude(now, call, out);
}

// The same without a journal, under an idempotency key.
void hub::state::keep_outcome(time_point now, call_record& call, frame&& message, outputs& out) {
  own(message);
  hold_outcome(now, call, frame_ref(std::move(message)), call_stage::leaving);
  conclude(now, call, out);
}

// Whoever waits for it is told, and it is kept until he has it, or as long as its key.
void hub::state::conclude(time_point now, call_record& call, outputs& out) {
  leave_stage(now, call);
  call.stage = call_stage::leaving;
  if (call.holder != 0)
    if (auto const found = sessions.workers().find(call.holder); found != sessions.workers().end())
      say_taken(now, *found->second, call.id, call.attempt, out);
  compact(call);
  auto outcome = call.message;
  outcome->head.call = call.id;
  auto const head = outcome->head;
  auto const sole = !call.caller->awaiting.empty() && give_to_dependents(now, call, outcome, out);
  if (auto* const client = sessions.client(call.id.session);
      client != nullptr && call.orphaned_since == never) {
    auto told = sole ? frame_ref(make_elsewhere(call.id)) : outcome;
    auto const its_head = told->head;
    send_to(now, *client, its_head, std::move(told), out);
  }
  tell_finders(now, call, outcome, out);
  outcome->head = head;
  if (sole && (call.key == nullptr || !call.key->keeps)) {  // that has it
    out.emplace_back(out::append{++last_record, out::append::kind::forgotten, call.id, call.count, {}});
    return forget(now, call);
  }
  note_run_outcome(call, *outcome, out);
  auto& one = kept.add(call.id, call.count, call.caller->identity, call.function->name, std::move(outcome),
                       YONDER_MUTANT(key_outlives) ? never : add(now, config.result_time), cached_bytes());
  if (call.key != nullptr && call.key->keeps) one.key = std::exchange(call.key, nullptr);
  forget(now, call);
}

void hub::state::synced(time_point now, std::uint64_t up_to, outputs& out) {
  synced_record = std::max(synced_record, up_to);
  while (!unsynced.empty() && unsynced.front().record <= up_to) {
    YONDER_REACHED(synced);
    auto& call = unsynced.front();
    if (call.stage == call_stage::recording) {
      conclude(now, call, out);
      continue;
    }
    leave_stage(now, call);
    if (std::exchange(call.accepted, true)) {
      call.start_recorded = true;
      wait_again(now, call);
    } else {
      say_accepted(now, call, out);
      store_away(call);
      line_up(now, call);
    }
  }
  release_workers(now, up_to);
  answer_of_schedules(now, up_to, {}, out);
}

// Nothing more can be written to the journal, which has it, or may have it.
void hub::state::end_unrecorded(time_point now, call_record& call, std::string const& why, outputs& out) {
  auto error = failure_of(errc::disconnected, {});
  auto const text = why + "; the call is durable, and " +
                    (call.accepted ? "" : "if its record was written it ") +
                    "goes on when a hub with this journal is started again: find it by its id then, ";
  if (call.traced != nullptr) trace_call(now, call, errc::disconnected, out);
  if (call.function != nullptr) error.function = call.function->name;
  auto* const client = sessions.client(call.id.session);
  for (std::uint32_t i = 0; i < call.count && client != nullptr && call.orphaned_since == never; ++i) {
    call_id const one{call.id.session, call.id.number + i};
    error.message = text + in_words(one);
    answer(now, *client, one, copy_of(error), out);
  }
  error.message = text + in_words(call.id);  // who has found one has it for itself
  tell_finders(now, call, frame_ref(make_error(error)), out);
  cancel_dependents(now, call, out);
  forget(now, call);
}

void hub::state::journal_failed(time_point now, std::string const& why, outputs& out) {
  if (!config.journal || !journal_fault.empty()) return;
  journal_fault = why;
  out.emplace_back(out::notice{why + "; durable calls are refused until the hub is started again"});
  while (!unsynced.empty()) end_unrecorded(now, unsynced.front(), journal_fault, out);
  release_workers(now, last_record);
  answer_of_schedules(now, last_record, journal_fault, out);
}

void hub::state::say_accepted(time_point now, call_record& call, outputs& out) {
  auto* const client = sessions.client(call.id.session);
  if (client != nullptr && call.orphaned_since == never) say_accepted(now, *client, call.id, call.count, out);
  if (call.joined == 0) return;
  for (auto const& id : call.finders)
    if (auto* const other = sessions.client(id.session);
        other != nullptr && other->searches.at(id.number).joins)
      say_accepted(now, *other, id, 1, out);
}

void hub::state::say_accepted(time_point now, client_session& client, call_id id, std::uint32_t count,
                              outputs& out) {
  auto message = make_control(frame_type::accepted);
  message.head.call = id;
  set_item_count(message, count);
  send(now, client, std::move(message), out);
}

// --- outcomes that were told

void hub::state::forget_kept(kept_result& one, outputs& out) {
  if (config.journal)
    out.emplace_back(out::append{++last_record, out::append::kind::forgotten, one.id, one.count, {}});
  release_key(one);
  kept.remove(one);
}

void hub::state::forget_overdue(time_point now, outputs& out) {
  while (auto* const one = kept.expired(now)) forget_kept(*one, out);
}

}  // namespace yonder::core
