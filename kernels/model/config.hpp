// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/layer.hpp"

namespace yonder::kernels {

enum class model_family : std::uint8_t { bert, distilbert, roberta, mpnet, modernbert };
// How logits become scores.
enum class score_function : std::uint8_t { softmax, sigmoid, none };

// What config.json of a Hugging Face encoder says; MiniLM's is that of BERT, XLM-R's that of RoBERTa. Sizes
// are as stated: only the weights' shapes prove them.
struct encoder_config {
  model_family family = model_family::bert;
  std::size_t hidden = 0;
  std::size_t layers = 0;
  std::size_t heads = 0;
  std::size_t intermediate = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
  std::size_t token_types = 0;       // 0: the family has none
  std::size_t distance_buckets = 0;  // rows of what attention adds by distance; 0: the family has none
  float layer_norm_epsilon = 1e-12F;
  std::optional<std::int32_t> padding_id = std::nullopt;  // of a family whose positions begin after it
  layer_description layer = {};
  attention_patterns attention = {};
  head_description head = {};

  // Positions turn queries and keys; else a table has something to add for each.
  bool is_rotary() const noexcept { return attention.full.rotary_base != 0; }
  // Of one text, special tokens included.
  std::size_t max_tokens() const noexcept { return positions - first_position(); }
  std::size_t first_position() const noexcept {
    return padding_id ? static_cast<std::size_t>(*padding_id) + 1 : 0;
  }
};

// The rows of the position table for the tokens of one text, one after the other. RoBERTa counts from
// padding_id + 1 on; a token that is padding_id stands at that row and is not counted.
class position_counter {
 public:
  explicit position_counter(encoder_config const& config) noexcept
      : padding_id_(config.padding_id), next_(config.first_position()) {}

  std::size_t operator()(std::int32_t id) noexcept {
    return padding_id_ == id ? static_cast<std::size_t>(id) : next_++;
  }

 private:
  std::optional<std::int32_t> padding_id_;
  std::size_t next_;
};

// The buckets of T5's relative positions (Raffel et al., arXiv:1910.10683) as MPNet has them.
inline constexpr std::size_t distance_buckets_used = 32;
// Of a key so many tokens after its query, in single precision as transformers computes it.
std::size_t distance_bucket(std::ptrdiff_t distance) noexcept;
// What attention adds to each score times sqrt(head size), of a table [distance_buckets][heads]: for each
// head that of the key which lies max_tokens - 1 before its query first, [heads][2 * max_tokens - 1].
std::vector<float> spread_distances(encoder_config const& config, std::span<float const> table);

struct classifier_config {
  std::vector<std::string> labels;  // by id
  score_function scores = score_function::softmax;
  std::vector<std::size_t> entailment;  // ids of labels that begin with "entail", by label2id
};

struct model_config {
  encoder_config encoder;
  bool classifies_sequences = false;
  bool classifies_tokens = false;
  bool answers_questions = false;
  classifier_config classifier;  // labels where it does any of these, all of it where it classifies sequences
};

// Throws ml::malformed_file, ml::inconsistent_model, ml::unsupported_model. `file` is named in errors.
model_config parse_config(std::string_view text, std::string const& file);
model_config read_config(std::filesystem::path const& folder);

}  // namespace yonder::kernels
