// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "model/config.hpp"

namespace yonder::kernels {

// How a family's checkpoints name the parts of the one layer that all have (layer.hpp), and of what stands on
// it. The encoders of cpu/ and cuda/ read the same description.
struct family_description {
  char const* prefix;  // of the encoder, in a model with a head
  char const* words;
  char const* embedding_norm;
  char const* layer;  // before its number
  // One after the other, or one tensor that is all three.
  std::array<char const*, 3> query_key_value;
  char const* attention_output;
  char const* attention_norm;  // what stands behind the sum of attention
  char const* intermediate;
  char const* output;
  // What stands behind the sum of the feed-forward network: where norms stand before parts, that is the first
  // norm of the next layer, and behind the last layer `final_norm`.
  char const* output_norm;
  char const* final_norm;
  // Of the classifier of whole texts: what their rows go through before the last layer. `first_norm`: null
  // where no norm stands between. It is then what the rows of single tokens go through, too.
  char const* first;
  char const* first_norm;
  char const* last;
  char const* tags;       // the last layer of a token classifier
  char const* answers;    // the last layer of a question answerer
  char const* distances;  // what attention adds by distance; null: nothing
};

inline constexpr family_description bert_description = {
    .prefix = "bert.",
    .words = "embeddings.word_embeddings",
    .embedding_norm = "embeddings.LayerNorm",
    .layer = "encoder.layer.",
    .query_key_value = {"attention.self.query", "attention.self.key", "attention.self.value"},
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
    .final_norm = nullptr,
    .first = "bert.pooler.dense",
    .first_norm = nullptr,
    .last = "classifier",
    .tags = "classifier",
    .answers = "qa_outputs",
    .distances = nullptr};

inline constexpr family_description roberta_description = [] {
  auto description = bert_description;
  description.prefix = "roberta.";
  description.first = "classifier.dense";
  description.last = "classifier.out_proj";
  return description;
}();

inline constexpr family_description mpnet_description = [] {
  auto description = roberta_description;
  description.prefix = "mpnet.";
  description.query_key_value = {"attention.attn.q", "attention.attn.k", "attention.attn.v"};
  description.attention_output = "attention.attn.o";
  description.attention_norm = "attention.LayerNorm";
  description.distances = "encoder.relative_attention_bias";
  return description;
}();

inline constexpr family_description distilbert_description = {
    .prefix = "distilbert.",
    .words = "embeddings.word_embeddings",
    .embedding_norm = "embeddings.LayerNorm",
    .layer = "transformer.layer.",
    .query_key_value = {"attention.q_lin", "attention.k_lin", "attention.v_lin"},
    .attention_output = "attention.out_lin",
    .attention_norm = "sa_layer_norm",
    .intermediate = "ffn.lin1",
    .output = "ffn.lin2",
    .output_norm = "output_layer_norm",
    .final_norm = nullptr,
    .first = "pre_classifier",
    .first_norm = nullptr,
    .last = "classifier",
    .tags = "classifier",
    .answers = "qa_outputs",
    .distances = nullptr};

inline constexpr family_description modernbert_description = {.prefix = "model.",
                                                              .words = "embeddings.tok_embeddings",
                                                              .embedding_norm = "embeddings.norm",
                                                              .layer = "layers.",
                                                              .query_key_value = {"attn.Wqkv"},
                                                              .attention_output = "attn.Wo",
                                                              .attention_norm = "mlp_norm",
                                                              .intermediate = "mlp.Wi",
                                                              .output = "mlp.Wo",
                                                              .output_norm = "attn_norm",
                                                              .final_norm = "final_norm",
                                                              .first = "head.dense",
                                                              .first_norm = "head.norm",
                                                              .last = "classifier",
                                                              .tags = "classifier",
                                                              .answers = "classifier",
                                                              .distances = nullptr};

constexpr family_description const& describe(model_family family) noexcept {
  switch (family) {
    case model_family::distilbert: return distilbert_description;
    case model_family::roberta: return roberta_description;
    case model_family::mpnet: return mpnet_description;
    case model_family::modernbert: return modernbert_description;
    case model_family::bert: break;
  }
  return bert_description;
}

inline std::string layer_name(encoder_config const& config, std::size_t layer) {
  return describe(config.family).layer + std::to_string(layer);
}

// Of the norm behind the sum of a layer's feed-forward network.
inline std::string output_norm_name(encoder_config const& config, std::size_t layer) {
  auto const& names = describe(config.family);
  bool const next = config.layer.norms == norm_place::before_part;
  if (next && layer + 1 == config.layers) return names.final_norm;
  return layer_name(config, next ? layer + 1 : layer) + "." + names.output_norm;
}

// The tensors that are query, key and value together, each [of so many][hidden].
inline std::vector<std::string> query_key_value_names(family_description const& names) {
  std::vector<std::string> all;
  for (char const* const name : names.query_key_value)
    if (name != nullptr) all.emplace_back(name);
  return all;
}

}  // namespace yonder::kernels
