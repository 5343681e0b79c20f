// SPDX-License-Identifier: Apache-2.0
//
// Calls that the hub makes with the outcomes of others: each is made once, with the outcome that its call
// has, or not at all where that has none.
#include "src/core/callbacks.hpp"
#include "tests/simulation/world.hpp"

#include <cstring>

namespace yonder::core::simulation {
namespace {

template <class Integer>
bool read_number(std::span<std::byte const>& from, Integer& value) {
  if (from.size() < sizeof value) return false;
  value = load_le<Integer>(from.data());
  from = from.subspan(sizeof value);
  return true;
}

}  // namespace

// Some have one themselves.
std::uint32_t world::draw_callback(call_id of, int depth) {
  auto const place = callbacks_.size();
  callbacks_.emplace_back();
  auto const id = callback_id(of);
  by_callback_[mix(id.session, id.number)] = static_cast<std::uint32_t>(place + 1);
  {
    auto& made = callbacks_[place];
    made.id = id;
    made.of = of;
    made.any = random_.below(2) == 0;
    made.call.durable = true;
    made.call.function = how_.functions == 1 ? 0 : static_cast<std::uint32_t>(random_.below(how_.functions));
    made.call.may_repeat = random_.below(2) == 0;
    made.call.idempotent = made.call.may_repeat;
  }
  auto const next = depth < 3 && random_.below(4) == 0 ? draw_callback(id, depth + 1) : 0;
  callbacks_[place].call.callback = next;
  return static_cast<std::uint32_t>(place + 1);
}

void world::write_callback_of(byte_buffer& body, record const& call) const {
  if (call.callback == 0) return;
  auto const& made = callbacks_[call.callback - 1];
  byte_buffer metadata;
  begin_call(metadata, function_names()[made.call.function],
             {.idempotent = made.call.idempotent, .durable = true});
  write_callback_of(metadata, made.call);
  write_callback(body, {made.any, 7, 0, metadata.bytes()});
}

record* world::find_callback(call_id id) {
  auto const found = by_callback_.find(mix(id.session, id.number));
  if (found == by_callback_.end() || callbacks_[found->second - 1].id != id) return nullptr;
  return &callbacks_[found->second - 1].call;
}

// The journal is told how a call has ended that has a callback.
void world::note_outcome(record const& call, out::append const& what) {
  auto& made = callbacks_[call.callback - 1];
  made.outcome = what.record;
  made.has_value = what.body->head.type == frame_type::result;
  made.value = {};
  auto const payload = what.body->payload();
  if (made.has_value && payload.size() == value_size)
    std::memcpy(made.value.data(), payload.data(), value_size);
  made.code = errc{};
  if (!made.has_value) read_error_code(*what.body, made.code);
}

// It runs on the outcome that its call has for good.
void world::identify_callback(task const& made, out::run const& run) {
  auto const& story = callbacks_[by_callback_.at(mix(made.call.session, made.call.number)) - 1];
  reach(state::called_back);
  if (story.outcome == 0 || story.outcome > synced_)
    return violated("a callback runs before the outcome of its call is in the journal");
  if (!story.any && !story.has_value) return violated("a callback runs although its call has no value");
  auto payload = run.message.payload();
  if (story.any) {
    std::uint64_t session = 0, number = 0, type = 0, message = 0;
    std::uint16_t code = 0;
    std::uint8_t has_value = 0;
    auto const skip = [&](std::uint64_t size) {
      if (size > payload.size()) return false;
      payload = payload.subspan(size);
      return true;
    };
    if (!read_number(payload, session) || !read_number(payload, number) || !read_number(payload, code) ||
        !read_number(payload, type) || !skip(type) || !read_number(payload, message) || !skip(message) ||
        !read_number(payload, has_value))
      return violated("a callback is told what does not decode");
    if (call_id{session, number} != story.of || has_value != static_cast<std::uint8_t>(story.has_value) ||
        code != static_cast<std::uint16_t>(story.code))
      return violated("a callback is told of another outcome than its call has");
  }
  auto const* const of = find(story.of);
  auto const large = !story.has_value || of->value_large == record::undrawn ? 0 : of->value_large;
  if (payload.size() != (story.has_value ? value_size : 0) ||
      std::memcmp(payload.data(), story.value.data(), payload.size()) != 0 ||
      !is_large_of(run.message.buffers, story.of.number, large))
    violated("a callback is called with another value than its call has");
}

void world::check_callbacks() {
  for (auto const& one : callbacks_) {
    auto const is_due = one.outcome != 0 && (one.has_value || one.any);
    if (is_due && one.call.recorded == 0) return violated("a callback is never made");
    if (one.call.recorded != 0 && one.call.end_recorded == 0) return violated("a callback never ended");
  }
}

}  // namespace yonder::core::simulation
