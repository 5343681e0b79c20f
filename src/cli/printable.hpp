// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "src/cli/json_text.hpp"

namespace yonder::cli {

// As \xHH.
inline void append_hex(std::string& made, char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  auto const code = static_cast<unsigned char>(byte);
  made += {'\\', 'x', digits[code >> 4U], digits[code & 15U]};
}

// A stranger's words for a terminal: the first `most` bytes, and as \xHH what is not visible ASCII or a
// space.
inline std::string printable(std::string_view text, std::size_t most = 200) {
  std::string made;
  for (char const one : text.substr(0, most)) {
    auto const code = static_cast<unsigned char>(one);
    if (code >= 0x20 && code < 0x7F)
      made += one;
    else
      append_hex(made, one);
  }
  return made;
}

// Lines that a stranger's program printed, for a terminal, piece by piece: they can neither change it nor
// what stands on it. Ends of lines, tabs and characters of UTF-8 stay; as \xHH are shown other control
// characters, those that turn the direction of writing, and what is no UTF-8.
class visible_lines {
 public:
  std::string add(std::string_view text) {
    auto const whole = std::exchange(left_, {}) + std::string(text);
    std::string made;
    for (std::string_view rest = whole; !rest.empty();) {
      auto const size = utf8_character(rest);
      if (size == 0 && is_cut(rest)) {
        left_ = rest;
        break;
      }
      auto const character = rest.substr(0, size == 0 ? 1 : size);
      if (size != 0 && is_harmless(character))
        made += character;
      else
        for (char const byte : character) append_hex(made, byte);
      rest.remove_prefix(character.size());
    }
    return made;
  }
  // What ended within a character.
  std::string end() {
    std::string made;
    for (char const byte : std::exchange(left_, {})) append_hex(made, byte);
    return made;
  }

 private:
  static bool is_cut(std::string_view rest) {
    auto const lead = static_cast<unsigned char>(rest.front());
    std::size_t const size = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
    if (rest.size() >= size) return false;
    for (char const one : rest.substr(1))
      if ((static_cast<unsigned char>(one) & 0xC0U) != 0x80U) return false;
    return true;
  }
  static bool is_harmless(std::string_view character) {
    if (character.size() == 1) {
      auto const code = static_cast<unsigned char>(character.front());
      return code == '\n' || code == '\t' || (code >= 0x20 && code != 0x7F);
    }
    // C1 controls (U+0080 to U+009F), and what turns the direction: U+061C, U+200E, U+200F, U+202A to U+202E,
    // U+2066 to U+2069.
    if (character.size() == 2) return character > "\xC2\x9F" && character != "\xD8\x9C";
    if (character.size() != 3) return true;
    return character != "\xE2\x80\x8E" && character != "\xE2\x80\x8F" &&
           (character < "\xE2\x80\xAA" || character > "\xE2\x80\xAE") &&
           (character < "\xE2\x81\xA6" || character > "\xE2\x81\xA9");
  }

  std::string left_;
};

}  // namespace yonder::cli
