// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "model/config_parts.hpp"

namespace yonder::kernels {
namespace {

constexpr char const* full = "full_attention";
constexpr char const* sliding = "sliding_attention";

void check_rotary_keys(json_view const& parameters) {
  for (char const* const key : {"rope_type", "type"})
    if (!parameters.lacks(key) && parameters.raw()[key] != "default")
      parameters.unsupported(key, "\"default\"");
  for (auto const& [key, value] : parameters.raw().items())
    if (key != "rope_type" && key != "type" && key != "rope_theta")
      parameters.unsupported(key, "rope_type and rope_theta alone");
}

// The only kind of rotary positions whose angles do not depend on more.
float parse_rotary_base(json_view const& config, char const* layer_type, char const* older_key,
                        double fallback) {
  double base = config.number_or(older_key, fallback);
  if (!config.lacks("rope_parameters")) {
    json_view const parameters = config.object("rope_parameters");
    if (!parameters.lacks(layer_type)) {
      json_view const of_layer = parameters.object(layer_type);
      check_rotary_keys(of_layer);
      if (of_layer.raw().contains("rope_theta") && of_layer.lacks("rope_theta"))
        of_layer.malformed("rope_theta", "a number");
      base = of_layer.number_or("rope_theta", base);
    }
  }
  if (!(base > 1 && base <= 1e30)) config.malformed(older_key, "a base of rotary positions, more than 1");
  return static_cast<float>(base);
}

attention_patterns parse_patterns(json_view const& config, std::size_t layers) {
  attention_patterns patterns;
  patterns.full.rotary_base = parse_rotary_base(config, full, "global_rope_theta", 160'000);
  auto const seen = config.count_or("local_attention", 128, max_extent);
  patterns.local = {static_cast<std::size_t>(seen / 2),
                    parse_rotary_base(config, sliding, "local_rope_theta", 10'000)};
  if (config.lacks("layer_types")) {
    patterns.full_every = config.count_or("global_attn_every_n_layers", 3, max_extent);
    if (patterns.full_every == 0) config.malformed("global_attn_every_n_layers", "at least 1");
    return patterns;
  }
  json const& types = config.raw()["layer_types"];
  if (!types.is_array() || types.size() != layers)
    config.malformed("layer_types", "as many as num_hidden_layers");
  for (json const& type : types) {
    if (type != full && type != sliding)
      config.unsupported("layer_types", "\"full_attention\" and \"sliding_attention\"");
    patterns.full_layers.push_back(type == full);
  }
  return patterns;
}

// Keys that transformers takes for others of its class.
void refuse_others(json_view const& config, encoder_config const& encoder) {
  auto const size = encoder.hidden / encoder.heads;
  if (!config.lacks("head_dim") && config.raw()["head_dim"] != size)
    config.unsupported("head_dim", std::to_string(size) + ", hidden_size / num_attention_heads");
  auto const window = config.count_or("local_attention", 128, max_extent) / 2;
  if (!config.lacks("sliding_window") && config.raw()["sliding_window"] != window)
    config.unsupported("sliding_window", std::to_string(window) + ", local_attention / 2");
  if (!config.lacks("rope_scaling")) config.unsupported("rope_scaling", "no such key");
}

head_description parse_head(json_view const& config) {
  std::string const pooling = config.string_or("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean") config.unsupported("classifier_pooling", "\"cls\" or \"mean\"");
  return {parse_activation(config, "classifier_activation"), config.boolean_or("classifier_bias", false),
          pooling == "mean"};
}

}  // namespace

// Warner et al., arXiv:2412.13663.
encoder_config parse_modernbert(json_view const& config) {
  encoder_config encoder;
  encoder.family = model_family::modernbert;
  encoder.hidden = parse_extent(config, "hidden_size", 768);
  encoder.layers = parse_extent(config, "num_hidden_layers", 22);
  encoder.heads = parse_extent(config, "num_attention_heads", 12);
  encoder.intermediate = parse_extent(config, "intermediate_size", 1152);
  encoder.vocabulary = parse_extent(config, "vocab_size", 50'368);
  encoder.positions = parse_extent(config, "max_position_embeddings", 8192);
  encoder.layer_norm_epsilon = parse_epsilon(config, "norm_eps", 1e-5);
  encoder.layer = {.norms = norm_place::before_part,
                   .norm_biases = config.boolean_or("norm_bias", false),
                   .attention_biases = config.boolean_or("attention_bias", false),
                   .feed_forward_biases = config.boolean_or("mlp_bias", false),
                   .gated = true,
                   .feed_forward_activation = parse_activation(config, "hidden_activation")};
  encoder.attention = parse_patterns(config, encoder.layers);
  encoder.head = parse_head(config);
  if (encoder.hidden / encoder.heads % 2 != 0)
    config.malformed("num_attention_heads", "heads of an even size, as their halves are turned together");
  refuse_others(config, encoder);
  return encoder;
}

}  // namespace yonder::kernels
