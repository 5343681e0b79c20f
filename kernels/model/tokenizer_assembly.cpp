// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer_assembly.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "model/tokenizer_limits.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

struct special_names {
  char const* beginning;  // null: the class has none
  char const* end;
  char const* unknown;
  char const* separator;
  char const* padding;
  char const* classification;
  char const* mask;
};

constexpr special_names bert_names = {nullptr, nullptr, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
constexpr special_names mpnet_names = {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"};
constexpr special_names roberta_names = {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"};

special_names const& names_of(tokenizer_kind kind) noexcept {
  return kind == tokenizer_kind::bert    ? bert_names
         : kind == tokenizer_kind::mpnet ? mpnet_names
                                         : roberta_names;
}

template <class Each>
void for_each_special(tokenizer_settings const& settings, Each&& each) {
  for (auto const* token : {&settings.beginning, &settings.end, &settings.unknown, &settings.separator,
                            &settings.padding, &settings.classification, &settings.mask}) {
    if (*token && !(*token)->content.empty()) each(**token);
  }
  for (auto const& token : settings.other_special) each(token);
}

std::optional<std::int32_t> find_in(token_model const& model, std::string_view token) {
  return std::visit([token](auto const& each) { return each.find(token); }, model);
}

// A class's template, model and vocabulary cannot do without these.
void require_tokens(tokenizer_settings const& settings, std::string const& file) {
  using special = std::pair<char const*, std::optional<added_token> const*>;
  std::vector<special> tokens = {{"unk_token", &settings.unknown}};
  if (is_unigram_class(settings.kind)) {
    tokens.insert(tokens.end(), {{"bos_token", &settings.beginning},
                                 {"eos_token", &settings.end},
                                 {"pad_token", &settings.padding},
                                 {"mask_token", &settings.mask}});
  } else {
    tokens.insert(tokens.end(),
                  {{"cls_token", &settings.classification}, {"sep_token", &settings.separator}});
  }
  for (auto const& [key, token] : tokens) {
    if (!(*token)->content.empty()) continue;
    throw ml::unsupported_model({file, std::string("\"") + key + "\": null in tokenizer_config.json",
                                 "a token, or no such key for the usual one",
                                 "name the special tokens in tokenizer_config.json"});
  }
}

// Those of the files from before added_tokens_decoder: at an id, tokenizer.json's holds.
std::vector<added_token> listed_tokens(tokenizer_settings const& settings,
                                       std::vector<added_token> const& of_tokenizer_json) {
  if (settings.has_added_tokens_decoder) return settings.added;
  std::map<std::int32_t, added_token> by_id;
  for (auto const& token : settings.added) by_id[token.id] = token;
  for (auto const& token : of_tokenizer_json) by_id[token.id] = token;
  std::vector<added_token> tokens;
  tokens.reserve(by_id.size());
  for (auto& [id, token] : by_id) tokens.push_back(std::move(token));
  return tokens;
}

std::int32_t required_id(std::optional<std::int32_t> id, std::string const& token, std::string const& file) {
  if (id) return *id;
  throw ml::inconsistent_model({file, "no token \"" + token + "\"", "it, to put round each text",
                                "name the special tokens in tokenizer_config.json"});
}

bert_normalization normalization_of(tokenizer_settings const& settings) {
  bool const lowercase = settings.lowercase.value_or(true);
  return {.handle_chinese_chars = settings.handle_chinese_chars.value_or(true),
          .strip_accents = settings.strip_accents.value_or(lowercase),
          .lowercase = lowercase};
}

// The parts of a class's tokenizer that its vocabulary does not decide.
tokenizer_parts parts_of_class(tokenizer_settings const& settings, std::shared_ptr<charsmap const> map,
                               token_model model) {
  using enum pre_tokenizer::step;
  tokenizer_parts parts{.model = std::move(model)};
  switch (settings.kind) {
    case tokenizer_kind::mpnet: parts.trims.push_back(false); [[fallthrough]];
    case tokenizer_kind::bert:
      parts.normalize = normalizer(normalization_of(settings));
      parts.split = pre_tokenizer({bert});
      break;
    case tokenizer_kind::xlm_roberta:
    case tokenizer_kind::camembert:
      if (map) parts.normalize = normalizer(std::move(map));
      parts.split = pre_tokenizer({whitespace_split});
      parts.spaces.emplace();
      if (!settings.add_prefix_space.value_or(true)) parts.spaces->prepend = metaspace::prepending::never;
      break;
    default:
      parts.split = pre_tokenizer({byte_level});
      parts.prefix_space = settings.add_prefix_space.value_or(false);
      if (settings.trim_offsets.value_or(true)) parts.trims.push_back(parts.prefix_space);
  }
  return parts;
}

}  // namespace

tokenizer_settings with_special_names(tokenizer_settings settings) {
  auto const& usual = names_of(settings.kind);
  auto const name = [](std::optional<added_token>& token, char const* content) {
    if (!token && content != nullptr)
      token = {.content = content, .special = true, .has_role = true, .is_text = true};
  };
  name(settings.beginning, usual.beginning);
  name(settings.end, usual.end);
  name(settings.unknown, usual.unknown);
  name(settings.separator, usual.separator);
  name(settings.padding, usual.padding);
  name(settings.classification, usual.classification);
  name(settings.mask, usual.mask);
  bool const mask_takes_spaces =
      settings.kind == tokenizer_kind::mpnet || settings.kind == tokenizer_kind::camembert;
  if (mask_takes_spaces && settings.mask->is_text) settings.mask->lstrip = true;
  if (settings.kind == tokenizer_kind::camembert && !settings.has_extra_tokens) {
    for (char const* content : {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"})
      settings.other_special.push_back({.content = content, .special = true});
    settings.has_extra_tokens = true;
  }
  return settings;
}

std::vector<template_part> bert_pair(template_part const& begin, template_part const& end) {
  return {begin, {}, end, {std::nullopt, 1, true}, {end.id, 1}};
}

std::vector<template_part> roberta_pair(template_part const& begin, template_part const& end) {
  return {begin, {}, end, end, {std::nullopt, 0, true}, end};
}

wordpiece make_wordpiece(std::vector<wordpiece::entry> vocabulary, wordpiece_options const& options,
                         std::string const& file) {
  try {
    return {std::move(vocabulary), options};
  } catch (std::out_of_range const&) {
    throw ml::inconsistent_model({file, "no token \"" + options.unknown_token + "\"",
                                  "it, for words without pieces",
                                  "name the unknown token in tokenizer_config.json or in tokenizer.json"});
  } catch (std::length_error const&) {
    throw ml::unsupported_model(
        {file, "a vocabulary of 2 GiB or more", "a smaller one", "check that it belongs to a model"});
  }
}

byte_level::bpe make_bpe(std::vector<wordpiece::entry> vocabulary,
                         std::vector<byte_level::bpe::merge_rule> const& merges, std::string const& file) {
  try {
    return {std::move(vocabulary), merges};
  } catch (std::out_of_range const& missing) {
    throw ml::inconsistent_model({file, std::string("no token \"") + missing.what() + "\"",
                                  "one for each byte and for each merge, in GPT-2's alphabet",
                                  "save the tokenizer again with transformers"});
  }
}

unigram make_unigram(std::vector<scored_piece> const& pieces, std::size_t unknown, bool byte_fallback,
                     std::string const& file) {
  try {
    return {pieces, unknown, byte_fallback};
  } catch (std::out_of_range const&) {
    throw ml::inconsistent_model({file, "an unknown token of id " + std::to_string(unknown),
                                  "one of the " + std::to_string(pieces.size()) + " pieces",
                                  "save the tokenizer again with transformers"});
  } catch (std::length_error const&) {
    throw ml::unsupported_model(
        {file, "a vocabulary of 2 GiB or more", "a smaller one", "check that it belongs to a model"});
  }
}

std::size_t unknown_of_class(std::vector<scored_piece> const& pieces, tokenizer_settings const& settings) {
  constexpr std::size_t xlm_roberta_unknown = 3;
  if (settings.kind != tokenizer_kind::camembert) return xlm_roberta_unknown;
  std::string const name = settings.unknown ? settings.unknown->content : roberta_names.unknown;
  auto const found = std::ranges::find(pieces, name, &scored_piece::text);
  return found == pieces.end() ? 0 : static_cast<std::size_t>(found - pieces.begin());
}

std::shared_ptr<charsmap const> make_charsmap(std::string_view blob, std::string const& file) {
  try {
    return std::make_shared<charsmap const>(blob);
  } catch (std::invalid_argument const& wrong) {
    throw ml::malformed_file({file, std::string("a precompiled_charsmap of ") + wrong.what(),
                              "what SentencePiece writes there", "download the file again"});
  }
}

wordpiece_options options_of(tokenizer_settings const& settings) {
  wordpiece_options options;
  if (settings.unknown && !settings.unknown->content.empty()) {
    options.unknown_token = settings.unknown->content;
  }
  return options;
}

std::vector<wordpiece::entry> parse_ids(json_view const& map) {
  std::vector<wordpiece::entry> vocabulary;
  vocabulary.reserve(map.raw().size());
  for (auto const& [token, id] : map.raw().items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > max_token_id) {
      map.malformed(token, "a whole number from 0 to " + std::to_string(max_token_id));
    }
    vocabulary.emplace_back(token, id.get<std::int32_t>());
  }
  return vocabulary;
}

std::optional<byte_level::bpe::merge_rule> parse_merge(std::string_view line) {
  auto const space = line.find(' ');
  if (space == 0 || space >= line.size() - 1 || line.find(' ', space + 1) != line.npos) return std::nullopt;
  return {{std::string(line.substr(0, space)), std::string(line.substr(space + 1))}};
}

std::int32_t token_adder::next_id() const {
  auto const size =
      static_cast<std::int32_t>(std::visit([](auto const& model) { return model.size(); }, model_));
  return largest_ >= size ? largest_ + 1 : size;
}

bool token_adder::has(std::string_view content) const {
  return std::ranges::any_of(tokens_, [&](auto const& token) { return token.content == content; });
}

std::optional<std::int32_t> token_adder::find(std::string_view content) const {
  auto const added =
      std::ranges::find_if(tokens_, [&](auto const& token) { return token.content == content; });
  return added != tokens_.end() ? std::optional(added->id) : find_in(model_, content);
}

void token_adder::add(added_token token) {
  if (token.content.empty()) return;
  token.id = find(token.content).value_or(next_id());
  largest_ = std::max(largest_, token.id);
  auto const known =
      std::ranges::find_if(tokens_, [&](auto const& each) { return each.content == token.content; });
  if (known != tokens_.end()) {
    *known = std::move(token);
  } else {
    tokens_.push_back(std::move(token));
  }
}

void token_adder::add_with_id(added_token token) {
  auto const given = find(token.content).value_or(next_id());
  if (!token.content.empty() && given != token.id) {
    throw ml::inconsistent_model(
        {file_, "the added token \"" + token.content + "\" with id " + std::to_string(token.id),
         "id " + std::to_string(given) + ", which transformers gives it",
         "save the tokenizer again with transformers"});
  }
  add(std::move(token));
}

void token_adder::add_all(tokenizer_settings const& settings, std::vector<added_token> const& listed) {
  for (added_token token : listed) {
    bool has_role = false;
    for_each_special(settings, [&](added_token const& each) {
      has_role = has_role || (each.has_role && each.content == token.content);
    });
    if (has_role && token.normalized_is_default) token.normalized = false;
    add_with_id(std::move(token));
  }
  for_each_special(settings, [this](added_token const& token) {
    if (!has(token.content)) add(token);
  });
}

special_ids find_special_ids(token_adder const& added, tokenizer_settings const& settings) {
  special_ids ids;
  for_each_special(settings, [&](added_token const& token) {
    if (auto const id = added.find(token.content)) ids.all.push_back(*id);
  });
  auto const id_of = [&](std::optional<added_token> const& token) {
    return token && !token->content.empty() ? added.find(token->content) : std::nullopt;
  };
  ids.unknown = id_of(settings.unknown);
  ids.classification = id_of(settings.classification);
  return ids;
}

tokenizer make_by_class(token_model model, tokenizer_settings const& given,
                        std::vector<added_token> const& listed, std::string const& file,
                        std::shared_ptr<charsmap const> map) {
  tokenizer_settings const settings = with_special_names(given);
  require_tokens(settings, file);
  token_adder added(model, file);
  added.add_all(settings, listed_tokens(settings, listed));
  bool const by_ends = is_unigram_class(settings.kind);
  std::string const& before = (by_ends ? settings.beginning : settings.classification)->content;
  std::string const& after = (by_ends ? settings.end : settings.separator)->content;
  template_part const begin = {required_id(added.find(before), before, file), 0};
  template_part const end = {required_id(added.find(after), after, file), 0};
  bool const bert = settings.kind == tokenizer_kind::bert;
  auto special = find_special_ids(added, settings);
  auto tokens = std::move(added).take();
  auto parts = parts_of_class(settings, std::move(map), std::move(model));
  parts.added = std::move(tokens);
  parts.post_template = {begin, {}, end};
  parts.pair_template = bert ? bert_pair(begin, end) : roberta_pair(begin, end);
  parts.special = std::move(special);
  return tokenizer(std::move(parts));
}

}  // namespace yonder::kernels
