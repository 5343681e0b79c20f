// SPDX-License-Identifier: Apache-2.0
#include "src/core/client.hpp"

#include "src/core/client_state.hpp"

namespace yonder::core {

client::client(client_config config) : state_(std::make_unique<state>(std::move(config))) {}
client::~client() = default;

void client::connected(time_point now, peer_id peer, bool reliable, outputs& out) {
  state_->hub.connected(now, peer, reliable, out);
}

void client::lost(time_point now, peer_id peer, bool final, errc code, std::string_view reason,
                  outputs& out) {
  auto& s = *state_;
  auto const text = reason.empty() ? std::string_view("the connection to the hub ended") : reason;
  if (final && s.hub.is_of(peer)) return s.close(s.hub.was_welcomed() ? errc::disconnected : code, text, out);
  s.hub.lost(now, peer, text, out);
}

void client::unreachable(time_point now, bool final, errc code, std::string_view reason, outputs& out) {
  lost(now, state_->hub.peer(), final, code, reason, out);
}

void client::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  state_->hub.receive(now, peer, std::move(message), out);
}

call_id client::submit(time_point now, call_spec spec, outputs& out) {
  auto& s = *state_;
  auto const number = ++s.last_number;
  auto const size = size_of(spec.message);
  auto const refuse = [&](errc code, std::string const& why) {
    s.refuse(spec.function, spec.cookie, number, code, why, out);
    return s.id_of(number);
  };
  if (!s.has_credit(1, size)) {
    std::string why;
    auto const code = s.refusal(why);
    return refuse(code, why);
  }
  if (s.hub.ready() && !s.reaches_hub(spec.message))
    return refuse(errc::too_large, s.describe_excess(spec.message));
  auto const said = spec.message.head.metadata_size;
  auto& head = spec.message.head = s.head_of(number, spec.signature);
  head.metadata_size = said;
  head.buffer_count = static_cast<std::uint32_t>(spec.message.buffers.size());
  frame_ref message(std::move(spec.message));
  auto& call = s.take(now, number, 1, spec.policy, spec.function, size, spec.parent);
  call.cookie = spec.cookie;
  call.message = std::move(message);
  try {
    if (spec.feeds) s.streams.begin_feed(number, spec.cookie);
    if (spec.stream) s.streams.begin(number, spec.cookie, *spec.stream);
    if (s.hub.ready()) s.is_taken(call) ? s.give(now, call, out) : s.put_off_call(call, out);
  } catch (...) {
    s.forget(call);
    throw;
  }
  return s.id_of(number);
}

call_id client::submit(time_point now, batch_spec const& spec, outputs& out) {
  auto& s = *state_;
  auto const first_number = s.last_number + 1;
  s.last_number += spec.items.size();
  std::size_t first = 0;
  for (std::size_t offset = 0; first < spec.items.size();) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (first + count < spec.items.size() && count < max_items) {
      auto const size = spec.items[first + count].size;
      if (count != 0 && bytes + size > max_batch_bytes) break;
      if (!s.has_credit(count + 1, bytes + size + (count + 1) * header_size)) break;
      bytes += size;
      ++count;
    }
    if (count == 0) {
      auto const& item = spec.items[first];
      std::string why;
      auto const code = s.refusal(why);
      s.refuse(spec.function, item.cookie, first_number + first, code, why, out);
      offset += item.size;
      ++first;
      continue;
    }
    try {
      s.take_items(now, spec, first, count, offset, first_number + first, out);
    } catch (std::bad_alloc const&) {
      if (first == 0) throw;
      for (auto i = first; i < first + count; ++i)
        s.refuse(spec.function, spec.items[i].cookie, first_number + i, errc::overloaded,
                 "there is no memory for another call", out);
    }
    offset += bytes;
    first += count;
  }
  return s.id_of(first_number);
}

bool client::cancel(time_point now, call_id id, outputs& out) { return cancel(now, id, 1, out) != 0; }

std::size_t client::cancel(time_point now, call_id first, std::size_t count, outputs& out) {
  auto& s = *state_;
  std::size_t ended = 0;
  state::cancelled_row row;
  auto const past = first.session == s.config.session ? first.number + count : first.number;
  for (auto number = first.number; number < past;) {
    auto* const found = s.calls.find(number);
    if (found == nullptr) {
      ++number;
      continue;
    }
    auto& call = s.isolate(*found, number, past - number);
    number = call.end();
    ended += call.count;
    s.give_up(now, call, errc::cancelled, "the call was cancelled", row, out);
  }
  s.say_cancel(now, row, out);
  return ended;
}

void client::waits(time_point now, attempt_key const& parent, outputs& out) {
  auto& s = *state_;
  auto* const found = s.parents.find(parent);
  if (found == nullptr) return;  // whatever it waits for, it has called nothing
  found->waits = true;
  s.say_wait(now, *found, found->told, out);
}

// Where a call has ended since it said that it waits, the hub knows that it may go on.
void client::goes_on(time_point now, attempt_key const& parent, outputs& out) {
  auto& s = *state_;
  auto* const found = s.parents.find(parent);
  if (found == nullptr || !std::exchange(found->waits, false)) return;
  if (found->said == found->told) s.say_wait(now, *found, wait_message::no_longer, out);
}

void client::taken(time_point now, call_id of) { state_->taken.add(now, of); }

void client::allow(time_point now, call_id call, stream_level const& level, outputs& out) {
  state_->streams.allow(now, call.number, level, state_->find_given(call.number) != nullptr, out);
}

bool client::feed(time_point now, call_id call, std::span<std::uint32_t const> sizes,
                  std::span<std::byte const> values, std::vector<buffer>&& buffers, outputs& out) {
  auto& s = *state_;
  auto* const found = s.find_given(call.number);
  if (found == nullptr) return false;
  std::string excess;
  auto const taken = s.streams.feed(now, call.number, sizes, values, std::move(buffers), excess, out);
  if (excess.empty()) return taken;
  state::cancelled_row row;
  s.give_up(now, *found, errc::too_large, excess, row, out);
  s.say_cancel(now, row, out);
  return true;
}

bool client::end_feed(time_point now, call_id call, outputs& out) {
  return state_->find_given(call.number) != nullptr && state_->streams.end_feed(now, call.number, out);
}

void client::parent_ended(attempt_key const& parent) {
  auto& s = *state_;
  auto* const found = s.parents.find(parent);
  if (found == nullptr) return;
  found->over = true;
  found->waits = false;
  s.parents.forget_if_done(*found);
}

void client::shutdown(time_point now, std::string_view why, outputs& out) {
  auto& s = *state_;
  if (s.hub.over() && s.calls.size() == 0) return;
  if (s.hub.ready()) s.send_taken(now, out);
  if (!s.hub.over()) s.hub.say_bye(now, "the client ended", out);
  s.close(errc::disconnected, std::string(why), out);
}

void client::abandon(void (*ended)(void* of, std::uint64_t cookie), void* of) noexcept {
  auto& s = *state_;
  s.closed_code = errc::disconnected;
  s.hub.end();
  for (auto* const list : {&s.given, &s.waiting, &s.put_off})
    while (!list->empty()) {
      auto& call = list->front();
      for (std::uint32_t i = 0; i < call.count; ++i) ended(of, call.cookie_of(i));
      s.forget(call);
    }
}

void client::tick(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.hub.over()) return;
  s.expire(now, out);
  if (s.connect_due() <= now) s.give_up_unreachable(now, out);
  if (s.is_behind()) s.give_waiting(now, out);
  if (s.hub.ready() && s.taken.due() <= now) s.send_taken(now, out);
  s.hub.tick(now, out);
}

time_point client::next_deadline() const {
  auto const& s = *state_;
  if (s.hub.over()) return never;
  if (s.is_behind()) return 0;
  auto const taken_due = s.hub.ready() ? s.taken.due() : never;
  return std::min({s.timers.next(), s.connect_due(), s.hub.next_deadline(), taken_due});
}

bool client::ready() const { return state_->hub.ready(); }
std::size_t client::calls_in_flight() const { return state_->calls.size(); }
std::size_t client::bytes_in_flight() const { return state_->calls.bytes(); }
std::size_t client::frames_held() const { return state_->hub.frames_held(); }
std::uint64_t client::protocol_violations() const { return state_->hub.violations(); }

}  // namespace yonder::core
