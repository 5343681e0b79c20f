// SPDX-License-Identifier: Apache-2.0
// The hub: what outlasts it without a journal. A hub that ends tells the worker of an attempt that still runs
// to go on without it, and then the caller, under one ticket. Both show that to the hub that comes next,
// which brings them together; whoever comes first is waited for.
#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr duration handover_time = 1 * second;  // to be heard of

}  // namespace

// Calls that are part of others, or have parts, end with the hub that knows that.
bool hub::state::may_go_on(worker_session const& worker, attempt_record const& attempt) const {
  auto const* const call = attempt.call;
  if (call == nullptr || attempt.count != 1 || attempt.in_company || attempt.ended) return false;
  if (call->of_hub || call->depth != 0 || call->stream || call->key != nullptr || call->in_journal() ||
      call->nest != nullptr || !call->finders.empty() || call->callback != called_back::none ||
      call->orphaned_since != never)
    return false;
  auto const& awaiting = call->caller->awaiting;
  auto const gives = awaiting.lower_bound({call->id.number, 0});
  if (gives != awaiting.end() && gives->first == call->id.number) return false;
  auto const* const client = sessions.client(call->id.session);
  return client != nullptr && !client->conn.reliable() && !worker.conn.reliable() && worker.start == 0 &&
         mark_of(worker) != out::append::ends_with_hub;
}

// What its worker has answered meanwhile, before it hears of that, is waited for as usual. Again and again,
// as it may not be known yet that it runs, or that its caller has heard of the drain.
void hub::state::hand_over(time_point now, outputs& out) {
  auto some = false;
  for (auto const& [id, worker] : sessions.workers())
    for (std::size_t i = 0; i < worker->outstanding.size(); ++i) {
      auto& attempt = worker->outstanding[i];
      if (!may_go_on(*worker, attempt)) continue;
      some = true;
      if (i >= worker->running || attempt.call->claim != 0) continue;
      if (!sessions.client(attempt.id.session)->knows_drain) continue;
      auto message = make_control(frame_type::keep);
      message.head.call = attempt.id;
      message.head.attempt = attempt.number;
      while (message.head.signature == 0) message.head.signature = random.next() >> 32U;
      attempt.call->claim = static_cast<std::uint32_t>(message.head.signature);
      send(now, *worker, std::move(message), out);
    }
  if (hand_over_until == never) hand_over_until = some ? add(now, handover_time) : now;
}

// The worker goes on with it: so may its caller.
void hub::state::take_keep(time_point now, worker_session& worker, frame const& message, outputs& out) {
  auto const& head = message.head;
  auto const index = find_attempt(worker, head.call, head.attempt);
  if (hand_over_until == never) return violated(now, worker, "a frame of a hub that ends", out);
  if (index == worker.outstanding.size() || !may_go_on(worker, worker.outstanding[index])) return;
  auto& call = *worker.outstanding[index].call;
  if (call.claim == 0 || std::exchange(call.handed_over, true)) return;
  auto told = make_control(frame_type::keep);
  told.head.call = call.id;
  told.head.signature = call.claim;
  send(now, *sessions.client(call.id.session), std::move(told), out);
}

// --- the hub that comes next

// Its last attempt, which nobody wants so far.
void hub::state::await_claim(time_point now, worker_session& worker, held_attempt const& one) {
  worker.outstanding[worker.outstanding.size() - 1].unclaimed = true;
  auto& waits = unclaimed[{one.call, one.ticket}];
  waits = {
      .worker = worker.id, .number = one.attempt, .since = now - one.ran, .until = add(now, config.silence)};
  unclaimed_due = std::min(unclaimed_due, waits.until);
}

// Its answer has come before its caller.
bool hub::state::keep_for_claim(time_point now, worker_session& worker, std::size_t index, frame& answer,
                                duration ran) {
  auto& attempt = worker.outstanding[index];
  if (!attempt.unclaimed) return false;
  auto found = unclaimed.lower_bound({attempt.id, 0});
  while (found != unclaimed.end() && found->first.first == attempt.id &&
         (found->second.worker != worker.id || found->second.number != attempt.number))
    ++found;
  YONDER_CHECK(found != unclaimed.end() && found->first.first == attempt.id,
               "an attempt has lost its ticket");
  auto& waits = found->second;
  if (waits.answer || unclaimed_bytes + size_of(answer) > config.max_client_bytes) {
    attempt.unclaimed = false;
    forget_unclaimed(found);
    return false;
  }
  unclaimed_bytes += size_of(answer);
  waits.answer = std::move(answer);
  waits.ran = ran;
  note_end(worker, attempt);
  note_running(now, worker);
  work.update_load(now, worker);
  return true;
}

// The call is in no list. As long as its worker may come back nobody else is given it.
void hub::state::claim(time_point now, call_record& call, outputs& out) {
  auto const found = unclaimed.find({call.id, call.claim});
  if (found == unclaimed.end()) return seek(now, call);
  auto waits = forget_unclaimed(found);
  auto& worker = *sessions.workers().at(waits.worker);
  auto const index = find_attempt(worker, call.id, waits.number);
  YONDER_REACHED(claimed);
  worker.outstanding[index].unclaimed = false;
  logs.give(call.id, call.caller->identity);
  note_assigned(now, call);
  keep_turn(call);
  dispatcher::adopt(call, worker, index);
  call.handed_over = true;  // to the hub after this one, by the same ticket
  if (waits.answer) {
    take_part(now, worker, index, std::move(*waits.answer), waits.ran, out);
    return;
  }
  if (call.policy.timeout != 0) call.due = std::max(now, add(waits.since, call.policy.timeout));
  arm(call);
  work.update_load(now, worker);
}

hub::state::unclaimed_attempt hub::state::forget_unclaimed(unclaimed_attempts::iterator which) {
  auto waits = std::move(which->second);
  logs.give(which->first.first, of_nobody);
  unclaimed.erase(which);
  if (waits.answer) unclaimed_bytes -= size_of(*waits.answer);
  return waits;
}

void hub::state::forget_unclaimed(worker_session const& worker) {
  for (auto at = unclaimed.begin(); at != unclaimed.end();) {
    auto const one = at++;
    if (one->second.worker == worker.id) forget_unclaimed(one);
  }
}

void hub::state::end_unclaimed(time_point now, outputs& out) {
  unclaimed_due = never;
  for (auto at = unclaimed.begin(); at != unclaimed.end();) {
    auto const one = at++;
    if (one->second.until > now) {
      unclaimed_due = std::min(unclaimed_due, one->second.until);
      continue;
    }
    YONDER_REACHED(unclaimed);
    auto const id = one->first.first;
    auto const waits = forget_unclaimed(one);
    auto& worker = *sessions.workers().at(waits.worker);
    auto const index = find_attempt(worker, id, waits.number);
    auto& attempt = worker.outstanding[index];
    attempt.unclaimed = false;
    if (waits.answer) {
      answered(now, worker, index);
      continue;
    }
    attempt.told_to_stop = say_cancel(now, worker, attempt, 0, out);
    note_stops(now, worker);
    work.update_load(now, worker);
  }
}

}  // namespace yonder::core
