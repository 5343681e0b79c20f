// SPDX-License-Identifier: Apache-2.0
// The hub: what is in the journal and not in memory, and comes back when it is needed.
#include "src/core/hub_state.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

// Does the record have all of these calls?
bool covers(recovered_record const& record, call_id first, std::uint32_t count) {
  return record.body && record.call.session == first.session && first.number >= record.call.number &&
         first.number - record.call.number + count <= record.items;
}

}  // namespace

std::uint64_t hub::state::read(journal_read const& what, outputs& out) {
  reads[++last_read] = what;
  out.emplace_back(out::read{last_read, what.first});
  return last_read;
}

void hub::state::read_back(time_point now, std::uint64_t number, std::optional<recovered_record>&& record,
                           std::string const& why, outputs& out) {
  auto const found = reads.find(number);
  if (found == reads.end()) return;
  auto const what = found->second;
  reads.erase(found);
  if (what.client == 0) {
    auto const worker = sessions.workers().find(what.worker);
    if (worker != sessions.workers().end() && worker->second->awaits_read == number) {
      worker->second->awaits_read = 0;
      if (!worker->second->goes()) work.update_load(now, *worker->second);
    }
    return take_arguments(now, what, std::move(record), why, out);
  }
  auto* const client = sessions.client(what.client);
  if (client == nullptr || client->reads != number) return;  // it has gone
  client->reads = 0;
  if (auto const wanted = client->wanted.find(what.number); wanted != client->wanted.end()) {
    auto const its = wanted->second;
    client->wanted.erase(wanted);
    tell_read(now, *client, what.number, its, std::move(record), why, out);
  }
  read_next(*client, out);
}

// --- arguments

// The journal has them: memory does not while it has much else.
void hub::state::store_away(call_record& call) {
  auto const& whole = *call.message;
  auto const metadata = whole.metadata();
  if (calls.bytes() <= config.max_cached_bytes || !call.is_whole() ||
      size_of(whole) - header_size < 2 * metadata.size())
    return;
  frame rest;
  rest.head = whole.head;
  rest.body = byte_buffer::copy_of(metadata);
  if (call.packed.sizes != nullptr)
    call.packed.sizes = rest.body.data() + (call.packed.sizes - metadata.data());
  call.message = frame_ref(std::move(rest));
  call.stored = true;
  calls.resize(call, size_of(*call.message));
}

// Its worker is kept free for it meanwhile.
void hub::state::read_arguments(time_point now, call_record& call, worker_session& worker, outputs& out) {
  work.dequeue(call);
  call.stage = call_stage::reading;
  worker.awaits_read = read({call.id, call.count, worker.id, 0, 0}, out);
  if (!worker.goes()) work.update_load(now, worker);
}

// The call may have parted meanwhile, and what is left of it may have ended.
void hub::state::take_arguments(time_point now, journal_read const& what,
                                std::optional<recovered_record>&& record, std::string why, outputs& out) {
  packed_items items;
  auto const has = record && record->what == out::append::kind::call &&
                   covers(*record, what.first, what.count) && read_items(*record->body, items) &&
                   items.count == record->items;
  auto const failed = !why.empty();
  if (!failed) why = "the journal has lost the arguments";
  frame_ref whole;
  call_id first;
  if (has) {
    first = record->call;
    whole = frame_ref(std::move(*record->body));
    read_items(*whole, items);
  }
  for (std::uint32_t i = 0; i < what.count;) {
    auto* const known = calls.find({what.first.session, what.first.number + i});
    if (known == nullptr) {
      ++i;
      continue;
    }
    i = static_cast<std::uint32_t>(known->id.number + known->count - what.first.number);
    if (known->stage != call_stage::reading) continue;
    if (has)
      give_arguments(now, *known, whole, items, first);
    else if (!failed && known->id != what.first)  // the first one has ended: the journal speaks of that
      read({known->id, known->count}, out);
    else
      end_unrecorded(now, *known, why, out);
  }
}

void hub::state::give_arguments(time_point now, call_record& call, frame_ref const& whole,
                                packed_items const& items, call_id first) {
  call.message = whole;
  call.packed = items;
  call.first = static_cast<std::uint32_t>(call.id.number - first.number);
  auto const sized = items.sizes != nullptr;
  call.offset = sized ? items.size_of(0, call.first) : 0;
  call.payload = sized ? items.size_of(call.first, call.count) : whole->payload().size();
  call.stored = false;
  if (call.is_whole()) calls.resize(call, size_of(*whole));
  compact(call);
  call.stage = call_stage::leaving;
  wait_again(now, call);
}

// --- outcomes

// Whether the client is about to be told an outcome under this number.
bool hub::state::is_wanted(client_session const& client, std::uint64_t number) {
  auto const behind = client.wanted.upper_bound(number);
  if (behind == client.wanted.begin()) return false;
  auto const& [first, one] = *std::prev(behind);
  return number - first < one.count;
}

// Outcomes that are kept, under this number: at once, or when they have been read back.
void hub::state::tell_kept(time_point now, client_session& client, kept_result const& known,
                           std::uint64_t number, client_session::wanted_outcome const& wanted, outputs& out) {
  if (known.body == nullptr) {
    client.wanted[number] = wanted;
    return read_next(client, out);
  }
  header head;
  auto outcome = outcome_of(*known.body, wanted.first, wanted.count, head);
  head.call = {client.id, number};
  note_answered(now, client, wanted.parent);
  send_to(now, client, head, std::move(outcome), out);
}

// One after the other, and no more than the client takes.
void hub::state::read_next(client_session& client, outputs& out) {
  if (client.reads != 0 || client.wanted.empty() || calls.stalls(*calls.find_caller(client.id))) return;
  auto const& [number, one] = *client.wanted.begin();
  client.reads = read({one.first, one.count, 0, client.id, number}, out);
}

void hub::state::tell_read(time_point now, client_session& client, std::uint64_t number,
                           client_session::wanted_outcome const& wanted,
                           std::optional<recovered_record>&& record, std::string const& why, outputs& out) {
  note_answered(now, client, wanted.parent);
  kept_body body;
  auto const has = record && record->what == out::append::kind::ended &&
                   covers(*record, wanted.first, wanted.count) &&
                   read_item_count(*record->body) == record->items;
  if (!has) {
    // What was taken meanwhile is in the journal no longer. Of the others that ended with it the journal is
    // asked for themselves.
    for (std::uint32_t i = 0; i < wanted.count;) {
      call_id const next{wanted.first.session, wanted.first.number + i};
      auto const asks_again = i != 0 && why.empty();
      if (auto const count = asks_again ? give_kept(now, client, next, wanted.count - i, out) : 0;
          count != 0) {
        i += count;
        continue;
      }
      answer(now, client, {client.id, number + i},
             why.empty() ? not_found(next)
                         : failure_of(errc::disconnected,
                                      "the outcome is in the journal, and cannot be read back: " + why),
             out);
      ++i;
    }
    return;
  }
  body.id = record->call;
  body.head = record->body->head;
  body.outcome = frame_ref(std::move(*record->body));
  read_items(*body.outcome, body.packed);
  header head;
  auto outcome = outcome_of(body, wanted.first, wanted.count, head);
  head.call = {client.id, number};
  send_to(now, client, head, std::move(outcome), out);
}

}  // namespace yonder::core
