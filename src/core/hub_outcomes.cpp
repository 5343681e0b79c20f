// SPDX-License-Identifier: Apache-2.0
// The hub: how a call ends, and who is told.
#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

namespace yonder::core {

// For what never became a call.
void hub::state::answer(time_point now, client_session& client, call_id id, failure error, outputs& out) {
  ++counters.failed;
  auto message = make_error(error, client.limits);
  message.head.call = id;
  send_outcome(now, client, frame_ref(std::move(message)), out);
}

// Until the client has taken it, it counts.
void hub::state::send_outcome(time_point now, client_session& client, frame_ref outcome, outputs& out) {
  auto const head = outcome->head;
  send_outcome(now, client, head, std::move(outcome), out);
}

void hub::state::send_outcome(time_point now, client_session& client, header const& head, frame_ref outcome,
                              outputs& out) {
  auto const size = size_of(*outcome);
  if (head.type == frame_type::result && outcome->head.metadata_size != 0) give_references(client, *outcome);
  auto const sequence = client.conn.send(now, head, std::move(outcome), never, out);
  sessions.watch(client);
  if (client.conn.reliable()) return;
  client.untaken.push_back({sequence, size});
  calls.sent(*calls.find_caller(client.id), size);
}

void hub::state::note_taken(time_point now, client_session& client, outputs& out) {
  if (client.untaken.empty()) return;
  auto& caller = *calls.find_caller(client.id);
  auto const level = client.conn.settled();
  while (!client.untaken.empty() && distance(client.untaken.front().sequence, level) <= 0) {
    calls.taken(caller, client.untaken.front().bytes);
    client.untaken.pop_front();
  }
  if (calls.stalls(caller)) return;
  wake_stalled(now, caller);
  read_next(client, out);
  say_allowed(now, caller, out);
}

void hub::state::wake_stalled(time_point now, caller_record& caller) {
  if (calls.stalls(caller)) return;
  while (auto* const call = caller.stalled.first()) {
    caller.stalled.remove(*call);
    wait_again(now, *call);
  }
}

// The outcome is sent to who waits for it, or kept for a while.
void hub::state::complete(time_point now, call_record& call, frame&& message, outputs& out) {
  message.head.call = call.id;
  message.head.flags = 0;
  if (call.traced != nullptr) {
    auto code = errc{};
    if (message.head.type == frame_type::error) read_error_code(message, code);
    trace_call(now, call, code, out);
    call.traced.reset();
  }
  message.head.signature = call.function->signature;
  if (call.key != nullptr) call.key->keeps = is_final(call, message) && !YONDER_MUTANT(key_freed);
  if (calls.goes_on(call) && call.in_journal()) return record_outcome(now, call, std::move(message), out);
  if (call.key != nullptr && call.key->keeps) return keep_outcome(now, call, std::move(message), out);
  release_key(call);
  frame_ref outcome(std::move(message));
  if (!call.finders.empty()) tell_finders(now, call, outcome, out);
  if (!call.caller->awaiting.empty() && give_to_dependents(now, call, outcome, out)) {
    outcome = frame_ref(make_elsewhere(call.id));
  }
  auto* const client = sessions.client(call.id.session);
  if (client != nullptr && call.orphaned_since == never) {
    send_outcome(now, *client, std::move(outcome), out);
    return forget(now, call);
  }
  hold_outcome(now, call, std::move(outcome), call_stage::ended);
  auto& function = *std::exchange(call.function, nullptr);
  if (--function.calls == 0) work.release(function);
}

void hub::state::hold_outcome(time_point now, call_record& call, frame_ref outcome, call_stage stage) {
  leave_stage(now, call);
  leave_order(now, call);
  leave_quota(now, call);
  timers.disarm(call);
  call.stage = stage;
  call.stored = false;
  call.first = 0;
  call.offset = 0;
  call.payload = outcome->payload().size();
  calls.let_go_of_values(call);
  calls.resize(call, size_of(*outcome));
  call.message = std::move(outcome);
  read_items(*call.message, call.packed);
}

// Each item is told.
void hub::state::fail(time_point now, call_record& call, failure error, outputs& out) {
  YONDER_CHECK(!call.has_ended(), "a call ends twice");
  if (is_past_recording(call)) return end_unrecorded(now, call, journal_fault, out);
  error.function = call.function->name;
  error.attempt = call.tries;
  if (call.count > 1) {
    leave_stage(now, call);
    call.stage = call_stage::leaving;
    while (call.count > 1) fail_one(now, calls.split(call, 1), copy_of(error), out);
  }
  fail_one(now, call, std::move(error), out);
}

void hub::state::fail_one(time_point now, call_record& call, failure error, outputs& out) {
  ++counters.failed;
  call.function->numbers->count_failure(error.code);
  auto const* const client = sessions.client(call.id.session);
  complete(now, call, client == nullptr ? make_error(error) : make_error(error, client->limits), out);
}

void hub::state::fail(time_point now, call_record& call, errc code, std::string text, outputs& out) {
  fail(now, call, failure_of(code, std::move(text)), out);
}

void hub::state::leave_stage(time_point now, call_record& call) {
  switch (call.stage) {
    case call_stage::queued: work.dequeue(call); break;
    case call_stage::composing: await_nothing(call); break;
    case call_stage::ordered:
      call.order->waiting.remove(call);
      work.count_ordered(*call.function, -1);
      break;
    case call_stage::stalled: call.caller->stalled.remove(call); break;
    case call_stage::held: std::exchange(call.quota, nullptr)->remove(call); break;
    case call_stage::recording:
      unsynced.remove(call);
      call.caller->recording -= call.bytes;
      wake_stalled(now, *call.caller);
      break;
    case call_stage::unsynced: unsynced.remove(call); break;
    case call_stage::tokenless: tokenless.remove(call); break;
    case call_stage::returning: returning.remove(call); break;
    case call_stage::delayed:
      YONDER_CHECK(delayed != 0, "a call waits for its backoff that is not counted");
      --delayed;
      break;
    case call_stage::assigned:
    case call_stage::reading:
    case call_stage::sought:
    case call_stage::ended:
    case call_stage::put_off:
    case call_stage::leaving: break;
  }
}

void hub::state::forget(time_point now, call_record& call) {
  if (!progress.empty()) forget_progress(call.id.session, call.id.number, call.id.number + call.count);
  release_key(call);
  note_run_ended(call);
  leave_stage(now, call);
  leave_parent(call);
  leave_order(now, call);
  leave_quota(now, call);
  if (call.stream) call.caller->streams.remove(*call.stream);
  auto* const function = call.function;
  YONDER_CHECK(function == nullptr || function->calls != 0, "a function has lost count of its calls");
  calls.remove(call);
  if (function != nullptr && --function->calls == 0) work.release(*function);
}

}  // namespace yonder::core
