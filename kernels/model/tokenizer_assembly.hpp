// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/json.hpp"
#include "model/tokenizer.hpp"

// What the readers of tokenizer.json, vocab.txt, vocab.json and merges.txt, and sentencepiece.bpe.model
// share.
namespace yonder::kernels {

// Throw ml::inconsistent_model, ml::unsupported_model for a vocabulary that cannot be used.
wordpiece make_wordpiece(std::vector<wordpiece::entry> vocabulary, wordpiece_options const& options,
                         std::string const& file);
byte_level::bpe make_bpe(std::vector<wordpiece::entry> vocabulary,
                         std::vector<byte_level::bpe::merge_rule> const& merges, std::string const& file);
unigram make_unigram(std::vector<scored_piece> const& pieces, std::size_t unknown, bool byte_fallback,
                     std::string const& file);
// Throws ml::malformed_file.
std::shared_ptr<charsmap const> make_charsmap(std::string_view blob, std::string const& file);

// What stands round two texts, of the token before them and the one behind each.
std::vector<template_part> bert_pair(template_part const& begin, template_part const& end);
std::vector<template_part> roberta_pair(template_part const& begin, template_part const& end);

// Of BertTokenizer.
wordpiece_options options_of(tokenizer_settings const& settings);

// Tokens and their ids, of an object.
std::vector<wordpiece::entry> parse_ids(json_view const& map);
// "left right"; nothing where it is not that.
std::optional<byte_level::bpe::merge_rule> parse_merge(std::string_view line);

// Gives added tokens their ids as Hugging Face's tokenizers does: that of the vocabulary, or else the next
// one. A token that comes again keeps its id and changes its flags.
class token_adder {
 public:
  // Both must live as long.
  token_adder(token_model const& model, std::string const& file) : model_(model), file_(file) {}

  // Throws ml::inconsistent_model where `token.id` is another than it gets.
  void add_with_id(added_token token);
  void add(added_token token);
  // What tokenizer_config.json and its companions name, those of `listed` with their ids first.
  void add_all(tokenizer_settings const& settings, std::vector<added_token> const& listed);

  bool has(std::string_view content) const;
  // Of an added token or of the vocabulary.
  std::optional<std::int32_t> find(std::string_view content) const;
  std::vector<added_token> take() && { return std::move(tokens_); }

 private:
  std::int32_t next_id() const;

  token_model const& model_;
  std::string const& file_;
  std::vector<added_token> tokens_;
  std::int32_t largest_ = -1;
};

// The id of the unknown token in a vocabulary of a Unigram class: CamembertTokenizer's is found by its text.
std::size_t unknown_of_class(std::vector<scored_piece> const& pieces, tokenizer_settings const& settings);

// Those of tokenizer_config.json, and the class's own where it is silent.
tokenizer_settings with_special_names(tokenizer_settings settings);

// The tokenizer that a class makes of a vocabulary, as settings.kind says; `listed` are the added tokens of
// tokenizer.json, `map` is of a Unigram class. Throws ml::model_error.
tokenizer make_by_class(token_model model, tokenizer_settings const& settings,
                        std::vector<added_token> const& listed, std::string const& file,
                        std::shared_ptr<charsmap const> map = nullptr);

// Of the special tokens that `settings` names.
special_ids find_special_ids(token_adder const& added, tokenizer_settings const& settings);

}  // namespace yonder::kernels
