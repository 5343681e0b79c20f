// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "model/keys.hpp"
#include "model/tokenizer_assembly.hpp"
#include "model/tokenizer_limits.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr char const* tokenizer_json = "tokenizer.json";

std::int32_t token_id(json_view const& value, char const* key) {
  return static_cast<std::int32_t>(value.count(key, max_token_id));
}

json_view element(json const& value, json_view const& parent, char const* key) {
  if (!value.is_object()) parent.malformed(key, "an array of objects");
  return {value, parent.file(), std::string(key) + "[]."};
}

json const& array(json_view const& parent, char const* key) {
  if (parent.lacks(key) || !parent.raw()[key].is_array()) parent.malformed(key, "an array");
  return parent.raw()[key];
}

// Calls each(type, entry) for the one entry of `value`, or for those of a Sequence that holds them under
// `list`. Inside a Sequence, another Sequence is refused by `each` as any unknown type.
template <class Each>
void for_each_step(json_view const& value, char const* where, char const* list, Each&& each) {
  check_keys(value, tokenizer_json, where);
  std::string const type = value.string("type");
  if (type != "Sequence") return each(type, value);
  for (json const& entry : array(value, list)) {
    json_view const step = element(entry, value, list);
    check_keys(step, tokenizer_json, where);
    each(step.string("type"), step);
  }
}

bert_normalization parse_bert_normalizer(json_view const& value) {
  bert_normalization bert;
  bert.clean_text = value.boolean_or("clean_text", true);
  bert.handle_chinese_chars = value.boolean_or("handle_chinese_chars", true);
  bert.lowercase = value.boolean_or("lowercase", true);
  bert.strip_accents = value.boolean_or("strip_accents", bert.lowercase);
  return bert;
}

normalizer parse_normalizer(json_view const& root) {
  if (root.lacks("normalizer")) return {};
  std::vector<normalizer::step> steps;
  bert_normalization options;
  for_each_step(root.object("normalizer"), "normalizer.", "normalizers",
                [&](std::string const& type, json_view const& value) {
                  using enum normalizer::step;
                  if (type == "BertNormalizer") {
                    if (std::ranges::count(steps, bert) != 0) value.unsupported("type", "one BertNormalizer");
                    options = parse_bert_normalizer(value);
                    steps.push_back(bert);
                  } else if (type == "Lowercase") {
                    steps.push_back(lowercase);
                  } else if (type == "NFD") {
                    steps.push_back(nfd);
                  } else if (type == "StripAccents") {
                    steps.push_back(strip_accents);
                  } else {
                    value.unsupported("type",
                                      "BertNormalizer, Lowercase, NFD, StripAccents, or a Sequence of these");
                  }
                });
  return {std::move(steps), options};
}

// For WordPiece.
pre_tokenizer parse_pre_tokenizer(json_view const& root) {
  if (root.lacks("pre_tokenizer")) return {};
  std::vector<pre_tokenizer::step> steps;
  for_each_step(root.object("pre_tokenizer"), "pre_tokenizer.", "pretokenizers",
                [&](std::string const& type, json_view const& value) {
                  using enum pre_tokenizer::step;
                  if (type == "BertPreTokenizer") {
                    steps.push_back(bert);
                  } else if (type == "WhitespaceSplit") {
                    steps.push_back(whitespace_split);
                  } else if (type == "Whitespace") {
                    steps.push_back(whitespace);
                  } else if (type == "Punctuation") {
                    steps.push_back(punctuation);
                  } else {
                    value.unsupported("type",
                                      "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, "
                                      "or a Sequence of these");
                  }
                });
  return pre_tokenizer(std::move(steps));
}

wordpiece parse_wordpiece(json_view const& model) {
  wordpiece_options options;
  options.unknown_token = model.string_or("unk_token", options.unknown_token);
  options.continuing_prefix = model.string_or("continuing_subword_prefix", options.continuing_prefix);
  options.max_word_chars = model.count_or("max_input_chars_per_word", options.max_word_chars);
  return make_wordpiece(parse_ids(model.object("vocab")), options, model.file());
}

// Each "left right" or ["left", "right"].
std::vector<byte_level::bpe::merge_rule> parse_merges(json_view const& model) {
  std::vector<byte_level::bpe::merge_rule> merges;
  auto const is_pair = [](json const& value) {
    return value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string();
  };
  for (json const& value : array(model, "merges")) {
    std::optional<byte_level::bpe::merge_rule> merge;
    if (is_pair(value)) merge.emplace(value[0].get<std::string>(), value[1].get<std::string>());
    if (value.is_string()) merge = parse_merge(value.get_ref<std::string const&>());
    if (!merge) model.malformed("merges", "two tokens each");
    merges.push_back(std::move(*merge));
  }
  return merges;
}

byte_level::bpe parse_bpe(json_view const& model) {
  if (!model.string_or("continuing_subword_prefix", "").empty()) {
    model.unsupported("continuing_subword_prefix", "\"\"");
  }
  return make_bpe(parse_ids(model.object("vocab")), parse_merges(model), model.file());
}

// Files of 2020 state no type.
bool is_bpe(json_view const& model) {
  std::string const type = model.string_or("type", model.lacks("merges") ? "WordPiece" : "BPE");
  if (type != "WordPiece" && type != "BPE") model.unsupported("type", "WordPiece or BPE");
  return type == "BPE";
}

// The only pre-tokenizer that byte-level BPE has. Returns add_prefix_space.
bool parse_byte_level(json_view const& root) {
  json_view const value = root.object("pre_tokenizer");
  check_keys(value, tokenizer_json, "pre_tokenizer.");
  if (value.string("type") != "ByteLevel") value.unsupported("type", "ByteLevel, as the model is BPE");
  return value.boolean_or("add_prefix_space", true);
}

// The ids of one special token of a TemplateProcessing.
void append_special(json_view const& part, json_view const& specials, std::vector<template_part>& parts) {
  std::string const name = part.string("id");
  auto const type = token_id(part, "type_id");
  json_view const special = specials.object(name.c_str());
  for (json const& id : array(special, "ids")) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > max_token_id)
      special.malformed("ids", "token ids");
    parts.push_back({id.get<std::int32_t>(), type});
  }
}

// `count` texts, A and then B.
std::vector<template_part> parse_template(json_view const& value, char const* key, std::size_t count) {
  std::vector<template_part> parts;
  std::size_t texts[2] = {0, 0};
  for (json const& entry : array(value, key)) {
    json_view const part = element(entry, value, key);
    if (!part.lacks("SpecialToken")) {
      append_special(part.object("SpecialToken"), value.object("special_tokens"), parts);
      continue;
    }
    json_view const text = part.object("Sequence");
    bool const second = count == 2 && text.string("id") == "B";
    parts.push_back({std::nullopt, token_id(text, "type_id"), second});
    ++texts[second ? 1 : 0];
  }
  if (texts[0] != 1 || texts[1] != count - 1)
    value.malformed(key, count == 1 ? "one Sequence" : "two Sequences, A and B");
  return parts;
}

// ["[CLS]", 101]
template_part parse_bert_special(json_view const& value, char const* key) {
  json const& pair = array(value, key);
  if (pair.size() != 2 || !pair[1].is_number_unsigned() || pair[1].get<std::uint64_t>() > max_token_id) {
    value.malformed(key, "[token, id]");
  }
  return {pair[1].get<std::int32_t>(), 0};
}

// What stands round a text, and round two.
struct templates {
  std::vector<template_part> single = {{}};
  std::vector<template_part> pair = {{}, {std::nullopt, 1, true}};
  std::vector<bool> trims = {};  // as in tokenizer_parts
};

void parse_trim(json_view const& value, std::vector<bool>& trims) {
  bool const keeps_one = value.boolean_or("add_prefix_space", true);
  if (value.boolean_or("trim_offsets", true)) trims.push_back(keeps_one);
}

templates parse_bert_processing(json_view const& value, bool bert) {
  auto const begin = parse_bert_special(value, "cls");
  auto const end = parse_bert_special(value, "sep");
  return {{begin, {}, end}, bert ? bert_pair(begin, end) : roberta_pair(begin, end)};
}

// A Sequence of ByteLevel, which adds no token, and one of the others.
templates parse_post_processor(json_view const& root) {
  templates parts;
  if (root.lacks("post_processor")) return parts;
  for_each_step(root.object("post_processor"), "post_processor.", "processors",
                [&](std::string const& type, json_view const& value) {
                  if (type == "ByteLevel" || type == "RobertaProcessing") parse_trim(value, parts.trims);
                  if (type == "ByteLevel") return;
                  if (parts.single.size() != 1) value.unsupported("type", "one processor that adds tokens");
                  if (type == "TemplateProcessing") {
                    parts.single = parse_template(value, "single", 1);
                    if (!value.lacks("pair")) parts.pair = parse_template(value, "pair", 2);
                  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
                    auto around = parse_bert_processing(value, type == "BertProcessing");
                    parts.single = std::move(around.single);
                    parts.pair = std::move(around.pair);
                  } else {
                    value.unsupported("type",
                                      "TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel");
                  }
                });
  return parts;
}

std::optional<truncation> parse_truncation(json_view const& root) {
  if (root.lacks("truncation")) return std::nullopt;
  json_view const value = root.object("truncation");
  check_keys(value, tokenizer_json, "truncation.");
  return truncation{value.count("max_length"), parse_side(value, "direction")};
}

std::optional<padding> parse_padding(json_view const& root) {
  if (root.lacks("padding")) return std::nullopt;
  json_view const value = root.object("padding");
  check_keys(value, tokenizer_json, "padding.");
  padding result;
  if (value.lacks("strategy")) value.malformed("strategy", "\"BatchLongest\" or {\"Fixed\": length}");
  json const& strategy = value.raw()["strategy"];
  if (strategy.is_object()) {
    result.fixed_length = value.object("strategy").count("Fixed", max_token_id);
  } else if (strategy != "BatchLongest") {
    value.malformed("strategy", "\"BatchLongest\" or {\"Fixed\": length}");
  }
  if (!value.lacks("pad_to_multiple_of"))
    result.multiple_of = value.count("pad_to_multiple_of", max_token_id);
  result.pad = parse_side(value, "direction");
  result.id = static_cast<std::int32_t>(value.count_or("pad_id", 0, max_token_id));
  result.type_id = static_cast<std::int32_t>(value.count_or("pad_type_id", 0, max_token_id));
  return result;
}

std::vector<added_token> parse_added_tokens(json_view const& root) {
  std::vector<added_token> tokens;
  if (root.lacks("added_tokens")) return tokens;
  for (json const& entry : array(root, "added_tokens")) {
    json_view const value = element(entry, root, "added_tokens");
    check_keys(value, tokenizer_json, "added_tokens.");
    tokens.push_back(parse_added_token(value));
    tokens.back().id = token_id(value, "id");
  }
  return tokens;
}

// What BertTokenizer and RobertaTokenizer take of the model: they have the rest themselves.
token_model parse_vocabulary_of(json_view const& model, tokenizer_settings const& settings) {
  if (is_bpe(model) != (settings.kind == tokenizer_kind::roberta)) {
    throw ml::inconsistent_model({model.file(), is_bpe(model) ? "a BPE model" : "a WordPiece model",
                                  settings.kind == tokenizer_kind::bert
                                      ? "WordPiece, as tokenizer_class or model_type makes it a BertTokenizer"
                                      : "BPE, as tokenizer_class or model_type makes it a RobertaTokenizer",
                                  "set tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json "
                                  "if tokenizer.json is right"});
  }
  auto vocabulary = parse_ids(model.object("vocab"));
  if (settings.kind == tokenizer_kind::roberta) {
    return make_bpe(std::move(vocabulary), parse_merges(model), model.file());
  }
  return make_wordpiece(std::move(vocabulary), options_of(settings), model.file());
}

tokenizer parse_as_written(json_view const& root, tokenizer_settings const& settings,
                           std::vector<added_token> const& listed) {
  json_view const model_value = root.object("model");
  check_keys(model_value, tokenizer_json, "model.");
  bool const bpe = is_bpe(model_value);
  bool const prefix_space = bpe && parse_byte_level(root);
  auto split = bpe ? pre_tokenizer({pre_tokenizer::step::byte_level}) : parse_pre_tokenizer(root);
  token_model model = bpe ? token_model(parse_bpe(model_value)) : token_model(parse_wordpiece(model_value));
  token_adder added(model, root.file());
  for (auto const& token : listed) added.add_with_id(token);
  added.add_all(settings, settings.added);
  auto special = find_special_ids(added, settings);
  auto tokens = std::move(added).take();
  auto around = parse_post_processor(root);
  return tokenizer({.normalize = parse_normalizer(root),
                    .split = std::move(split),
                    .prefix_space = prefix_space,
                    .model = std::move(model),
                    .added = std::move(tokens),
                    .post_template = std::move(around.single),
                    .pair_template = std::move(around.pair),
                    .special = std::move(special),
                    .trims = std::move(around.trims)});
}

}  // namespace

tokenizer parse_tokenizer_json(std::string_view text, std::string const& file,
                               tokenizer_settings const& settings) {
  json const root_value = parse_json(text, file);
  json_view const root(root_value, file);
  check_keys(root, tokenizer_json);
  auto const listed = parse_added_tokens(root);
  auto const cut = parse_truncation(root);
  auto const pad = parse_padding(root);
  auto result =
      settings.kind == tokenizer_kind::as_written
          ? parse_as_written(root, settings, listed)
          : make_by_class(parse_vocabulary_of(root.object("model"), settings), settings, listed, file);
  result.set_cut_and_padding(cut, pad);
  return result;
}

}  // namespace yonder::kernels
