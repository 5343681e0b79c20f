// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cpu/encoder.hpp"
#include "model/config.hpp"
#include "model/sentence_folder.hpp"

namespace yonder::kernels::cpu {

// What stands on the first token of BertForSequenceClassification (pooler: tanh) and of
// DistilBertForSequenceClassification (pre_classifier: ReLU).
class classification_head {
 public:
  classification_head(weight_files const& files, encoder_config const& config, std::size_t labels,
                      kernel_set const& kernels, crew const& by);

  // hidden: [tokens][hidden]; logits: [sequences][labels].
  std::vector<float> operator()(token_batch const& batch, std::span<float const> hidden) const;

 private:
  kernel_set const& kernels_;
  crew by_;
  bool rectifies_;
  linear first_;
  linear classifier_;
};

// What gives each token its logits: one layer.
class token_head {
 public:
  token_head(weight_files const& files, std::string const& layer, std::size_t width, std::size_t labels,
             kernel_set const& kernels, crew const& by);

  // hidden: [tokens][width]; logits: [tokens][labels].
  std::vector<float> operator()(std::span<float const> hidden) const;

 private:
  kernel_set const& kernels_;
  crew by_;
  linear layer_;
};

// logits in place to scores.
void apply_scores(score_function function, float* logits, std::size_t count) noexcept;

// hidden[length][width] to out[width], as sentence-transformers pools what stands after `skipped` tokens; of
// a text that is no longer than that, zeros, but the first token's or minus infinity. Precondition: length >
// 0.
void pool(pooling_mode mode, float const* hidden, std::size_t length, std::size_t width, std::size_t skipped,
          float* out) noexcept;
// To length 1; a zero vector stays, as in PyTorch's normalize (epsilon 1e-12).
void normalize_length(float* x, std::size_t count) noexcept;

}  // namespace yonder::kernels::cpu
