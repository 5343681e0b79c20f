// SPDX-License-Identifier: Apache-2.0
#include "src/core/callbacks.hpp"

#include "src/core/metadata_fields.hpp"

namespace yonder::core {
namespace {

// Longer blocks have another form.
constexpr std::size_t most_text = 4'095;

// No character is cut in two.
std::string_view first_bytes(std::string_view text) {
  if (text.size() <= most_text) return text;
  auto size = most_text;
  while (size != 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

template <class Integer>
void append_plain(byte_buffer& to, Integer value) {
  store_le(to.extend(sizeof value), value);
}

void append_plain(byte_buffer& to, std::string_view text) {
  text = first_bytes(text);
  append_plain(to, std::uint64_t{text.size()});
  to.append(reinterpret_cast<std::byte const*>(text.data()), text.size());
}

void add_completion(byte_buffer& to, call_id const& of, frame const& outcome) {
  failure error;
  auto const failed = outcome.head.type != frame_type::result;
  if (failed) read_error(outcome, error);
  append_plain(to, of.session);
  append_plain(to, of.number);
  append_plain(to, failed ? static_cast<std::uint16_t>(error.code) : std::uint16_t{0});
  append_plain(to, std::string_view(error.type_name));
  append_plain(to, std::string_view(error.message));
  append_plain(to, static_cast<std::uint8_t>(failed ? 0 : 1));
}

}  // namespace

bool fields::get_callback(bytes_view value, callback_terms& terms) {
  constexpr std::size_t before_metadata = 17;
  std::uint8_t any = 0;
  if (value.size() <= before_metadata ||
      !get_numbers(value.first(before_metadata), any, terms.signature, terms.remaining_us) || any > 1)
    return false;
  terms.of_any_outcome = any != 0;
  terms.metadata = value.subspan(before_metadata);
  return true;
}

void write_callback(byte_buffer& body, callback_terms const& terms) {
  auto* const at = fields::begin_field(body, tag::callback, 17 + terms.metadata.size());
  store_le(at, static_cast<std::uint8_t>(terms.of_any_outcome));
  store_le(at + 1, terms.signature);
  store_le(at + 9, terms.remaining_us);
  std::memcpy(at + 17, terms.metadata.data(), terms.metadata.size());
}

frame make_callback(callback_terms const& terms, call_id const& of, frame const& outcome) {
  frame made;
  made.head.type = frame_type::call;
  made.head.signature = terms.signature;
  made.head.remaining_us = terms.remaining_us;
  made.head.metadata_size = static_cast<std::uint32_t>(terms.metadata.size());
  byte_buffer body;
  body.append(terms.metadata.data(), terms.metadata.size());
  if (terms.of_any_outcome) add_completion(body, of, outcome);
  if (outcome.head.type == frame_type::result) {
    auto const value = outcome.payload();
    body.append(value.data(), value.size());
    made.buffers = outcome.buffers;
  }
  made.head.buffer_count = static_cast<std::uint32_t>(made.buffers.size());
  made.body = std::move(body);
  return made;
}

}  // namespace yonder::core
