// SPDX-License-Identifier: Apache-2.0
#include "model/ascii.hpp"

namespace yonder::kernels::ascii {
namespace {

constexpr std::size_t block = 64;

constexpr bool is_space_control(unsigned char c) noexcept { return c == '\t' || c == '\n' || c == '\r'; }
constexpr bool needs_care(unsigned char c) noexcept {
  return c >= 0x7F || (c < 0x20 && !is_space_control(c));
}
constexpr bool is_word(unsigned char c) noexcept {
  return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
constexpr bool is_mark(unsigned char c) noexcept { return c > 0x20 && c < 0x7F && !is_word(c); }

}  // namespace

std::size_t portable::copy_clean(char const* text, std::size_t size, bool lowercase, char* to) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    if (needs_care(c)) return i;
    to[i] = static_cast<char>(lowercase && c >= 'A' && c <= 'Z' ? c + 0x20 : c);
  }
  return size;
}

void portable::classify(char const* text, std::size_t size, std::uint64_t* words,
                        std::uint64_t* marks) noexcept {
  for (std::size_t begin = 0; begin < size; begin += block) {
    std::uint64_t word = 0;
    std::uint64_t mark = 0;
    for (std::size_t i = 0; i < block; ++i) {
      auto const c = static_cast<unsigned char>(text[begin + i]);
      word |= std::uint64_t{is_word(c)} << i;
      mark |= std::uint64_t{is_mark(c)} << i;
    }
    *words++ = word;
    *marks++ = mark;
  }
}

#if defined(__SSE2__)
namespace {

constexpr std::size_t vector = 16;

__m128i load(char const* text) noexcept { return _mm_loadu_si128(reinterpret_cast<__m128i const*>(text)); }
__m128i all(char c) noexcept { return _mm_set1_epi8(c); }
unsigned bits(__m128i mask) noexcept { return static_cast<unsigned>(_mm_movemask_epi8(mask)); }

// Bytes are compared as signed numbers: those that are not ASCII lie below all others.
__m128i between(__m128i x, char first, char last) noexcept {
  return _mm_and_si128(_mm_cmpgt_epi8(x, all(static_cast<char>(first - 1))),
                       _mm_cmplt_epi8(x, all(static_cast<char>(last + 1))));
}

unsigned find_care(__m128i x) noexcept {
  __m128i const spaces = _mm_or_si128(
      _mm_or_si128(_mm_cmpeq_epi8(x, all('\t')), _mm_cmpeq_epi8(x, all('\n'))), _mm_cmpeq_epi8(x, all('\r')));
  __m128i const low = _mm_andnot_si128(spaces, _mm_cmplt_epi8(x, all(0x20)));
  return bits(_mm_or_si128(low, _mm_cmpeq_epi8(x, all(0x7F))));
}

}  // namespace

std::size_t copy_clean(char const* text, std::size_t size, bool lowercase, char* to) noexcept {
  __m128i const difference = all(lowercase ? 0x20 : 0);
  std::size_t done = 0;
  for (; done + vector <= size; done += vector) {
    __m128i const x = load(text + done);
    __m128i const lower = _mm_or_si128(x, _mm_and_si128(between(x, 'A', 'Z'), difference));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + done), lower);
    if (unsigned const care = find_care(x)) return done + static_cast<std::size_t>(std::countr_zero(care));
  }
  return done + portable::copy_clean(text + done, size - done, lowercase, to + done);
}

void classify(char const* text, std::size_t size, std::uint64_t* words, std::uint64_t* marks) noexcept {
  for (std::size_t begin = 0; begin < size; begin += block) {
    std::uint64_t word = 0;
    std::uint64_t mark = 0;
    for (std::size_t i = 0; i < block; i += vector) {
      __m128i const x = load(text + begin + i);
      __m128i const letter = between(_mm_or_si128(x, all(0x20)), 'a', 'z');
      __m128i const other = _mm_or_si128(between(x, '0', '9'), _mm_cmplt_epi8(x, all(0)));
      __m128i const in_word = _mm_or_si128(letter, other);
      word |= std::uint64_t{bits(in_word)} << i;
      mark |= std::uint64_t{bits(_mm_andnot_si128(in_word, between(x, 0x21, 0x7E)))} << i;
    }
    *words++ = word;
    *marks++ = mark;
  }
}
#else
std::size_t copy_clean(char const* text, std::size_t size, bool lowercase, char* to) noexcept {
  return portable::copy_clean(text, size, lowercase, to);
}
void classify(char const* text, std::size_t size, std::uint64_t* words, std::uint64_t* marks) noexcept {
  portable::classify(text, size, words, marks);
}
#endif

}  // namespace yonder::kernels::ascii
