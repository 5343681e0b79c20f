// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer_settings.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "model/keys.hpp"
#include "model/mapped_file.hpp"
#include "model/tokenizer_limits.hpp"

namespace yonder::kernels {
namespace {

struct special_role {
  char const* key;
  std::optional<added_token> tokenizer_settings::*token;
};
// In the order in which transformers adds them.
constexpr special_role special_roles[] = {
    {"bos_token", &tokenizer_settings::beginning}, {"eos_token", &tokenizer_settings::end},
    {"unk_token", &tokenizer_settings::unknown},   {"sep_token", &tokenizer_settings::separator},
    {"pad_token", &tokenizer_settings::padding},   {"cls_token", &tokenizer_settings::classification},
    {"mask_token", &tokenizer_settings::mask},
};

// Its text, or an object with a "content".
std::optional<added_token> special_token(json const& value, json_view const& parent, std::string const& key,
                                         bool special) {
  if (value.is_string())
    return added_token{.content = value.get<std::string>(), .special = true, .is_text = true};
  if (!value.is_object()) return std::nullopt;
  return parse_added_token(json_view(value, parent.file(), key + "."), special);
}

void add_other(std::vector<added_token>& to, std::optional<added_token> token, json_view const& root,
               std::string const& key) {
  if (!token) root.malformed(key, "tokens: texts, or objects with a content");
  auto const same = [&](auto const& each) { return each.content == token->content; };
  if (std::ranges::none_of(to, same)) to.push_back(std::move(*token));
}

// One that stands under a key of its own is special, and not normalized unless it says so.
std::optional<added_token> token_with_role(json_view const& root, std::string const& key) {
  auto token = special_token(root.raw()[key], root, key, true);
  if (!token) return token;
  token->has_role = true;
  token->special = true;
  if (token->normalized_is_default) token->normalized = false;
  return token;
}

// An array of tokens, or an object of them by names.
void read_extra_tokens(json_view const& root, char const* key, bool special, tokenizer_settings& settings) {
  if (root.lacks(key)) return;
  json const& all = root.raw()[key];
  if (!all.is_structured()) root.malformed(key, "tokens: an array, or an object by names");
  for (auto const& [name, value] : all.items()) {
    add_other(settings.other_special, special_token(value, root, key, special), root, key);
  }
}

void read_special_tokens(json_view const& root, tokenizer_settings& settings) {
  for (auto const& [key, token] : special_roles) {
    if (!root.raw().contains(key)) continue;
    if (root.lacks(key)) {
      settings.*token = added_token{};  // null: the class's own does not stand in for it
      continue;
    }
    settings.*token = token_with_role(root, key);
    if (!(settings.*token)) root.malformed(key, "a token: its text, or an object with a content");
  }
  for (auto const& [name, value] : root.raw().items()) {
    std::string const& key = name;
    bool const known = std::ranges::any_of(special_roles, [&](auto const& each) { return key == each.key; });
    if (known || !key.ends_with("_token") || !(value.is_string() || value.is_object())) continue;
    add_other(settings.other_special, token_with_role(root, key), root, key);
  }
}

// An array under either key keeps what comes later from adding additional_special_tokens.
void read_extra_tokens(json_view const& root, bool special, tokenizer_settings& settings) {
  auto const is_object = [&](char const* key) { return !root.lacks(key) && root.raw()[key].is_object(); };
  auto const states = [&](char const* key) { return root.raw().contains(key) && !is_object(key); };
  bool const extra = !root.lacks("extra_special_tokens") && !root.raw()["extra_special_tokens"].empty();
  if (extra || special) read_extra_tokens(root, "extra_special_tokens", special, settings);
  bool const additional = !extra || is_object("extra_special_tokens");
  if (additional && !settings.has_extra_tokens) {
    read_extra_tokens(root, "additional_special_tokens", special, settings);
  }
  settings.has_extra_tokens |= states("extra_special_tokens") || states("additional_special_tokens");
}

void read_added_tokens(json_view const& root, tokenizer_settings& settings) {
  if (root.lacks("added_tokens_decoder")) return;
  settings.has_added_tokens_decoder = true;
  json_view const map = root.object("added_tokens_decoder");
  for (auto const& [key, entry] : map.raw().items()) {
    bool const digits =
        !key.empty() && key.size() <= 8 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stoul(key) > max_token_id || !entry.is_object()) {
      map.malformed(key, "a token under its id");
    }
    added_token token = parse_added_token(map.object(key.c_str()));
    token.id = static_cast<std::int32_t>(std::stoul(key));
    settings.added.push_back(std::move(token));
  }
  std::ranges::stable_sort(settings.added, {}, &added_token::id);
}

// Transformers writes 1e30 where there is no limit.
std::optional<std::size_t> read_max_length(json_view const& root) {
  char const* const key = root.raw().contains("model_max_length") ? "model_max_length" : "max_len";
  double const stated = root.number_or(key, std::numeric_limits<double>::infinity());
  if (stated < 1) root.malformed(key, "at least 1");
  if (stated > static_cast<double>(max_token_id)) return std::nullopt;
  return static_cast<std::size_t>(stated);
}

std::optional<side> read_side(json_view const& root, char const* key) {
  if (root.lacks(key)) return std::nullopt;
  return parse_side(root, key);
}

std::optional<bool> read_gives_type_ids(json_view const& root) {
  if (root.lacks("model_input_names")) return std::nullopt;
  json const& names = root.raw()["model_input_names"];
  auto const has = [&](char const* name) { return std::ranges::find(names, json(name)) != names.end(); };
  if (!names.is_array() || !has("input_ids")) root.malformed("model_input_names", "input_ids and others");
  if (!has("attention_mask")) {
    root.unsupported("model_input_names", "attention_mask among them: padding is no text");
  }
  return has("token_type_ids");
}

}  // namespace

side parse_side(json_view const& value, char const* key) {
  std::string const name = value.string_or(key, "right");
  if (name == "Right" || name == "right") return side::right;
  if (name == "Left" || name == "left") return side::left;
  value.malformed(key, "\"left\" or \"right\"");
}

added_token parse_added_token(json_view const& value, bool special) {
  added_token token;
  token.content = value.string("content");
  token.single_word = value.boolean_or("single_word", false);
  token.lstrip = value.boolean_or("lstrip", false);
  token.rstrip = value.boolean_or("rstrip", false);
  token.special = value.boolean_or("special", special);
  token.normalized = value.boolean_or("normalized", !token.special);
  token.normalized_is_default = value.lacks("normalized");
  return token;
}

tokenizer_settings parse_tokenizer_settings(std::string_view text, std::string const& file) {
  json const root_value = parse_json(text, file);
  json_view const root(root_value, file);
  check_keys(root, "tokenizer_config.json");
  tokenizer_settings settings;
  if (!root.lacks("tokenizer_class")) settings.tokenizer_class = root.string("tokenizer_class");
  settings.lowercase = root.optional_boolean("do_lower_case");
  settings.strip_accents = root.optional_boolean("strip_accents");
  settings.add_prefix_space = root.optional_boolean("add_prefix_space");
  settings.trim_offsets = root.optional_boolean("trim_offsets");
  settings.handle_chinese_chars = root.optional_boolean("tokenize_chinese_chars");
  settings.max_length = read_max_length(root);
  settings.truncation_side = read_side(root, "truncation_side");
  settings.padding_side = read_side(root, "padding_side");
  settings.gives_type_ids = read_gives_type_ids(root);
  read_special_tokens(root, settings);
  read_extra_tokens(root, false, settings);
  read_added_tokens(root, settings);
  return settings;
}

void merge_special_tokens(named_text special_tokens_map, tokenizer_settings& settings) {
  if (settings.has_added_tokens_decoder) return;
  json const root_value = parse_json(special_tokens_map.text, special_tokens_map.file);
  json_view const root(root_value, special_tokens_map.file);
  check_keys(root, "special_tokens_map.json");
  read_special_tokens(root, settings);
  read_extra_tokens(root, true, settings);
}

void merge_added_tokens(named_text added_tokens, tokenizer_settings& settings) {
  if (settings.has_added_tokens_decoder) return;
  json const root_value = parse_json(added_tokens.text, added_tokens.file);
  json_view const root(root_value, added_tokens.file);
  auto const is_special = [&](std::string const& content) {
    auto const same = [&](added_token const& each) { return each.content == content; };
    return std::ranges::any_of(special_roles,
                               [&](special_role const& each) {
                                 auto const& token = settings.*each.token;
                                 return token && same(*token);
                               }) ||
           std::ranges::any_of(settings.other_special, same);
  };
  for (auto const& [content, id] : root.raw().items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > max_token_id) {
      root.malformed(content, "its id, a whole number");
    }
    bool const special = is_special(content);
    settings.added.push_back(
        {.content = content, .id = id.get<std::int32_t>(), .normalized = !special, .special = special});
  }
  std::ranges::stable_sort(settings.added, {}, &added_token::id);
}

tokenizer_settings load_tokenizer_settings(std::filesystem::path const& folder) {
  tokenizer_settings settings;
  auto const read = [&](char const* name, auto const& use) {
    auto const path = folder / name;
    if (!std::filesystem::exists(path)) return;
    mapped_file const file(path);
    std::string const shown = path.string();
    use(named_text{file.text(), shown});
  };
  read("tokenizer_config.json",
       [&](named_text file) { settings = parse_tokenizer_settings(file.text, file.file); });
  read("special_tokens_map.json", [&](named_text file) { merge_special_tokens(file, settings); });
  read("added_tokens.json", [&](named_text file) { merge_added_tokens(file, settings); });
  return settings;
}

}  // namespace yonder::kernels
