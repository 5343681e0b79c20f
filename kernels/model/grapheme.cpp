// SPDX-License-Identifier: Apache-2.0
#include "model/grapheme.hpp"

#include <cstdint>

#include "model/unicode.hpp"

namespace yonder::kernels::unicode {
namespace {

constexpr char32_t zero_width_non_joiner = 0x200C;
constexpr char32_t zero_width_joiner = 0x200D;

bool is_regional(char32_t code) noexcept { return code >= 0x1F1E6 && code <= 0x1F1FF; }

bool is_control(char32_t code, grapheme_class what) noexcept {
  return what == grapheme_class::control || code == '\r' || code == '\n';
}

// LV and LVT.
enum class syllable : std::uint8_t { none, open, closed };

syllable syllable_of(char32_t code) noexcept {
  if (code < detail::hangul_first || code > detail::hangul_last) return syllable::none;
  return (code - detail::hangul_first) % detail::hangul_tails == 0 ? syllable::open : syllable::closed;
}

// A cluster up to here, as the rules GB3 to GB13 look back at it.
class cluster {
 public:
  explicit cluster(char32_t first) noexcept { take(first, grapheme_class_of(first)); }

  // Takes the next code point in, or does not.
  bool take(char32_t code) noexcept {
    auto const what = grapheme_class_of(code);
    if (!joins(code, what)) return false;
    take(code, what);
    return true;
  }

 private:
  bool joins(char32_t code, grapheme_class what) const noexcept {
    using enum grapheme_class;
    if (last_ == '\r') return code == '\n';
    if (is_control(last_, last_class_) || is_control(code, what)) return false;
    if (what == extend || what == linker || what == spacing_mark || last_class_ == prepend) return true;
    if (joins_syllable(code, what)) return true;
    if (what == consonant) return conjunct_ == conjunct::linked;
    if (what == pictographic) return emoji_ == emoji::joined;
    return is_regional(code) && odd_regional_;
  }

  bool joins_syllable(char32_t code, grapheme_class what) const noexcept {
    using enum grapheme_class;
    auto const before = syllable_of(last_);
    if (last_class_ == leading_jamo) {
      return what == leading_jamo || what == vowel_jamo || syllable_of(code) != syllable::none;
    }
    if (last_class_ == vowel_jamo || before == syllable::open) {
      return what == vowel_jamo || what == trailing_jamo;
    }
    return what == trailing_jamo && (last_class_ == trailing_jamo || before == syllable::closed);
  }

  void take(char32_t code, grapheme_class what) noexcept {
    using enum grapheme_class;
    bool const extends = what == extend || what == linker;
    if (what == consonant) {
      conjunct_ = conjunct::open;
    } else if (!extends || code == zero_width_non_joiner) {
      conjunct_ = conjunct::none;
    } else if (what == linker && conjunct_ == conjunct::open) {
      conjunct_ = conjunct::linked;
    }
    if (what == pictographic) {
      emoji_ = emoji::open;
    } else if (!extends || emoji_ == emoji::none) {
      emoji_ = emoji::none;
    } else {
      emoji_ = code == zero_width_joiner ? emoji::joined : emoji::open;
    }
    odd_regional_ = is_regional(code) && !odd_regional_;
    last_ = code;
    last_class_ = what;
  }

  enum class conjunct : std::uint8_t { none, open, linked };
  enum class emoji : std::uint8_t { none, open, joined };

  char32_t last_ = 0;
  grapheme_class last_class_ = grapheme_class::other;
  conjunct conjunct_ = conjunct::none;
  emoji emoji_ = emoji::none;
  bool odd_regional_ = false;
};

}  // namespace

std::size_t grapheme_bytes(std::string_view text) noexcept {
  auto const first = decode(text.data());
  std::size_t end = first.bytes;
  for (cluster so_far(first.code); end < text.size();) {
    auto const next = decode(text.data() + end);
    if (!so_far.take(next.code)) break;
    end += next.bytes;
  }
  return end;
}

}  // namespace yonder::kernels::unicode
