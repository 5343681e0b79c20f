// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer.hpp"

#include "model/byte_level.hpp"
#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

enum class role : std::uint8_t { drop, isolate, word, other };

role role_of(pre_tokenizer::step step, unicode::property_bits what) noexcept {
  using enum pre_tokenizer::step;
  bool const space = (what & unicode::whitespace) != 0;
  bool const mark = (what & unicode::punctuation) != 0;
  switch (step) {
    case bert: return space ? role::drop : mark ? role::isolate : role::word;
    case whitespace_split: return space ? role::drop : role::word;
    case whitespace: return space ? role::drop : (what & unicode::word) != 0 ? role::word : role::other;
    case punctuation: return mark ? role::isolate : role::word;
    case byte_level: break;
  }
  return role::word;
}

}  // namespace

bool pre_tokenizer::take_piece(step what, std::string_view& text, std::string_view& piece) noexcept {
  if (what == step::byte_level) return kernels::byte_level::take_word(text, piece);
  auto const role_at = [&](std::size_t at, std::size_t& bytes) {
    auto const decoded = unicode::decode(text.data() + at);
    bytes = decoded.bytes;
    return role_of(what, unicode::properties(decoded.code));
  };
  std::size_t begin = 0;
  std::size_t bytes = 0;
  role first = role::drop;
  for (; begin < text.size() && (first = role_at(begin, bytes)) == role::drop; begin += bytes) {
  }
  if (begin == text.size()) return false;
  std::size_t end = begin + bytes;
  for (; first != role::isolate && end < text.size() && role_at(end, bytes) == first; end += bytes) {
  }
  piece = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return true;
}

}  // namespace yonder::kernels
