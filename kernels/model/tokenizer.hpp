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
#include <variant>
#include <vector>

#include "model/added_tokens.hpp"
#include "model/aligned_text.hpp"
#include "model/byte_level.hpp"
#include "model/marked_text.hpp"
#include "model/marked_words.hpp"
#include "model/metaspace.hpp"
#include "model/normalizer.hpp"
#include "model/pre_tokenizer.hpp"
#include "model/scratch_pool.hpp"
#include "model/tokenizer_settings.hpp"
#include "model/unigram.hpp"
#include "model/wordpiece.hpp"

namespace yonder::kernels {

struct truncation {
  std::size_t max_length = 0;  // special tokens included
  side cut = side::right;
};

struct padding {
  std::optional<std::size_t> fixed_length = std::nullopt;  // else the longest of the batch
  std::optional<std::size_t> multiple_of = std::nullopt;
  side pad = side::right;
  std::int32_t id = 0;
  std::int32_t type_id = 0;
};

// One text as the encoder takes it.
struct encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  bool truncated = false;
};

// Several texts as one rectangle, row-major; attention is 0 where a token is padding.
struct padded_batch {
  std::size_t rows = 0;
  std::size_t width = 0;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<std::int32_t> attention;
};

// What stands round a text, or round two: each part one special token, or a text itself where id is absent.
struct template_part {
  std::optional<std::int32_t> id;
  std::int32_t type_id = 0;
  bool second = false;  // of two texts
};

struct text_pair_view {
  std::string_view first;
  std::string_view second;
};

// Which of two texts is cut where both together are too long, as Hugging Face names it.
enum class pair_truncation : std::uint8_t { longest_first, only_first };

// Where a token stands in its text.
struct token_place {
  static constexpr std::uint32_t no_word = ~std::uint32_t{0};

  byte_span bytes;                  // whole code points of the text; empty for a special token round it
  std::uint32_t word = no_word;     // counted from 0 on, added tokens too
  std::uint32_t letters = 0;        // code points of the token as the vocabulary spells it
  std::uint32_t spaces_before = 0;  // of what the token stands for
  std::uint32_t spaces_after = 0;
};

struct placed_tokens {
  std::vector<std::int32_t> ids;
  std::vector<token_place> places;  // of each
};

// What makes ids of words.
using token_model = std::variant<wordpiece, byte_level::bpe, unigram>;

// Of tokenizer_config.json's special tokens.
struct special_ids {
  std::vector<std::int32_t> all = {};
  std::optional<std::int32_t> unknown = std::nullopt;
  std::optional<std::int32_t> classification = std::nullopt;
};

struct tokenizer_parts {
  normalizer normalize = {};
  pre_tokenizer split = {};
  bool prefix_space = false;  // a stretch that begins with none gets a space before it is split
  std::optional<metaspace> spaces = std::nullopt;  // after `split`
  token_model model;
  std::vector<added_token> added = {};
  std::vector<template_part> post_template = {};  // exactly one part is the text
  std::vector<template_part> pair_template = {};  // exactly two parts are texts, the first and the second
  special_ids special = {};
  std::optional<truncation> cut = std::nullopt;
  std::optional<padding> pad = std::nullopt;
  // Post-processors that take a token's spaces off its place, each with whether the first token of a text
  // keeps one.
  std::vector<bool> trims = {};
};

// A WordPiece, byte-level BPE or Unigram tokenizer, token for token that of Hugging Face's tokenizers 0.23.3.
// Const calls are thread-safe.
class tokenizer {
 public:
  explicit tokenizer(tokenizer_parts parts);
  tokenizer(tokenizer&&) noexcept;
  tokenizer& operator=(tokenizer&&) noexcept;
  ~tokenizer();

  // Appends the tokens of `text`; true where it was cut. Throws ml::invalid_utf8; std::invalid_argument where
  // `cut` leaves no room for the special tokens. With side::right little past the cut is tokenized.
  bool append(std::string_view text, std::optional<truncation> const& cut, std::vector<std::int32_t>& ids,
              std::vector<std::int32_t>& type_ids) const;
  // The same of two texts; `cut` is for both together. Throws ml::text_too_long, too, where only_first leaves
  // nothing of the first.
  bool append(text_pair_view texts, truncation const& cut, pair_truncation strategy,
              std::vector<std::int32_t>& ids, std::vector<std::int32_t>& type_ids) const;
  encoding encode(std::string_view text, std::optional<truncation> cut) const;
  // With what tokenizer.json says.
  encoding encode(std::string_view text) const { return encode(text, parts_.cut); }
  padded_batch encode_batch(std::span<std::string_view const> texts) const;

  // The tokens of `text` alone, and where each stands: the same ones, at an eighth of the speed. Throws
  // ml::invalid_utf8.
  placed_tokens place(std::string_view text) const;
  // Takes spaces off the places of a text's tokens, or of some that follow each other, as this tokenizer
  // does.
  void trim_spaces(std::string_view text, std::span<token_place> places) const;
  // What marks a token as going on a word; empty where nothing does.
  std::string_view continuing_prefix() const noexcept;
  std::optional<std::int32_t> unknown_id() const noexcept { return parts_.special.unknown; }
  std::optional<std::int32_t> classification_id() const noexcept { return parts_.special.classification; }
  std::span<template_part const> template_of_text() const noexcept { return parts_.post_template; }
  std::span<template_part const> template_of_pair() const noexcept { return parts_.pair_template; }

  // The words of the text as the model gets them; added tokens are left out.
  std::vector<std::string> words(std::string_view text) const;

  std::optional<truncation> const& cut() const noexcept { return parts_.cut; }
  std::optional<padding> const& padding_of_file() const noexcept { return parts_.pad; }
  // What tokenizer.json says of both.
  void set_cut_and_padding(std::optional<truncation> cut, std::optional<padding> pad) noexcept {
    parts_.cut = cut;
    parts_.pad = pad;
  }
  // Texts are set in lower case before all else, unless the normalizer has a step that does only that.
  void lowercase_first();
  // Of the vocabulary, the added and the special tokens.
  std::int32_t largest_id() const noexcept { return largest_id_; }
  // Of the special tokens round a text.
  std::int32_t largest_template_id() const noexcept { return largest_id_of(parts_.post_template); }
  // Round two.
  std::int32_t largest_pair_id() const noexcept { return largest_id_of(parts_.pair_template); }
  // How often `id` stands round a text.
  std::size_t count_in_template(std::int32_t id) const noexcept;
  // The tokens of a prompt, the special one after it left out, where one is.
  std::size_t prompt_tokens(std::string_view prompt, std::optional<truncation> const& cut) const;
  // Of the types in the template.
  std::int32_t largest_type_id() const noexcept { return largest_type_of(parts_.post_template); }
  std::int32_t largest_pair_type_id() const noexcept { return largest_type_of(parts_.pair_template); }
  std::size_t special_tokens() const noexcept { return parts_.post_template.size() - 1; }
  std::size_t special_tokens_of_pairs() const noexcept { return parts_.pair_template.size() - 2; }

 private:
  struct scratch;
  class placer;

  template <class Each, class Token>
  void cut_raw_tokens(std::string_view text, Each&& each, Token&& token) const;
  template <class Word, class Token>
  bool split_by_steps(std::string_view stretch, bool is_first, Word&& word, Token&& token) const;
  template <class Each>
  bool split_at_once(std::string_view stretch, marked_text& words, Each&& each) const;
  template <class Word>
  bool split_words(std::string_view stretch, bool is_first, Word&& word) const;
  bool keeps_front(std::string_view stretch) const;
  template <class Word, class Chunk, class Token>
  void visit(std::string_view text, marked_text& marked, Word&& word, Chunk&& chunk, Token&& token) const;
  void append_content(std::string_view text, std::size_t enough, std::vector<std::int32_t>& ids) const;
  std::optional<marked_words> make_marked_words() const;
  bool append_cut(std::string_view text, std::size_t room, side where, std::vector<std::int32_t>& ids) const;
  std::size_t room_for_text(std::optional<truncation> const& cut) const;
  static std::int32_t largest_id_of(std::vector<template_part> const& parts) noexcept;
  static std::int32_t largest_type_of(std::vector<template_part> const& parts) noexcept;

  tokenizer_parts parts_;
  added_token_matcher raw_tokens_;
  added_token_matcher normalized_tokens_;
  // Where one does the same as split_by_steps():
  std::optional<bert_normalization> fused_;  // split_at_once()
  std::optional<marked_words> marked_words_;
  std::unique_ptr<scratch_pool<scratch>> scratch_;
  std::int32_t largest_id_ = 0;
};

// Rows to one width, as `how` says.
padded_batch pad(std::span<encoding const> encodings, padding const& how);

// tokenizer.json, by settings.kind. All four throw ml::model_error.
tokenizer parse_tokenizer_json(std::string_view text, std::string const& file,
                               tokenizer_settings const& settings);
// vocab.txt, as BertTokenizer, or MPNetTokenizer where settings.kind is that
tokenizer parse_vocabulary(std::string_view text, std::string const& file,
                           tokenizer_settings const& settings);
// vocab.json and merges.txt, as RobertaTokenizer
tokenizer parse_byte_level(named_text vocabulary, named_text merges, tokenizer_settings const& settings);
// sentencepiece.bpe.model, as XLMRobertaTokenizer, or CamembertTokenizer where settings.kind is that
tokenizer parse_sentencepiece(std::string_view bytes, std::string const& file,
                              tokenizer_settings const& settings);

struct loaded_tokenizer {
  tokenizer tokens;
  std::optional<std::size_t> max_length;  // of tokenizer_config.json
  side cut = side::right;                 // where a longer text is cut
  bool gives_type_ids = false;            // else all types are 0
  bool pads_left = false;                 // which no text's numbers depend on
  std::string file;                       // the one that was read, for errors
};

// The tokenizer that transformers' AutoTokenizer makes of a folder. tokenizer.json holds over vocab.txt,
// vocab.json and merges.txt, and sentencepiece.bpe.model; of it, BertTokenizer, RobertaTokenizer,
// XLMRobertaTokenizer and CamembertTokenizer take vocabulary and added tokens only, the last two the map of
// characters, too.
loaded_tokenizer load_tokenizer(std::filesystem::path const& folder);

}  // namespace yonder::kernels
