// SPDX-License-Identifier: Apache-2.0
// The hub: calls that wait for the values of others.
#include "src/core/hub_state.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {

// False: it has ended, for one of the calls is not known any more; its client has that one's outcome.
bool hub::state::await_arguments(time_point now, call_record& call,
                                 std::vector<awaited_argument> const& arguments, outputs& out) {
  auto waits = std::make_unique<composition>();
  for (auto const& one : arguments) {
    auto* const of = calls.find({call.id.session, one.number});
    if (of == nullptr || of == &call || of->stage == call_stage::ended) {
      call.stage = call_stage::leaving;
      fail(now, call, errc::argument_gone, "the call whose value is an argument here has ended", out);
      return false;
    }
    waits->arguments.push_back({one, {}, {}});
  }
  waits->missing = arguments.size();
  call.composed = std::move(waits);
  call.stage = call_stage::composing;
  for (auto const& one : arguments) call.caller->awaiting.emplace(one.number, &call);
  return true;
}

// The call ends, or waits for nothing any more.
void hub::state::await_nothing(call_record& call) {
  auto& awaiting = call.caller->awaiting;
  for (auto const& one : call.composed->arguments) {
    auto const [begin, end] = awaiting.equal_range(one.where.number);
    auto const found = std::find_if(begin, end, [&](auto const& entry) { return entry.second == &call; });
    if (found != end) awaiting.erase(found);
  }
  call.composed.reset();
}

// The outcome of a call that others wait for. True: its own caller has no use for it.
bool hub::state::give_to_dependents(time_point now, call_record& call, frame_ref const& outcome,
                                    outputs& out) {
  auto sole = false;
  packed_items items;
  read_items(*outcome, items);
  std::size_t offset = 0;
  auto const first = call.id.number;
  auto& caller = *call.caller;
  for (std::uint32_t i = 0; i < call.count; ++i) {
    auto const size = items.sizes == nullptr ? outcome->payload().size() : items.size_of(i, 1);
    for (auto found = caller.awaiting.find(first + i); found != caller.awaiting.end();
         found = caller.awaiting.find(first + i)) {
      auto& waiting = *found->second;
      caller.awaiting.erase(found);
      sole = give_value(now, waiting, first + i, outcome, {offset, size}, out) || sole;
    }
    offset += size;
  }
  return sole && call.count == 1;
}

// True: as above.
bool hub::state::give_value(time_point now, call_record& waiting, std::uint64_t number,
                            frame_ref const& outcome, value_place const& place, outputs& out) {
  if (outcome->head.type == frame_type::error) {
    failure error;
    read_error(*outcome, error);
    // Said once, however long the chain is.
    constexpr std::string_view not_made = "an argument was not made: ";
    if (!error.message.starts_with(not_made))
      error.message =
          std::string(not_made) + (error.function.empty() ? "" : error.function + ": ") + error.message;
    fail_waiting(now, waiting, std::move(error), out);
    return false;
  }
  auto& composed = *waiting.composed;
  auto sole = false;
  for (auto& one : composed.arguments) {
    if (one.where.number != number || one.value) continue;
    one.value = outcome;
    one.place = place;
    sole = one.where.sole;
    --composed.missing;
    break;
  }
  if (composed.missing == 0) complete_arguments(now, waiting, out);
  return sole;
}

void hub::state::complete_arguments(time_point now, call_record& call, outputs& out) {
  std::vector<argument_value> values;
  for (auto const& one : call.composed->arguments)
    values.push_back(
        {one.where, one.value->payload().subspan(one.place.offset, one.place.size), one.value->buffers});
  call.message = frame_ref(compose(*call.message, values));
  call.composed.reset();
  call.stage = call_stage::leaving;
  call.payload = call.message->payload().size();
  read_items(*call.message, call.packed);
  calls.resize(call, size_of(*call.message));
  if (!within(config.limits, *call.message))
    return fail(now, call, errc::too_large,
                excess_in_words(*call.message, config.limits, "with its arguments the call takes", "hub"),
                out);
  begin_call(now, call, out);
}

// Nobody will ever give it to those who wait.
void hub::state::cancel_dependents(time_point now, call_record& call, outputs& out) {
  auto& caller = *call.caller;
  for (std::uint32_t i = 0; i < call.count && !caller.awaiting.empty(); ++i)
    for (auto found = caller.awaiting.find(call.id.number + i); found != caller.awaiting.end();
         found = caller.awaiting.find(call.id.number + i)) {
      auto& waiting = *found->second;
      caller.awaiting.erase(found);
      failure error;
      error.code = errc::cancelled;
      error.message = "the call whose value is an argument here was cancelled";
      fail_waiting(now, waiting, std::move(error), out);
    }
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
