// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"

#include <algorithm>
#include <concepts>
#include <cstring>

// One field of a frame's metadata, as it is written and read. For metadata*.cpp.
namespace yonder::core::fields {

using bytes_view = std::span<std::byte const>;

inline constexpr std::size_t field_head_size = 6;

inline std::byte* begin_field(byte_buffer& body, tag what, std::size_t size) {
  auto* const at = body.extend(field_head_size + size);
  store_le(at, static_cast<std::uint16_t>(what));
  store_le(at + 2, static_cast<std::uint32_t>(size));
  return at + field_head_size;
}

inline void put(byte_buffer& body, tag what, bytes_view value) {
  auto* const at = begin_field(body, what, value.size());
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
}

inline void put_text(byte_buffer& body, tag what, std::string_view text, std::size_t most = max_text_size) {
  put(body, what, std::as_bytes(std::span(text.substr(0, most))));
}

inline void put_present_text(byte_buffer& body, tag what, std::string_view text,
                             std::size_t most = max_text_size) {
  if (!text.empty()) put_text(body, what, text, most);
}

template <std::integral... Integers>
inline void put_numbers(byte_buffer& body, tag what, Integers... numbers) {
  auto* at = begin_field(body, what, (sizeof(Integers) + ...));
  ((store_le(at, numbers), at += sizeof(Integers)), ...);
}

inline std::string_view text_of(bytes_view value) {
  return {reinterpret_cast<char const*>(value.data()), value.size()};
}

template <class Text>
bool get_text(bytes_view value, Text& text, std::size_t most = max_text_size) {
  if (value.size() > most) return false;
  text = text_of(value);
  return true;
}

template <std::integral... Integers>
bool get_numbers(bytes_view value, Integers&... numbers) {
  if (value.size() != (sizeof(Integers) + ...)) return false;
  auto const* at = value.data();
  ((numbers = load_le<Integers>(at), at += sizeof(Integers)), ...);
  return true;
}

inline bool get_microseconds(bytes_view value, duration& time) {
  std::uint64_t count = 0;
  if (!get_numbers(value, count)) return false;
  constexpr auto most = static_cast<std::uint64_t>(never / microsecond);
  time = static_cast<duration>(std::min(count, most)) * microsecond;
  return true;
}

enum class field { taken, unknown, bad };

constexpr field taken_if(bool good) { return good ? field::taken : field::bad; }

// Calls visit(tag, value) for each field. False: malformed, refused by `visit`, or critical and unknown to
// it.
template <class Visit>
bool read_fields(bytes_view metadata, Visit&& visit) {
  while (!metadata.empty()) {
    if (metadata.size() < field_head_size) return false;
    auto const what = load_le<std::uint16_t>(metadata.data());
    auto const size = load_le<std::uint32_t>(metadata.data() + 2);
    if (size > metadata.size() - field_head_size) return false;
    auto const is_items = static_cast<tag>(what) == tag::items;  // items.hpp reads them
    auto const seen =
        is_items ? field::taken : visit(static_cast<tag>(what), metadata.subspan(field_head_size, size));
    if (seen == field::bad || (seen == field::unknown && (what & 0x8000) != 0)) return false;
    metadata = metadata.subspan(field_head_size + size);
  }
  return true;
}

bool get_callback(bytes_view value, callback_terms& terms);
bool get_retry(bytes_view value, retry_terms& terms);

}  // namespace yonder::core::fields
