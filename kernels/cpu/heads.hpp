// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cpu/encoder.hpp"
#include "model/config.hpp"
#include "model/sentence_folder.hpp"

namespace yonder::kernels::cpu {

// From rows of hidden states to those of logits: a layer, an activation and a norm, as many of them as the
// family has, and the last layer.
class head_layers {
 public:
  // `of_tokens`: single tokens' rows, which most families give to the last layer as they are.
  head_layers(weight_files const& files, encoder_config const& config, std::string const& last,
              std::size_t labels, bool of_tokens, kernel_set const& kernels, crew const& by);

  // rows: [count][hidden]; logits: [count][labels].
  std::vector<float> operator()(std::vector<float> rows) const;
  std::size_t width() const noexcept { return last_.weight.depth(); }

 private:
  void activate(std::vector<float>& rows) const;

  kernel_set const& kernels_;
  crew by_;
  std::optional<activation> activation_;  // as in head_description
  float epsilon_;
  std::optional<linear> first_;
  std::optional<norm> norm_;
  linear last_;
};

// What classifies whole texts, by their first token or by the mean of all.
class classification_head {
 public:
  classification_head(weight_files const& files, encoder_config const& config, std::size_t labels,
                      kernel_set const& kernels, crew const& by);

  // hidden: [tokens][hidden]; logits: [sequences][labels].
  std::vector<float> operator()(token_batch const& batch, std::span<float const> hidden) const;

 private:
  pooling_mode pooling_;
  head_layers layers_;
};

// What gives each token its logits; `last`: the name of the layer that does it.
class token_head {
 public:
  token_head(weight_files const& files, encoder_config const& config, std::string const& last,
             std::size_t labels, kernel_set const& kernels, crew const& by)
      : layers_(files, config, last, labels, true, kernels, by) {}

  // hidden: [tokens][hidden]; logits: [tokens][labels].
  std::vector<float> operator()(std::span<float const> hidden) const {
    return layers_({hidden.begin(), hidden.end()});
  }

 private:
  head_layers layers_;
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
