// SPDX-License-Identifier: Apache-2.0
#include "model/sentence_folder.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "model/json.hpp"
#include "model/keys.hpp"
#include "model/mapped_file.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {

std::optional<std::string> read_file_if_there(std::filesystem::path const& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return std::string(mapped_file(path).text());
}

std::optional<json> parse_if_there(text_reader const& read, std::filesystem::path const& path,
                                   json::value_t kind) {
  auto const text = read(path);
  return text ? std::optional(parse_json(*text, path.string(), kind)) : std::nullopt;
}

std::filesystem::path module_path(json_view const& module, std::filesystem::path const& folder) {
  std::filesystem::path const path = module.string_or("path", "");
  bool inside = path.is_relative() && path.string().find('\0') == std::string::npos;
  for (auto const& part : path) inside = inside && part != "..";
  if (!inside) module.malformed("path", "a folder inside the model's");
  return path.empty() ? folder : folder / path;
}

namespace {

json parse_required(text_reader const& read, std::filesystem::path const& path) {
  if (auto value = parse_if_there(read, path)) return *std::move(value);
  throw ml::missing_file({path.string(), "no such file", "the module's settings",
                          "check the path, and that the whole model was downloaded"});
}

struct pooling_name {
  char const* name;
  char const* flag;  // before sentence-transformers 5.4
  pooling_mode mode;
};
// Flags join in this order.
constexpr pooling_name pooling_names[] = {
    {"cls", "pooling_mode_cls_token", pooling_mode::first_token},
    {"max", "pooling_mode_max_tokens", pooling_mode::maximum},
    {"mean", "pooling_mode_mean_tokens", pooling_mode::mean},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", pooling_mode::mean_sqrt_length},
    {"weightedmean", "pooling_mode_weightedmean_tokens", pooling_mode::weighted_mean},
    {"lasttoken", "pooling_mode_lasttoken", pooling_mode::last_token},
};

std::vector<pooling_mode> pooling_by_flags(json_view const& config) {
  std::vector<pooling_mode> modes;
  for (auto const& [name, flag, mode] : pooling_names) {
    if (config.boolean_or(flag, false)) modes.push_back(mode);
  }
  if (modes.empty()) modes.push_back(pooling_mode::mean);
  return modes;
}

std::vector<pooling_mode> pooling_by_names(json_view const& config) {
  json const& value = config.raw()["pooling_mode"];
  json const names = value.is_array() ? value : json::array({value});
  std::vector<pooling_mode> modes;
  for (json const& name : names) {
    auto const known =
        std::ranges::find_if(pooling_names, [&](auto const& each) { return name == each.name; });
    if (known == std::end(pooling_names)) {
      config.unsupported("pooling_mode", "cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken");
    }
    modes.push_back(known->mode);
  }
  if (modes.empty()) config.malformed("pooling_mode", "one mode at least");
  return modes;
}

void read_pooling(text_reader const& read, std::filesystem::path const& folder, sentence_folder& result) {
  std::string const file = (folder / "config.json").string();
  json const root = parse_required(read, file);
  json_view const config(root, file);
  check_keys(config, "Pooling config.json");
  result.pooling = config.lacks("pooling_mode") ? pooling_by_flags(config) : pooling_by_names(config);
  result.include_prompt = config.boolean_or("include_prompt", true);
}

dense_activation read_activation(json_view const& config) {
  constexpr std::pair<std::string_view, dense_activation> names[] = {
      {"Identity", dense_activation::identity}, {"Tanh", dense_activation::tanh},
      {"ReLU", dense_activation::relu},         {"GELU", dense_activation::gelu},
      {"Sigmoid", dense_activation::sigmoid},   {"SiLU", dense_activation::silu}};
  std::string const name = config.string_or("activation_function", "torch.nn.modules.activation.Tanh");
  for (auto const& [last, activation] : names) {
    if (name.starts_with("torch.nn.") && name.substr(name.rfind('.') + 1) == last) return activation;
  }
  config.unsupported("activation_function", "torch's Tanh, Identity, ReLU, GELU, Sigmoid or SiLU");
}

dense_config read_dense(text_reader const& read, std::filesystem::path const& folder) {
  std::string const file = (folder / "config.json").string();
  json const root = parse_required(read, file);
  json_view const config(root, file);
  check_keys(config, "Dense config.json");
  constexpr std::uint64_t widest = 1U << 20;
  dense_config dense{folder,
                     config.count("in_features", widest),
                     config.count("out_features", widest),
                     config.boolean_or("bias", true),
                     config.boolean_or("use_residual", false),
                     read_activation(config)};
  if (dense.out == 0) config.malformed("out_features", "at least 1");
  return dense;
}

// Without a config.json it is the default.
void check_normalize(text_reader const& read, std::filesystem::path const& folder) {
  std::string const file = (folder / "config.json").string();
  auto const root = parse_if_there(read, file);
  if (root) check_keys(json_view(*root, file), "Normalize config.json");
}

// The only modality is text, and its result that of the use.
void check_modalities(json_view const& config, char const* output) {
  if (config.lacks("modality_config")) return;
  json const& found = config.raw()["modality_config"];
  bool same = found.is_object() && found.size() == 1 && found.contains("text") && found["text"].is_object();
  if (same) {
    json const& given = found["text"];
    json const name = given.value("method_output_name", json());
    bool const path_of_one = name.is_array() && name.size() == 1 && name[0] == output;
    same = given.value("method", json()) == "forward" && (name == output || path_of_one);
  }
  if (!same) config.unsupported("modality_config", std::string("text alone, by forward to ") + output);
}

// Arguments of Python's constructors: what is not known to change nothing is refused.
void check_arguments(json_view const& config, char const* key, bool of_model) {
  if (config.lacks(key)) return;
  json_view const arguments = config.object(key);
  for (auto const& [name, value] : arguments.raw().items()) {
    bool const harmless = name == "trust_remote_code" ||
                          (of_model && (name == "add_pooling_layer" || name == "attn_implementation"));
    if (!harmless) arguments.unsupported(name, "no arguments that could change a number");
  }
}

}  // namespace

void read_transformer_settings(text_reader const& read, std::filesystem::path const& folder,
                               transformer_use use, sentence_folder& result) {
  bool const pairs = use == transformer_use::of_pairs;
  for (char const* kind : {"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    std::string const file = (folder / ("sentence_" + std::string(kind) + "_config.json")).string();
    auto const root = parse_if_there(read, file);
    if (!root || root->empty()) continue;
    json_view const config(*root, file);
    check_keys(config, pairs ? "sentence_*_config.json of a CrossEncoder" : "sentence_*_config.json");
    check_modalities(config, pairs ? "logits" : "last_hidden_state");
    for (char const* key : {"model_args", "model_kwargs"}) check_arguments(config, key, true);
    for (char const* key : {"tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"}) {
      check_arguments(config, key, false);
    }
    result.lowercase = config.boolean_or("do_lower_case", false);
    if (!config.lacks("max_seq_length")) result.max_length = config.count("max_seq_length");
    return;
  }
}

namespace {

// The prompt that encode() puts before every text, and the width to which it cuts the results.
void read_sentence_settings(text_reader const& read, std::filesystem::path const& folder,
                            sentence_folder& result) {
  std::string const file = (folder / "config_sentence_transformers.json").string();
  auto const root = parse_if_there(read, file);
  if (!root) return;
  json_view const config(*root, file);
  check_keys(config, "config_sentence_transformers.json");
  if (!config.lacks("truncate_dim")) {
    result.truncated_width = config.count("truncate_dim");
    if (*result.truncated_width == 0) config.malformed("truncate_dim", "at least 1");
  }
  // "query" and "document" are there without being named, and empty.
  if (!config.lacks("prompts")) {
    json_view const prompts = config.object("prompts");
    for (auto const& [name, text] : prompts.raw().items())
      result.prompts[name] = prompts.string_or(name.c_str(), "");
  }
  if (config.lacks("default_prompt_name")) return;
  auto const chosen = result.prompts.find(config.string("default_prompt_name"));
  if (chosen == result.prompts.end())
    config.malformed("default_prompt_name", "the name of one of its prompts");
  result.prompt = chosen->second;
}

// The class of a module of sentence-transformers itself; its path has changed over time.
std::string module_class(json_view const& module) {
  std::string const type = module.string("type");
  std::string name = type.substr(type.rfind('.') + 1);
  if (type.starts_with("sentence_transformers.")) {
    for (char const* known : {"Transformer", "Pooling", "Dense", "Normalize", "Dropout"}) {
      if (name == known) return name;
    }
  }
  module.unsupported("type", "sentence_transformers' Transformer, Pooling, Dense, Normalize or Dropout");
}

class module_reader {
 public:
  module_reader(text_reader const& text, std::filesystem::path const& folder, sentence_folder& result)
      : text_(text), folder_(folder), result_(result) {}

  void read(json_view const& module) {
    check_keys(module, "modules.json");
    std::string const name = module_class(module);
    auto const path = module_path(module, folder_);
    bool const first = name == "Transformer";
    bool const second = name == "Pooling";
    if (first != (count_ == 0) || second != (count_ == 1)) {
      module.unsupported("type", "a Transformer, then a Pooling, then the others");
    }
    ++count_;
    if (first) {
      result_.encoder = path;
      read_transformer_settings(text_, path, transformer_use::of_vectors, result_);
    } else if (second) {
      read_pooling(text_, path, result_);
    } else if (name == "Dense") {
      result_.after.emplace_back(read_dense(text_, path));
    } else if (name == "Normalize") {
      check_normalize(text_, path);
      result_.after.emplace_back(normalize_step());
    }
  }

  std::size_t count() const noexcept { return count_; }

 private:
  text_reader const& text_;
  std::filesystem::path const& folder_;
  sentence_folder& result_;
  std::size_t count_ = 0;
};

}  // namespace

sentence_folder read_sentence_folder(std::filesystem::path const& folder, text_reader const& read) {
  sentence_folder result;
  result.encoder = folder;
  std::string const file = (folder / "modules.json").string();
  auto const modules = parse_if_there(read, file, json::value_t::array);
  if (!modules) return result;
  module_reader reader(read, folder, result);
  for (json const& module : *modules) reader.read(json_view(module, file, "module."));
  if (reader.count() < 2) {
    throw ml::unsupported_model({file, std::to_string(reader.count()) + " modules",
                                 "a Transformer and a Pooling at least", "choose another model"});
  }
  read_sentence_settings(read, folder, result);
  return result;
}

sentence_folder read_sentence_folder(std::filesystem::path const& folder) {
  return read_sentence_folder(folder, read_file_if_there);
}

}  // namespace yonder::kernels
