// SPDX-License-Identifier: Apache-2.0
//
// Tasks that make calls, through a client of their worker's own, and what the hub must make of them.
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {
namespace {

constexpr std::uint32_t deepest = 4;  // calls that are made from within each other
constexpr duration told_to_stop_within = 10 * millisecond;

}  // namespace

relation& world::relation_of(record& call) {
  if (call.relation == 0) {
    relations_.emplace_back();
    call.relation = static_cast<std::uint32_t>(relations_.size());
  }
  return relations_[call.relation - 1];
}

relation const* world::known_relation(record const& call) const {
  return call.relation == 0 ? nullptr : &relations_[call.relation - 1];
}

std::uint32_t world::depth_of(record const& call) const {
  auto const* const known = known_relation(call);
  return known == nullptr ? 0 : known->depth;
}

bool world::makes_calls(record const& call) { return depth_of(call) < deepest && happens(how_.nests); }

// --- tasks

// Something has happened that the task waited for, or it begins.
void world::wake(std::uint32_t index, std::uint32_t run) {
  auto& node = workers_[index];
  auto* const one = node.find(run);
  if (node.core == nullptr || one == nullptr || one->stopping) return;
  auto const inner = inner_of(index);
  if (!std::exchange(one->called, true)) return make_calls(index, *one);
  if (!one->works && !one->waits) return;
  // Whoever has something to take does not say that it waits.
  one->works = serve_children(clients_[inner], *one);
  one->waits = !one->works && one->open != 0;
  note_computes(node);
  if (one->works) {
    plan(between(microsecond, 20 * microsecond), kind::task_wakes, index, run);
  } else if (one->waits) {
    clients_[inner].core->waits(now_, one->key, out_);
  } else {
    clients_[inner].core->goes_on(now_, one->key, out_);
    plan(between(microsecond, 40 * microsecond), kind::run_ends, index, run);
  }
  after_client(inner);
}

void world::make_calls(std::uint32_t index, task& parent) {
  auto const inner = inner_of(index);
  auto& node = clients_[inner];
  auto const run = parent.run;
  auto const key = parent.key;
  reach(state::nested);
  for (auto left = 1 + random_.below(3); left > 0; --left) {
    auto const function = static_cast<std::uint32_t>(random_.below(how_.functions));
    auto const policy = draw_policy();
    auto const composed =
        parent.open != 0 && happens(how_.composes) ? draw_composed(node, siblings_in(parent)) : 0;
    add_record(node, policy, function, 1);
    auto& made = lives_[node.life].records.back();
    draw_kind(made, composed, 1);
    if (auto const* const caller = find(key.call)) made.turn = draw_turn_within(caller->turn);
    relate(made, {first_session + node.life, lives_[node.life].records.size()}, key, run);
    ++parent.open;
    submit_one(node, function_names()[function], policy, key);
  }
  if (happens(0.1)) {  // and does not wait for them
    plan(between(0, 200 * microsecond), kind::run_ends, index, run);
  } else {
    parent.waits = true;
    note_computes(workers_[index]);
    node.core->waits(now_, key, out_);
  }
  after_client(inner);
}

// The calls that the task has made so far.
std::span<call_id const> world::siblings_in(task const& parent) {
  auto const* const call = find(parent.call);
  if (call == nullptr || call->relation == 0) return {};
  return relations_[call->relation - 1].children;
}

void world::relate(record& child, call_id id, attempt_key const& parent, std::uint32_t run) {
  auto* const caller = find(parent.call);
  if (caller == nullptr) return violated("a run of no call");
  auto& of_parent = relation_of(*caller);
  of_parent.children.push_back(id);
  auto const depth = of_parent.depth + 1;
  auto& made = relation_of(child);
  made.parent = parent;
  made.depth = depth;
  made.run = run;
}

// The task hears of it soon.
void world::child_ended(client_node const& inner, record const& call) {
  auto const* const known = known_relation(call);
  if (known == nullptr || inner.worker == no_slot) return;
  auto* const caller = workers_[inner.worker].find(known->run);
  if (caller == nullptr || !(caller->key == known->parent)) return;
  --caller->open;
  if (caller->waits || caller->works)
    plan(between(0, 20 * microsecond), kind::task_wakes, inner.worker, known->run);
}

void world::end_calls(std::uint32_t index, task const& ended) {
  auto const inner = inner_of(index);
  auto& node = clients_[inner];
  if (ended.waits) {
    node.core->goes_on(now_, ended.key, out_);
    after_client(inner);
  }
  node.core->parent_ended(ended.key);
}

// Since when a worker could take a call: it runs nothing, or something that does not wait.
void world::note_computes(worker_node& node) const {
  auto const waits = !node.tasks.empty() && std::all_of(node.tasks.begin(), node.tasks.end(),
                                                        [](task const& one) { return one.waits; });
  if (waits)
    node.computes_since = never;
  else if (node.computes_since == never)
    node.computes_since = now_;
}

// --- what the hub may do

// The order of service: who waits for the first time, by depth.
void world::note_queued(record& call) {
  call.fresh = true;
  ++fresh_[depth_of(call)];
}

void world::note_not_queued(record& call) {
  if (std::exchange(call.fresh, false)) --fresh_[depth_of(call)];
}

// A frame of a node's own client.
void world::observe_nested_at_hub(connection const& over, frame const& message) {
  auto const& head = message.head;
  if (head.type == frame_type::waiting) {
    wait_message said;
    auto* const parent = read_wait(message, said) ? find(said.parent.call) : nullptr;
    if (parent == nullptr || parent->last_attempt != said.parent.attempt) return;
    if (over.of_worker) {  // for its input
      if (auto* const story = story_of(*parent)) story->wants_input_at = said.told.streamed;
      return;
    }
    relation_of(*parent).waits_at = said.told.ended;
    workers_[clients_[over.node].worker].waiting = said.parent.call;
    reach(state::worker_waited);
    return;
  }
  for (std::uint32_t i = 0; i < read_item_count(message); ++i) {
    auto* const call = find({head.call.session, head.call.number + i});
    if (call == nullptr) continue;
    if (head.type == frame_type::call && call->composed == 0 && call->turn.order == 0) note_queued(*call);
    if (head.type == frame_type::cancel) note_ended_at_hub(*call);
    if (!over.of_worker || over.generation != workers_[over.node].generation ||
        (head.type != frame_type::result && head.type != frame_type::error))
      continue;
    std::erase(workers_[over.node].given,
               attempt_key{{head.call.session, head.call.number + i}, head.attempt, head.epoch});
    if ((head.flags & flag_not_started) == 0) note_attempt_over(*call, head.attempt);
  }
}

// The call has its outcome: its parent may go on.
void world::note_ended_at_hub(record& call) {
  note_not_queued(call);
  auto const* const known = known_relation(call);
  if (known == nullptr || known->parent.attempt == 0 || std::exchange(call.ended_at_hub, true)) return;
  if (auto* const parent = find(known->parent.call);
      parent != nullptr && parent->last_attempt == known->parent.attempt)
    ++relation_of(*parent).ended;
}

// Of whose children none is started any more. What an earlier attempt still says changes nothing for those of
// a later one.
void world::note_attempt_over(record& call, std::uint32_t attempt) {
  if (call.relation == 0) return;
  auto& known = relations_[call.relation - 1];
  if (attempt <= known.over) return;
  known.over = attempt;
  known.over_since = now_;
  for (auto const& id : std::exchange(known.children, {}))
    if (auto* const child = find(id)) {
      note_not_queued(*child);
      if (how_.turns > 0) turns_.ended(id);
    }
}

// Of one item: `head` is that of its frame, and names it.
void world::observe_nested_from_hub(peer_id peer, header const& head, record& call) {
  switch (head.type) {
    case frame_type::assign:
      return observe_nested_assigned(link_of(peer), {head.call, head.attempt, head.epoch}, call);
    case frame_type::cancel:
      if ((head.flags & flag_recall) != 0) return;
      if (auto* const story = story_of(call); story != nullptr && call.last_attempt == head.attempt)
        story->worker = no_slot;
      return note_attempt_over(call, head.attempt);
    case frame_type::result:
    case frame_type::error: return note_ended_at_hub(call);
    default: return;
  }
}

void world::observe_nested_assigned(connection const& over, attempt_key const& key, record& call) {
  note_not_queued(call);
  auto const depth = depth_of(call);
  for (auto deeper = depth + 1; deeper <= deepest && how_.turns == 0; ++deeper)  // or see turn_watch
    if (fresh_[deeper] != 0)
      violated("a call is given to a worker before one that a task has made within it");
  if (auto const* const known = known_relation(call); known != nullptr && known->parent.attempt != 0) {
    auto* const parent = find(known->parent.call);
    if (parent == nullptr || relation_of(*parent).over >= known->parent.attempt)
      violated("a call is started whose parent has ended");
  }
  if (call.relation != 0) {  // its new attempt has made no calls so far
    auto& known = relations_[call.relation - 1];
    known.ended = 0;
    known.waits_at = wait_message::no_longer.ended;
    known.children.clear();
  }
  auto& node = workers_[over.node];
  if (over.generation != node.generation) return;
  if (node.given.empty()) observe_computing(node);
  node.given.push_back(key);
}

// As the hub knows it: what does not wait in vain is counted.
void world::observe_computing(worker_node const& chosen) {
  std::size_t computing = 0;
  for (auto const& node : workers_) {
    if (&node == &chosen || node.core == nullptr || node.doomed || node.given.empty()) continue;
    if (waits_with_stream(static_cast<std::uint32_t>(&node - workers_.data()))) continue;
    auto* const parent = find(node.waiting);
    auto const* const known = parent == nullptr ? nullptr : known_relation(*parent);
    computing += known != nullptr && known->waits_at == known->ended ? 0 : 1;
  }
  if (how_.launcher && computing >= static_cast<std::size_t>(how_.workers))
    violated("more workers compute than a pool may have");
}

// Nobody is told so while somebody could take the call.
void world::observe_deadlock(failure const& error) {
  if (error.code != errc::would_deadlock) return;
  reach(state::deadlocked);
  if (how_.launcher) return violated("a call is given up for a deadlock although workers can be started");
  for (auto const& node : workers_)
    if (node.core != nullptr && node.computes_since != never && now_ - node.computes_since > slack_)
      violated("a call is given up for a deadlock although a worker computes");
}

// Whose parent has ended is told to stop.
void world::observe_outlived(task const& ended) {
  auto const* const call = find(ended.key.call);
  auto const* const known = call == nullptr ? nullptr : known_relation(*call);
  if (known == nullptr || known->parent.attempt == 0 || ended.stopping) return;
  auto* const parent = find(known->parent.call);
  if (parent == nullptr || parent->relation == 0) return;
  auto const& of_parent = relations_[parent->relation - 1];
  if (of_parent.over >= known->parent.attempt && now_ > of_parent.over_since + told_to_stop_within)
    violated("a call runs on although its parent has ended");
}

}  // namespace yonder::core::simulation
