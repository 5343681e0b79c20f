// SPDX-License-Identifier: Apache-2.0
// What a call says of being made once, or again.
#include "src/core/metadata_fields.hpp"

namespace yonder::core {

bool fields::get_retry(bytes_view value, retry_terms& terms) {
  std::uint8_t rule = 0;
  if (value.size() < 2 || value.size() > max_text_size) return false;
  get_numbers(value.first(1), rule);
  terms.others = rule == 2;
  for (value = value.subspan(1); value.size() >= 2;) {
    auto const size = load_le<std::uint16_t>(value.data());
    if (size > value.size() - 2) return false;
    terms.types.push_back(text_of(value.subspan(2, size)));
    value = value.subspan(2 + std::size_t{size});
  }
  return value.empty() && (rule == 1 || rule == 2);
}

using namespace fields;

void write_idempotency(byte_buffer& body, bytes_view digest, std::string_view key) {
  auto* const at = begin_field(body, tag::idempotency, digest_size + key.size());
  std::memcpy(at, digest.data(), digest_size);
  std::memcpy(at + digest_size, key.data(), key.size());
}

void write_schedule(byte_buffer& body, std::string_view terms) { put_text(body, tag::schedule, terms); }

namespace {

// The same call, but for what it says of being repeated, of the task that made it and of a trace.
frame repeated(frame const& message, std::string_view terms) {
  byte_buffer body;
  read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::schedule && what != tag::parent && what != tag::traceparent) put(body, what, value);
    return field::taken;
  });
  if (!terms.empty()) write_schedule(body, terms);
  frame made{{}, {}, message.buffers};
  made.head.type = frame_type::call;
  made.head.signature = message.head.signature;
  made.head.buffer_count = message.head.buffer_count;
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(message.payload().data(), message.payload().size());
  made.body = std::move(body);
  return made;
}

}  // namespace

frame with_schedule(frame const& message, std::string_view terms) { return repeated(message, terms); }
frame without_schedule(frame const& message) { return repeated(message, {}); }

void write_retry(byte_buffer& body, retry_terms const& terms) {
  std::size_t size = 1;
  for (auto const& one : terms.types) size += 2 + one.size();
  auto* at = begin_field(body, tag::retry, size);
  store_le(at++, static_cast<std::uint8_t>(terms.others ? 2 : 1));
  for (auto const& one : terms.types) {
    store_le(at, static_cast<std::uint16_t>(one.size()));
    std::memcpy(at + 2, one.data(), one.size());
    at += 2 + one.size();
  }
}

std::optional<retry_terms> read_retry(bytes_view metadata) {
  std::optional<retry_terms> terms;
  read_fields(metadata, [&](tag what, bytes_view value) {
    return what != tag::retry ? field::taken : taken_if(get_retry(value, terms.emplace()));
  });
  return terms;
}

}  // namespace yonder::core
