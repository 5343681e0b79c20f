// SPDX-License-Identifier: Apache-2.0
#include "src/core/call_table.hpp"

#include "src/core/check.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

bool passes(std::size_t held, std::size_t added, std::size_t most) {
  return added > most - std::min(most, held);
}

std::string limit_in_words(std::size_t most, char const* what, char const* whose) {
  return "the hub holds at most " + std::to_string(most) + what + whose;
}

}  // namespace

caller_record* call_table::find_caller(std::uint64_t session) const {
  if (last_caller_ != nullptr && last_caller_->session == session) return last_caller_;
  auto const found = callers_.find(session);
  return found == callers_.end() ? nullptr : last_caller_ = found->second.get();
}

caller_record& call_table::connect(std::uint64_t session, std::string const& identity) {
  auto& held = restore(session, identity);
  held.identity = identity;
  held.connected = true;
  return held;
}

caller_record& call_table::restore(std::uint64_t session, std::string const& identity) {
  auto& held = callers_[session];
  if (held == nullptr) {
    held = std::make_unique<caller_record>();
    held->session = session;
    held->calls = number_map<call_record>(random_.next());
    held->orphan_timer.kind = static_cast<std::uint8_t>(timer_kind::orphans);
    held->orphan_timer.owner = held.get();
    held->flow = &flows_.hold(identity);
    held->identity = identity;
  }
  return *held;
}

void call_table::orphan(time_point now, call_record& call) {
  auto& caller = *call.caller;
  caller.subscribed.remove(call);
  call.orphaned_since = now;
  list_of(call).push_back(call);
  if (&list_of(call) != &caller.orphaned) return;
  if (!caller.orphan_timer.armed()) timers_.arm(caller.orphan_timer, core::add(now, limits_.silence));
}

void call_table::orphan_durable(time_point now, caller_record& caller) {
  if (!limits_.journal) return;
  for (auto* call = caller.subscribed.first(); call != nullptr;) {
    auto& one = *call;
    call = caller.subscribed.after(one);
    if (goes_on(one)) orphan(now, one);
  }
}

void call_table::disconnect(time_point now, caller_record& caller) {
  caller.connected = false;
  taken(caller, caller.untaken);
  while (!caller.subscribed.empty()) orphan(now, caller.subscribed.front());
  forget_if_done(caller);
}

void call_table::forget_if_done(caller_record& caller) {
  if (caller.connected || caller.calls.size() != 0) return;
  timers_.disarm(caller.orphan_timer);
  if (last_caller_ == &caller) last_caller_ = nullptr;
  flows_.release(*caller.flow);
  callers_.erase(caller.session);
}

call_record* call_table::find(call_id id) const {
  auto* const caller = find_caller(id.session);
  if (caller == nullptr) return nullptr;
  if (auto* const exact = caller->calls.find(id.number)) return exact;
  auto const behind = caller->batches.upper_bound(id.number);
  if (behind == caller->batches.begin()) return nullptr;
  auto* const batch = std::prev(behind)->second;
  return id.number - batch->id.number < batch->count ? batch : nullptr;
}

std::string call_table::overload(caller_record const& caller, std::uint32_t count, std::size_t size) const {
  if (passes(caller.items, count, limits_.caller_calls))
    return limit_in_words(limits_.caller_calls, " calls of one client",
                          " (runtime_options::max_calls, of the hub)");
  if (passes(items_, count, limits_.calls)) return limit_in_words(limits_.calls, " calls", " of all clients");
  if (passes(caller.bytes, size, limits_.caller_bytes))
    return limit_in_words(limits_.caller_bytes, " bytes of one client",
                          " (runtime_options::max_bytes, of the hub)");
  return account_.takes(size) ? std::string() : describe_overload();
}

std::string call_table::describe_overload() const {
  return limit_in_words(limits_.bytes, " bytes", " of all clients");
}

call_record& call_table::add(caller_record& caller, call_id id, std::uint32_t count, std::size_t size) {
  auto& call = calls_.acquire();
  call.kind = static_cast<std::uint8_t>(timer_kind::call);
  call.id = id;
  call.caller = &caller;
  call.bytes = size;
  call.count = count;
  call.flow = caller.flow;
  caller.highest = std::max(caller.highest, id.number + count - 1);
  index(call);
  caller.subscribed.push_back(call);
  caller.items += count;
  items_ += count;
  caller.bytes += size;
  account_.held += size;
  return call;
}

void call_table::index(call_record& call) {
  auto& caller = *call.caller;
  caller.calls.insert(call.id.number, call);
  if (call.count > 1) caller.batches.emplace(call.id.number, &call);
}

void call_table::forget_number(call_record& call) {
  auto& caller = *call.caller;
  caller.calls.erase(call.id.number);
  if (call.count > 1) caller.batches.erase(call.id.number);
}

call_record& call_table::split(call_record& call, std::uint32_t at) {
  YONDER_CHECK(at != 0 && at < call.count, "a call is split beside its items");
  auto& front = calls_.acquire();
  auto const share = call.packed.size_of(call.first, at);
  front.kind = call.kind;
  front.id = call.id;
  front.count = at;
  front.caller = call.caller;
  front.function = call.function;
  front.message = call.message;
  front.packed = call.packed;
  front.first = call.first;
  front.offset = call.offset;
  front.payload = share;
  front.policy = call.policy;
  front.deadline = call.deadline;
  front.stamp = call.stamp;
  front.arrival = call.arrival;
  front.stage = call_stage::leaving;
  front.accepted = call.accepted;
  front.start_recorded = call.start_recorded;
  front.start_for = call.start_for;
  front.stored = call.stored;
  front.record = call.record;
  front.attempt = call.attempt;
  front.tries = call.tries;
  front.kills = call.kills;
  front.unstarted = call.unstarted;
  front.cut_short = call.cut_short;
  front.outlived = call.outlived;
  front.quota = call.quota;
  front.alone = call.alone;
  front.of_hub = call.of_hub;
  front.batching = call.batching;
  front.queued_since = call.queued_since;
  front.orphaned_since = call.orphaned_since;
  front.last_failure = call.last_failure;
  front.bytes = std::min(share, call.bytes);
  front.depth = call.depth;
  front.priority = call.priority;
  front.flow = call.flow;
  front.charged = call.charged;
  if (front.flow != call.caller->flow) flows_.hold(*front.flow);
  front.order = call.order;
  if (front.order != nullptr) ++front.order->calls;
  if (call.traced != nullptr) front.traced = std::make_unique<trace_record>(*call.traced);
  front.parent = call.parent;
  if (call.parent != nullptr) call.parent->nest->children.insert_after(call, front);

  forget_number(call);
  call.bytes -= front.bytes;
  call.id.number += at;
  call.count -= at;
  call.first += at;
  call.offset += share;
  call.payload -= share;
  index(front);
  index(call);
  list_of(call).insert_after(call, front);
  if (call.function != nullptr) ++call.function->calls;
  return front;
}

void call_table::share_flow(call_record& call, call_record const& parent) {
  if (parent.flow == call.flow) return;
  flows_.hold(*parent.flow);
  call.flow = parent.flow;
}

void call_table::set_key(call_record& call, std::string const& key, std::uint32_t weight) {
  auto& before = *call.flow;
  auto& flow = flows_.hold(before.credential->identity, key);
  if (weight != 0 && flow.key == key) flow.weight = weight;
  call.flow = &flow;
  if (&before != call.caller->flow) flows_.release(before);
  if (&flow == call.caller->flow) flows_.release(flow);
}

void call_table::subscribe(call_record& call) {
  if (call.orphaned_since == never) return;
  list_of(call).remove(call);
  call.orphaned_since = never;
  call.caller->subscribed.push_back(call);
}

void call_table::join(call_record& call) {
  list_of(call).remove(call);
  ++call.joined;
  list_of(call).push_back(call);
}

void call_table::leave(time_point now, call_record& call, std::uint32_t count) {
  YONDER_CHECK(call.joined >= count, "a call is left by whoever has not joined it");
  if (count == 0) return;
  auto& caller = *call.caller;
  list_of(call).remove(call);
  call.joined -= count;
  if (call.orphaned_since != never) call.orphaned_since = now;
  list_of(call).push_back(call);
  if (&list_of(call) == &caller.orphaned && !caller.orphan_timer.armed())
    timers_.arm(caller.orphan_timer, core::add(now, limits_.silence));
}

value_holder call_table::hold(caller_record& caller, frame_ref value) {
  auto const bytes = size_of(*value);
  auto held = std::make_shared<held_value const>(held_value{std::move(value), bytes});
  caller.bytes += bytes;
  account_.held += bytes;
  return held;
}

void call_table::let_go(caller_record& caller, value_holder& one) {
  if (one.use_count() == 1) {
    caller.bytes -= one->bytes;
    account_.held -= one->bytes;
  }
  one.reset();
}

void call_table::let_go_of_values(call_record& call) {
  for (auto& one : call.values) let_go(*call.caller, one);
  call.values.clear();
}

void call_table::resize(call_record& call, std::size_t bytes) {
  auto& caller = *call.caller;
  caller.bytes += bytes - call.bytes;
  account_.held += bytes - call.bytes;
  call.bytes = bytes;
}

void call_table::remove(call_record& call) {
  auto& caller = *call.caller;
  YONDER_CHECK(caller.items >= call.count && items_ >= call.count, "a call ends twice");
  YONDER_CHECK(caller.bytes >= call.bytes && account_.held >= call.bytes,
               "a caller is given back more than it used");
  timers_.disarm(call);
  let_go_of_values(call);
  forget_number(call);
  caller.items -= call.count;
  items_ -= call.count;
  list_of(call).remove(call);
  if (!YONDER_MUTANT(credit_forgotten)) caller.bytes -= call.bytes;
  account_.held -= call.bytes;
  if (call.flow != caller.flow) flows_.release(*call.flow);
  calls_.release(call);
  forget_if_done(caller);
}

call_record* call_table::expired(time_point now, caller_record& caller) {
  auto* const oldest = caller.orphaned.first();
  if (oldest == nullptr) return nullptr;
  auto const due = core::add(oldest->orphaned_since, limits_.silence);
  if (due <= now) return oldest;
  timers_.arm(caller.orphan_timer, due);
  return nullptr;
}

void call_table::sent(caller_record& caller, std::size_t bytes) {
  caller.untaken += bytes;
  account_.held += bytes;
}

void call_table::taken(caller_record& caller, std::size_t bytes) {
  YONDER_CHECK(caller.untaken >= bytes && account_.held >= bytes, "a caller takes more than it was sent");
  caller.untaken -= bytes;
  account_.held -= bytes;
}

std::size_t call_table::caller_bytes() const {
  std::size_t sum = 0;
  for (auto const& [session, caller] : callers_) sum += caller->bytes + caller->untaken;
  return sum;
}

}  // namespace yonder::core
