// SPDX-License-Identifier: Apache-2.0
// The hub: calls that are made once, however often they are asked for.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/plain_fields.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

failure reused() {
  return failure_of(errc::idempotency_key_reused,
                    "the idempotency key belongs to a call of this task with other arguments (their SHA-256 "
                    "differs); nothing was run: take another key, or the same arguments");
}

// The key as the journal has it: digest, then key.
std::string as_recorded(key_record const& key) {
  field_reader from(std::as_bytes(std::span(*key.scope)));
  std::string identity, function, text;
  std::uint64_t signature = 0;
  from.take_text(identity);
  from.take_text(function);
  from.take(signature);
  from.take_text(text, from.left());
  return key.digest + text;
}

}  // namespace

// Why no further key can be held; none: it can.
std::optional<failure> hub::state::keys_full() const {
  auto const held = keys.bytes() + (config.journal ? 0 : kept.bytes() + kept.body_bytes());
  if (held < config.max_kept_bytes) return std::nullopt;
  return failure_of(errc::overloaded, "idempotency keys and their outcomes take " + std::to_string(held) +
                                          " bytes; the hub keeps " + std::to_string(config.max_kept_bytes) +
                                          ", each for as long as runtime_options::result_ttl says");
}

// The call stands for its key from now on.
void hub::state::hold_key(call_record& call, idempotency_terms const& said) {
  call.key =
      keys.add(scope_of(call.caller->identity, call.function->name, call.function->signature, said.key),
               said.digest, call.id);
}

void hub::state::release_key(call_record& call) {
  if (call.key != nullptr) keys.remove(*std::exchange(call.key, nullptr));
}

void hub::state::release_key(kept_result& one) {
  if (one.key != nullptr) keys.remove(*std::exchange(one.key, nullptr));
}

std::string hub::state::recorded_key(call_record const& call) {
  return call.key != nullptr && call.key->keeps && !YONDER_MUTANT(key_unrecorded) ? as_recorded(*call.key)
                                                                                  : std::string();
}

// Of an outcome that the journal has.
void hub::state::recall_key(kept_result& one, std::uint64_t signature, std::string_view recorded) {
  if (recorded.size() <= digest_size) return;
  auto scope = scope_of(one.identity(), *one.function, signature, recorded.substr(digest_size));
  one.key = keys.add(std::move(scope), recorded.substr(0, digest_size), one.id);
}

// Whether this outcome is what the key gives from now on: values, errors that would come again, and whatever
// a call ends with that may have run and may run only once.
bool hub::state::is_final(call_record const& call, frame const& outcome) {
  auto code = errc::failed;
  if (outcome.head.type == frame_type::result || !read_error_code(outcome, code)) return true;
  auto const ran =
      call.tries != 0 || call.was_abandoned || code == errc::too_large || code == errc::protocol_violation;
  auto const comes_again = retry_class_of(code) == retry_class::failed && code != errc::cancelled &&
                           code != errc::deadline_exceeded;
  return ran && (comes_again || !call.may_repeat());
}

// Another call has the key: this one joins it, has its outcome, or is refused. False: it is the first.
bool hub::state::take_keyed(time_point now, client_session& client, call_message const& said,
                            frame const& message, outputs& out) {
  auto const id = message.head.call;
  auto const* const key =
      keys.find(scope_of(client.identity, said.function, message.head.signature, said.idempotency.key));
  if (key == nullptr || YONDER_MUTANT(key_ignored) || !may_ask(client, said.parent))
    return false;  // take_new() says why
  auto const refuse = [&](failure why) {
    note_answered(now, client, said.parent);
    answer(now, client, id, std::move(why), out);
    return true;
  };
  if (key->digest != said.idempotency.digest && !YONDER_MUTANT(digest_ignored)) return refuse(reused());
  if (waits_within(client, said.parent, key->call))
    return refuse(failure_of(errc::would_deadlock,
                             "the call would join the one whose task makes it: both have the same "
                             "idempotency key, and neither would end"));
  if (auto* const call = calls.find(key->call); call != nullptr && !call->has_ended()) {
    call->deadline = std::max(call->deadline, from_remaining(message.head.remaining_us, now));
    arm(*call);
    if (call->accepted) say_accepted(now, client, id, 1, out);
  } else if (config.journal) {
    say_accepted(now, client, id, 1, out);
  }
  find(now, client, {.wanted = key->call, .parent = said.parent, .joins = true}, id.number, out);
  return true;
}

// Whether the task of `parent` is called, directly or not, by that call.
bool hub::state::waits_within(client_session const& client, attempt_key const& parent, call_id call) {
  if (parent.attempt == 0) return false;
  for (auto const* one = find_parent(client, parent); one != nullptr; one = one->parent)
    if (call.session == one->id.session && call.number - one->id.number < one->count) return true;
  return false;
}

// Whoever has joined it goes on without its caller. False: nobody has.
bool hub::state::leave_to_joined(time_point now, call_record& call) {
  if (YONDER_MUTANT(joined_forgotten)) return false;
  if (call.joined == 0 && !(call.key != nullptr && call.has_ended())) return false;
  if (call.orphaned_since == never) calls.orphan(now, call);
  return true;
}

// Whoever had joined it has left it.
void hub::state::end_if_left(time_point now, call_record& call, outputs& out) {
  if (call.joined == 0 && call.orphaned_since != never && !call.has_ended()) cancel(now, call, out);
}

}  // namespace yonder::core
