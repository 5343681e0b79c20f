// SPDX-License-Identifier: Apache-2.0
// The hub: what calls say of when they are served, and calls that wait for others of their order key.
#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

namespace yonder::core {

// False: the call cannot be served like that; `refused` says why.
bool hub::state::take_turn(call_record& call, call_turn const& said, failure& refused) {
  if (call.parent != nullptr) call.priority = call.parent->priority;
  if (call.parent != nullptr) calls.share_flow(call, *call.parent);
  if (said.is_usual()) return true;
  if (said.priority && *said.priority > highest_priority) {
    refused =
        failure_of(errc::bad_configuration, "the priority of this call is " + std::to_string(*said.priority) +
                                                "; there are 0 to 9, and 9 is served first");
    return false;
  }
  if (said.weight > most_weight) {
    refused = failure_of(errc::bad_configuration, "the weight of this call's fairness key is " +
                                                      std::to_string(said.weight) + "; there are 1 to " +
                                                      std::to_string(most_weight));
    return false;
  }
  if (said.priority && !YONDER_MUTANT(priority_ignored)) call.priority = *said.priority;
  if (!said.fairness_key.empty()) calls.set_key(call, std::string(said.fairness_key), said.weight);
  if (said.order_key.empty()) return true;
  auto& order = order_of(call, said.order_key);
  for (auto const* outer = call.parent; outer != nullptr; outer = outer->parent) {
    if (outer->order != &order) continue;
    refused =
        failure_of(errc::would_deadlock,
                   "it was called from within a call of the same order_key, and would wait for its end");
    return false;
  }
  return true;
}

order_record& hub::state::order_of(call_record& call, std::string_view key) {
  auto const& whose = call.flow->credential->identity;  // of a nested one: that of the outermost
  std::string name = std::to_string(whose.size()) + ' ' + whose;
  name += key;
  auto& held = orders[name];
  if (held == nullptr) {
    held = std::make_unique<order_record>();
    held->key = std::move(name);
  }
  call.order = held.get();
  ++held->calls;
  return *held;
}

// The call may be served from now on, as far as it is concerned: it is queued, or waits for its turn.
void hub::state::line_up(time_point now, call_record& call) {
  if (call.order == nullptr) return queue(now, call);
  while (call.count > 1) {
    auto& front = calls.split(call, 1);
    arm(front);
    line_up(now, front);
  }
  auto& order = *call.order;
  call.stage = call_stage::ordered;
  work.count_ordered(*call.function, 1);
  if (order.head == &call) {
    order.head = nullptr;
    order.waiting.push_front(call);
  } else {
    order.waiting.push_back(call);
  }
  open(now, order);
}

// The next one of the key, once nothing of it is under way.
void hub::state::open(time_point now, order_record& order) {
  auto const busy = order.head != nullptr || (order.attempts != 0 && !YONDER_MUTANT(order_overtaken));
  if (!busy && !order.waiting.empty()) {
    auto& next = order.waiting.front();
    order.waiting.remove(next);
    work.count_ordered(*next.function, -1);
    order.head = &next;
    look_for_deadlocks = look_for_deadlocks || !order.waiting.empty();  // for others behind it
    return queue(now, next);
  }
  if (order.calls == 0 && order.attempts == 0) orders.erase(std::string(order.key));
}

// The call has ended.
void hub::state::leave_order(time_point now, call_record& call) {
  if (call.order == nullptr) return;
  auto& order = *std::exchange(call.order, nullptr);
  YONDER_CHECK(order.calls != 0, "an order has lost count of its calls");
  --order.calls;
  if (order.head == &call) order.head = nullptr;
  open(now, order);
}

// An attempt of one of its calls is in no worker's hands any more.
void hub::state::leave_worker(time_point now, order_record& order) {
  YONDER_CHECK(order.attempts != 0, "an order has lost count of its attempts");
  --order.attempts;
  open(now, order);
}

}  // namespace yonder::core
