// SPDX-License-Identifier: Apache-2.0
// The hub: how it ends in good order. Calls that have not begun go back to their clients, or stay in the
// journal; what runs is waited for.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr duration look_interval = 10 * millisecond;
constexpr duration look_interval_per_call =
    1 * microsecond;  // so that looking at many is not all that is done

}  // namespace

void hub::state::drain(time_point now, duration within, outputs& out) {
  drain_until = std::min(drain_until, add(now, within));
  drain_look = now;
  if (over || std::exchange(drains, true)) return;
  YONDER_REACHED(drained);
  std::vector<call_record*> all;
  calls.each([&](call_record& call) {
    if (waits_to_begin(call) && is_left(call)) all.push_back(&call);
  });
  for (auto* const call : all) {
    if (!waits_to_begin(*call)) continue;  // left already, as one of its order key or of its credential was
    leave_stage(now, *call);
    leave_to_next(now, *call);
  }
  for (auto const& [id, worker] : sessions.workers())
    if (!worker->outstanding.empty()) recall_waiting(now, *worker, out);
  for (auto const& [id, client] : sessions.clients()) say_drains(now, *client, out);
}

// One of this process, or of a worker's on this machine, ends with the hub.
void hub::state::say_drains(time_point now, client_session& client, outputs& out) {
  if (!client.conn.reliable()) send(now, client, make_control(frame_type::drain), out);
}

bool hub::state::waits_to_begin(call_record const& call) {
  switch (call.stage) {
    case call_stage::queued:
    case call_stage::ordered:
    case call_stage::stalled:
    case call_stage::held:
    case call_stage::delayed:
    case call_stage::tokenless: return true;
    default: return false;
  }
}

// Not by this hub is it begun. It does begin what a call that runs waits for, what is made of values that
// nobody else has, what the journal says may have begun, and what its own process calls.
bool hub::state::is_left(call_record const& call) const {
  if (call.of_hub || call.depth != 0 || call.start_recorded || (call.stream && call.attempt != 0))
    return false;
  auto const& awaiting = call.caller->awaiting;
  auto const waits_for_it = awaiting.lower_bound({call.id.number, 0});
  if (waits_for_it != awaiting.end() && waits_for_it->first - call.id.number < call.count) return false;
  if (calls.goes_on(call)) return true;
  if (!call.finders.empty()) return false;
  auto const* const client = sessions.client(call.id.session);
  return client == nullptr || !client->conn.reliable();
}

// The same of one that comes, before anything of it is taken.
bool hub::state::is_left(client_session const& client, call_message const& said) const {
  auto const is_taken = said.parent.attempt != 0 || !said.arguments.empty() || said.policy.durable;
  return !is_taken && !client.conn.reliable();
}

// It is in no list.
void hub::state::leave_to_next(time_point now, call_record& call) {
  leave_quota(now, call);
  call.due = never;
  arm(call);
  auto const* const client = sessions.client(call.id.session);
  if (client == nullptr || call.orphaned_since != never || calls.goes_on(call)) {
    call.stage = call_stage::put_off;
    return;
  }
  call.stage = call_stage::returning;
  returning.push_back(call);
}

// Back from a worker, from the journal or from its caller's account.
void hub::state::wait_again(time_point now, call_record& call) {
  if (drains && is_left(call)) return leave_to_next(now, call);
  work.requeue(now, call);
}

void hub::state::give_back(time_point now, outputs& out) {
  while (auto* call = returning.first()) {
    auto const id = call->id;
    auto* const client = sessions.client(id.session);
    if (client == nullptr) {  // as its caller comes back no more
      returning.remove(*call);
      call->stage = call_stage::put_off;
      continue;
    }
    std::uint32_t count = 0;
    while (call != nullptr && call->id == call_id{id.session, id.number + count} &&
           count + call->count <= max_items) {
      count += call->count;
      forget(now, *call);
      call = returning.first();
    }
    say_given_back(now, *client, id, count, out);
  }
}

// So many calls, from this one on, which the hub has forgotten or never taken.
void hub::state::say_given_back(time_point now, client_session& client, call_id id, std::uint32_t count,
                                outputs& out) {
  YONDER_REACHED(given_back);
  counters.given_back += count;
  auto message = make_error(failure_of(errc::disconnected, "the hub ended before it had begun the call"));
  message.head.call = id;
  message.head.flags = flag_not_started;
  set_item_count(message, count);
  send(now, client, std::move(message), out);
}

// --- when it is done

// Whether somebody waits for what becomes of the call here. What goes on in a worker elsewhere without a hub
// is handed in to the next one; what this process calls ends with that.
bool hub::state::is_awaited(time_point now, call_record const& call) const {
  if (call.depth != 0) return false;  // whoever waits for it is
  if (call.handed_over && call.stage == call_stage::assigned) return false;
  switch (call.stage) {
    case call_stage::put_off:
    case call_stage::sought:
    case call_stage::ended: return false;
    default: break;
  }
  auto const* const client = sessions.client(call.id.session);
  if (client != nullptr && client->conn.reliable() && !calls.goes_on(call)) return false;
  auto const* const worker = call.worker;
  if (worker == nullptr || call.may_repeat() || !calls.goes_on(call)) return true;
  if (mark_of(*worker) == out::append::ends_with_hub) return true;
  // A worker whose connection was made anew begins nothing before it is welcomed.
  if (worker->quiet || now - worker->began_since < config.silence) return true;
  for (std::size_t i = 0; i < worker->running; ++i)
    if (worker->outstanding[i].call == &call) return call.count != 1;  // of several one has begun
  return true;
}

bool hub::state::some_is_awaited(time_point now) {
  if (config.journal && journal_fault.empty() && synced_record < last_record) return true;
  auto some = false;
  calls.each_caller([&](caller_record& caller) {
    if (some) return;
    call_table::each_of(caller, [&](call_record const& call) {
      some = is_awaited(now, call);
      return !some;
    });
  });
  auto const& clients = sessions.clients();
  return some || std::any_of(clients.begin(), clients.end(),
                             [&](auto const& one) { return is_awaited(now, *one.second); });
}

// Whether it has yet to take something, or something of it may be on its way. An older one does not say that
// it has heard, and does hear.
bool hub::state::is_awaited(time_point now, client_session const& client) const {
  if (client.conn.reliable()) return false;
  if (!client.conn.all_acknowledged() || !client.wanted.empty()) return true;
  return !client.knows_drain && now - client.conn.acknowledged_at() < config.silence &&
         !YONDER_MUTANT(drain_unheard);
}

void hub::state::look_whether_drained(time_point now, outputs& out) {
  if (drain_until <= now) hand_over(now, out);
  auto const some = some_is_awaited(now);
  if (some && drain_until != never && !std::exchange(drain_told, true))
    out.emplace_back(out::notice{
        "the hub ends, and begins no further calls; those that run are waited for, " +
        in_words(std::max<duration>(0, drain_until - now)) + " at most, or until it is told so again"});
  auto const until = hand_over_until == never ? drain_until : hand_over_until;
  if (some && now < until) {
    auto const longer = static_cast<duration>(calls.size()) * look_interval_per_call;
    drain_look = std::min(add(now, look_interval + longer), until);
    return;
  }
  drain_look = never;
  out.emplace_back(out::drained{!some});
}

}  // namespace yonder::core
