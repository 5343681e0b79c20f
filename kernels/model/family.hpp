// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "model/config.hpp"

namespace yonder::kernels {

// How a family's checkpoints name the parts of the one layer that all have, and what sets it apart. The
// encoders of cpu/ and cuda/ read the same description.
struct family_description {
  char const* prefix;  // of the encoder, in a model with a head
  char const* layer;   // before its number
  std::array<char const*, 3> query_key_value;
  char const* attention_output;
  char const* attention_norm;
  char const* intermediate;
  char const* output;
  char const* output_norm;
  // Of the classifier of whole texts: what the first token goes through, with tanh after it or with relu.
  char const* first;
  char const* last;
  bool rectifies;
  char const* distances;  // what attention adds by distance; null: nothing
};

inline constexpr family_description bert_description = {
    .prefix = "bert.",
    .layer = "encoder.layer.",
    .query_key_value = {"attention.self.query", "attention.self.key", "attention.self.value"},
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
    .first = "bert.pooler.dense",
    .last = "classifier",
    .rectifies = false,
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
    .layer = "transformer.layer.",
    .query_key_value = {"attention.q_lin", "attention.k_lin", "attention.v_lin"},
    .attention_output = "attention.out_lin",
    .attention_norm = "sa_layer_norm",
    .intermediate = "ffn.lin1",
    .output = "ffn.lin2",
    .output_norm = "output_layer_norm",
    .first = "pre_classifier",
    .last = "classifier",
    .rectifies = true,
    .distances = nullptr};

constexpr family_description const& describe(model_family family) noexcept {
  switch (family) {
    case model_family::distilbert: return distilbert_description;
    case model_family::roberta: return roberta_description;
    case model_family::mpnet: return mpnet_description;
    case model_family::bert: break;
  }
  return bert_description;
}

}  // namespace yonder::kernels
