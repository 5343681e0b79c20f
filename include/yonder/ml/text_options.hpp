// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace yonder::ml {

// What the matrix products of an encoder compute with. Sums, softmax, layer norm and activations are in fp32
// always, and so is the classifier's head.
enum class precision : std::uint8_t {
  fp32,
  bf16,  // weights and activations are rounded to bf16
  int8   // weights: a scale for each output; activations: one for each token, taken from its values
};

struct text_options {
  // Tokens of a text at most, [CLS] and [SEP] included. 0: what the model's folder says
  // (sentence_bert_config.json, tokenizer_config.json, tokenizer.json, in this order). Never more than the
  // model has positions.
  std::size_t max_tokens = 0;
  // A longer text is cut as Hugging Face's tokenizer cuts it; if false, it throws text_too_long.
  bool truncate = true;
  precision compute = precision::fp32;
  // That work on one call at most, the caller included. 0: YONDER_THREADS, or else as many as the CPUs that
  // the process may run on. Results have the same bits whatever the number.
  std::size_t threads = 0;
};

}  // namespace yonder::ml
