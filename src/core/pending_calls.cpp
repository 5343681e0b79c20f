// SPDX-License-Identifier: Apache-2.0
#include "src/core/pending_calls.hpp"

#include <algorithm>

#include "src/core/check.hpp"

namespace yonder::core {

std::uint32_t begin_call(byte_buffer& body, std::string_view function, call_policy const& policy,
                         std::string_view traceparent) {
  write_call(body, function, policy, traceparent);
  return static_cast<std::uint32_t>(body.size());
}

calling_attempt* calling_attempts::find(attempt_key const& key) {
  auto const found = std::find_if(all_.begin(), all_.end(), [&](auto const& one) { return one->key == key; });
  return found == all_.end() ? nullptr : found->get();
}

calling_attempt* calling_attempts::of(attempt_key const& key) {
  if (key.attempt == 0) return nullptr;
  if (auto* const known = find(key)) return known;
  auto& made = *all_.emplace_back(std::make_unique<calling_attempt>());
  made.key = key;
  return &made;
}

void calling_attempts::forget_if_done(calling_attempt const& attempt) {
  if (attempt.over && attempt.calls == 0)
    std::erase_if(all_, [&](auto const& one) { return one.get() == &attempt; });
}

pending& pending_calls::add(std::uint64_t number, std::uint32_t count, std::size_t bytes) {
  auto& call = records_.acquire();
  call.number = number;
  call.count = call.packed = count;
  call.bytes = bytes;
  try {
    index(number, count, call);
  } catch (...) {
    records_.release(call);
    throw;
  }
  calls_ += count;
  bytes_ += bytes;
  return call;
}

void pending_calls::index(std::uint64_t number, std::uint32_t count, pending& call) {
  by_number_.insert(number, call);
  if (count == 1) return;
  try {
    several_.emplace(number, &call);
  } catch (...) {
    by_number_.erase(number);
    throw;
  }
}

void pending_calls::forget_number(pending& call) {
  by_number_.erase(call.number);
  if (call.count > 1) several_.erase(call.number);
}

pending* pending_calls::find(std::uint64_t number) const {
  if (auto* const exact = by_number_.find(number)) return exact;
  auto const behind = several_.upper_bound(number);
  if (behind == several_.begin()) return nullptr;
  auto* const one = std::prev(behind)->second;
  return number < one->end() ? one : nullptr;
}

void pending_calls::skip(pending& call, std::uint32_t calls, std::size_t payload) {
  call.bytes -= calls * header_size + payload;
  call.number += calls;
  call.count -= calls;
  call.place += calls;
  call.first += calls;
  call.offset += payload;
}

pending& pending_calls::split(pending& call, std::uint32_t at) {
  YONDER_CHECK(at != 0 && at < call.count, "a call is split beside its items");
  auto const payload = call.payload_of(at);
  auto& front = records_.acquire();
  try {
    index(call.number + at, call.count - at, call);
  } catch (...) {
    records_.release(front);
    throw;
  }
  front.number = call.number;
  front.count = at;
  front.place = call.place;
  front.batch = call.batch;
  front.function = call.function;
  front.policy = call.policy;
  front.submitted = call.submitted;
  front.deadline = call.deadline;
  front.bytes = at * header_size + payload;
  front.ticket = call.ticket;
  front.given = call.given;
  front.message = call.message;
  front.packed = call.packed;
  front.first = call.first;
  front.offset = call.offset;
  front.parent = call.parent;
  // The place of the first call is there already, and changes hands.
  by_number_.erase(front.number);
  by_number_.insert(front.number, front);
  if (at == 1)
    several_.erase(front.number);
  else
    several_.find(front.number)->second = &front;
  skip(call, at, payload);
  return front;
}

void pending_calls::advance(pending& call, std::uint32_t calls) {
  YONDER_CHECK(calls < call.count, "more calls end than there are");
  auto const payload = call.payload_of(calls);
  index(call.number + calls, call.count - calls, call);
  forget_number(call);
  calls_ -= calls;
  bytes_ -= calls * header_size + payload;
  skip(call, calls, payload);
}

void pending_calls::remove(pending& call) {
  YONDER_CHECK(bytes_ >= call.bytes && calls_ >= call.count, "a call gives back more than it used");
  forget_number(call);
  calls_ -= call.count;
  bytes_ -= call.bytes;
  records_.release(call);
}

}  // namespace yonder::core
