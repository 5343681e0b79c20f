// SPDX-License-Identifier: Apache-2.0
#include "model/sentence_folder.hpp"

#include <string>

#include "model/json.hpp"

namespace yonder::kernels {
namespace {

// A module lives in a folder inside the model's: nothing else may be named.
std::filesystem::path module_path(json_view const& module, std::filesystem::path const& folder) {
  std::filesystem::path const path = module.string_or("path", "");
  bool inside = path.is_relative() && path.string().find('\0') == std::string::npos;
  for (auto const& part : path) inside = inside && part != "..";
  if (!inside) module.malformed("path", "a folder inside the model's");
  return path.empty() ? folder : folder / path;
}

std::vector<pooling_mode> read_pooling(std::filesystem::path const& folder) {
  std::string const file = (folder / "config.json").string();
  json const root = read_json(file);
  json_view const config(root, file);
  std::vector<pooling_mode> modes;
  auto const add = [&](char const* key, pooling_mode mode) {
    if (config.boolean_or(key, false)) modes.push_back(mode);
  };
  // In the order in which sentence-transformers joins them.
  add("pooling_mode_cls_token", pooling_mode::first_token);
  add("pooling_mode_max_tokens", pooling_mode::maximum);
  add("pooling_mode_mean_tokens", pooling_mode::mean);
  add("pooling_mode_mean_sqrt_len_tokens", pooling_mode::mean_sqrt_length);
  for (char const* key : {"pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"}) {
    if (config.boolean_or(key, false))
      config.unsupported(key, "first token, maximum, mean, mean by root of length");
  }
  if (modes.empty()) config.malformed("pooling_mode_mean_tokens", "one of the pooling modes on");
  return modes;
}

void read_transformer_settings(std::filesystem::path const& folder, sentence_folder& result) {
  auto const path = folder / "sentence_bert_config.json";
  if (!std::filesystem::exists(path)) return;
  std::string const file = path.string();
  json const root = read_json(path);
  json_view const config(root, file);
  if (config.boolean_or("do_lower_case", false)) {
    config.unsupported("do_lower_case", "false: the tokenizer knows the case of its model");
  }
  if (!config.lacks("max_seq_length")) result.max_length = config.count("max_seq_length");
}

void read_module(json_view const& module, std::filesystem::path const& folder, sentence_folder& result) {
  std::string const type = module.string("type");
  std::string const name = type.substr(type.rfind('.') + 1);
  auto const path = module_path(module, folder);
  if (name == "Transformer") {
    result.encoder = path;
    read_transformer_settings(path, result);
  } else if (name == "Pooling") {
    result.pooling = read_pooling(path);
  } else if (name == "Normalize") {
    result.normalize = true;
  } else {
    module.unsupported("type", "Transformer, Pooling and Normalize");
  }
}

}  // namespace

sentence_folder read_sentence_folder(std::filesystem::path const& folder) {
  sentence_folder result;
  result.encoder = folder;
  auto const path = folder / "modules.json";
  if (!std::filesystem::exists(path)) return result;
  std::string const file = path.string();
  json const modules = read_json(path, json::value_t::array);
  for (json const& module : modules) read_module(json_view(module, file, "module."), folder, result);
  return result;
}

}  // namespace yonder::kernels
