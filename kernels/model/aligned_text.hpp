// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/unicode.hpp"

namespace yonder::kernels {

// Bytes of the original text.
struct byte_span {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(byte_span const&, byte_span const&) = default;
};

// A code point of a text that is being normalized, and what it came from.
struct aligned_letter {
  char32_t code;
  byte_span origin;
};
using aligned_letters = std::vector<aligned_letter>;

// The code points of `text`, which begins at `offset` of the original.
inline aligned_letters letters_of(std::string_view text, std::size_t offset) {
  aligned_letters letters;
  letters.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    auto const [code, bytes] = unicode::decode(text.data() + at);
    letters.push_back({code, {offset + at, offset + at + bytes}});
    at += bytes;
  }
  return letters;
}

// A text again, letter by letter, with the origins that Hugging Face's NormalizedString gives: by place, also
// where letters change their order.
class letter_rewriter {
 public:
  explicit letter_rewriter(aligned_letters const& from) : from_(from) { to_.reserve(from.size()); }

  // In the place of the next letter.
  void replace(char32_t code) { to_.push_back({code, from_[taken_++].origin}); }
  // After it, from the same origin.
  void insert(char32_t code) { to_.push_back({code, taken_ == 0 ? byte_span{} : from_[taken_ - 1].origin}); }
  // One or the other, as unicode::recomposer counts.
  void put(char32_t code, int change) {
    if (change > 0) return insert(code);
    replace(code);
    taken_ += static_cast<std::size_t>(-change);
  }
  aligned_letters take() && { return std::move(to_); }

 private:
  aligned_letters const& from_;
  aligned_letters to_;
  std::size_t taken_ = 0;
};

// UTF-8 with the origin of each byte.
struct aligned_text {
  std::string text;
  std::vector<byte_span> origins;

  aligned_text() = default;
  explicit aligned_text(aligned_letters const& letters) {
    for (auto const& letter : letters) append(letter.code, letter.origin);
  }
  void append(char32_t code, byte_span origin) {
    unicode::append(text, code);
    origins.resize(text.size(), origin);
  }
  // Of `part`, a piece of `text` that is not empty.
  byte_span origin_of(std::string_view part) const noexcept {
    auto const begin = static_cast<std::size_t>(part.data() - text.data());
    return {origins[begin].begin, origins[begin + part.size() - 1].end};
  }
};

}  // namespace yonder::kernels
