// SPDX-License-Identifier: Apache-2.0
#include "src/core/pending_calls.hpp"

#include <algorithm>

#include "src/core/check.hpp"
#include "src/core/items.hpp"
#include "src/core/words.hpp"

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

hello_message client_hello(client_config const& config) {
  return {.role = peer_role::client,
          .session = config.session,
          .secret = config.secret,
          .name = config.name,
          .process = config.pid,
          .limits = config.limits,
          .functions = config.functions,
          .predecessor = {},
          .made_of = config.made_of};
}

std::string describe_silence(client_config const& config, std::string const& trouble) {
  return "no hub answered at '" + config.hub + "' within " +
         std::to_string(config.connect_timeout / millisecond) + " ms (runtime_options::connect_timeout); " +
         (trouble.empty() ? "see that `yonder hub` runs there and that this machine reaches it"
                          : "the last attempt: " + trouble);
}

std::string describe_loss(client_config const& config) {
  return "the hub fell silent, for " + in_words(config.connect_timeout) +
         " (runtime_options::connect_timeout)";
}

std::string unknown_after(std::string_view reason, pending const& call, call_id id) {
  auto const text = std::string(reason) + "; ";
  if (call.function.starts_with(' ')) return text + "ask again when it is back";  // of the hub itself
  if (!call.is_durable()) return text + "whether the call ran is unknown";
  return text + "the call is durable, and " + (call.accepted ? "" : "if its record was written it ") +
         "goes on with the hub: find it by its id when that is back, " + in_words(id);
}

void carve(pending& call) {
  packed_items items;
  read_items(*call.message, items);
  auto own = slice(*call.message, items, {call.first, call.count, call.offset, call.payload_of(call.count)});
  own.head.call.number = call.number;
  call.message = frame_ref(std::move(own));
  call.packed = call.count;
  call.first = 0;
  call.offset = 0;
}

frame make_batch(batch_spec const& spec, std::span<batch_spec::item const> items, std::size_t offset,
                 header const& head) {
  frame message;
  message.head = head;
  byte_buffer body;
  body.reserve(spec.metadata.size() + spec.payloads.size() + 6 + 4 * (1 + items.size()));
  body.append(spec.metadata.data(), spec.metadata.size());
  std::vector<std::uint32_t> sizes;
  std::size_t total = 0;
  for (auto const& one : items) total += sizes.emplace_back(one.size);
  if (items.size() > 1) write_items(body, sizes);
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(spec.payloads.data() + offset, total);
  message.body = std::move(body);
  return message;
}

std::string pending_calls::describe_overload(std::size_t max_calls, std::size_t max_bytes) const {
  return calls_ >= max_calls
             ? "this client has " + std::to_string(max_calls) +
                   " calls in flight, as many as it may (runtime_options::max_calls)"
             : "this client has " + std::to_string(bytes_) + " bytes in flight and may have " +
                   std::to_string(max_bytes) + " (runtime_options::max_bytes)";
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
  front.put_off = call.put_off;
  front.accepted = call.accepted;
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
