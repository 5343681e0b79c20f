// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_classifier.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::ml {

// How a zero-shot classifier asks.
struct zero_shot_options {
  // The sentence that is held against the text; {} stands for a label.
  std::string hypothesis_template = "This example is {}.";
  // Each label by itself, entailment against contradiction; else the labels share 1.
  bool multi_label = false;

  friend bool operator==(zero_shot_options const&, zero_shot_options const&) = default;
};

// Labels that are chosen when a text comes, by a model of natural language inference: a folder that
// text_classifier takes, one label of which begins with "entail" (config.json's label2id). Scores are those
// of transformers' zero-shot-classification pipeline; of a text that is too long with a hypothesis, the end
// is cut.
//
// Const calls may run on several threads at once. Weights that are looked up by row stay in the mapped file:
// replace it by a rename, never in place, while a model is loaded.
class YONDER_KERNELS_API zero_shot_classifier {
 public:
  // `folder` as in text_classifier's constructor, which throws the same; unsupported_model where no label
  // says entailment.
  explicit zero_shot_classifier(std::filesystem::path const& folder, text_options options = {});
  zero_shot_classifier(zero_shot_classifier&&) noexcept;
  zero_shot_classifier& operator=(zero_shot_classifier&&) noexcept;
  ~zero_shot_classifier();

  // All labels, the best one first; equal ones in the order in which they came. Throws std::invalid_argument
  // for a template without {} or with other braces, and text_error: invalid_utf8, or text_too_long where a
  // hypothesis alone is, or where options forbid cutting.
  std::vector<label_score> operator()(std::string_view text, std::span<std::string const> labels,
                                      zero_shot_options const& options = {}) const;
  // Those of each text, in order; on the CPU the same bits as one at a time. One bad text throws for all.
  std::vector<std::vector<label_score>> operator()(std::span<std::string const> texts,
                                                   std::span<std::string const> labels,
                                                   zero_shot_options const& options = {}) const;

  // Where it computes, for people: "CPU, fp32", or "cuda:0 (NVIDIA H200), bf16".
  std::string placement() const;

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
