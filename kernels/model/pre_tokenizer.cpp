// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer.hpp"

#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

enum class role : std::uint8_t { drop, isolate, word, other };

role role_of(pre_tokenizer::step step, std::uint8_t what) noexcept {
  using enum pre_tokenizer::step;
  bool const space = (what & unicode::whitespace) != 0;
  bool const mark = (what & unicode::punctuation) != 0;
  switch (step) {
    case bert: return space ? role::drop : mark ? role::isolate : role::word;
    case whitespace_split: return space ? role::drop : role::word;
    case whitespace: return space ? role::drop : (what & unicode::word) != 0 ? role::word : role::other;
    case punctuation: return mark ? role::isolate : role::word;
  }
  return role::word;
}

}  // namespace

bool pre_tokenizer::operator()(std::string_view text, sink const& each) const { return split(0, text, each); }

bool pre_tokenizer::split(std::size_t step_index, std::string_view text, sink const& each) const {
  if (text.empty()) return true;
  if (step_index == steps_.size()) return each(text);
  std::size_t begin = 0;
  role previous = role::drop;
  for (std::size_t at = 0; at < text.size();) {
    auto const [code, bytes] = unicode::decode(text.data() + at);
    role const now = role_of(steps_[step_index], unicode::properties(code));
    bool const cut = now != previous || now == role::isolate;
    if (cut && previous != role::drop) {
      if (!split(step_index + 1, text.substr(begin, at - begin), each)) return false;
    }
    if (cut) begin = at;
    previous = now;
    at += bytes;
  }
  return previous == role::drop || split(step_index + 1, text.substr(begin), each);
}

}  // namespace yonder::kernels
