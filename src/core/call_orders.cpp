// SPDX-License-Identifier: Apache-2.0
#include "src/core/call_orders.hpp"

#include "src/core/plain_fields.hpp"

namespace yonder::core {

std::string encode_calls(call_listing const& list) {
  std::string text;
  put(text, list.all);
  put(text, static_cast<std::uint32_t>(list.calls.size()));
  for (auto const& one : list.calls) {
    text += encode_call_id(one.id);
    put_text(text, one.task);
    put(text, static_cast<std::uint8_t>(one.state));
    put(text, static_cast<std::uint8_t>(one.durable ? 1 : 0));
    put(text, one.tries);
    put_time(text, one.left, false);
  }
  return text;
}

bool decode_calls(std::span<std::byte const> payload, call_listing& list) {
  field_reader from(payload);
  std::uint32_t count = 0;
  if (!from.take(list.all, count) || count > call_listing::most) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& one = list.calls.emplace_back();
    std::uint8_t state = 0, durable = 0;
    if (!from.take(one.id.session, one.id.number) || !from.take_text(one.task) ||
        !from.take(state, durable, one.tries) || !from.take_time(one.left, 0) || state == 0 ||
        state > static_cast<std::uint8_t>(call_state::failed))
      return false;
    one.state = static_cast<call_state>(state);
    one.durable = durable != 0;
  }
  return from.left() == 0;
}

}  // namespace yonder::core
