// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/aligned_text.hpp"
#include "model/charsmap.hpp"
#include "model/text_buffer.hpp"

namespace yonder::kernels {

// Hugging Face's BertNormalizer.
struct bert_normalization {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// Hugging Face's Replace: of every `pattern`, which is not empty, or of every run of two or more spaces.
struct text_replacement {
  std::optional<std::string> pattern;  // nothing: " {2,}"
  std::string content;
};

// A sequence of the normalizers that WordPiece and Unigram tokenizers use. Text in and out is valid UTF-8.
class normalizer {
 public:
  enum class step : std::uint8_t {
    bert,
    lowercase,
    nfd,
    nfc,
    strip_accents,
    map,          // a charsmap
    replace,      // the next of the replacements
    strip_left,   // whitespace
    strip_right,  // whitespace
  };

  normalizer() = default;
  explicit normalizer(bert_normalization bert) : steps_{step::bert}, bert_(bert) {}
  explicit normalizer(std::shared_ptr<charsmap const> map) : steps_{step::map}, map_(std::move(map)) {}
  // As many replacements as there are steps of that kind; a map where there is a step of it.
  normalizer(std::vector<step> steps, bert_normalization bert, std::shared_ptr<charsmap const> map = nullptr,
             std::vector<text_replacement> replacements = {})
      : steps_(std::move(steps)), bert_(bert), map_(std::move(map)), replacements_(std::move(replacements)) {}

  std::string operator()(std::string_view text) const;
  // The same, with what each letter came from.
  void operator()(aligned_letters& letters) const;

  // Puts a lowercase step first, unless there is one.
  void lowercase_first();
  // Changes nothing.
  bool empty() const noexcept { return steps_.empty(); }
  // The one step that it is, where that is a map of characters; else null.
  std::shared_ptr<charsmap const> map_alone() const noexcept {
    return steps_.size() == 1 && steps_.front() == step::map ? map_ : nullptr;
  }
  // What it does where normalize_for_words() can stand in for it.
  std::optional<bert_normalization> fusible() const noexcept;

 private:
  std::string apply(step what, std::string_view text, std::size_t& replaced) const;

  std::vector<step> steps_;
  bert_normalization bert_;
  std::shared_ptr<charsmap const> map_;
  std::vector<text_replacement> replacements_;
};

// The first match in `text` from `from` on; of no bytes, at its end, where there is none.
byte_span find_match(text_replacement const& what, std::string_view text, std::size_t from) noexcept;

// BertNormalizer for a BertPreTokenizer that looks at ASCII only: spaces stand round other punctuation, and
// tabs and line ends stay. Precondition: clean_text. Appends.
void normalize_for_words(bert_normalization const& options, std::string_view text, text_buffer& out);

}  // namespace yonder::kernels
