// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/json.hpp"

namespace yonder::kernels {

enum class pooling_mode : std::uint8_t {
  first_token,
  maximum,
  mean,
  mean_sqrt_length,
  weighted_mean,  // a token's weight is its place in the text, from 1 on
  last_token
};

enum class dense_activation : std::uint8_t { identity, tanh, relu, gelu, sigmoid, silu };

// What a Dense module's config.json says; its weights are in the same folder.
struct dense_config {
  std::filesystem::path folder;
  std::size_t in = 0;
  std::size_t out = 0;
  bool bias = true;
  bool residual = false;  // adds what came in, through a matrix of its own where in and out differ
  dense_activation activation = dense_activation::tanh;
};

// To length 1.
struct normalize_step {};

// What a sentence-transformers folder does around its encoder.
struct sentence_folder {
  std::filesystem::path encoder;                             // where config.json and the weights are
  std::vector<pooling_mode> pooling = {pooling_mode::mean};  // their results stand one after the other
  std::vector<std::variant<dense_config, normalize_step>> after = {};  // what happens to the result, in order
  std::optional<std::size_t> max_length = std::nullopt;
  bool lowercase = false;   // before all other normalization
  std::string prompt = {};  // stands before every text
  std::map<std::string, std::string> prompts = {{"document", ""}, {"query", ""}};  // by their names
  bool include_prompt = true;                                                      // in pooling
  std::optional<std::size_t> truncated_width = std::nullopt;  // the first numbers of the result
};

// The text of a file, or nothing where there is none.
using text_reader = std::function<std::optional<std::string>(std::filesystem::path const&)>;

// That of a file on disk.
std::optional<std::string> read_file_if_there(std::filesystem::path const& path);

// A JSON file and what it says; nothing where there is none. Throws ml::malformed_file.
std::optional<json> parse_if_there(text_reader const& read, std::filesystem::path const& path,
                                   json::value_t kind = json::value_t::object);
// Where a module of modules.json lives: in a folder inside the model's. Throws ml::malformed_file.
std::filesystem::path module_path(json_view const& module, std::filesystem::path const& folder);

// What a Transformer module is for.
enum class transformer_use : std::uint8_t { of_vectors, of_pairs };

// sentence_*_config.json: max_length and lowercase. Throws ml::model_error.
void read_transformer_settings(text_reader const& read, std::filesystem::path const& folder,
                               transformer_use use, sentence_folder& result);

// A folder without modules.json is an encoder alone: mean pooling, as sentence-transformers takes it.
// Throws ml::model_error.
sentence_folder read_sentence_folder(std::filesystem::path const& folder, text_reader const& read);
sentence_folder read_sentence_folder(std::filesystem::path const& folder);

}  // namespace yonder::kernels
