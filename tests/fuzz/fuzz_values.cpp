// SPDX-License-Identifier: Apache-2.0
// Hostile bytes against all that reads what is said of values by reference: the orders about them, the fields
// of calls and results, and a value as it comes. What is read, is written as it was.
#include "src/core/metadata.hpp"
#include "src/core/values.hpp"
#include "src/runtime/values.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

using namespace yonder::core;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

bool is(std::string const& text, std::span<std::byte const> bytes) {
  return text.size() == bytes.size() && std::memcmp(text.data(), bytes.data(), bytes.size()) == 0;
}

void read_orders(std::span<std::byte const> bytes) {
  value_wish wish;
  if (decode_wish(bytes, wish)) expect(is(encode_wish(wish), bytes));
  value_events events;
  if (decode_events(bytes, events)) expect(is(encode_events(events), bytes));
  std::uint64_t request = 0;
  bool known = false;
  if (decode_gift(bytes, request, known)) expect(is(encode_gift(request, known), bytes));
  value_hold hold;
  if (decode_hold(bytes, hold)) expect(is(encode_hold(hold), bytes));
  std::vector<value_drop> drops;
  if (decode_drops(bytes, drops)) expect(is(encode_drops(drops), bytes));
  std::vector<value_key> keys;
  (void)read_references(bytes, keys);
}

// The first two bytes are how large the metadata are.
void read_call_with_values(std::span<std::byte const> bytes) {
  if (bytes.size() < 2) return;
  auto const stated = std::to_integer<std::size_t>(bytes[0]) + 256 * std::to_integer<std::size_t>(bytes[1]);
  bytes = bytes.subspan(2);
  frame message;
  message.head.metadata_size = static_cast<std::uint32_t>(stated % (bytes.size() + 1));
  message.body = byte_buffer::copy_of(bytes);
  std::vector<referred_argument> arguments;
  if (!read_referred(message, arguments)) return;
  constexpr std::byte value[] = {std::byte{1}, std::byte{2}, std::byte{3}};
  std::vector<referred_value> values;
  for (auto const& one : arguments) values.push_back({one, value, {}});
  auto const whole = with_referred(message, values);
  expect(whole.payload().size() == message.payload().size() + 2 * values.size());
}

void read_value(std::span<std::byte const> bytes) {
  std::shared_ptr<std::byte> const block(new std::byte[bytes.size() + 1], std::default_delete<std::byte[]>());
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  auto const value = yonder::detail::whole_of(block, block.get(), bytes.size());
  if (!value) return;
  unsigned sum = 0;
  for (auto const one : value->head) sum += std::to_integer<unsigned>(one);
  for (auto const& part : value->buffers)
    for (auto const one : part.bytes()) sum += std::to_integer<unsigned>(one);
  expect(sum <= 255 * bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::span<std::byte const> const bytes(reinterpret_cast<std::byte const*>(data), size);
  read_orders(bytes);
  read_call_with_values(bytes);
  read_value(bytes);
  return 0;
}
