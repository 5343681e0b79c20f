// SPDX-License-Identifier: Apache-2.0
// The hub: tasks that are called with the outcomes of calls.
#include "src/core/callbacks.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

namespace yonder::core {

// Why a call cannot have the callback that it names; none: it can, or names none.
std::optional<failure> hub::state::misfit_of_callback(call_message const& said, call_id of) {
  auto const* terms = &said.callback;
  if (terms->metadata.empty()) return std::nullopt;
  if (!said.policy.durable)
    return failure_of(errc::bad_configuration,
                      "a callback is of durable calls: set options::durable; another call takes this one as "
                      "its argument");
  call_message next;
  for (std::size_t depth = 0; !terms->metadata.empty(); terms = &next.callback) {
    auto const metadata = terms->metadata;
    auto const signature = terms->signature;
    next = {};
    if (++depth > most_callbacks)
      return failure_of(errc::bad_configuration, "callbacks of callbacks: the hub takes " +
                                                     std::to_string(most_callbacks) +
                                                     " one behind the other");
    if (!read_call(metadata, next) || !next.policy.durable || next.stream || !next.arguments.empty() ||
        !next.idempotency.key.empty() || !next.schedule.empty() || next.parent.attempt != 0 ||
        next.function.starts_with(' ')) {
      ++counters.protocol_violations;
      return failure_of(errc::protocol_violation, "the call's callback does not decode");
    }
    failure refused;
    if (!next.requirements.empty() && find_home(next.requirements, of.session, refused) == nullptr) {
      refused.message = "its callback '" + std::string(next.function) + "': " + refused.message;
      return refused;
    }
    if (next.requirements.empty() && !work.is_offered(next.function, signature)) {
      auto other = explain_unknown(of.session, std::string(next.function), signature);
      if (other.code == errc::signature_mismatch) {
        other.message = "its callback does not take what the call returns: " + other.message;
        return other;
      }
    }
  }
  return std::nullopt;
}

// The call that is to be made now that this one has this outcome. Its record and the outcome's count together
// or not at all, so that it is made once, whenever the hub ends. Null: there is none.
call_record* hub::state::append_callback(time_point now, call_record const& of, frame const& outcome,
                                         outputs& out) {
  if (of.callback == called_back::none) return nullptr;
  call_message about;
  read_call(of.message->metadata(), about);
  auto const is_wanted = outcome.head.type == frame_type::result || about.callback.of_any_outcome ||
                         YONDER_MUTANT(callback_of_failure);
  auto const id = callback_id(of.id);
  if (!is_wanted || calls.find(id) != nullptr || kept.find(id) != nullptr) return nullptr;
  frame_ref const whole(core::make_callback(about.callback, of.id, outcome));
  call_message said;
  packed_items items;
  read_call(whole->metadata(), said);
  read_items(*whole, items);
  auto& made = calls.add(calls.restore(id.session, of.caller->identity), id, 1, size_of(*whole));
  made.stage = call_stage::leaving;
  auto* const home = said.requirements.empty() ? nullptr : recalled_home(said.requirements);
  set_terms(now, made, said, whole, items, {0, 1, 0, whole->payload().size()}, home);
  calls.orphan(now, made);
  if (config.traces) begin_trace(now, made);
  append(made, out::append::kind::call, whole, out);
  std::get<out::append>(out.back()).with_next = !YONDER_MUTANT(callback_apart);
  return &made;
}

// It waits for the outcome's record, which follows its own.
void hub::state::begin_callback(time_point now, call_record& made, std::uint64_t record, outputs& out) {
  made.record = record;
  arm(made);
  call_message said;
  read_call(made.message->metadata(), said);
  failure refused;
  if (!take_turn(made, said.turn, refused)) return fail(now, made, std::move(refused), out);
  auto why = exceeds_allocation(made);
  if (why.empty()) why = exceeds_quota(made);
  if (!why.empty()) fail(now, made, errc::unsatisfiable, std::move(why), out);
}

}  // namespace yonder::core
