// SPDX-License-Identifier: Apache-2.0
// The hub: calls that are asked for by their ids, and outcomes that are kept until somebody has them.
#include "src/core/call_orders.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

bool may_see(client_session const& client, std::string const& identity) {
  if (client.peer != nullptr && client.peer->is_operator) return true;
  return client.identity == identity || YONDER_MUTANT(foreign_call_found);
}

call_state listed_state(call_record const& call) {
  if (call.stage == call_stage::assigned || call.stage == call_stage::sought) return call_state::running;
  if (!call.has_ended()) return call_state::waiting;
  return call.message->head.type == frame_type::error ? call_state::failed : call_state::succeeded;
}

// With the one that runs, or that has ended it.
std::uint32_t attempts_of(call_record const& call) {
  if (call.has_ended()) return call.message->head.attempt;
  return call.tries + (call.stage == call_stage::assigned ? 1 : 0);
}

}  // namespace

// To whom it is too large for, so much is said.
void hub::state::send_to(time_point now, client_session& client, header const& head, frame_ref outcome,
                         outputs& out) {
  if (within(client.limits, *outcome)) return send_outcome(now, client, head, std::move(outcome), out);
  auto error =
      failure_of(errc::too_large, excess_in_words(*outcome, client.limits, "the result takes", "client"));
  auto message = make_error(error, client.limits);
  set_item_count(message, read_item_count(*outcome));
  message.head.call = head.call;
  send_outcome(now, client, frame_ref(std::move(message)), out);
}

frame hub::state::make_elsewhere(call_id id) {
  auto elsewhere = make_control(frame_type::result);
  elsewhere.head.call = id;
  elsewhere.head.flags = flag_elsewhere;
  return elsewhere;
}

// --- outcomes that are kept

// The client asks again for calls from `first` on: those that have ended are told it, as far as they follow
// each other. Returns how many these are.
std::uint32_t hub::state::give_kept(time_point now, client_session& client, call_id first, std::uint32_t most,
                                    outputs& out) {
  auto* const found = kept.find(first);
  if (found == nullptr) return 0;
  auto const behind = found->id.number + found->count - first.number;
  auto const count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, most));
  if (found->identity() == client.identity) {
    tell_kept(now, client, *found, first.number, {first, count, {}}, out);
  } else {
    for (std::uint32_t i = 0; i < count; ++i)
      answer(now, client, {first.session, first.number + i}, not_found({first.session, first.number + i}),
             out);
  }
  return count;
}

// Of so many calls, those that one frame has: how many these are.
std::uint32_t hub::state::take_out_kept(call_id first, std::uint32_t most) {
  auto* const found = kept.find(first);
  if (found == nullptr) return 0;
  auto const behind = found->id.number + found->count - first.number;
  auto const count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, most));
  auto& own = kept.isolate(*found, first.number, count);
  release_key(own);
  kept.remove(own);
  return count;
}

// Their owner has these outcomes.
void hub::state::take_taken(client_session& client, frame const& message, outputs& out) {
  auto const id = message.head.call;
  auto const items = read_item_count(message);
  for (std::uint32_t i = 0; i < items;) {
    call_id const next{id.session, id.number + i};
    auto* const found = kept.find(next);
    if (found == nullptr || found->identity() != client.identity || found->key != nullptr) {
      ++i;
      continue;
    }
    auto const behind = found->id.number + found->count - next.number;
    auto const count = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind, items - i));
    forget_kept(kept.isolate(*found, next.number, count), out);
    i += count;
  }
}

// --- searches

void hub::state::take_search(time_point now, client_session& client, call_message const& said,
                             frame const& message, outputs& out) {
  auto const id = message.head.call;
  if (said.function == list_calls) {
    note_answered(now, client, said.parent);
    frame made;
    made.head.type = frame_type::result;
    made.head.call = id;
    made.head.attempt = 1;
    auto const list = encode_calls(list_calls_for(now, client));
    made.body = byte_buffer::copy_of(std::as_bytes(std::span(list)));
    return send_outcome(now, client, frame_ref(std::move(made)), out);
  }
  call_id wanted;
  if (!decode_call_id(message.payload(), wanted)) {
    note_answered(now, client, said.parent);
    return answer(now, client, id, failure_of(errc::protocol_violation, "the id does not decode"), out);
  }
  find(now, client, {wanted, said.parent}, id.number, out);
}

void hub::state::find(time_point now, client_session& client, client_session::search const& search,
                      std::uint64_t number, outputs& out) {
  auto const refuse = [&](failure const& why) {
    note_answered(now, client, search.parent);
    answer(now, client, {client.id, number}, copy_of(why), out);
  };
  auto const full = too_many_searches(client);
  if (auto* const found = kept.find(search.wanted); found != nullptr && may_see(client, found->identity())) {
    if (found->body == nullptr && !full.empty()) return refuse(failure_of(errc::overloaded, full));
    return tell_kept(now, client, *found, number, {search.wanted, 1, search.parent}, out);
  }
  auto* const known = calls.find(search.wanted);
  if (known == nullptr || !may_see(client, known->caller->identity)) return refuse(not_found(search.wanted));
  auto& one = isolate(now, *known, search.wanted.number, 1);
  if (one.stage == call_stage::ended) {  // it stays for its caller
    compact(one);
    auto head = one.message->head;
    head.call = {client.id, number};
    note_answered(now, client, search.parent);
    return send_to(now, client, head, one.message, out);
  }
  if (!full.empty()) return refuse(failure_of(errc::overloaded, full));
  one.finders.insert({client.id, number});
  client.searches[number] = search;
  ++searching;
  if (search.joins) calls.join(one);
}

// They are calls of the client as others are; empty: it may make one more.
std::string hub::state::too_many_searches(client_session const& client) const {
  auto const has = calls.find_caller(client.id)->items + client.searches.size() + client.wanted.size();
  if (has >= config.max_client_calls)
    return "the hub holds at most " + std::to_string(config.max_client_calls) +
           " calls of one client (runtime_options::max_calls, of the hub), and calls that are asked for by "
           "their ids are some of them";
  if (calls.size() + searching >= config.max_calls)
    return "the hub holds at most " + std::to_string(config.max_calls) +
           " calls of all clients, and calls that are asked for by their ids are some of them";
  return {};
}

failure hub::state::not_found(call_id id) const {
  return unknown(
      "the hub has no call " + in_words(id) +
      " of this credential: it was never taken, its outcome was taken by get(), or its time is over" +
      (config.journal ? "" : "; this hub has no journal, and keeps no outcome"));
}

// Where the journal has failed, what it has may be what this hub does not know.
failure hub::state::unknown(std::string text) const {
  if (journal_fault.empty()) return failure_of(errc::unknown_call, std::move(text));
  return failure_of(errc::disconnected,
                    "the hub's journal has failed: " + journal_fault +
                        "; if the call is in it, it goes on when a hub with this journal is started again: "
                        "find it by its id then");
}

// A task that asks was told one thing more.
void hub::state::note_answered(time_point now, client_session const& client, attempt_key const& parent) {
  if (parent.attempt == 0 || is_entering(client, parent)) return;
  failure refused;
  if (auto* const asks = parent_of(now, client, parent, refused)) note_ended(*asks, 1, 0);
}

void hub::state::tell_finders(time_point now, call_record& call, frame_ref const& outcome, outputs& out) {
  calls.leave(now, call, call.joined);
  for (auto const& id : std::exchange(call.finders, {})) {
    auto* const client = sessions.client(id.session);
    if (client == nullptr) continue;
    auto const found = client->searches.find(id.number);
    if (found == client->searches.end()) continue;
    auto const parent = found->second.parent;
    client->searches.erase(found);
    --searching;
    note_answered(now, *client, parent);
    auto head = outcome->head;
    head.call = id;
    send_to(now, *client, head, outcome, out);
  }
}

void hub::state::leave_search(time_point now, client_session const& client, std::uint64_t number,
                              client_session::search const& search) {
  auto* const call = calls.find(search.wanted);
  if (call == nullptr) return;
  call->finders.erase({client.id, number});
  if (search.joins) calls.leave(now, *call, 1);
}

// Whoever cancels what he has found cancels the call; what he has joined goes on for the others.
void hub::state::cancel_search(time_point now, client_session& client, std::uint64_t number, outputs& out) {
  auto const found = client.searches.find(number);
  if (found == client.searches.end()) {
    auto const told = client.wanted.find(number);
    if (told == client.wanted.end() || told->second.count != 1) return;
    note_answered(now, client, told->second.parent);
    client.wanted.erase(told);
    return;
  }
  auto const search = found->second;
  client.searches.erase(found);
  --searching;
  leave_search(now, client, number, search);
  note_answered(now, client, search.parent);
  auto* const call = calls.find(search.wanted);
  if (call == nullptr || call->has_ended()) return;
  if (search.joins) return end_if_left(now, *call, out);
  auto& one = isolate(now, *call, search.wanted.number, 1);
  if (one.stage == call_stage::assigned) abandon(now, one, out);
  fail(now, one, errc::cancelled, "the call was cancelled by who had found it by its id", out);
}

void hub::state::end_searches(time_point now, client_session& client) {
  for (auto const& [number, search] : client.searches) leave_search(now, client, number, search);
  searching -= client.searches.size();
  client.searches.clear();
}

call_listing hub::state::list_calls_for(time_point now, client_session const& client) {
  call_listing list;
  auto const note = [&](call_id first, std::uint32_t count, call_census one) {
    for (std::uint32_t i = 0; i < count && list.calls.size() < call_listing::most; ++i) {
      one.id = {first.session, first.number + i};
      list.calls.push_back(one);
    }
    return list.calls.size() < call_listing::most;
  };
  calls.each_caller([&](caller_record& caller) {
    if (caller.items == 0 || !may_see(client, caller.identity)) return;
    list.all += caller.items;
    if (list.calls.size() == call_listing::most) return;
    call_table::each_of(caller, [&](call_record const& call) {
      return note(call.id, call.count,
                  {{},
                   call.function == nullptr ? std::string() : call.function->name,
                   listed_state(call),
                   call.policy.durable,
                   attempts_of(call),
                   0});
    });
  });
  kept.each_owner([&](kept_owner const& owner) {
    if (!may_see(client, owner.identity)) return;
    list.all += owner.calls;
    auto& results = const_cast<kept_owner&>(owner).results;
    for (auto* one = results.first(); one != nullptr; one = results.after(*one))
      if (!note(one->id, one->count,
                {{},
                 *one->function,
                 one->failed ? call_state::failed : call_state::succeeded,
                 true,
                 one->attempt,
                 std::max<duration>(0, one->until - now)}))
        return;
  });
  return list;
}

}  // namespace yonder::core
