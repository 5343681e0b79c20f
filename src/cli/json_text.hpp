// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace yonder::cli {

// How many bytes the character takes with which a text begins; 0: it is no UTF-8 (RFC 3629).
inline std::size_t utf8_character(std::string_view text) {
  auto const code = [text](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  auto const lead = code(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  std::size_t const size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  auto const first = lead == 0xE0 ? 0xA0U : lead == 0xF0 ? 0x90U : 0x80U;
  auto const last = lead == 0xED ? 0x9FU : lead == 0xF4 ? 0x8FU : 0xBFU;
  if (code(1) < first || code(1) > last) return 0;
  for (std::size_t at = 2; at < size; ++at)
    if (code(at) < 0x80 || code(at) > 0xBF) return 0;
  return size;
}

// A text as a JSON string, quotes included. A byte that is no UTF-8 becomes U+FFFD.
inline std::string in_json(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string made = "\"";
  while (!text.empty()) {
    auto const code = static_cast<unsigned char>(text.front());
    auto const size = utf8_character(text);
    if (code == '"' || code == '\\')
      made += {'\\', text.front()};
    else if (code < 0x20)
      made += {'\\', 'u', '0', '0', digits[code >> 4U], digits[code & 15U]};
    else
      made += size == 0 ? "\\ufffd" : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return made + "\"";
}

}  // namespace yonder::cli
