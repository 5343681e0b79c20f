// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What Hugging Face's tokenizers takes code points for. Not the Unicode standard's own answers: see
// tools/generate_unicode.py.
namespace yonder::kernels::unicode {

using property_bits = std::uint16_t;

enum property : property_bits {
  dropped = 1,          // BertNormalizer's clean_text removes it
  whitespace = 2,       // Rust's char::is_whitespace
  punctuation = 4,      // BertPreTokenizer isolates it
  nonspacing = 8,       // BertNormalizer's strip_accents removes it (Mn)
  combining_mark = 16,  // the StripAccents normalizer removes it (M)
  word = 32,            // \w of the regex crate
  mapped = 64,          // has a decomposition, a lower case or a combining class
  letter = 128,         // \p{L} of ByteLevel's pattern
  number = 256,         // \p{N} of it; its \s is whitespace
};

// The union of `property` bits; above them the grapheme_class.
property_bits properties(char32_t code) noexcept;

// What a code point does in a grapheme cluster (Unicode Standard Annex #29, version 17). Line ends, joiners,
// regional indicators and Hangul syllables are told by their numbers.
enum class grapheme_class : std::uint8_t {
  other,
  control,
  extend,
  linker,  // extends, too
  prepend,
  spacing_mark,
  leading_jamo,
  vowel_jamo,
  trailing_jamo,
  pictographic,
  consonant,
};

inline grapheme_class grapheme_class_of(char32_t code) noexcept {
  return static_cast<grapheme_class>(properties(code) >> 9);
}

// The ideographs that BertNormalizer's handle_chinese_chars surrounds by spaces.
bool is_cjk(char32_t code) noexcept;

// 0 for most.
std::uint8_t combining_class(char32_t code) noexcept;

// Calls sink(char32_t) for the full canonical decomposition, or for the code point itself.
template <class Sink>
void decompose(char32_t code, Sink&& sink);
// The same for the lower case, context-free: one code point, or two for U+0130.
template <class Sink>
void lowercase(char32_t code, Sink&& sink);

// The one that both are in NFC where they follow each other; nothing where they stay two.
std::optional<char32_t> compose(char32_t first, char32_t second) noexcept;
// Below it nothing changes in NFC unless something from it on follows.
inline constexpr char32_t first_composing = 0x300;

// The offset of the first byte that begins no valid code point (RFC 3629: no surrogates, nothing overlong).
std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept;

struct decoded {
  char32_t code;
  std::size_t bytes;
};

// The code point that begins at `text`. Precondition: valid UTF-8, not empty.
inline decoded decode(char const* text) noexcept {
  auto const byte = [text](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  char32_t const lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

// The code point that ends before `end`. Precondition: valid UTF-8 before it, not empty.
inline decoded decode_before(char const* end) noexcept {
  std::size_t bytes = 1;
  while ((static_cast<unsigned char>(*(end - bytes)) & 0xC0) == 0x80) ++bytes;
  return {decode(end - bytes).code, bytes};
}

// Writes the code point at `to`, at most 4 bytes, and returns how many.
inline std::size_t encode(char32_t code, char* to) noexcept {
  auto const put = [to](std::size_t i, char32_t byte) { to[i] = static_cast<char>(byte); };
  if (code < 0x80) {
    put(0, code);
    return 1;
  }
  std::size_t const last = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr char32_t leads[] = {0, 0xC0, 0xE0, 0xF0};
  put(0, leads[last] | code >> (6 * last));
  for (std::size_t i = 1; i <= last; ++i) put(i, 0x80 | (code >> (6 * (last - i)) & 0x3F));
  return last + 1;
}

inline void append(std::string& text, char32_t code) {
  char bytes[4];
  text.append(bytes, encode(code, bytes));
}

namespace detail {

struct code_span {
  std::uint32_t const* first;
  std::uint32_t const* last;
};

// Empty where there is none.
code_span find_decomposition(char32_t code) noexcept;
char32_t simple_lowercase(char32_t code) noexcept;

// Hangul syllables are decomposed by arithmetic (The Unicode Standard, 3.12).
inline constexpr char32_t hangul_first = 0xAC00;
inline constexpr char32_t hangul_last = 0xD7A3;
inline constexpr char32_t hangul_vowels_and_tails = 588;
inline constexpr char32_t hangul_tails = 28;
inline constexpr char32_t hangul_lead = 0x1100;
inline constexpr char32_t hangul_vowel = 0x1161;
inline constexpr char32_t hangul_tail = 0x11A7;  // which stands for none

}  // namespace detail

template <class Sink>
void decompose(char32_t code, Sink&& sink) {
  if (code >= detail::hangul_first && code <= detail::hangul_last) {
    char32_t const index = code - detail::hangul_first;
    sink(detail::hangul_lead + index / detail::hangul_vowels_and_tails);
    sink(detail::hangul_vowel + index % detail::hangul_vowels_and_tails / detail::hangul_tails);
    if (index % detail::hangul_tails != 0) sink(detail::hangul_tail + index % detail::hangul_tails);
    return;
  }
  auto const found = detail::find_decomposition(code);
  if (found.first == found.last) return sink(code);
  for (auto const* part = found.first; part != found.last; ++part) sink(static_cast<char32_t>(*part));
}

template <class Sink>
void lowercase(char32_t code, Sink&& sink) {
  sink(detail::simple_lowercase(code));
  if (code == 0x130) sink(char32_t{0x307});
}

}  // namespace yonder::kernels::unicode
