// SPDX-License-Identifier: Apache-2.0
#include "src/core/values.hpp"

#include "src/core/metadata.hpp"
#include "src/core/metadata_fields.hpp"
#include "src/core/payload_splice.hpp"
#include "src/core/plain_fields.hpp"

namespace yonder::core {

using namespace fields;

namespace {

constexpr std::size_t referred_size = 36;
constexpr std::size_t key_size = 16;

bool get_referred(bytes_view value, std::vector<referred_argument>& arguments) {
  if (value.empty() || value.size() % referred_size != 0 || value.size() > max_references * referred_size)
    return false;
  for (; !value.empty(); value = value.subspan(referred_size)) {
    auto& one = arguments.emplace_back();
    get_numbers(value.first(referred_size), one.value.key.owner, one.value.key.number, one.value.size,
                one.value.checksum, one.offset, one.buffer);
  }
  return true;
}

// Each takes the place of one byte.
bool are_within(frame const& message, std::span<referred_argument const> arguments) {
  std::uint64_t next = 0;
  std::uint32_t buffer = 0;
  for (auto const& one : arguments) {
    if (one.offset < next || one.buffer < buffer) return false;
    next = std::uint64_t{one.offset} + 1;
    buffer = one.buffer;
  }
  return next <= message.payload().size() && buffer <= message.buffers.size();
}

}  // namespace

std::string encode_wish(value_wish const& wish) {
  std::string text;
  put(text, wish.key.owner);
  put(text, wish.key.number);
  put(text, wish.offset);
  put(text, wish.size);
  return text;
}

bool decode_wish(std::span<std::byte const> payload, value_wish& wish) {
  field_reader from(payload);
  return from.take(wish.key.owner, wish.key.number, wish.offset, wish.size) && from.left() == 0 &&
         wish.size != 0 && wish.size <= value_piece;
}

std::string encode_events(value_events const& events) {
  std::string text;
  put(text, static_cast<std::uint32_t>(events.wishes.size()));
  for (auto const& one : events.wishes) {
    put(text, one.request);
    put(text, one.number);
    put(text, one.offset);
    put(text, one.size);
  }
  for (auto const number : events.unused) put(text, number);
  return text;
}

bool decode_events(std::span<std::byte const> payload, value_events& events) {
  field_reader from(payload);
  std::uint32_t wishes = 0;
  if (!from.take(wishes)) return false;
  for (; wishes != 0; --wishes) {
    auto& one = events.wishes.emplace_back();
    if (!from.take(one.request, one.number, one.offset, one.size)) return false;
  }
  while (from.left() != 0)
    if (!from.take(events.unused.emplace_back())) return false;
  return true;
}

std::string encode_gift(std::uint64_t request, bool known) {
  std::string text;
  put(text, request);
  put(text, static_cast<std::uint8_t>(known));
  return text;
}

bool decode_gift(std::span<std::byte const> payload, std::uint64_t& request, bool& known) {
  field_reader from(payload);
  std::uint8_t flag = 0;
  if (!from.take(request, flag) || from.left() != 0 || flag > 1) return false;
  known = flag != 0;
  return true;
}

std::string encode_hold(value_hold const& hold) {
  std::string text;
  put(text, hold.call.session);
  put(text, hold.call.number);
  for (auto const& key : hold.keys) {
    put(text, key.owner);
    put(text, key.number);
  }
  return text;
}

bool decode_hold(std::span<std::byte const> payload, value_hold& hold) {
  field_reader from(payload);
  if (!from.take(hold.call.session, hold.call.number)) return false;
  while (from.left() != 0) {
    auto& key = hold.keys.emplace_back();
    if (hold.keys.size() > max_references || !from.take(key.owner, key.number)) return false;
  }
  return true;
}

std::string encode_drops(std::span<value_drop const> drops) {
  std::string text;
  for (auto const& one : drops) {
    put(text, one.key.owner);
    put(text, one.key.number);
    put(text, one.count);
    put(text, static_cast<std::uint8_t>(one.of_owner));
  }
  return text;
}

bool decode_drops(std::span<std::byte const> payload, std::vector<value_drop>& drops) {
  field_reader from(payload);
  while (from.left() != 0) {
    auto& one = drops.emplace_back();
    std::uint8_t flag = 0;
    if (drops.size() > max_drops || !from.take(one.key.owner, one.key.number, one.count, flag) || flag > 1)
      return false;
    one.of_owner = flag != 0;
  }
  return true;
}

void write_referred(byte_buffer& body, std::span<referred_argument const> arguments) {
  auto* at = begin_field(body, tag::referred, referred_size * arguments.size());
  for (auto const& one : arguments) {
    store_le(at, one.value.key.owner);
    store_le(at + 8, one.value.key.number);
    store_le(at + 16, one.value.size);
    store_le(at + 24, one.value.checksum);
    store_le(at + 28, one.offset);
    store_le(at + 32, one.buffer);
    at += referred_size;
  }
}

bool read_referred(frame const& message, std::vector<referred_argument>& arguments) {
  auto good = true;
  read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what == tag::referred) good = good && arguments.empty() && get_referred(value, arguments);
    return field::taken;
  });
  return good && are_within(message, arguments);
}

frame with_referred(frame const& message, std::span<referred_value const> values) {
  frame made;
  made.head = message.head;
  byte_buffer body;
  copy_without_arguments(body, message.metadata());
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  splice_payload(made, std::move(body), message, values, 1);
  return made;
}

void write_references(byte_buffer& body, std::span<value_key const> keys) {
  auto* at = begin_field(body, tag::references, key_size * keys.size());
  for (auto const& key : keys) {
    store_le(at, key.owner);
    store_le(at + 8, key.number);
    at += key_size;
  }
}

bool read_references(bytes_view metadata, std::vector<value_key>& keys) {
  auto good = true;
  read_fields(metadata, [&](tag what, bytes_view value) {
    if (what != tag::references) return field::taken;
    good = good && keys.empty() && value.size() % key_size == 0 && value.size() <= max_references * key_size;
    for (; good && !value.empty(); value = value.subspan(key_size)) {
      auto& key = keys.emplace_back();
      get_numbers(value.first(key_size), key.owner, key.number);
    }
    return field::taken;
  });
  return good;
}

bool refers(frame const& result) {
  std::vector<value_key> keys;
  return result.head.metadata_size != 0 && read_references(result.metadata(), keys) && !keys.empty();
}

}  // namespace yonder::core
