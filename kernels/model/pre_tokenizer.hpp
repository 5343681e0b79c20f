// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace yonder::kernels {

// A sequence of the pre-tokenizers that WordPiece tokenizers use, or that of byte-level BPE. Each cuts the
// pieces of the one before.
class pre_tokenizer {
 public:
  enum class step : std::uint8_t {
    bert,              // drops whitespace, isolates punctuation
    whitespace_split,  // drops whitespace
    whitespace,        // matches of \w+|[^\w\s]+
    punctuation,       // isolates punctuation
    byte_level,        // matches of GPT-2's pattern
  };
  pre_tokenizer() = default;
  explicit pre_tokenizer(std::vector<step> steps) : steps_(std::move(steps)) {}

  // Calls each(word) for the words of `text`, in order, none of them empty, until it returns false; false
  // where it did.
  template <class Each>
  bool operator()(std::string_view text, Each&& each) const {
    return split(0, text, each);
  }

  // This step and nothing else.
  bool is(step what) const noexcept { return steps_.size() == 1 && steps_.front() == what; }

 private:
  // Takes the first piece that `what` makes of `text` off it. False where there is none.
  static bool take_piece(step what, std::string_view& text, std::string_view& piece) noexcept;

  template <class Each>
  bool split(std::size_t step_index, std::string_view text, Each&& each) const {
    if (step_index == steps_.size()) return text.empty() || each(text);
    for (std::string_view piece; take_piece(steps_[step_index], text, piece);) {
      if (!split(step_index + 1, piece, each)) return false;
    }
    return true;
  }

  std::vector<step> steps_;
};

}  // namespace yonder::kernels
