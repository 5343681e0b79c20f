// SPDX-License-Identifier: Apache-2.0
// The hub: calls that tasks make, and workers that wait for them.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {

// The call whose attempt this is, as long as it runs; it may be one of several items.
call_record* hub::state::find_parent(client_session const& client, attempt_key const& key) {
  if (key.call.session == 0) return find_in_company(client, key);
  auto* const call = calls.find(key.call);
  if (call == nullptr || call->stage != call_stage::assigned || call->worker == nullptr) return nullptr;
  auto const& worker = *call->worker;
  auto const runs = call->attempt == key.attempt && worker.conn.epoch() == key.epoch;
  return runs && worker.identity == client.identity ? call : nullptr;
}

// Whoever runs there under an id of the hub's own: an attempt of this session and epoch.
worker_session* hub::state::worker_at(client_session const& client, std::uint32_t epoch) const {
  for (auto const& [id, worker] : sessions.workers())
    if (worker->conn.epoch() == epoch && worker->identity == client.identity) return worker.get();
  return nullptr;
}

// Of the items that run as one: the one that has what they have called, or the first that counts.
call_record* hub::state::find_in_company(client_session const& client, attempt_key const& key) {
  auto* const worker = worker_at(client, key.epoch);
  if (worker == nullptr) return nullptr;
  auto& list = worker->outstanding;
  auto const index = find_attempt(*worker, key.call, key.attempt);
  if (index == list.size() || !list[index].in_company) return nullptr;
  call_record* found = nullptr;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto* const call = list[i].runs_with(list[index]) ? list[i].call : nullptr;
    if (call != nullptr && (found == nullptr || call->nest != nullptr)) found = call;
  }
  return found;
}

// Another one that runs as one with the call, and still counts; null: there is none.
call_record* hub::state::companion_of(call_record const& call, worker_session& worker) {
  auto& list = worker.outstanding;
  std::size_t own = 0;
  while (own < list.size() && list[own].call != &call) ++own;
  for (std::size_t i = 0; own < list.size() && i < list.size(); ++i)
    if (i != own && list[i].call != nullptr && list[i].runs_with(list[own])) return list[i].call;
  return nullptr;
}

// A batch goes on as long as one of its items does.
time_point hub::state::deadline_within(call_record const& parent) {
  auto latest = parent.deadline;
  auto& list = parent.worker->outstanding;
  std::size_t own = 0;
  while (own < list.size() && list[own].call != &parent) ++own;
  for (std::size_t i = 0; own < list.size() && i < list.size(); ++i)
    if (list[i].call != nullptr && list[i].runs_with(list[own]))
      latest = std::max(latest, list[i].call->deadline);
  return latest;
}

// Its worker makes a service: what the constructor calls belongs to no call.
bool hub::state::is_entering(client_session const& client, attempt_key const& key) const {
  auto const* const worker = key.call.session == 0 ? worker_at(client, key.epoch) : nullptr;
  return worker != nullptr && worker->entering;
}

// Whoever may call only from within tasks that it runs proves that it runs this one.
bool hub::state::may_ask(client_session const& client, attempt_key const& parent) {
  if (client.peer == nullptr || client.peer->may_call) return true;
  return is_entering(client, parent) || find_parent(client, parent) != nullptr;
}

// Who makes a call; null: it may not, for a reason.
call_record* hub::state::parent_of(time_point now, client_session const& client, attempt_key const& key,
                                   failure& refused) {
  auto* const found = find_parent(client, key);
  if (found == nullptr) {
    refused = failure_of(errc::cancelled, "the attempt whose task made this call has ended");
    return nullptr;
  }
  auto& parent = with_nest(now, *found, key);
  if (parent.depth < config.max_depth) return &parent;
  note_ended(parent, 1, 0);
  refused =
      failure_of(errc::nested_too_deep,
                 "a task called a task, which called a task, and so on: " + std::to_string(parent.depth + 1) +
                     " times, and at most " + std::to_string(config.max_depth) +
                     " are taken; the last one to call was \"" + parent.function->name + "\"");
  return nullptr;
}

// This item of the call, which takes no other with it, and what its task has called so far.
call_record& hub::state::with_nest(time_point now, call_record& call, attempt_key const& key) {
  auto& one = key.call.session == 0 ? call : isolate(now, call, key.call.number, 1);
  if (one.nest == nullptr) {
    one.nest = std::make_unique<nest>();
    ++one.worker->nests;
    if (one.worker->program != nullptr) work.update_load(now, *one.worker);
  }
  return one;
}

void hub::state::join_parent(call_record& call, call_record& parent) {
  call.depth = parent.depth + 1;
  if (!calls.goes_on(call)) call.deadline = std::min(call.deadline, deadline_within(parent));
  call.parent = &parent;
  parent.nest->children.push_back(call);
}

// The call has ended: its parent hears of it.
void hub::state::leave_parent(call_record& call) {
  if (call.parent == nullptr) return;
  auto& parent = *std::exchange(call.parent, nullptr);
  parent.nest->children.remove(call);
  note_ended(parent, call.count, call.stream ? call.stream->told : 0);
}

void hub::state::note_ended(call_record& parent, std::uint32_t count, std::uint64_t their_frames) {
  parent.nest->told.end(count, their_frames);
  look_at_wait(parent);
}

// Its caller is sent what it streams, and may wait for that.
void hub::state::note_streamed(call_record& call) {
  ++call.stream->told;
  if (call.parent == nullptr) return;
  ++call.parent->nest->told.streamed;
  look_at_wait(*call.parent);
}

// --- who waits

void hub::state::take_waiting(time_point now, client_session& client, frame const& message, outputs& out) {
  wait_message said;
  if (!read_wait(message, said)) return violated(now, client, "a wait that does not decode", out);
  auto* const found = find_parent(client, said.parent);
  if (found == nullptr) return;  // it has ended
  auto& parent = with_nest(now, *found, said.parent);
  parent.nest->waits_at = said.told;
  look_at_wait(parent);
}

// Its task waits as long as it was told of nothing that it did not know of when it said so.
void hub::state::look_at_wait(call_record& parent) {
  auto& nest = *parent.nest;
  auto const believed = YONDER_MUTANT(waits_believed) && nest.waits_at != wait_message::no_longer;
  auto const waits = believed || nest.waits_at == nest.told;
  if (std::exchange(nest.waits, waits) == waits) return;
  auto& worker = *parent.worker;
  worker.waiting_attempts += waits ? 1 : std::uint32_t(-1);
  set_waits(worker);
  if (!waits) return;
  began_to_wait.push_back(worker.id);
  look_for_deadlocks = true;
}

void hub::state::set_waits(worker_session& worker) {
  auto const waits = worker.waiting_attempts >= worker.concurrency;
  work.set_waits(worker, waits);
  pools.set_waits(worker, waits);
}

// What waits in a worker behind a task that waits could wait for ever.
void hub::state::recall_behind_waits(time_point now, outputs& out) {
  for (auto const id : std::exchange(began_to_wait, {})) {
    auto const found = sessions.workers().find(id);
    if (found == sessions.workers().end()) continue;
    auto& worker = *found->second;
    if (worker.waits && !worker.outstanding.empty()) recall_waiting(now, worker, out);
  }
}

// --- the end of an attempt

// The attempt has ended. Its calls end with it.
void hub::state::leave_nest(time_point now, call_record& call, worker_session& worker, outputs& out) {
  leave_stream(call, worker);
  if (call.traced != nullptr) trace_attempt(now, call, worker, out);
  // What another one there has said may have come before.
  if (worker.waiting_attempts != 0)
    look_for_deadlocks = look_for_deadlocks || !YONDER_MUTANT(stuck_later_unseen);
  if (call.nest == nullptr) return;
  if (auto* const successor = companion_of(call, worker)) {
    successor->nest = std::move(call.nest);
    auto& children = successor->nest->children;
    for (auto* child = children.first(); child != nullptr; child = children.after(*child))
      child->parent = successor;
    return;
  }
  --worker.nests;
  auto& nest = *call.nest;
  if (std::exchange(nest.waits, false)) {
    --worker.waiting_attempts;
    set_waits(worker);
  }
  nest.waits_at = wait_message::no_longer;
  // One that ends may end others of them, which wait for its value: they leave the nest by themselves.
  while (auto* const child = nest.children.first()) {
    nest.children.remove(*child);
    child->parent = nullptr;
    if (!YONDER_MUTANT(children_kept)) end_child(now, *child, out);
  }
  call.nest.reset();
}

void hub::state::end_child(time_point now, call_record& call, outputs& out) {
  if (calls.goes_on(call)) return;  // it outlives who made it
  auto* const client = sessions.client(call.id.session);
  auto const waited_for = client != nullptr && call.orphaned_since == never;
  if (call.joined != 0) {  // it goes on for the others
    if (waited_for)
      answer(now, *client, call.id, failure_of(errc::cancelled, "the task that made this call has ended"),
             out);
    return static_cast<void>(leave_to_joined(now, call));
  }
  if (!waited_for || call.stage == call_stage::ended) return cancel(now, call, out);
  if (call.stage == call_stage::assigned) abandon(now, call, out);
  fail(now, call, errc::cancelled, "the task that made this call has ended", out);
}

}  // namespace yonder::core
