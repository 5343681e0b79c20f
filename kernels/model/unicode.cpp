// SPDX-License-Identifier: Apache-2.0
#include "model/unicode.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace yonder::kernels::unicode {
namespace {

struct lower_range {
  std::uint32_t first;
  std::uint32_t last;
  std::uint8_t stride;
  std::int32_t difference;
};

struct class_range {
  std::uint32_t first;
  std::uint32_t last;
  std::uint8_t combining_class;
};

struct composition {
  std::uint32_t first;
  std::uint32_t second;
  std::uint32_t whole;
};

#include "model/unicode_tables.inc"

constexpr char32_t block_size = 32;  // BLOCK in generate_unicode.py
constexpr char32_t last_code_point = 0x10FFFF;

// The range that holds `code`, or null. Ranges are sorted and apart.
template <class Range, std::size_t Size>
Range const* find_range(Range const (&ranges)[Size], char32_t code) noexcept {
  auto const* const after = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                             [](char32_t c, Range const& range) { return c < range.first; });
  if (after == std::begin(ranges) || code > std::prev(after)->last) return nullptr;
  return std::prev(after);
}

// A syllable that a vowel or a tail ends; nothing where they do not belong together.
std::optional<char32_t> compose_hangul(char32_t first, char32_t second) noexcept {
  using namespace detail;
  constexpr char32_t vowels = hangul_vowels_and_tails / hangul_tails;
  constexpr char32_t leads = 19;
  bool const lead = first >= hangul_lead && first < hangul_lead + leads;
  if (lead && second >= hangul_vowel && second < hangul_vowel + vowels) {
    return hangul_first + (first - hangul_lead) * hangul_vowels_and_tails +
           (second - hangul_vowel) * hangul_tails;
  }
  bool const open =
      first >= hangul_first && first <= hangul_last && (first - hangul_first) % hangul_tails == 0;
  if (open && second > hangul_tail && second < hangul_tail + hangul_tails)
    return first + second - hangul_tail;
  return std::nullopt;
}

bool is_continuation(unsigned char byte) noexcept { return (byte & 0xC0) == 0x80; }

constexpr std::size_t ascii_block = 16;

bool is_ascii_block(unsigned char const* text) noexcept {
  std::uint64_t parts[ascii_block / 8];
  std::memcpy(parts, text, sizeof parts);
  return ((parts[0] | parts[1]) & 0x8080808080808080U) == 0;
}

// Bytes of the code point that begins at `text`, 0 where none does (RFC 3629, section 4).
std::size_t valid_length(unsigned char const* text, std::size_t left) noexcept {
  unsigned char const lead = text[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  std::size_t const length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (left < length) return 0;
  if (!std::all_of(text + 1, text + length, is_continuation)) return 0;
  unsigned char const second = text[1];
  bool const overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  bool const surrogate = lead == 0xED && second > 0x9F;
  bool const too_large = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

property_bits properties(char32_t code) noexcept {
  if (code > last_code_point) return 0;
  std::size_t const outer = index_of[code / (block_size * block_size)];
  std::size_t const inner = block_of[outer * block_size + code / block_size % block_size];
  return properties_of[inner * block_size + code % block_size];
}

bool is_cjk(char32_t code) noexcept {
  if (code < 0x3400) return false;
  return (code >= 0x4E00 && code <= 0x9FFF) || code <= 0x4DBF || (code >= 0x20000 && code <= 0x2A6DF) ||
         (code >= 0x2A700 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

std::uint8_t combining_class(char32_t code) noexcept {
  if (code < class_ranges[0].first) return 0;
  auto const* const range = find_range(class_ranges, code);
  return range == nullptr ? std::uint8_t{0} : range->combining_class;
}

detail::code_span detail::find_decomposition(char32_t code) noexcept {
  auto const* const found =
      std::lower_bound(std::begin(decomposition_keys), std::end(decomposition_keys), code);
  if (found == std::end(decomposition_keys) || *found != code) return {nullptr, nullptr};
  auto const* const offset = decomposition_offsets + (found - decomposition_keys);
  return {decomposition_pool + offset[0], decomposition_pool + offset[1]};
}

std::optional<char32_t> compose(char32_t first, char32_t second) noexcept {
  if (second < first_composing) return std::nullopt;
  if (auto const syllable = compose_hangul(first, second)) return syllable;
  auto const* const found =
      std::lower_bound(std::begin(compositions), std::end(compositions), std::pair(first, second),
                       [](composition const& each, std::pair<char32_t, char32_t> const& wanted) {
                         return std::pair<char32_t, char32_t>(each.first, each.second) < wanted;
                       });
  bool const known = found != std::end(compositions) && found->first == first && found->second == second;
  return known ? std::optional<char32_t>(found->whole) : std::nullopt;
}

char32_t detail::simple_lowercase(char32_t code) noexcept {
  if (code == 0x130) return U'i';
  auto const* const range = find_range(lower_ranges, code);
  if (range == nullptr || (code - range->first) % range->stride != 0) return code;
  return static_cast<char32_t>(static_cast<std::int32_t>(code) + range->difference);
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept {
  auto const* const bytes = reinterpret_cast<unsigned char const*>(text.data());
  for (std::size_t at = 0; at < text.size();) {
    if (bytes[at] < 0x80) {
      ++at;
      while (text.size() - at >= ascii_block && is_ascii_block(bytes + at)) at += ascii_block;
      continue;
    }
    std::size_t const length = valid_length(bytes + at, text.size() - at);
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

}  // namespace yonder::kernels::unicode
