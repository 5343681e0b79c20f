// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/added_tokens.hpp"
#include "model/json.hpp"

namespace yonder::kernels {

enum class side : std::uint8_t { left, right };

// What a class of transformers makes of the files.
enum class tokenizer_kind : std::uint8_t {
  as_written,   // PreTrainedTokenizerFast: all that tokenizer.json says
  bert,         // BertTokenizer: WordPiece, with normalization and template by tokenizer_config.json
  mpnet,        // MPNetTokenizer: as BertTokenizer, with RobertaTokenizer's template and names
  roberta,      // RobertaTokenizer: byte-level BPE, the same
  xlm_roberta,  // XLMRobertaTokenizer: Unigram, the same, with the map of characters of the vocabulary's file
  camembert     // CamembertTokenizer: as XLMRobertaTokenizer, with other ids of SentencePiece's pieces
};

// What Unigram's classes have alike.
constexpr bool is_unigram_class(tokenizer_kind kind) noexcept {
  return kind == tokenizer_kind::xlm_roberta || kind == tokenizer_kind::camembert;
}

// tokenizer_config.json and its companions, where they are.
struct tokenizer_settings {
  tokenizer_kind kind = tokenizer_kind::as_written;
  std::optional<std::string> tokenizer_class = std::nullopt;
  std::optional<bool> add_prefix_space = std::nullopt;
  std::optional<bool> trim_offsets = std::nullopt;
  std::optional<bool> lowercase = std::nullopt;
  std::optional<bool> strip_accents = std::nullopt;
  std::optional<bool> handle_chinese_chars = std::nullopt;
  std::optional<std::size_t> max_length = std::nullopt;
  std::optional<side> truncation_side = std::nullopt;
  std::optional<side> padding_side = std::nullopt;
  std::optional<bool> gives_type_ids = std::nullopt;  // of the template; else all are 0. Nothing: by class
  // Special tokens by their roles, without ids; one without content is explicitly none.
  std::optional<added_token> beginning = std::nullopt;
  std::optional<added_token> end = std::nullopt;
  std::optional<added_token> unknown = std::nullopt;
  std::optional<added_token> separator = std::nullopt;
  std::optional<added_token> padding = std::nullopt;
  std::optional<added_token> classification = std::nullopt;
  std::optional<added_token> mask = std::nullopt;
  std::vector<added_token> other_special = {};  // without roles and ids, in their order
  // With ids, in their order: of added_tokens_decoder, or else of added_tokens.json.
  std::vector<added_token> added = {};
  bool has_added_tokens_decoder = false;
  bool has_extra_tokens = false;  // a list of them, if an empty one
};

// A text, and the file that errors name.
struct named_text {
  std::string_view text;
  std::string const& file;
};

// tokenizer_config.json. Throws ml::model_error, as all below.
tokenizer_settings parse_tokenizer_settings(std::string_view text, std::string const& file);
// What the files from before added_tokens_decoder add; nothing where `settings` has that.
void merge_special_tokens(named_text special_tokens_map, tokenizer_settings& settings);
void merge_added_tokens(named_text added_tokens, tokenizer_settings& settings);

// All three, where they are. `kind` stays as it is.
tokenizer_settings load_tokenizer_settings(std::filesystem::path const& folder);

// An AddedToken as JSON writes it; `special` where it does not say.
added_token parse_added_token(json_view const& value, bool special = false);
side parse_side(json_view const& value, char const* key);

}  // namespace yonder::kernels
