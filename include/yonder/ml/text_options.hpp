// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace yonder::ml {

struct text_options {
  // Tokens of a text at most, [CLS] and [SEP] included. 0: what the model's folder says
  // (sentence_bert_config.json, tokenizer_config.json, tokenizer.json, in this order). Never more than the
  // model has positions.
  std::size_t max_tokens = 0;
  // A longer text is cut as Hugging Face's tokenizer cuts it; if false, it throws text_too_long.
  bool truncate = true;
};

}  // namespace yonder::ml
