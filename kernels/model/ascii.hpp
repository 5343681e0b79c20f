// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

// ASCII as BERT's tokenizers take it, many bytes at a time.
namespace yonder::kernels::ascii {

// Copies until the first byte that BertNormalizer's clean_text drops or that is not ASCII, in lower case if
// asked, and returns how many bytes that were. `to` has room for `size` bytes, and may be written past the
// result.
std::size_t copy_clean(char const* text, std::size_t size, bool lowercase, char* to) noexcept;

// For each 64 bytes one element of `words` and of `marks`, the first byte in its lowest bit: letters, digits
// and what is not ASCII; and punctuation. `size` is rounded up to whole elements: the bytes must be readable.
void classify(char const* text, std::size_t size, std::uint64_t* words, std::uint64_t* marks) noexcept;

// The index of the first `byte` in bytes[size], or any number from `size` on. Precondition: find_slack more
// bytes can be read.
inline constexpr std::size_t find_slack = 16;
inline std::size_t find_byte(unsigned char const* bytes, std::size_t size, unsigned char byte) noexcept {
#if defined(__SSE2__)
  __m128i const wanted = _mm_set1_epi8(static_cast<char>(byte));
  for (std::size_t begin = 0; begin < size; begin += 16) {
    __m128i const some = _mm_loadu_si128(reinterpret_cast<__m128i const*>(bytes + begin));
    auto const same = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(some, wanted)));
    if (same != 0) return begin + static_cast<std::size_t>(std::countr_zero(same));
  }
  return size;
#else
  return static_cast<std::size_t>(std::find(bytes, bytes + size, byte) - bytes);
#endif
}

// What is printed and no space.
constexpr bool is_visible(char32_t code) noexcept { return code > 0x20 && code < 0x7F; }

// The first byte from `text` on that is not visible. Precondition: there is one, and visible_slack more bytes
// can be read.
inline constexpr std::size_t visible_slack = 16;
inline char const* skip_visible(char const* text) noexcept {
#if defined(__SSE2__)
  for (;; text += 16) {
    // Compared as signed numbers, bytes that are not ASCII lie below all others.
    __m128i const some = _mm_loadu_si128(reinterpret_cast<__m128i const*>(text));
    __m128i const visible =
        _mm_and_si128(_mm_cmpgt_epi8(some, _mm_set1_epi8(0x20)), _mm_cmplt_epi8(some, _mm_set1_epi8(0x7F)));
    auto const other = ~static_cast<unsigned>(_mm_movemask_epi8(visible)) & 0xFFFFU;
    if (other != 0) return text + std::countr_zero(other);
  }
#else
  while (is_visible(static_cast<unsigned char>(*text))) ++text;
  return text;
#endif
}

// The same on any processor.
namespace portable {
std::size_t copy_clean(char const* text, std::size_t size, bool lowercase, char* to) noexcept;
void classify(char const* text, std::size_t size, std::uint64_t* words, std::uint64_t* marks) noexcept;
}  // namespace portable

}  // namespace yonder::kernels::ascii
