// SPDX-License-Identifier: Apache-2.0
// The hub: values that stay where they were made, and go from there to whoever has a reference to them.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

failure value_gone() {
  return failure_of(errc::value_gone,
                    "the process that had this value has ended, or its connection to the hub has: a value by "
                    "reference lives as long as the process that made it; make it again");
}

}  // namespace

void hub::state::take_value_order(time_point now, client_session& client, std::string_view what,
                                  frame&& message, outputs& out) {
  auto const id = message.head.call;
  auto const undecodable = [&] {
    ++counters.protocol_violations;
    answer(now, client, id,
           failure_of(errc::protocol_violation, "what is said of values by reference does not decode"), out);
  };
  if (what == serve_values) {
    auto& its = owners[client.id];
    if (!std::exchange(its.has_asked, true) && !YONDER_MUTANT(forgotten_owner_unasked))
      return answer_order(now, client, id, encode_events({}), out);
    its.serves = id.number;
    return tell_owner(now, client, out);
  }
  if (what == fetch_value) return take_wish(now, client, message, out);
  if (what == core::give_value) return take_gift(now, client, std::move(message), out);
  if (what == hold_values) {
    value_hold said;
    if (!decode_hold(message.payload(), said)) return undecodable();
    if (auto refused = hold(now, client, said)) return answer(now, client, id, std::move(*refused), out);
  } else {
    std::vector<value_drop> drops;
    if (!decode_drops(message.payload(), drops)) return undecodable();
    for (auto const& one : drops) {
      references.take_back(client.id, one.key, one.count);
      if (one.of_owner && one.key.owner == client.id) references.owner_is_done(one.key);
    }
  }
  answer_order(now, client, id, {}, out);
}

void hub::state::take_wish(time_point now, client_session& client, frame const& message, outputs& out) {
  auto const id = message.head.call;
  value_wish wish;
  if (!decode_wish(message.payload(), wish)) {
    ++counters.protocol_violations;
    return answer(now, client, id,
                  failure_of(errc::protocol_violation, "what is asked of a value does not decode"), out);
  }
  auto* const owner = sessions.client(wish.key.owner);
  if (owner == nullptr) return answer(now, client, id, value_gone(), out);
  if (wishes[client.id] >= max_wishes)
    return answer(now, client, id,
                  failure_of(errc::overloaded, "a process asks for at most " + std::to_string(max_wishes) +
                                                   " pieces of values at once"),
                  out);
  ++wishes[client.id];
  // An owner may still answer what a hub before this one has asked: not by these numbers.
  if (last_request == 0 && !YONDER_MUTANT(requests_numbered_alike)) last_request = random.next();
  requests.emplace(++last_request, value_request{id, owner->id});
  owners[owner->id].events.wishes.push_back({last_request, wish.key.number, wish.offset, wish.size});
  tell_owner(now, *owner, out);
}

// Once it has what was asked for, or has not: who asked is told.
void hub::state::take_gift(time_point now, client_session& client, frame&& message, outputs& out) {
  auto const id = message.head.call;
  std::uint64_t number = 0;
  auto known = false;
  if (!decode_gift(message.payload(), number, known) || message.buffers.size() != (known ? 1 : 0)) {
    ++counters.protocol_violations;
    return answer(now, client, id,
                  failure_of(errc::protocol_violation, "what is said of a value does not decode"), out);
  }
  answer_order(now, client, id, {}, out);
  auto const found = requests.find(number);
  if (found == requests.end() || found->second.owner != client.id) return;  // nobody waits for it any more
  auto const request = found->second;
  forget_request(found);
  auto* const asks = sessions.client(request.from.session);
  if (asks == nullptr) return;
  if (!known)
    return answer(now, *asks, request.from,
                  failure_of(errc::value_gone,
                             "the process that had this value has it no more: a value by reference lives as "
                             "long as a reference to it that a call has brought, or the one that put() gave"),
                  out);
  frame made;
  made.head.type = frame_type::result;
  made.head.call = request.from;
  made.head.attempt = 1;
  made.head.buffer_count = 1;
  made.buffers = std::move(message.buffers);
  send_to(now, *asks, made.head, frame_ref(std::move(made)), out);
}

// On behalf of a call: one that is not known any more has no use for them.
std::optional<failure> hub::state::hold(time_point now, client_session& client, value_hold const& said) {
  if (said.call.number != 0) {
    if (YONDER_MUTANT(outcome_unpinned)) return std::nullopt;
    auto* const known = calls.find(said.call);
    if (known == nullptr || known->has_ended()) return std::nullopt;
    auto& call = isolate(now, *known, said.call.number, 1);
    for (auto const& key : said.keys) {
      if (call.pins.size() == max_references) break;
      auto const is_it = [&](value_table::pin const& pin) { return pin.key() == key; };
      if (std::none_of(call.pins.begin(), call.pins.end(), is_it)) call.pins.push_back(references.hold(key));
    }
    return std::nullopt;
  }
  for (auto const& key : said.keys)
    if (!references.give(client.id, key))
      return failure_of(errc::overloaded, "a process has references to at most " +
                                              std::to_string(value_table::most_held) + " values of others");
  return std::nullopt;
}

// It is about to be told of them.
void hub::state::give_references(client_session& client, frame const& outcome) {
  std::vector<value_key> its;
  if (!read_references(outcome.metadata(), its)) return;
  for (auto const& key : its) references.give(client.id, key);
}

void hub::state::tell_owner(time_point now, client_session& owner, outputs& out) {
  auto& its = owners[owner.id];
  if (its.serves == 0 || (its.events.wishes.empty() && its.events.unused.empty())) return;
  auto const number = std::exchange(its.serves, 0);
  auto const events = std::exchange(its.events, {});
  answer_order(now, owner, {owner.id, number}, encode_events(events), out);
}

void hub::state::forget_request(std::map<std::uint64_t, value_request>::iterator which) {
  auto const asks = wishes.find(which->second.from.session);
  if (--asks->second == 0) wishes.erase(asks);
  requests.erase(which);
}

void hub::state::fail_request(time_point now, value_request const& request, outputs& out) {
  if (auto* const asks = sessions.client(request.from.session))
    answer(now, *asks, request.from, value_gone(), out);
}

void hub::state::end_values(time_point now, client_session const& client, outputs& out) {
  references.end(client.id);
  owners.erase(client.id);
  for (auto next = requests.begin(); next != requests.end();) {
    auto const one = next++;
    auto const request = one->second;
    if (request.owner != client.id && request.from.session != client.id) continue;
    forget_request(one);
    if (request.from.session != client.id && !YONDER_MUTANT(dead_owner_unsaid))
      fail_request(now, request, out);
  }
}

// Its process makes calls, and has values, by a session of its own.
bool hub::state::has_needed_values(worker_session const& worker) const {
  if (references.size() == 0) return false;
  auto const& clients = sessions.clients();
  return std::any_of(clients.begin(), clients.end(), [&](auto const& one) {
    auto const& client = *one.second;
    return client.process == worker.process && client.identity == worker.identity &&
           references.is_needed(client.id);
  });
}

void hub::state::tell_unused(time_point now, outputs& out) {
  while (auto const key = references.next_unused()) {
    auto* const owner = sessions.client(key->owner);
    if (owner == nullptr) continue;
    owners[owner->id].events.unused.push_back(key->number);
    tell_owner(now, *owner, out);
  }
}

}  // namespace yonder::core
