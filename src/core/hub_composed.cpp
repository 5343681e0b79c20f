// SPDX-License-Identifier: Apache-2.0
// The hub: calls that wait for the values of others.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {

// False: it has ended, for one of the calls is not known any more; its client has that one's outcome.
bool hub::state::await_arguments(time_point now, call_record& call,
                                 std::vector<awaited_argument> const& arguments, outputs& out) {
  auto waits = std::make_unique<composition>();
  for (auto const& one : arguments) {
    auto* const of = calls.find({call.id.session, one.number});
    if (of == nullptr || of == &call || of->has_ended()) {
      call.stage = call_stage::leaving;
      fail(now, call, errc::argument_gone, "the call whose value is an argument here has ended", out);
      return false;
    }
    waits->arguments.push_back({one, {}});
  }
  waits->missing = arguments.size();
  call.composed = std::move(waits);
  call.stage = call_stage::composing;
  for (auto const& one : arguments) call.caller->awaiting.emplace(one.number, call.id.number);
  return true;
}

// The call ends, or waits for nothing any more.
void hub::state::await_nothing(call_record& call) {
  auto& caller = *call.caller;
  for (auto& one : call.composed->arguments) {
    caller.awaiting.erase({one.where.number, call.id.number});
    if (one.value) calls.let_go(caller, one.value);
  }
  call.composed.reset();
}

// A call that waits for the value of this one, and does not any more; null: no further one does.
call_record* hub::state::next_dependent(caller_record& caller, std::uint64_t number) {
  auto const found = caller.awaiting.lower_bound({number, 0});
  if (found == caller.awaiting.end() || found->first != number) return nullptr;
  auto* const waiting = caller.calls.find(found->second);
  caller.awaiting.erase(found);
  return waiting;
}

// The outcome of a call that others wait for. True: its own caller has no use for it.
bool hub::state::give_to_dependents(time_point now, call_record& call, frame_ref const& outcome,
                                    outputs& out) {
  auto sole = false;
  packed_items items;
  read_items(*outcome, items);
  std::size_t offset = 0;
  auto& caller = *call.caller;
  for (std::uint32_t i = 0; i < call.count; ++i) {
    auto const number = call.id.number + i;
    auto const size = items.sizes == nullptr ? outcome->payload().size() : items.size_of(i, 1);
    auto* waiting = next_dependent(caller, number);
    value_holder held;
    std::string full;
    if (waiting != nullptr && outcome->head.type != frame_type::error) {
      auto value = items.sizes == nullptr ? outcome : frame_ref(slice(*outcome, items, {i, 1, offset, size}));
      full = calls.overload(caller, 0, size_of(*value));
      if (full.empty()) held = calls.hold(caller, std::move(value));
    }
    for (; waiting != nullptr; waiting = next_dependent(caller, number)) {
      if (outcome->head.type == frame_type::error) {
        if (YONDER_MUTANT(argument_awaited)) continue;
        fail_waiting(now, *waiting, not_made(*outcome), out);
      } else if (held == nullptr) {
        fail_waiting(now, *waiting, failure_of(errc::overloaded, full), out);
      } else {
        for (auto const& pin : call.pins) waiting->pins.push_back(references.hold(pin.key()));
        sole = give_value(now, *waiting, number, held, out) || sole;
      }
    }
    if (held) calls.let_go(caller, held);
    offset += size;
  }
  auto const streams = call.stream && call.stream->reads;  // its end tells how many items there were
  return (sole || YONDER_MUTANT(values_lost)) && call.count == 1 && !streams;
}

// Said once, however long the chain is.
failure hub::state::not_made(frame const& outcome) {
  failure error;
  read_error(outcome, error);
  if (!error.message.starts_with(argument_not_made))
    error.message = std::string(argument_not_made) + (error.function.empty() ? "" : error.function + ": ") +
                    error.message;
  return error;
}

// True: as above.
bool hub::state::give_value(time_point now, call_record& waiting, std::uint64_t number,
                            value_holder const& held, outputs& out) {
  auto& composed = *waiting.composed;
  auto sole = false;
  for (auto& one : composed.arguments) {
    if (one.where.number != number) continue;
    one.value = held;
    sole = one.where.sole;
    --composed.missing;
  }
  look_for_deadlocks = true;  // what is missing may be what nobody can make
  if (composed.missing == 0) complete_arguments(now, waiting, out);
  return sole;
}

// Its arguments are copied, but for buffers.
void hub::state::complete_arguments(time_point now, call_record& call, outputs& out) {
  std::vector<argument_value> values;
  auto bytes = size_of(*call.message), whole = bytes;
  auto buffers = call.message->buffers.size();
  for (auto const& one : call.composed->arguments) {
    auto const& value = *one.value->value;
    values.push_back({one.where, value.payload(), value.buffers});
    bytes += value.payload().size();
    whole += value_bytes(value);
    buffers += value.buffers.size();
  }
  if (!within(config.limits, whole, buffers))
    return fail_waiting(
        now, call,
        failure_of(errc::too_large, excess_in_words(whole, buffers, config.limits,
                                                    "with its arguments the call takes", "hub")),
        out);
  if (auto full = calls.overload(*call.caller, 0, bytes - call.bytes); !full.empty())
    return fail_waiting(now, call, failure_of(errc::overloaded, std::move(full)), out);
  if (YONDER_MUTANT(arguments_mixed_up)) std::swap(values.front().bytes, values.back().bytes);
  call.message = frame_ref(compose(*call.message, values));
  call.stage = call_stage::leaving;
  call.payload = call.message->payload().size();
  read_items(*call.message, call.packed);
  calls.resize(call, bytes);
  auto const complete = std::move(call.composed);
  for (auto& one : complete->arguments)
    if (one.value->value->buffers.empty())
      calls.let_go(*call.caller, one.value);
    else
      call.values.push_back(std::move(one.value));
  begin_call(now, call, out);
}

// Nobody will ever give it to those who wait.
void hub::state::cancel_dependents(time_point now, call_record& call, outputs& out) {
  auto& caller = *call.caller;
  if (YONDER_MUTANT(cancelled_awaited)) return;
  for (std::uint32_t i = 0; i < call.count && !caller.awaiting.empty(); ++i)
    while (auto* const waiting = next_dependent(caller, call.id.number + i))
      fail_waiting(now, *waiting,
                   failure_of(errc::cancelled, "the call whose value is an argument here was cancelled"),
                   out);
}

// Those that wait for this one fail after it, and not within: a chain may be as long as a client likes.
void hub::state::fail_waiting(time_point now, call_record& waiting, failure error, outputs& out) {
  failing.emplace_back(waiting.id, std::move(error));
  if (std::exchange(fails, true)) return;
  for (std::size_t i = 0; i < failing.size(); ++i)
    if (auto* const call = calls.find(failing[i].first);
        call != nullptr && call->stage == call_stage::composing)
      fail(now, *call, std::move(failing[i].second), out);
  failing.clear();
  fails = false;
}

}  // namespace yonder::core
