// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::kernels {

enum class model_family : std::uint8_t { bert, distilbert };
enum class activation : std::uint8_t { gelu, gelu_tanh, relu };
// How logits become scores.
enum class score_function : std::uint8_t { softmax, sigmoid, none };

// What config.json of a Hugging Face encoder says; MiniLM's is that of BERT. Sizes are as stated: only the
// weights' shapes prove them.
struct encoder_config {
  model_family family = model_family::bert;
  std::size_t hidden = 0;
  std::size_t layers = 0;
  std::size_t heads = 0;
  std::size_t intermediate = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
  std::size_t token_types = 0;  // 0: the family has none
  float layer_norm_epsilon = 1e-12F;
  activation hidden_activation = activation::gelu;
};

struct classifier_config {
  std::vector<std::string> labels;  // by id
  score_function scores = score_function::softmax;
};

struct model_config {
  encoder_config encoder;
  bool classifies_sequences = false;
  classifier_config classifier;  // where it does
};

// Throws ml::malformed_file, ml::inconsistent_model, ml::unsupported_model. `file` is named in errors.
model_config parse_config(std::string_view text, std::string const& file);
model_config read_config(std::filesystem::path const& folder);

}  // namespace yonder::kernels
