// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace yonder::kernels {

// Hugging Face's Metaspace: a mark stands for each space, and before a text that begins with none; each mark
// begins a word.
struct metaspace {
  // Which texts get a mark before them that have none there.
  enum class prepending : std::uint8_t { always, first, never };

  static constexpr std::string_view usual_mark = "\u2581";

  std::string mark = std::string(usual_mark);
  prepending prepend = prepending::always;
  bool split = true;

  bool prepends(std::string_view text, bool is_first) const noexcept {
    if (prepend == prepending::never || text.starts_with(' ') || text.starts_with(mark)) return false;
    return prepend == prepending::always || is_first;
  }

  // `text` with its marks.
  void write(std::string_view text, bool is_first, std::string& to) const {
    to.clear();
    if (text.empty()) return;
    if (prepends(text, is_first)) to += mark;
    for (std::size_t at = 0; at < text.size();) {
      auto const space = std::min(text.find(' ', at), text.size());
      to += text.substr(at, space - at);
      if (space < text.size()) to += mark;
      at = space + 1;
    }
  }

  // Calls each(word) for the words of a text that has its marks, none of them empty, until it returns false;
  // false where it did.
  template <class Each>
  bool for_each_word(std::string_view marked, Each&& each) const {
    while (!marked.empty()) {
      auto const word = marked.substr(0, split ? marked.find(mark, 1) : marked.npos);
      if (!each(word)) return false;
      marked.remove_prefix(word.size());
    }
    return true;
  }
};

}  // namespace yonder::kernels
