// SPDX-License-Identifier: Apache-2.0
#include "model/cross_encoder_folder.hpp"

#include <string>

#include "model/json.hpp"
#include "model/keys.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

// A class of torch; sentence-transformers trusts no other, and then goes by the number of labels.
std::optional<score_function> parse_activation(json_view const& config, char const* key) {
  if (config.lacks(key)) return std::nullopt;
  std::string const name = config.string(key);
  if (!name.starts_with("torch.")) return std::nullopt;
  if (name.ends_with(".Identity")) return score_function::none;
  if (name.ends_with(".Sigmoid")) return score_function::sigmoid;
  config.unsupported(key, "torch's Identity or Sigmoid");
}

// Before sentence-transformers 5.4, and before 4.0.
std::optional<score_function> read_old_activation(text_reader const& read,
                                                  std::filesystem::path const& folder) {
  std::string const file = (folder / "config.json").string();
  auto const root = parse_if_there(read, file);
  if (!root) return std::nullopt;
  json_view const config(*root, file);
  if (!config.lacks("sentence_transformers")) {
    json_view const settings = config.object("sentence_transformers");
    if (settings.raw().contains("activation_fn")) return parse_activation(settings, "activation_fn");
  }
  return parse_activation(config, "sbert_ce_default_activation_function");
}

// A prompt would stand before both texts.
void check_prompt(json_view const& config) {
  if (config.lacks("default_prompt_name")) return;
  std::string const name = config.string("default_prompt_name");
  bool const empty = config.lacks("prompts") || config.object("prompts").string_or(name.c_str(), "").empty();
  if (!empty) config.unsupported("default_prompt_name", "no prompt, or an empty one");
}

void read_modules(json const& modules, std::string const& file, text_reader const& read,
                  std::filesystem::path const& folder, sentence_folder& result) {
  if (modules.size() != 1) {
    throw ml::unsupported_model(
        {file, std::to_string(modules.size()) + " modules", "a Transformer alone", "choose another model"});
  }
  json_view const module(modules[0], file, "module.");
  check_keys(module, "modules.json");
  std::string const type = module.string("type");
  if (!type.starts_with("sentence_transformers.") || !type.ends_with(".Transformer"))
    module.unsupported("type", "sentence_transformers' Transformer");
  result.encoder = module_path(module, folder);
  read_transformer_settings(read, result.encoder, transformer_use::of_pairs, result);
}

}  // namespace

cross_encoder_folder read_cross_encoder_folder(std::filesystem::path const& folder, text_reader const& read) {
  cross_encoder_folder result;
  result.model.encoder = folder;
  std::string const modules_file = (folder / "modules.json").string();
  std::string const settings_file = (folder / "config_sentence_transformers.json").string();
  auto const modules = parse_if_there(read, modules_file, json::value_t::array);
  auto const settings = parse_if_there(read, settings_file);
  // Of another kind of model neither is read: its head is that of config.json.
  if (modules && settings &&
      json_view(*settings, settings_file).string_or("model_type", "") == "CrossEncoder") {
    json_view const config(*settings, settings_file);
    check_keys(config, "config_sentence_transformers.json of a CrossEncoder");
    check_prompt(config);
    read_modules(*modules, modules_file, read, folder, result.model);
    result.activation = parse_activation(config, "activation_fn");
  }
  if (!result.activation) result.activation = read_old_activation(read, result.model.encoder);
  return result;
}

cross_encoder_folder read_cross_encoder_folder(std::filesystem::path const& folder) {
  return read_cross_encoder_folder(folder, read_file_if_there);
}

}  // namespace yonder::kernels
