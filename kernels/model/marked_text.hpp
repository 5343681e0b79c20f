// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/ascii.hpp"
#include "model/normalizer.hpp"
#include "model/text_buffer.hpp"

namespace yonder::kernels {

// What BertNormalizer and BertPreTokenizer make of a text, as normalized bytes with a bit for each that
// belongs to a word, and for each that is a word of its own. To be used again, so that its memory stays.
class marked_text {
 public:
  // Precondition: clean_text.
  void assign(bert_normalization const& options, std::string_view text) {
    text_.clear();
    normalize_for_words(options, text, text_);
    text_.finish();
    std::size_t const blocks = text_.view().size() / 64 + 1;  // the last ends in a space at least
    if (words_.size() < blocks) {
      words_.resize(blocks);
      marks_.resize(blocks);
    }
    blocks_ = blocks;
    ascii::classify(text_.view().data(), text_.view().size() + 1, words_.data(), marks_.data());
  }

  // Calls each(begin, bytes) for the words in order; 16 bytes can be read at each.
  template <class Each>
  void for_each_word(Each&& each) const {
    char const* const text = text_.view().data();
    std::uint64_t carry = 0;
    for (std::size_t block = 0; block < blocks_; ++block) {
      std::uint64_t const words = words_[block];
      std::uint64_t begins = (words & ~(words << 1 | carry)) | marks_[block];
      carry = words >> 63;
      for (; begins != 0; begins &= begins - 1) {
        auto const at = static_cast<std::size_t>(std::countr_zero(begins));
        each(text + block * 64 + at, word_bytes(block, at));
      }
    }
  }

  std::size_t text_bytes() const noexcept { return text_.view().size(); }
  // Of its memory.
  std::size_t bytes() const noexcept { return text_.capacity() + 16 * words_.capacity(); }

 private:
  // Of the word that begins at bit `at` of `block`.
  std::size_t word_bytes(std::size_t block, std::size_t at) const noexcept {
    std::uint64_t const after = ~(words_[block] >> at);
    auto bytes = static_cast<std::size_t>(std::countr_zero(after));
    if (bytes == 0) return 1;
    for (std::size_t next = block + 1; bytes + at == 64 * (next - block) && next < blocks_; ++next) {
      bytes += static_cast<std::size_t>(std::countr_one(words_[next]));
    }
    return bytes;
  }

  text_buffer text_;
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> marks_;
  std::size_t blocks_ = 0;
};

}  // namespace yonder::kernels
