// SPDX-License-Identifier: Apache-2.0
// The hub: what it says of a call, and of who runs what.
#include "src/core/call_orders.hpp"
#include "src/core/callbacks.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr std::size_t most_calls_told = 4;  // of one worker

// To a whole unit that a person reads.
std::string about(duration time) {
  constexpr auto minute = 60 * second, hour = 60 * minute;
  if (time >= 2 * hour) return std::to_string(time / hour) + " h";
  if (time >= 10 * minute) return std::to_string(time / minute) + " min";
  if (time >= second) return in_words(time / second * second);
  return in_words(time >= millisecond ? time / millisecond * millisecond : time / microsecond * microsecond);
}

std::string state_of(call_record const& call) {
  switch (call.stage) {
    case call_stage::composing: return "waits for the values of other calls";
    case call_stage::queued: return "queued";
    case call_stage::ordered: return "waits for its turn";
    case call_stage::stalled: return "waits for its caller";
    case call_stage::held: return "waits for its turn among those of its key";
    case call_stage::unsynced: return "being written to the journal";
    case call_stage::reading: return "its arguments are read back from the journal";
    case call_stage::sought: return "may be with a worker that has not come back";
    case call_stage::recording: return "has ended; its outcome is being written to the journal";
    case call_stage::delayed: return "waits for its next attempt";
    case call_stage::tokenless: return "waits for a retry token";
    case call_stage::assigned: return "with a worker";
    case call_stage::ended: return "ended";
    case call_stage::returning:
    case call_stage::put_off: return "left to the hub that comes next";
    case call_stage::leaving: break;
  }
  return "ending";
}

std::string state_of(worker_session const& worker) {
  if (worker.dying) return "is being ended";
  if (worker.draining) return "ends when its calls have";
  if (worker.entering) return "makes its service";
  if (worker.park != parking::none) return worker.park == parking::parked ? "parked" : "parks, or comes back";
  if (worker.quiet) return "not heard of";
  if (worker.waits) return "waits for calls of its own";
  return worker.outstanding.empty() ? "idle" : "runs";
}

std::string count_of(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

}  // namespace

// How many calls go before this one in its own queue.
std::size_t hub::state::calls_before(call_record& call) {
  std::size_t before = 0;
  auto& queue = call.lane->calls;
  for (auto* one = queue.first(); one != nullptr && one != &call; one = queue.after(*one))
    before += one->count;
  return before;
}

std::string hub::state::why_queued(time_point now, call_record& call) {
  auto const& function = *call.function;
  std::size_t able = 0, brief = 0;
  for (auto* const by : function.offers) {
    able += by->workers - by->waiting;
    for (auto* idle = by->idle.first(); idle != nullptr; idle = by->idle.after(*idle))
      brief += work.outlasts(now, *idle, call) ? 0 : 1;
  }
  std::string why;
  if (able == 0)
    why = work.explain_wait(function);
  else if (brief != 0)
    why = std::to_string(brief) + " of the " + count_of(able, "worker") +
          " that have its task are idle, and end before it would";
  else
    why = able == 1 ? "the worker that has its task is busy"
                    : "the " + std::to_string(able) + " workers that have its task are busy";
  auto const* const pool = function.pool;
  if (pool == nullptr) return why;
  if (able != 0 && pool->starting > pool->held)
    why += "; " + std::to_string(pool->starting - pool->held) + " more being started" +
           (pool->delayed_why.empty() ? std::string() : ": " + pool->delayed_why);
  if (pool->held != 0 && why.find(pool->held_why) == std::string::npos)
    why += "; " + count_of(pool->held, "worker") + " to be started once there is room: " + pool->held_why;
  return why;
}

// A line for each reason, or several. Also of a pool for which nobody waits any more: whoever looks at it
// later learns why its calls have failed.
std::string hub::state::why_none_comes(pool_record const& pool) {
  std::string why;
  auto const add = [&](std::string const& words) { why += (why.empty() ? "" : "\n") + words; };
  if (!pool.impossible.empty()) add(pool.impossible);
  if (!pool.delayed_why.empty()) {
    auto const under_way = pool.starting - pool.held;
    add(under_way > 1 ? std::to_string(under_way) + " are being started; of one of them: " + pool.delayed_why
                      : "one is being started: " + pool.delayed_why);
  }
  if (pool.held != 0)
    add(count_of(pool.held, "worker") + " to be started once there is room: " + pool.held_why);
  if (pool.queued != 0 && pool.workers() == 0 && pool.leases())
    add("what each of its workers is to have is given to others, or not known yet");
  if (auto const failed = pool.failures_in_row; failed != 0) {
    add((failed == 1 ? "the last start has failed: "
                     : std::to_string(failed) + " starts in a row have failed; the last time ") +
        pool.failure_reason);
    if (!pool.failure_tail.empty()) add(pool.failure_tail);
  }
  return why;
}

std::string hub::state::why_it_waits(time_point now, call_record& call) {
  switch (call.stage) {
    case call_stage::composing:
      return std::to_string(call.composed->missing) + " of them " +
             (call.composed->missing == 1 ? "has" : "have") + " not ended yet";
    case call_stage::queued: return why_queued(now, call);
    case call_stage::held: return why_held(call);
    case call_stage::ordered:
      return "others of its order key go first: " + std::to_string(call.order->calls) + " there are";
    case call_stage::stalled: return "its caller has yet to take results that were sent to it";
    case call_stage::unsynced: return "its record is not on disk yet";
    case call_stage::sought: return "the hub was started again while it may have run";
    case call_stage::tokenless: return "too many are tried again at once";
    case call_stage::ended: return "its outcome waits for its caller, who is not connected";
    default: return {};
  }
}

void hub::state::explain_attempt(time_point now, call_record const& call, text_rows& rows) {
  auto const& worker = *call.worker;
  rows.push_back({"worker", worker.name});
  std::size_t place = 0;
  while (place < worker.outstanding.size() && worker.outstanding[place].call != &call) ++place;
  if (place < worker.running)
    rows.push_back({"running for", about(std::max<duration>(0, now - worker.began_since))});
  else
    rows.push_back({"why", "behind " + count_of(place, "call") + " that the worker has"});
  if (call.nest != nullptr && call.nest->waits) rows.push_back({"waits for", "calls of its own task"});
}

// Of one that has ended, and whose outcome is kept.
text_rows hub::state::explain(time_point now, kept_result const& one, call_id meant) {
  auto const left = std::max<duration>(0, one.until - now);
  text_rows rows{{"call", in_words(meant)},
                 {"task", *one.function},
                 {"state", one.failed ? "failed" : "succeeded"},
                 {"ended", about(std::max<duration>(0, config.result_time - left)) + " ago"}};
  if (one.attempt != 0) rows.push_back({"attempt", std::to_string(one.attempt)});
  rows.push_back({"its outcome is kept for", about(left)});
  rows.push_back({"credential", one.identity()});
  return rows;
}

text_rows hub::state::journal_in_rows() const {
  if (!config.journal) return {{"state", std::string(journal_state::none)}};
  auto const failed = !journal_fault.empty();
  auto const& why = failed ? journal_fault : journal_refusal;
  if (why.empty()) return {{"state", std::string(journal_state::open)}};
  return {{"state", std::string(failed ? journal_state::failed : journal_state::refuses)}, {"why", why}};
}

text_rows hub::state::state_in_rows(time_point now) const {
  auto rows = journal_in_rows();
  if (!drains) return rows;
  auto const left = std::max<duration>(0, drain_until - now) / millisecond;
  rows.push_back({"drains", drain_until == never ? std::string() : std::to_string(left)});
  return rows;
}

text_rows hub::state::explain(time_point now, call_record& call) {
  auto const* const function = call.function;  // null: it has ended
  text_rows rows{{"call", in_words(call.id)}};
  auto const add = [&](std::string_view what, std::string value) {
    if (!value.empty()) rows.push_back({std::string(what), std::move(value)});
  };
  if (function != nullptr) add("task", function->name);
  add("state", state_of(call));
  if (call.stage == call_stage::queued) {
    auto const before = calls_before(call);
    add("before it", count_of(before, "call") + " of its queue, of " + std::to_string(function->queue.items) +
                         " that wait for the task");
  }
  add("why", why_it_waits(now, call));
  if (call.stage == call_stage::assigned && call.worker != nullptr) explain_attempt(now, call, rows);
  auto const* const pool = function == nullptr         ? nullptr
                           : function->home != nullptr ? function->home
                                                       : function->pool;
  if (pool != nullptr)
    add("pool", name_of_pool(*pool) + ": " + count_of(pool->in_service, "worker") + " of at most " +
                    std::to_string(pool->config.max_workers) + ", " + std::to_string(pool->idle.size()) +
                    " idle, " + std::to_string(pool->starting) + " starting");
  if (call.attempt != 0) add("attempt", std::to_string(call.attempt));
  if (call.tries != 0 || call.policy.retries != 0)
    add("retries", std::to_string(call.policy.retries - std::min(call.policy.retries, call.tries)) + " left");
  if (call.stage == call_stage::assigned) add("progress", progress_of(call));
  add("last failure", call.last_failure);
  if (call.stage == call_stage::delayed) add("next attempt in", about(std::max<duration>(0, call.due - now)));
  if (call.stage == call_stage::assigned && call.due != never)
    add("attempt ends in", about(std::max<duration>(0, call.due - now)));
  if (call.deadline != never) add("deadline in", about(std::max<duration>(0, call.deadline - now)));
  if (call.priority != usual_priority) add("priority", std::to_string(call.priority));
  if (call.order != nullptr) add("order key", call.order->key);
  if (call.callback != called_back::none)
    add("callback", in_words(callback_id(call.id)) +
                        (call.callback == called_back::always ? "" : ", if it returns a value"));
  if (call.parent != nullptr) add("made by", in_words(call.parent->id));
  add("credential", call.caller->identity);
  return rows;
}

std::string hub::state::gpus_of(worker_session const& worker) const {
  std::string text;
  if (!worker.lease) return worker.gpus;
  if (worker.lease->without_gpus) return text;
  for (auto const place : worker.lease->gpus) text += (text.empty() ? "" : ",") + pools.gpu_name(place);
  return text;
}

// What its task has said of that, as its caller was told; of calls that run together the first's. Empty:
// nothing.
std::string hub::state::progress_of(call_record const& call) const {
  auto const found = progress.lower_bound(call.id);
  if (found == progress.end() || found->first.session != call.id.session ||
      found->first.number - call.id.number >= call.count || found->second.attempt != call.attempt)
    return {};
  constexpr std::uint32_t percent = 10'000;
  auto const& said = found->second.said;
  return std::to_string(said.millionths / percent) + " %" + (said.text.empty() ? "" : ", " + said.text);
}

text_rows hub::state::workers_in_rows() {
  text_rows rows;
  for (auto const& [id, worker] : sessions.workers()) {
    std::string running, so_far;
    std::size_t told = 0;
    for (std::size_t i = 0; i < worker->outstanding.size(); ++i) {
      auto const* const call = worker->outstanding[i].call;
      if (call == nullptr) continue;
      if (++told > most_calls_told) {
        running += ",…";
        break;
      }
      running += (running.empty() ? "" : ",") + in_words(call->id);
      if (auto const how_far = progress_of(*call); !how_far.empty())
        so_far += (so_far.empty() ? "" : "; ") + how_far;
    }
    rows.push_back({worker->name, worker->pool != nullptr ? name_of_pool(*worker->pool) : "",
                    state_of(*worker), running, gpus_of(*worker), worker->identity, so_far});
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

// Of its own calls whoever made them may ask, of others' an operator. To others a call of somebody else's is
// none, as one that has ended and was told to its caller.
call_record* hub::state::call_for(client_session const& client, call_id id) {
  auto* const call = calls.find(id);
  bool const may = call != nullptr && (operates(client) || call->caller->identity == client.identity);
  return may ? call : nullptr;
}

// Likewise, of one whose outcome is kept.
kept_result* hub::state::kept_for(client_session const& client, call_id id) {
  auto* const one = kept.find(id);
  bool const may = one != nullptr && (operates(client) || one->identity() == client.identity);
  return may ? one : nullptr;
}

// Its caller is told. Not of one that has ended, whoever has yet to be told that.
void hub::state::cancel_for(time_point now, call_record& call, std::uint64_t number, bool by_operator,
                            outputs& out) {
  auto& one = isolate(now, call, number, 1);
  if (one.stage == call_stage::assigned) abandon(now, one, out);
  fail(now, one, errc::cancelled,
       by_operator ? "the hub's operator cancelled the call" : "the call was cancelled", out);
}

void hub::state::take_call_order(time_point now, client_session& client, std::string_view what,
                                 frame const& message, outputs& out) {
  auto const id = message.head.call;
  if (what == list_workers) {
    if (!operates(client)) return answer(now, client, id, only_for_operators(), out);
    return answer_order(now, client, id, encode_rows(workers_in_rows()), out);
  }
  if (what == tell_journal) return answer_order(now, client, id, encode_rows(state_in_rows(now)), out);
  if (is_schedule_order(what)) return take_schedule_order(now, client, what, message, out);
  if (is_map_order(what)) return take_map_order(now, client, what, message, out);
  if (what == read_logs) {
    log_order order;
    if (!decode_log_order(message.payload(), order))
      return answer(now, client, id,
                    failure_of(errc::protocol_violation, "what is asked of logs does not decode"), out);
    return answer_order(now, client, id, encode_log_page(read_logs_for(now, client, order)), out);
  }
  call_id meant;
  if (!decode_call_id(message.payload(), meant))
    return answer(now, client, id,
                  failure_of(errc::protocol_violation, "what is said of a call does not decode"), out);
  auto* const call = call_for(client, meant);
  auto* const outcome = call == nullptr ? kept_for(client, meant) : nullptr;
  if (call == nullptr && outcome == nullptr && !journal_fault.empty())
    return answer(now, client, id, not_found(meant), out);
  text_rows rows;
  if (call != nullptr && what == cancel_call && !call->has_ended()) {
    rows = {{"cancelled", in_words(meant)}};
    cancel_for(now, *call, meant.number, call->caller->identity != client.identity, out);
  } else if (call != nullptr) {
    rows = explain(now, *call);
    rows.front().back() = in_words(meant);
    if (call->count > 1) rows.push_back({"together with", count_of(call->count - 1, "call") + " of its map"});
  } else if (outcome != nullptr) {
    rows = explain(now, *outcome, meant);
  }
  answer_order(now, client, id, encode_rows(rows), out);
}

}  // namespace yonder::core
