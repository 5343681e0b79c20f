// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "model/base64.hpp"
#include "model/keys.hpp"
#include "model/tokenizer_assembly.hpp"
#include "model/tokenizer_limits.hpp"
#include "model/unicode.hpp"
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

std::shared_ptr<charsmap const> parse_charsmap(json_view const& value) {
  auto const blob = decode_base64(value.string("precompiled_charsmap"));
  if (!blob) value.malformed("precompiled_charsmap", "base64");
  return make_charsmap(*blob, value.file());
}

text_replacement parse_replacement(json_view const& value) {
  text_replacement replacement{std::nullopt, value.string("content")};
  json_view const pattern = value.object("pattern");
  if (!pattern.lacks("String")) {
    replacement.pattern = pattern.string("String");
    if (replacement.pattern->empty()) pattern.unsupported("String", "a text that is not empty");
  } else if (pattern.string("Regex") != " {2,}") {
    pattern.unsupported("Regex", "\" {2,}\", or a String");
  }
  return replacement;
}

// The steps of a normalizer as they are read.
class normalizer_reader {
 public:
  void add(std::string const& type, json_view const& value) {
    using enum normalizer::step;
    if (type == "BertNormalizer") {
      if (std::ranges::count(steps_, bert) != 0) value.unsupported("type", "one BertNormalizer");
      options_ = parse_bert_normalizer(value);
      steps_.push_back(bert);
    } else if (type == "Precompiled") {
      if (map_) value.unsupported("type", "one Precompiled");
      map_ = parse_charsmap(value);
      steps_.push_back(map);
    } else if (type == "Replace") {
      replacements_.push_back(parse_replacement(value));
      steps_.push_back(replace);
    } else if (type == "Strip") {
      if (value.boolean_or("strip_left", true)) steps_.push_back(strip_left);
      if (value.boolean_or("strip_right", true)) steps_.push_back(strip_right);
    } else {
      steps_.push_back(plain_step(type, value));
    }
  }
  normalizer take() && { return {std::move(steps_), options_, std::move(map_), std::move(replacements_)}; }

 private:
  static normalizer::step plain_step(std::string const& type, json_view const& value) {
    using enum normalizer::step;
    if (type == "Lowercase") return lowercase;
    if (type == "NFC") return nfc;
    if (type == "NFD") return nfd;
    if (type == "StripAccents") return strip_accents;
    value.unsupported("type",
                      "BertNormalizer, Lowercase, NFC, NFD, StripAccents, Precompiled, Replace, Strip, "
                      "or a Sequence of these");
  }

  std::vector<normalizer::step> steps_;
  bert_normalization options_;
  std::shared_ptr<charsmap const> map_;
  std::vector<text_replacement> replacements_;
};

normalizer parse_normalizer(json_view const& root) {
  if (root.lacks("normalizer")) return {};
  normalizer_reader reader;
  for_each_step(root.object("normalizer"), "normalizer.", "normalizers",
                [&](std::string const& type, json_view const& value) { reader.add(type, value); });
  return std::move(reader).take();
}

// Of XLMRobertaTokenizer: all it takes of the normalizer is the first map.
std::shared_ptr<charsmap const> parse_first_charsmap(json_view const& root) {
  std::shared_ptr<charsmap const> map;
  if (root.lacks("normalizer")) return map;
  for_each_step(root.object("normalizer"), "normalizer.", "normalizers",
                [&](std::string const& type, json_view const& value) {
                  if (type == "Precompiled" && !map) map = parse_charsmap(value);
                });
  return map;
}

metaspace parse_metaspace(json_view const& value) {
  using enum metaspace::prepending;
  metaspace spaces;
  spaces.mark = value.string("replacement");
  spaces.split = value.boolean_or("split", true);
  if (spaces.mark.empty() || unicode::decode(spaces.mark.data()).bytes != spaces.mark.size()) {
    value.malformed("replacement", "one character");
  }
  std::string const scheme = value.string_or("prepend_scheme", "always");
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    value.malformed("prepend_scheme", "always, first or never");
  }
  bool const none = !value.boolean_or("add_prefix_space", true);
  if (none && !value.lacks("prepend_scheme") && scheme != "never") {
    value.malformed("add_prefix_space", "true, as prepend_scheme is not never");
  }
  spaces.prepend = none || scheme == "never" ? never : scheme == "first" ? first : always;
  return spaces;
}

struct parsed_pre_tokenizer {
  pre_tokenizer split;
  std::optional<metaspace> spaces;
};

// For WordPiece and Unigram.
parsed_pre_tokenizer parse_pre_tokenizer(json_view const& root) {
  if (root.lacks("pre_tokenizer")) return {};
  std::vector<pre_tokenizer::step> steps;
  std::optional<metaspace> spaces;
  for_each_step(root.object("pre_tokenizer"), "pre_tokenizer.", "pretokenizers",
                [&](std::string const& type, json_view const& value) {
                  using enum pre_tokenizer::step;
                  if (spaces) value.unsupported("type", "nothing after Metaspace");
                  if (type == "BertPreTokenizer") {
                    steps.push_back(bert);
                  } else if (type == "WhitespaceSplit") {
                    steps.push_back(whitespace_split);
                  } else if (type == "Whitespace") {
                    steps.push_back(whitespace);
                  } else if (type == "Punctuation") {
                    steps.push_back(punctuation);
                  } else if (type == "Metaspace") {
                    spaces = parse_metaspace(value);
                    if (spaces->prepend == metaspace::prepending::first && !steps.empty())
                      value.unsupported("prepend_scheme", "always or never after other steps");
                  } else {
                    value.unsupported(
                        "type",
                        "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Metaspace, "
                        "or a Sequence of these");
                  }
                });
  return {pre_tokenizer(std::move(steps)), std::move(spaces)};
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

// [["<unk>", 0.0], …], in the order of ids.
std::vector<scored_piece> parse_pieces(json_view const& model) {
  std::vector<scored_piece> pieces;
  for (json const& value : array(model, "vocab")) {
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_number())
      model.malformed("vocab", "[piece, score] each");
    pieces.push_back({value[0].get<std::string>(), value[1].get<double>()});
  }
  if (pieces.empty() || pieces.size() > max_token_id) model.malformed("vocab", "1 to 2^24 pieces");
  return pieces;
}

unigram parse_unigram(json_view const& model) {
  auto const pieces = parse_pieces(model);
  if (model.lacks("unk_id")) model.unsupported("unk_id", "the id of a token for letters without a piece");
  return make_unigram(pieces, model.count("unk_id"), model.boolean_or("byte_fallback", false), model.file());
}

enum class algorithm : std::uint8_t { wordpiece, bpe, unigram };

constexpr char const* name_of(algorithm type) noexcept {
  return type == algorithm::wordpiece ? "WordPiece" : type == algorithm::bpe ? "BPE" : "Unigram";
}

// Files of 2020 state no type.
algorithm parse_algorithm(json_view const& model) {
  bool const is_list = !model.lacks("vocab") && model.raw()["vocab"].is_array();
  char const* const silent = is_list ? "Unigram" : model.lacks("merges") ? "WordPiece" : "BPE";
  std::string const name = model.string_or("type", silent);
  for (auto const type : {algorithm::wordpiece, algorithm::bpe, algorithm::unigram})
    if (name == name_of(type)) return type;
  model.unsupported("type", "WordPiece, BPE or Unigram");
}

// What Unigram has beside the others' keys, and the others' beside its own.
void check_model_keys(json_view const& model, algorithm type) {
  check_keys(model, tokenizer_json, "model.");
  if (type != algorithm::unigram && model.boolean_or("byte_fallback", false))
    model.unsupported("byte_fallback", "false, as the model is not Unigram");
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

struct class_model {
  char const* name;
  algorithm type;
};

class_model class_model_of(tokenizer_kind kind) noexcept {
  switch (kind) {
    case tokenizer_kind::bert: return {"BertTokenizer", algorithm::wordpiece};
    case tokenizer_kind::mpnet: return {"MPNetTokenizer", algorithm::wordpiece};
    case tokenizer_kind::xlm_roberta: return {"XLMRobertaTokenizer", algorithm::unigram};
    case tokenizer_kind::camembert: return {"CamembertTokenizer", algorithm::unigram};
    default: return {"RobertaTokenizer", algorithm::bpe};
  }
}

// What a class takes of the model: it has the rest itself.
token_model parse_vocabulary_of(json_view const& model, tokenizer_settings const& settings) {
  auto const wanted = class_model_of(settings.kind);
  auto const type = parse_algorithm(model);
  if (type != wanted.type) {
    throw ml::inconsistent_model(
        {model.file(), std::string("a ") + name_of(type) + " model",
         std::string(name_of(wanted.type)) + ", as tokenizer_class or model_type makes it a " + wanted.name,
         "set tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json "
         "if tokenizer.json is right"});
  }
  if (type == algorithm::unigram) {
    auto const pieces = parse_pieces(model);
    auto const unknown = unknown_of_class(pieces, settings);
    return make_unigram(pieces, unknown, false, model.file());
  }
  auto vocabulary = parse_ids(model.object("vocab"));
  if (type == algorithm::bpe) return make_bpe(std::move(vocabulary), parse_merges(model), model.file());
  return make_wordpiece(std::move(vocabulary), options_of(settings), model.file());
}

tokenizer parse_by_class(json_view const& root, tokenizer_settings const& settings,
                         std::vector<added_token> const& listed) {
  auto model = parse_vocabulary_of(root.object("model"), settings);
  auto map = is_unigram_class(settings.kind) ? parse_first_charsmap(root) : nullptr;
  return make_by_class(std::move(model), settings, listed, root.file(), std::move(map));
}

token_model parse_model(json_view const& model, algorithm type) {
  switch (type) {
    case algorithm::bpe: return parse_bpe(model);
    case algorithm::unigram: return parse_unigram(model);
    default: return parse_wordpiece(model);
  }
}

tokenizer parse_as_written(json_view const& root, tokenizer_settings const& settings,
                           std::vector<added_token> const& listed) {
  json_view const model_value = root.object("model");
  auto const type = parse_algorithm(model_value);
  check_model_keys(model_value, type);
  bool const bpe = type == algorithm::bpe;
  bool const prefix_space = bpe && parse_byte_level(root);
  auto pre = bpe ? parsed_pre_tokenizer{pre_tokenizer({pre_tokenizer::step::byte_level}), std::nullopt}
                 : parse_pre_tokenizer(root);
  token_model model = parse_model(model_value, type);
  token_adder added(model, root.file());
  for (auto const& token : listed) added.add_with_id(token);
  added.add_all(settings, settings.added);
  auto special = find_special_ids(added, settings);
  auto tokens = std::move(added).take();
  auto around = parse_post_processor(root);
  return tokenizer({.normalize = parse_normalizer(root),
                    .split = std::move(pre.split),
                    .prefix_space = prefix_space,
                    .spaces = std::move(pre.spaces),
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
  auto result = settings.kind == tokenizer_kind::as_written ? parse_as_written(root, settings, listed)
                                                            : parse_by_class(root, settings, listed);
  result.set_cut_and_padding(cut, pad);
  return result;
}

}  // namespace yonder::kernels
