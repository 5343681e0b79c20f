// SPDX-License-Identifier: Apache-2.0
#include "model/marked_words.hpp"

#include <utility>

#include "model/grapheme.hpp"

namespace yonder::kernels {
namespace {

// Of those alone that follow each other, each is a cluster (Unicode Standard Annex #29): a syllable joins
// jamo, a consonant or a pictograph what a mark or a joiner links to it.
bool stands_alone(char32_t code) noexcept {
  using enum unicode::grapheme_class;
  auto const what = unicode::grapheme_class_of(code);
  bool const regional = code >= 0x1F1E6 && code <= 0x1F1FF;
  return (what == other || what == consonant || what == pictographic) && !regional && code != '\r' &&
         code != '\n';
}

}  // namespace

marked_words::marked_words(std::shared_ptr<charsmap const> map, bool marks)
    : map_(std::move(map)),
      marks_(marks),
      space_is_plain_(!map_ || !map_->changes(" ")),
      plain_(plain_codes / 64) {
  for (char32_t code = 1; code < plain_codes; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    char letter[4];
    std::string_view const text(letter, unicode::encode(code, letter));
    bool const plain = (unicode::properties(code) & unicode::whitespace) == 0 && code != mark_code &&
                       stands_alone(code) && !(map_ && map_->changes(text));
    if (plain) plain_[code / 64] |= std::uint64_t{1} << code % 64;
    if (ascii::is_visible(code)) ascii_is_plain_ = ascii_is_plain_ && plain;
  }
}

std::size_t marked_words::change_cluster(std::string_view text, scratch& memory) const {
  memory.changed_.clear();
  auto const cluster = text.substr(0, unicode::grapheme_bytes(text));
  if (map_) {
    map_->change(cluster, memory.changed_);
  } else {
    memory.changed_.append(cluster);
  }
  return cluster.size();
}

}  // namespace yonder::kernels
