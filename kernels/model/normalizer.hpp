// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/aligned_text.hpp"
#include "model/text_buffer.hpp"

namespace yonder::kernels {

// Hugging Face's BertNormalizer.
struct bert_normalization {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// A sequence of the normalizers that WordPiece tokenizers use. Text in and out is valid UTF-8.
class normalizer {
 public:
  enum class step : std::uint8_t { bert, lowercase, nfd, strip_accents };

  normalizer() = default;
  explicit normalizer(bert_normalization bert) : steps_{step::bert}, bert_(bert) {}
  normalizer(std::vector<step> steps, bert_normalization bert) : steps_(std::move(steps)), bert_(bert) {}

  std::string operator()(std::string_view text) const;
  // The same, with what each letter came from.
  void operator()(aligned_letters& letters) const;

  // Puts a lowercase step first, unless there is one.
  void lowercase_first();
  // Changes nothing.
  bool empty() const noexcept { return steps_.empty(); }
  // What it does where normalize_for_words() can stand in for it.
  std::optional<bert_normalization> fusible() const noexcept;

 private:
  std::string apply(step what, std::string_view text) const;

  std::vector<step> steps_;
  bert_normalization bert_;
};

// BertNormalizer for a BertPreTokenizer that looks at ASCII only: spaces stand round other punctuation, and
// tabs and line ends stay. Precondition: clean_text. Appends.
void normalize_for_words(bert_normalization const& options, std::string_view text, text_buffer& out);

}  // namespace yonder::kernels
