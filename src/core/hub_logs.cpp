// SPDX-License-Identifier: Apache-2.0
// The hub: what tasks print.
#include "src/core/hub_state.hpp"
#include "src/core/items.hpp"
#include "src/core/plain_fields.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr std::uint32_t most_together = 256;  // calls that one text is kept of

}  // namespace

// Of calls that ran together it is kept with each, if they are all of one credential. What is nobody's, or of
// calls that nobody waits for any more, is the worker's own, which operators see.
void hub::state::take_printed(time_point now, worker_session& worker, frame const& message, outputs& out) {
  auto const& head = message.head;
  auto const count = read_item_count(message);
  std::uint64_t skipped = 0;
  if (count == 0 || !read_printed(message, skipped))
    return violated(now, worker, "what it has printed does not decode", out);
  log_store::entry said;
  said.worker = worker.name;
  auto const text = message.payload();
  said.text.assign(reinterpret_cast<char const*>(text.data()), text.size());
  // What makes a service, or ends one, is no call's.
  auto const has_calls = head.attempt != 0 && !(worker.entering && head.call.session == 0);
  auto is_shared = has_calls && count <= most_together;
  for (std::uint32_t i = 0; has_calls && i < count; ++i) {
    call_id const id{head.call.session, head.call.number + i};
    auto const index = find_attempt(worker, id, head.attempt);
    if (index == worker.outstanding.size())
      return violated(now, worker, "what was printed by what it was not asked", out);
    auto const& attempt = worker.outstanding[index];
    auto const* const call = attempt.call;
    if (attempt.unclaimed) {
      said.identity = of_nobody_yet;
      said.calls.push_back(attempt.id);
      continue;
    }
    is_shared = is_shared && call != nullptr && (i == 0 || call->caller->identity == said.identity);
    if (!is_shared) continue;
    if (i == 0) said.identity = call->caller->identity;
    said.calls.push_back({call->id.session, call->id.number + (id.number - attempt.id.number)});
  }
  if (!is_shared) {
    said.calls.clear();
    said.identity.clear();
  }
  logs.add(std::move(said), skipped);
}

// Of its own calls whoever made them may ask; an operator of all, and of what workers print besides.
log_page hub::state::read_logs_for(time_point now, client_session const& client, log_order const& order) {
  log_page page;
  auto const after = order.after > logs.first() && order.after <= logs.last() ? order.after : logs.first();
  page.next = after;
  std::size_t bytes = 0;
  auto const everything = operates(client);
  auto const add = [&](call_id call, std::uint32_t count, log_store::entry const& one, std::uint64_t at) {
    bytes += one.text.size() + one.worker.size() + header_size;
    page.entries.push_back({call, count, at, one.worker, one.text});
  };
  auto const is_full = [&] { return page.more = bytes >= log_page::most; };
  if (order.call.number == 0) {
    page.state = log_state::open;
    auto const full_at = logs.read_all(after, [&](std::uint64_t, auto const& one, std::uint64_t at) {
      if (is_full()) return false;
      if (one.calls.empty() && everything) add({}, 1, one, 0);
      if (!one.calls.empty() && (everything || one.identity == client.identity))
        add(one.calls.front(), static_cast<std::uint32_t>(one.calls.size()), one, at);
      return true;
    });
    page.next = full_at;
    page.more = full_at < logs.last();
    return page;
  }
  auto const* const call = call_for(client, order.call);
  auto const* const owner = logs.owner(order.call);
  auto const is_seen = owner != nullptr && (everything || *owner == client.identity);
  auto const is_left = hand_over_until != never || (is_seen && *owner == of_nobody_yet);
  auto const is_young = now - stands_since < config.silence;
  if (call != nullptr)
    page.state = call->has_ended() ? log_state::ended : log_state::open;
  else if (is_left || (is_young && !is_seen))
    page.state = log_state::awaited;
  else if (is_seen)
    page.state = log_state::ended;
  if (is_seen)
    logs.read(order.call, after, [&](std::uint64_t number, auto const& one, std::uint64_t at) {
      if (is_full()) return false;
      add(order.call, 1, one, at);
      page.next = number;
      return true;
    });
  return page;
}

std::string encode_log_order(log_order const& order) {
  auto text = encode_call_id(order.call);
  put(text, order.after);
  return text;
}

bool decode_log_order(std::span<std::byte const> payload, log_order& order) {
  field_reader from(payload);
  return from.take(order.call.session, order.call.number, order.after) && from.left() == 0;
}

std::string encode_log_page(log_page const& page) {
  std::string text;
  put(text, static_cast<std::uint8_t>(page.state));
  put(text, static_cast<std::uint8_t>(page.more ? 1 : 0));
  put(text, page.next);
  for (auto const& one : page.entries) {
    put(text, one.call.session);
    put(text, one.call.number);
    put(text, one.count);
    put(text, one.at);
    put_text(text, one.worker);
    put_text(text, one.text);
  }
  return text;
}

bool decode_log_page(std::span<std::byte const> payload, log_page& page) {
  field_reader from(payload);
  std::uint8_t state = 0, more = 0;
  if (!from.take(state, more, page.next) || state > static_cast<std::uint8_t>(log_state::awaited) || more > 1)
    return false;
  page.state = static_cast<log_state>(state);
  page.more = more != 0;
  while (from.left() != 0) {
    auto& one = page.entries.emplace_back();
    if (!from.take(one.call.session, one.call.number, one.count, one.at) || !from.take_text(one.worker) ||
        !from.take_text(one.text))
      return false;
  }
  return true;
}

}  // namespace yonder::core
