// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::ml {

// What a token classifier found in a text.
struct entity {
  std::string label;      // without its B- or I-; of aggregation::none as config.json's id2label spells it
  float score = 0;        // a probability, from 0 to 1
  std::size_t begin = 0;  // the first byte of it in the text
  std::size_t end = 0;    // the byte after its last: text.substr(begin, end - begin)

  friend bool operator==(entity const&, entity const&) = default;
};

// How the labels of tokens become entities, as transformers names it. All but `none` join neighbours of one
// label, unless the later one begins with B-.
enum class aggregation : std::uint8_t {
  none,     // each token by itself
  simple,   // each token has its own label, even inside a word
  first,    // a word has the label of its first token
  average,  // that with the best average over its tokens
  max       // that of its token with the best score
};

// What a token classifier is asked for.
struct entity_options {
  ml::aggregation aggregation = ml::aggregation::simple;  // how tokens become entities
  // Labels that are left out, as id2label spells them or without B- and I-.
  std::vector<std::string> ignored_labels = {"O"};
  // A text that is too long is read in windows that share so many tokens; of what two of them find in one
  // place, the longer one is kept, then the better one. Nothing: the text is cut as text_options say.
  std::optional<std::size_t> overlap = std::nullopt;

  friend bool operator==(entity_options const&, entity_options const&) = default;
};

// A Hugging Face folder with a BertForTokenClassification, a DistilBertForTokenClassification or a
// RobertaForTokenClassification: names of people and places in a text, say, or its parts of speech. Labels,
// scores and places are those of transformers' token-classification pipeline; places are bytes of UTF-8.
//
// Const calls may run on several threads at once. Weights that are looked up by row stay in the mapped file:
// replace it by a rename, never in place, while a model is loaded.
class YONDER_KERNELS_API token_classifier {
 public:
  // `folder` as in text_classifier's constructor, which throws the same.
  explicit token_classifier(std::filesystem::path const& folder, text_options options = {});
  token_classifier(token_classifier&&) noexcept;
  token_classifier& operator=(token_classifier&&) noexcept;
  ~token_classifier();

  // Where they begin, in this order. Throws text_error: invalid_utf8, or text_too_long where options forbid
  // cutting; std::invalid_argument for an overlap of aggregation::none, or of as many tokens as a window has.
  std::vector<entity> operator()(std::string_view text, entity_options const& options = {}) const;
  // Those of each text, in order; one bad text throws for all.
  std::vector<std::vector<entity>> operator()(std::span<std::string const> texts,
                                              entity_options const& options = {}) const;

  // In the order of config.json's id2label.
  std::span<std::string const> labels() const noexcept;
  // Where it computes, for people: "CPU, fp32", or "cuda:0 (NVIDIA H200), bf16".
  std::string placement() const;

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
