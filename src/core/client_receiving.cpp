// SPDX-License-Identifier: Apache-2.0
// What a client hears of its hub.
#include "src/core/client_state.hpp"

namespace yonder::core {

void client::state::welcomed(time_point now, welcome_message const& welcome, bool, outputs& out) {
  set_credit(welcome.credit);
  give_waiting(now, out);
  for (auto const& one : parents) {
    if (one->waits) say_wait(now, *one, one->told, out);
  }
}

void client::state::set_credit(credit_window const& credit) {
  max_calls = std::min<std::uint64_t>(config.max_calls, credit.calls);
  max_bytes = std::min<std::uint64_t>(config.max_bytes, credit.bytes);
}

void client::state::session_lost(time_point, std::string_view why, outputs& out) {
  for (auto const& one : parents) one->said = wait_message::no_longer;
  while (!given.empty()) {
    auto& call = given.back();
    auto const again = call.policy.durable || call.accepted ||
                       (call.may_repeat() && streams.may_repeat(call.number, call.policy.idempotent));
    if (call.message && (again || kept.contains(call.number) || !hub.was_transmitted(call.ticket))) {
      call.message = streams.again(call.number, std::move(call.message), out);
      call.note_ended(0);
      leave_list(call);
      call.given = false;
      waiting.push_front(call);
    } else {
      call.note_ended(call.count);
      fail_unknown(call, why, out);
    }
  }
  if (!YONDER_MUTANT(put_off_forgotten)) hub_drains = false;
  resume_put_off();
}

void client::state::refused(time_point, errc code, std::string_view why, outputs& out) {
  close(code, why, out);
}

void client::state::deliver(time_point now, frame&& message, outputs& out) {
  auto const& head = message.head;
  if (head.type == frame_type::drain) return take_drain(now, out);
  if (head.type == frame_type::accepted) return take_accepted(message, out);
  if (head.type == frame_type::keep) return take_keep(message);
  if (head.type == frame_type::notice) {
    std::string_view text;
    if (!read_notice(message, text)) return hub.violated();
    return void(out.emplace_back(out::notice{"the hub says: " + std::string(text)}));
  }
  if (head.type == frame_type::credit) {
    credit_window credit;
    return read_credit(message, credit) ? set_credit(credit) : hub.violated();
  }
  if (head.type == frame_type::progress && head.call.session == config.session)
    return streams.take_progress(message, find_given(head.call.number), out);
  auto const answer = head.type == frame_type::result || head.type == frame_type::error;
  auto const streamed = head.type == frame_type::stream_items || head.type == frame_type::stream_credit;
  if ((!answer && !streamed) || head.call.session != config.session) return hub.violated();
  if (streamed) {
    if (auto* const call = find_given(head.call.number)) call->note_streamed();
    return streams.take(std::move(message), out);
  }
  if (head.type == frame_type::result) return take_values(std::move(message), out);
  take_error(message, out);
}

void client::state::take_accepted(frame const& message, outputs& out) {
  auto const first = message.head.call.number;
  auto const past = first + read_item_count(message);
  if (message.head.call.session != config.session || past == first) return hub.violated();
  for (auto number = first; number < past;) {
    auto* const found = find_given(number);
    if (found == nullptr) {
      ++number;
      continue;
    }
    auto& call = isolate(*found, number, past - number);
    number = call.end();
    if (std::exchange(call.accepted, true)) continue;
    out.emplace_back(out::accepted{id_of(call.number), call.count, call.cookie_of(0)});
  }
}

// Its hub ends, and its worker goes on with it: the next hub is asked for what becomes of that.
void client::state::take_keep(frame const& message) {
  if (message.head.call.session != config.session) return hub.violated();
  auto const number = message.head.call.number;
  auto const ticket = static_cast<std::uint32_t>(message.head.signature);
  auto* const found = find_given(number);
  if (found == nullptr || !found->message || found->parent != nullptr || ticket == 0) return;
  kept[isolate(*found, number, 1).number] = ticket;
}

void client::state::send_taken(time_point now, outputs& out) {
  for (auto const& row : taken.take()) {
    auto message = make_control(frame_type::taken);
    message.head.call = row.first;
    set_item_count(message, row.count);
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }
}

pending* client::state::find_given(std::uint64_t number) {
  auto* const call = calls.find(number);
  return call != nullptr && call->given ? call : nullptr;  // null: it has ended already
}

void client::state::take_values(frame&& message, outputs& out) {
  auto const number = message.head.call.number;
  packed_items items;
  auto const decodes = streams.ends(message) && read_items(message, items);
  if (decodes && items.count > 1) return take_packed(std::move(message), items, out);
  auto* const found = find_given(number);
  if (found == nullptr) {
    if (refers(message) && !YONDER_MUTANT(late_references_kept))
      out.emplace_back(out::came_late{std::move(message)});
    return;
  }
  auto& call = number == found->number ? *found : isolate(*found, number, 1);
  call.note_ended(1);
  if (!decodes) return undecodable(isolate(call, number, 1), out);
  tell(call, 0, outcome(std::move(message)), out);
  forget_first(call, 1);
}

void client::state::take_packed(frame&& message, packed_items const& items, outputs& out) {
  share_body(message);
  auto const first = message.head.call.number;
  std::size_t offset = 0;
  for (std::uint32_t i = 0; i < items.count;) {
    auto* const found = find_given(first + i);
    if (found == nullptr) {
      offset += items.size_of(i++, 1);
      continue;
    }
    auto& call = first + i == found->number ? *found : isolate(*found, first + i, found->count);
    auto const count = std::min(call.count, items.count - i);
    call.note_ended(count);
    for (std::uint32_t of_call = 0; of_call < count; ++of_call, ++i) {
      auto const size = items.size_of(i, 1);
      frame value;
      value.head = message.head;
      value.head.call.number = first + i;
      value.head.metadata_size = 0;
      value.body = frame_body(message.payload().subspan(offset, size), message.body.owner());
      tell(call, of_call, outcome(std::move(value)), out);
      offset += size;
    }
    forget_first(call, count);
  }
}

void client::state::take_error(frame const& message, outputs& out) {
  auto const is_back = (message.head.flags & flag_not_started) != 0;
  auto const past = message.head.call.number + std::max(read_item_count(message), 1U);
  for (auto number = message.head.call.number; number < past;) {
    auto* const found = find_given(number);
    if (found == nullptr) {
      ++number;
      continue;
    }
    auto& call = isolate(*found, number, past - number);
    number = call.end();
    if (is_back && call.parent == nullptr && call.message) {
      if (!kept.empty()) kept.erase(call.number);  // nothing of it runs any more
      put_off_call(call, out);
      continue;
    }
    call.note_ended(call.count);
    failure error;
    if (!read_error(message, error)) {
      undecodable(call, out);
      continue;
    }
    if (error.function.empty()) error.function = call.function;
    complete(call, std::move(error), out);
  }
}

void client::state::undecodable(pending& call, outputs& out) {
  hub.violated();
  fail(call, errc::protocol_violation, "the hub's answer does not decode", out);
}

}  // namespace yonder::core
