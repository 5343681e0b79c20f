// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_options.hpp"
#include "yonder/ml/tokenized_texts.hpp"

namespace yonder::ml {

// One answer of a text classifier.
struct label_score {
  std::string label;  // as config.json's id2label spells it
  float score = 0;    // a probability, from 0 to 1; of a regression the logit itself

  friend bool operator==(label_score const&, label_score const&) = default;
};

// A Hugging Face folder with a BertForSequenceClassification, a DistilBertForSequenceClassification or a
// RobertaForSequenceClassification: config.json, model.safetensors (or its shards), and tokenizer.json, or
// vocab.txt, or vocab.json and merges.txt.
//
// Scores are what transformers' text-classification pipeline gives: softmax over the labels; a sigmoid each
// where problem_type is multi_label_classification or there is one label; the bare logits for regression.
//
// Const calls may run on several threads at once. Weights that are looked up by row stay in the mapped file:
// replace it by a rename, never in place, while a model is loaded.
class YONDER_KERNELS_API text_classifier {
 public:
  // `folder` is a path, a repository of Hugging Face's cache, or the name of a model, ORG/NAME or
  // ORG/NAME@REVISION, that is in YONDER_MODELS or in that cache; nothing is downloaded (docs/models.md).
  // Throws model_error and gpu_error (errors.hpp), and std::invalid_argument for options that leave no room
  // for a token or that the device does not have.
  explicit text_classifier(std::filesystem::path const& folder, text_options options = {});
  text_classifier(text_classifier&&) noexcept;
  text_classifier& operator=(text_classifier&&) noexcept;
  ~text_classifier();

  // The label with the highest score. Throws text_error: invalid_utf8, or text_too_long where options forbid
  // cutting.
  label_score operator()(std::string_view text) const;
  // One for each text, in order; on the CPU the same bits as one at a time. One bad text throws for all.
  std::vector<label_score> operator()(std::span<std::string_view const> texts) const;
  std::vector<label_score> operator()(std::span<std::string const> texts) const;

  // All labels, in the order of labels().
  std::vector<label_score> scores(std::string_view text) const;
  // [texts][labels]
  std::vector<std::vector<float>> logits(std::span<std::string_view const> texts) const;

  // The first half of the work: const calls on other threads compute meanwhile. No bad text throws, but has
  // an error there.
  tokenized_texts tokenize(std::span<std::string const> texts) const;
  // The second half, for each text in order; of one with an error an empty label, or no scores. Throws
  // std::invalid_argument where another model made the tokens.
  std::vector<label_score> operator()(tokenized_texts const& texts) const;
  std::vector<std::vector<label_score>> scores(tokenized_texts const& texts) const;

  // In the order of config.json's id2label.
  std::span<std::string const> labels() const noexcept;
  // Where it computes, for people: "CPU, fp32", or "cuda:0 (NVIDIA H200), bf16".
  std::string placement() const;

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
