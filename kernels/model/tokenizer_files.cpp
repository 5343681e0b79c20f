// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <stdexcept>

#include "model/json.hpp"
#include "model/mapped_file.hpp"
#include "model/tokenizer.hpp"
#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr std::uint64_t max_id = 1U << 24;

std::int32_t token_id(json_view const& value, char const* key) {
  return static_cast<std::int32_t>(value.count(key, max_id));
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
void for_each_step(json_view const& value, char const* list, Each&& each) {
  std::string const type = value.string("type");
  if (type != "Sequence") return each(type, value);
  for (json const& entry : array(value, list)) {
    json_view const step = element(entry, value, list);
    each(step.string("type"), step);
  }
}

bert_normalization parse_bert_normalizer(json_view const& value, tokenizer_settings const& settings) {
  bert_normalization bert;
  bert.clean_text = value.boolean_or("clean_text", true);
  bert.handle_chinese_chars =
      settings.handle_chinese_chars.value_or(value.boolean_or("handle_chinese_chars", true));
  bert.lowercase = settings.lowercase.value_or(value.boolean_or("lowercase", true));
  bert.strip_accents = value.boolean_or("strip_accents", bert.lowercase);
  if (settings.strip_accents) bert.strip_accents = *settings.strip_accents;
  return bert;
}

normalizer parse_normalizer(json_view const& root, tokenizer_settings const& settings) {
  if (root.lacks("normalizer")) return {};
  std::vector<normalizer::step> steps;
  bert_normalization options;
  for_each_step(
      root.object("normalizer"), "normalizers", [&](std::string const& type, json_view const& value) {
        using enum normalizer::step;
        if (type == "BertNormalizer") {
          if (std::ranges::count(steps, bert) != 0) value.unsupported("type", "one BertNormalizer");
          options = parse_bert_normalizer(value, settings);
          steps.push_back(bert);
        } else if (type == "Lowercase") {
          steps.push_back(lowercase);
        } else if (type == "NFD") {
          steps.push_back(nfd);
        } else if (type == "StripAccents") {
          steps.push_back(strip_accents);
        } else {
          value.unsupported("type", "BertNormalizer, Lowercase, NFD, StripAccents, or a Sequence of these");
        }
      });
  return {std::move(steps), options};
}

// For WordPiece.
pre_tokenizer parse_pre_tokenizer(json_view const& root) {
  if (root.lacks("pre_tokenizer")) return {};
  std::vector<pre_tokenizer::step> steps;
  for_each_step(
      root.object("pre_tokenizer"), "pretokenizers", [&](std::string const& type, json_view const& value) {
        using enum pre_tokenizer::step;
        if (type == "BertPreTokenizer") {
          steps.push_back(bert);
        } else if (type == "WhitespaceSplit") {
          steps.push_back(whitespace_split);
        } else if (type == "Whitespace") {
          steps.push_back(whitespace);
        } else if (type == "Punctuation" && value.string_or("behavior", "Isolated") == "Isolated") {
          steps.push_back(punctuation);
        } else {
          value.unsupported("type",
                            "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation (isolated), "
                            "or a Sequence of these");
        }
      });
  return pre_tokenizer(std::move(steps));
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

// Tokens and their ids.
std::vector<wordpiece::entry> parse_ids(json_view const& map) {
  std::vector<wordpiece::entry> vocabulary;
  vocabulary.reserve(map.raw().size());
  for (auto const& [token, id] : map.raw().items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > max_id) {
      map.malformed(token, "a whole number from 0 to " + std::to_string(max_id));
    }
    vocabulary.emplace_back(token, id.get<std::int32_t>());
  }
  return vocabulary;
}

wordpiece parse_wordpiece(json_view const& model) {
  wordpiece_options options;
  options.unknown_token = model.string_or("unk_token", options.unknown_token);
  options.continuing_prefix = model.string_or("continuing_subword_prefix", options.continuing_prefix);
  options.max_word_chars = model.count_or("max_input_chars_per_word", options.max_word_chars);
  return make_wordpiece(parse_ids(model.object("vocab")), options, model.file());
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

// "left right"; nothing where it is not that.
std::optional<byte_level::bpe::merge_rule> parse_merge(std::string_view line) {
  auto const space = line.find(' ');
  if (space == 0 || space >= line.size() - 1 || line.find(' ', space + 1) != line.npos) return std::nullopt;
  return {{std::string(line.substr(0, space)), std::string(line.substr(space + 1))}};
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
  if (model.number_or("dropout", 0) != 0) model.unsupported("dropout", "0");
  for (char const* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string_or(key, "").empty()) model.unsupported(key, "\"\"");
  }
  for (char const* key : {"byte_fallback", "ignore_merges"}) {
    if (model.boolean_or(key, false)) model.unsupported(key, "false");
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
  if (value.string("type") != "ByteLevel") value.unsupported("type", "ByteLevel, as the model is BPE");
  if (!value.boolean_or("use_regex", true)) value.unsupported("use_regex", "true");
  return value.boolean_or("add_prefix_space", true);
}

added_token parse_added_token(json_view const& value) {
  added_token token;
  token.content = value.string("content");
  token.single_word = value.boolean_or("single_word", false);
  token.lstrip = value.boolean_or("lstrip", false);
  token.rstrip = value.boolean_or("rstrip", false);
  token.normalized = value.boolean_or("normalized", !value.boolean_or("special", false));
  return token;
}

std::optional<std::int32_t> find(token_model const& model, std::string_view token) {
  return std::visit([token](auto const& each) { return each.find(token); }, model);
}

// A token that the vocabulary has keeps its id there, and must not be given another.
void check_added_id(added_token const& token, token_model const& model, std::string const& file) {
  auto const known = find(model, token.content);
  if (!known || *known == token.id) return;
  throw ml::inconsistent_model(
      {file, "the added token \"" + token.content + "\" with id " + std::to_string(token.id),
       "id " + std::to_string(*known) + ", as in the vocabulary",
       "save the tokenizer again with transformers"});
}

std::vector<added_token> parse_added_tokens(json_view const& root, token_model const& model) {
  std::vector<added_token> tokens;
  if (root.lacks("added_tokens")) return tokens;
  for (json const& entry : array(root, "added_tokens")) {
    json_view const value = element(entry, root, "added_tokens");
    added_token token = parse_added_token(value);
    token.id = token_id(value, "id");
    check_added_id(token, model, root.file());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// The ids of one special token of a TemplateProcessing.
void append_special(json_view const& part, json_view const& specials, std::vector<template_part>& parts) {
  std::string const name = part.string("id");
  auto const type = token_id(part, "type_id");
  json_view const special = specials.object(name.c_str());
  for (json const& id : array(special, "ids")) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > max_id) special.malformed("ids", "token ids");
    parts.push_back({id.get<std::int32_t>(), type});
  }
}

std::vector<template_part> parse_template(json_view const& value) {
  std::vector<template_part> parts;
  std::size_t texts = 0;
  for (json const& entry : array(value, "single")) {
    json_view const part = element(entry, value, "single");
    if (!part.lacks("SpecialToken")) {
      append_special(part.object("SpecialToken"), value.object("special_tokens"), parts);
    } else {
      parts.push_back({std::nullopt, token_id(part.object("Sequence"), "type_id")});
      ++texts;
    }
  }
  if (texts != 1) value.malformed("single", "one Sequence");
  return parts;
}

// ["[CLS]", 101]
template_part parse_bert_special(json_view const& value, char const* key) {
  json const& pair = array(value, key);
  if (pair.size() != 2 || !pair[1].is_number_unsigned() || pair[1].get<std::uint64_t>() > max_id) {
    value.malformed(key, "[token, id]");
  }
  return {pair[1].get<std::int32_t>(), 0};
}

// A Sequence of ByteLevel, which adds no token, and one of the others.
std::vector<template_part> parse_post_processor(json_view const& root) {
  template_part const text = {};
  std::vector<template_part> parts = {text};
  if (root.lacks("post_processor")) return parts;
  for_each_step(
      root.object("post_processor"), "processors", [&](std::string const& type, json_view const& value) {
        if (type == "ByteLevel") return;
        if (parts.size() != 1) value.unsupported("type", "one processor that adds tokens");
        if (type == "TemplateProcessing") {
          parts = parse_template(value);
        } else if (type == "BertProcessing" || type == "RobertaProcessing") {
          parts = {parse_bert_special(value, "cls"), text, parse_bert_special(value, "sep")};
        } else {
          value.unsupported("type", "TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel");
        }
      });
  return parts;
}

side parse_side(json_view const& value) {
  std::string const name = value.string_or("direction", "Right");
  if (name == "Right") return side::right;
  if (name == "Left") return side::left;
  value.malformed("direction", "\"Left\" or \"Right\"");
}

std::optional<truncation> parse_truncation(json_view const& root) {
  if (root.lacks("truncation")) return std::nullopt;
  json_view const value = root.object("truncation");
  return truncation{value.count("max_length"), parse_side(value)};
}

std::optional<padding> parse_padding(json_view const& root) {
  if (root.lacks("padding")) return std::nullopt;
  json_view const value = root.object("padding");
  padding result;
  if (value.lacks("strategy")) value.malformed("strategy", "\"BatchLongest\" or {\"Fixed\": length}");
  json const& strategy = value.raw()["strategy"];
  if (strategy.is_object()) {
    result.fixed_length = value.object("strategy").count("Fixed", max_id);
  } else if (strategy != "BatchLongest") {
    value.malformed("strategy", "\"BatchLongest\" or {\"Fixed\": length}");
  }
  if (!value.lacks("pad_to_multiple_of")) result.multiple_of = value.count("pad_to_multiple_of", max_id);
  result.pad = parse_side(value);
  result.id = static_cast<std::int32_t>(value.count_or("pad_id", 0, max_id));
  result.type_id = static_cast<std::int32_t>(value.count_or("pad_type_id", 0, max_id));
  return result;
}

// A special token is its text, or an object with a "content".
void read_special_token(json_view const& root, char const* key, std::optional<added_token>& token) {
  if (root.lacks(key)) return;
  if (!root.raw()[key].is_object()) {
    token = {.content = root.string(key)};
    return;
  }
  token = parse_added_token(root.object(key));
  token->normalized = root.object(key).boolean_or("normalized", false);
}

void read_added_tokens(json_view const& root, std::vector<added_token>& added) {
  if (root.lacks("added_tokens_decoder")) return;
  json_view const map = root.object("added_tokens_decoder");
  for (auto const& [key, entry] : map.raw().items()) {
    bool const digits =
        !key.empty() && key.size() <= 8 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stoul(key) > max_id || !entry.is_object()) map.malformed(key, "a token under its id");
    added_token token = parse_added_token(map.object(key.c_str()));
    token.id = static_cast<std::int32_t>(std::stoul(key));
    added.push_back(std::move(token));
  }
}

// Transformers writes 1e30 where there is no limit.
std::optional<std::size_t> read_max_length(json_view const& root) {
  double const stated = root.number_or("model_max_length", std::numeric_limits<double>::infinity());
  if (stated < 1) root.malformed("model_max_length", "at least 1");
  if (stated > max_id) return std::nullopt;
  return static_cast<std::size_t>(stated);
}

std::string_view without_space_at_end(std::string_view line) {
  while (!line.empty()) {
    auto const [code, bytes] = unicode::decode_before(line.data() + line.size());
    if ((unicode::properties(code) & unicode::whitespace) == 0) break;
    line.remove_suffix(bytes);
  }
  return line;
}

std::vector<wordpiece::entry> parse_lines(std::string_view text) {
  std::vector<wordpiece::entry> vocabulary;
  while (!text.empty()) {
    auto const line = text.substr(0, text.find('\n'));
    vocabulary.emplace_back(without_space_at_end(line), static_cast<std::int32_t>(vocabulary.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return vocabulary;
}

std::int32_t required_id(token_model const& model, std::string const& token, std::string const& file) {
  if (auto const id = find(model, token)) return *id;
  throw ml::inconsistent_model({file, "no token \"" + token + "\"", "it, to put round each text",
                                "name the special tokens in tokenizer_config.json"});
}

struct special_names {
  char const* unknown;
  char const* separator;
  char const* padding;
  char const* classification;
  char const* mask;
};

// Those of tokenizer_config.json, and the usual names where it is silent.
tokenizer_settings with_names(tokenizer_settings settings, special_names const& usual) {
  auto const name = [](std::optional<added_token>& token, char const* content) {
    if (!token) token = {.content = content};
  };
  name(settings.unknown, usual.unknown);
  name(settings.separator, usual.separator);
  name(settings.padding, usual.padding);
  name(settings.classification, usual.classification);
  name(settings.mask, usual.mask);
  return settings;
}

std::vector<added_token> special_tokens(token_model const& model, tokenizer_settings const& settings,
                                        std::string const& file) {
  std::vector<added_token> tokens;
  for (auto const& token : settings.added) {
    check_added_id(token, model, file);
    tokens.push_back(token);
  }
  for (auto const* special : {&settings.unknown, &settings.separator, &settings.padding,
                              &settings.classification, &settings.mask}) {
    std::string const& name = special->value().content;
    bool const listed = std::ranges::any_of(tokens, [&](auto const& token) { return token.content == name; });
    auto const id = find(model, name);
    if (listed || !id) continue;
    tokens.push_back(special->value());
    tokens.back().id = *id;
  }
  return tokens;
}

// [CLS] or <s>, the text, [SEP] or </s>.
std::vector<template_part> surround(token_model const& model, tokenizer_settings const& settings,
                                    std::string const& file) {
  return {{required_id(model, settings.classification->content, file), 0},
          {},
          {required_id(model, settings.separator->content, file), 0}};
}

// One merge a line, after one that begins with #version.
std::vector<byte_level::bpe::merge_rule> parse_merge_lines(named_text merges) {
  std::vector<byte_level::bpe::merge_rule> rules;
  std::size_t number = 0;
  for (std::string_view left = merges.text; !left.empty();) {
    auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    if (line.starts_with("#version") || line.empty()) continue;
    auto rule = parse_merge(line);
    if (!rule) {
      throw ml::malformed_file({merges.file, "line " + std::to_string(number) + " without two tokens",
                                "\"left right\" in each line", "download the file again"});
    }
    rules.push_back(std::move(*rule));
  }
  return rules;
}

void require_utf8(named_text source) {
  auto const offset = unicode::find_invalid_utf8(source.text);
  if (!offset) return;
  throw ml::malformed_file({source.file, "a byte at offset " + std::to_string(*offset) + " that is not UTF-8",
                            "tokens in lines, in UTF-8", "download the file again"});
}

tokenizer_settings load_settings(std::filesystem::path const& folder) {
  auto const path = folder / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return {};
  mapped_file const file(path);
  return parse_tokenizer_settings(file.text(), path.string());
}

}  // namespace

tokenizer_settings parse_tokenizer_settings(std::string_view text, std::string const& file) {
  json const root_value = parse_json(text, file);
  json_view const root(root_value, file);
  tokenizer_settings settings;
  settings.lowercase = root.optional_boolean("do_lower_case");
  settings.strip_accents = root.optional_boolean("strip_accents");
  settings.add_prefix_space = root.optional_boolean("add_prefix_space");
  settings.handle_chinese_chars = root.optional_boolean("tokenize_chinese_chars");
  settings.max_length = read_max_length(root);
  read_special_token(root, "unk_token", settings.unknown);
  read_special_token(root, "sep_token", settings.separator);
  read_special_token(root, "pad_token", settings.padding);
  read_special_token(root, "cls_token", settings.classification);
  read_special_token(root, "mask_token", settings.mask);
  read_added_tokens(root, settings.added);
  return settings;
}

tokenizer parse_tokenizer_json(std::string_view text, std::string const& file,
                               tokenizer_settings const& settings) {
  json const root_value = parse_json(text, file);
  json_view const root(root_value, file);
  json_view const model_value = root.object("model");
  bool const bpe = is_bpe(model_value);
  bool const prefix_space = bpe && parse_byte_level(root);
  auto split = bpe ? pre_tokenizer({pre_tokenizer::step::byte_level}) : parse_pre_tokenizer(root);
  token_model model = bpe ? token_model(parse_bpe(model_value)) : token_model(parse_wordpiece(model_value));
  auto added = parse_added_tokens(root, model);
  return tokenizer({parse_normalizer(root, settings), std::move(split),
                    bpe && settings.add_prefix_space.value_or(prefix_space), std::move(model),
                    std::move(added), parse_post_processor(root), parse_truncation(root),
                    parse_padding(root)});
}

tokenizer parse_vocabulary(std::string_view text, std::string const& file, tokenizer_settings const& given) {
  require_utf8({text, file});
  auto const settings = with_names(given, {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"});
  wordpiece_options options;
  options.unknown_token = settings.unknown->content;
  token_model model = make_wordpiece(parse_lines(text), options, file);
  bool const lowercase = settings.lowercase.value_or(true);
  bert_normalization const bert = {.handle_chinese_chars = settings.handle_chinese_chars.value_or(true),
                                   .strip_accents = settings.strip_accents.value_or(lowercase),
                                   .lowercase = lowercase};
  auto around = surround(model, settings, file);
  auto added = special_tokens(model, settings, file);
  return tokenizer({normalizer(bert), pre_tokenizer({pre_tokenizer::step::bert}), false, std::move(model),
                    std::move(added), std::move(around), std::nullopt, std::nullopt});
}

tokenizer parse_byte_level(named_text vocabulary, named_text merges, tokenizer_settings const& given) {
  require_utf8(merges);
  auto const settings = with_names(given, {"<unk>", "</s>", "<pad>", "<s>", "<mask>"});
  json const map = parse_json(vocabulary.text, vocabulary.file);
  token_model model =
      make_bpe(parse_ids(json_view(map, vocabulary.file)), parse_merge_lines(merges), vocabulary.file);
  auto around = surround(model, settings, vocabulary.file);
  auto added = special_tokens(model, settings, vocabulary.file);
  return tokenizer({{},
                    pre_tokenizer({pre_tokenizer::step::byte_level}),
                    settings.add_prefix_space.value_or(false),
                    std::move(model),
                    std::move(added),
                    std::move(around),
                    std::nullopt,
                    std::nullopt});
}

loaded_tokenizer load_tokenizer(std::filesystem::path const& folder) {
  tokenizer_settings const settings = load_settings(folder);
  auto const exists = [&](char const* name) { return std::filesystem::exists(folder / name); };
  auto const path = [&](char const* name) { return (folder / name).string(); };
  if (exists("tokenizer.json")) {
    std::string const name = path("tokenizer.json");
    mapped_file const file(name);
    return {parse_tokenizer_json(file.text(), name, settings), settings.max_length, name};
  }
  if (exists("vocab.txt")) {
    std::string const name = path("vocab.txt");
    mapped_file const file(name);
    return {parse_vocabulary(file.text(), name, settings), settings.max_length, name};
  }
  if (exists("vocab.json")) {
    std::string const name = path("vocab.json");
    std::string const merges_name = path("merges.txt");
    mapped_file const file(name);
    mapped_file const merges(merges_name);
    return {parse_byte_level({file.text(), name}, {merges.text(), merges_name}, settings),
            settings.max_length, name};
  }
  throw ml::missing_file({path("tokenizer.json"), "no such file, no vocab.txt and no vocab.json either",
                          "one of them", "download the tokenizer too: it belongs to the model"});
}

}  // namespace yonder::kernels
