// SPDX-License-Identifier: Apache-2.0
//
// Calls under idempotency keys: whoever asks under one is given the outcome of one call.
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {
namespace {

constexpr std::uint64_t keys_of_each = 6;  // of each credential and function

}  // namespace

// Some ask under a key with other arguments than those before.
void world::draw_key(client_node const& node, std::uint32_t index, record& made) {
  auto const which = random_.below(keys_of_each);
  auto const scope =
      (std::uint64_t{index / clients_of_a_credential()} * how_.functions + made.function) * keys_of_each +
      which;
  keyed_.emplace_back();
  made.keyed = static_cast<std::uint32_t>(keyed_.size());
  auto& asked = keyed_.back();
  asked.scope = scope;
  asked.other = random_.below(16) == 0;
  asked.id = {first_session + node.life, lives_[node.life].records.size()};
  by_value_[mix(asked.id.session, asked.id.number)] = made.keyed;
  auto& key = keys_[scope];
  (asked.other ? key.other : key.usual) = true;
  if (made.deadline != never || made.timeout != 0) key.timed = true;
}

void world::write_key(byte_buffer& body, record const& call) const {
  if (call.keyed == 0) return;
  auto const& asked = keyed_[call.keyed - 1];
  std::array<std::byte, digest_size> digest{};
  digest[0] = std::byte{asked.other};
  write_idempotency(body, digest, "key " + std::to_string(asked.scope % keys_of_each));
}

// --- what the hub is told

void world::observe_keyed_at_hub(connection const& over, frame const& message) {
  auto const& head = message.head;
  auto* const call = find(own_id(head.call));
  if (call == nullptr || call->keyed == 0) return;
  auto& asked = keyed_[call->keyed - 1];
  auto& key = keys_[asked.scope];
  if (head.type == frame_type::result && over.of_worker) {
    if (asked.valued_at == 0) asked.valued_at = now_;
    asked.valued_last = now_;
  }
  if (head.type == frame_type::cancel) key.cancelled_until = add(now_, how_.key_window);
  if (head.type == frame_type::call && !over.of_worker && asked.asked_at == 0) {
    asked.asked_at = now_;
    asked.may_be_cancelled = now_ <= key.cancelled_until;
  }
}

// --- what the hub decides

// It has no outcome, and nobody has done anything that could end it.
bool world::goes_on_for_certain(record const& call) const {
  auto const& asked = keyed_[call.keyed - 1];
  return how_.reliable && call.outcomes == 0 && !call.over_at_hub && !call.cancel_said &&
         !lives_[asked.id.session - first_session].ended;
}

// The first of a key alone is given to workers, as long as it stands for the key.
void world::observe_keyed_assigned(record const& call) {
  auto const& asked = keyed_[call.keyed - 1];
  auto& key = keys_[asked.scope];
  if (how_.journal && (call.recorded == 0 || call.recorded > synced_))
    violated("a call under a key is started before the journal has it");
  if (key.gives.session != 0 && key.gives != asked.id) {
    auto const& source = keyed_[find(key.gives)->keyed - 1];
    if (now_ < source.valued_at + how_.key_window)
      violated("a call is started although its idempotency key has an outcome");
  }
  if (auto const* const other = key.runs.session == 0 || key.runs == asked.id ? nullptr : find(key.runs);
      other != nullptr && goes_on_for_certain(*other))
    violated("two calls of one idempotency key run at once");
  key.runs = asked.id;
}

// Which call this is the value of; null: of none under a key.
keyed_call const* world::source_of(std::span<std::byte const> payload) const {
  if (payload.size() != value_size) return nullptr;
  auto const found = by_value_.find(load_le<std::uint64_t>(payload.data()));
  return found == by_value_.end() ? nullptr : &keyed_[found->second - 1];
}

// All are told the value of one call, of the same arguments, until its time is over.
void world::observe_keyed_value(record const& call, std::span<std::byte const> payload) {
  auto& asked = keyed_[call.keyed - 1];
  auto const* const source = source_of(payload);
  if (source == nullptr || source->scope != asked.scope)
    return violated("the value of another idempotency key");
  if (source->other != asked.other) return violated("the value of other arguments under an idempotency key");
  if (std::exchange(asked.told, true)) return;  // it is sent again
  auto const* const made = find(source->id);
  if (how_.journal && (made->end_recorded == 0 || made->end_recorded > synced_))
    violated("the value of an idempotency key is told before the journal has it");
  if (source != &asked) reach(state::joined);
  // Where frames are lost its value may have waited for those before it.
  if (how_.reliable && asked.asked_at > source->valued_last + how_.key_window + slack_)
    violated("an idempotency key gives a value whose time is over");
  auto& key = keys_[asked.scope];
  if (key.gives.session != 0 && key.gives != source->id &&
      now_ < keyed_[find(key.gives)->keyed - 1].valued_at + how_.key_window)
    violated("one idempotency key gives two values");
  key.gives = source->id;
}

// --- what callers are told

void world::check_keyed_value(record const& call, frame const& value) {
  auto const* const source = source_of(value.payload());
  auto const& asked = keyed_[call.keyed - 1];
  if (source == nullptr || source->scope != asked.scope || source->other != asked.other)
    violated("a wrong value under an idempotency key");
}

// Whether a call of this key may end like that, whatever it says itself.
bool world::may_end_as_its_key(record const& call, errc code) const {
  auto const& asked = keyed_[call.keyed - 1];
  auto const& key = keys_.at(asked.scope);
  auto const others_end = how_.client_crash_every != 0 || !how_.reliable || restarted_;
  switch (code) {
    case errc::idempotency_key_reused: return key.usual && key.other;
    case errc::cancelled: return call.cancel_said || asked.may_be_cancelled || others_end;
    case errc::timed_out:
    case errc::deadline_exceeded: return key.timed;
    case errc::unknown_call: return restarted_;  // its outcome's time was over when it asked again
    default: return false;
  }
}

}  // namespace yonder::core::simulation
