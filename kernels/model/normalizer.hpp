// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

 private:
  std::string apply(step what, std::string_view text) const;

  std::vector<step> steps_;
  bert_normalization bert_;
};

}  // namespace yonder::kernels
