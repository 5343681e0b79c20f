// SPDX-License-Identifier: Apache-2.0
//
// Families and heads on the CUDA kernels, on the host, against what the CPU makes of the same weights; that
// is compared with transformers elsewhere.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "cpu/encoder.hpp"
#include "cpu/heads.hpp"
#include "host_model.hpp"
#include "model/family.hpp"
#include "random_weights.hpp"
#include "yonder/ml/errors.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;
using namespace yonder::kernels::cuda;

constexpr std::size_t label_count = 3;

encoder_config small_encoder(model_family family) {
  encoder_config config;
  config.family = family;
  config.hidden = 64;
  config.layers = 3;
  config.heads = 2;
  config.intermediate = 104;
  config.vocabulary = 90;
  config.positions = 210;
  config.token_types = 2;
  config.layer_norm_epsilon = 1e-5F;
  return config;
}

encoder_config mpnet() {
  auto config = small_encoder(model_family::mpnet);
  config.token_types = 0;
  config.padding_id = 1;
  config.distance_buckets = distance_buckets_used;
  return config;
}

// As ModernBERT-base has it: no biases, the mean of a text's tokens.
encoder_config modernbert() {
  auto config = small_encoder(model_family::modernbert);
  config.layers = 4;
  config.token_types = 0;
  config.layer = {.norms = norm_place::before_part,
                  .norm_biases = false,
                  .attention_biases = false,
                  .feed_forward_biases = false,
                  .gated = true};
  config.attention = {
      .full = {.rotary_base = 160'000.0F}, .local = {.window = 7, .rotary_base = 10'000.0F}, .full_every = 3};
  config.head = {.first_activation = activation::gelu, .first_bias = false, .takes_mean = true};
  return config;
}

// With all biases, heads of 64, and the first token's state.
encoder_config biased_modernbert() {
  auto config = modernbert();
  config.heads = 1;
  config.layer.norm_biases = config.layer.attention_biases = config.layer.feed_forward_biases = true;
  config.attention.full_layers = {false, true, false, true};
  config.head = {.first_activation = activation::relu};
  return config;
}

// Weights of every part that a model of this config has, under its family's names, and of its heads.
void fill(test::random_weights& to, encoder_config const& config) {
  auto const& names = describe(config.family);
  auto const& how = config.layer;
  std::string const prefix = names.prefix;
  std::size_t const hidden = config.hidden;
  to.add(prefix + names.words + ".weight", {config.vocabulary, hidden});
  if (!config.is_rotary())
    to.add(prefix + "embeddings.position_embeddings.weight", {config.positions, hidden});
  if (config.token_types != 0)
    to.add(prefix + "embeddings.token_type_embeddings.weight", {config.token_types, hidden});
  to.add_norm(prefix + names.embedding_norm, hidden, how.norm_biases);
  if (names.distances != nullptr)
    to.add(std::string(prefix) + names.distances + ".weight", {config.distance_buckets, config.heads}, 0, 2);
  auto const query_key_value = query_key_value_names(names);
  for (std::size_t i = 0; i < config.layers; ++i) {
    std::string const layer = prefix + layer_name(config, i) + ".";
    for (auto const& name : query_key_value)
      to.add_linear(layer + name, 3 * hidden / query_key_value.size(), hidden, how.attention_biases);
    to.add_linear(layer + names.attention_output, hidden, hidden, how.attention_biases);
    to.add_norm(layer + names.attention_norm, hidden, how.norm_biases);
    std::size_t const wide = (how.gated ? 2 : 1) * config.intermediate;
    to.add_linear(layer + names.intermediate, wide, hidden, how.feed_forward_biases);
    to.add_linear(layer + names.output, hidden, config.intermediate, how.feed_forward_biases);
    to.add_norm(prefix + output_norm_name(config, i), hidden, how.norm_biases);
  }
  to.add_linear(names.first, hidden, hidden, config.head.first_bias);
  if (names.first_norm != nullptr) to.add_norm(names.first_norm, hidden, how.norm_biases);
  to.add_linear(names.last, label_count, hidden);
  if (std::string(names.tags) != names.last) to.add_linear(names.tags, label_count, hidden);
  to.write();
}

std::vector<float> run_on_cpu(weight_files const& files, encoder_config const& config, texts const& source,
                              model_task const& task, std::size_t skipped) {
  auto const& kernels = cpu::best_kernels();
  cpu::encoder const encode(files, config, kernels, {ml::precision::fp32, 1});
  cpu::token_batch const batch{source.ids, source.types, source.starts, skipped};
  auto const states = encode(batch);
  if (task.of_each_token())
    return cpu::token_head(files, config, task.token_layer, *task.labels, kernels, encode.workers())(states);
  if (task.labels)
    return cpu::classification_head(files, config, *task.labels, kernels, encode.workers())(batch, states);
  std::vector<float> rows;
  for (std::size_t i = 0; i < batch.sequences(); ++i) {
    for (auto const mode : task.pooling) {
      rows.resize(rows.size() + config.hidden);
      cpu::pool(mode, states.values().data() + batch.starts[i] * config.hidden,
                batch.starts[i + 1] - batch.starts[i], config.hidden, skipped,
                rows.data() + rows.size() - config.hidden);
    }
  }
  return rows;
}

template <class T>
constexpr double bound = std::is_same_v<T, bf16> ? 2e-2 : 3e-3;

// On one set of weights, all tasks.
class checked_model {
 public:
  explicit checked_model(encoder_config const& config) : config_(config) {
    fill(weights_, config_);
    files_.emplace(weights_.folder());
  }

  template <class T>
  void check(model_task const& task, std::vector<std::size_t> const& lengths,
             attention_unit unit = attention_unit::warp, std::size_t skipped = 0) const {
    auto const batch = random_batch(config_, lengths);
    auto const expected = run_on_cpu(*files_, config_, batch, task, skipped);
    auto const found = run_on_host<T>(*files_, config_, batch, task, unit, skipped);
    double const error = relative_error(found, expected);
    MESSAGE("error " << error);
    CHECK(error < bound<T>);
  }

  model_task classify() const { return {label_count, {}}; }
  model_task tag() const { return {label_count, {}, describe(config_.family).tags}; }

 private:
  encoder_config config_;
  test::random_weights weights_;
  std::optional<weight_files> files_;
};

}  // namespace

TEST_CASE(
    "quick: ModernBERT's norms, gates, positions and windows on the CUDA kernels are those of the CPU") {
  checked_model const model(modernbert());
  model.check<bf16>(model.classify(), {5, 1, 33});
  model.check<f16>(model.tag(), {5, 1, 33});
}

TEST_CASE("quick: what MPNet's attention adds by distance is the CPU's, also where warpgroups would do it") {
  checked_model const model(mpnet());
  model.check<bf16>(model.classify(), {40, 2}, attention_unit::warpgroup);
  model.check<f16>(model.tag(), {5, 1, 3});
}

TEST_CASE("quick: every way of pooling leaves out a prompt's tokens") {
  checked_model const model(small_encoder(model_family::bert));
  using enum pooling_mode;
  model.check<f16>({std::nullopt, {first_token, mean, weighted_mean, last_token}}, {5, 9},
                   attention_unit::warp, 3);
}

TEST_CASE("full: every family and head agrees with the CPU") {
  std::vector<std::size_t> const lengths = {5, 1, 33, 150, 16, 2};
  using enum pooling_mode;
  model_task const pool{std::nullopt, {mean, maximum, mean_sqrt_length, weighted_mean, last_token}};
  auto distilbert = small_encoder(model_family::distilbert);
  distilbert.token_types = 0;
  distilbert.head.first_activation = activation::relu;
  auto roberta = small_encoder(model_family::roberta);
  roberta.padding_id = 1;
  for (auto const& config :
       {small_encoder(model_family::bert), distilbert, roberta, mpnet(), modernbert(), biased_modernbert()}) {
    CAPTURE(static_cast<int>(config.family));
    checked_model const model(config);
    for (auto const& task : {model.classify(), model.tag(), pool}) {
      model.check<f16>(task, lengths);
      model.check<bf16>(task, lengths, attention_unit::warpgroup);
    }
    model.check<f16>({std::nullopt, {mean, weighted_mean, first_token}}, {9, 2, 30, 4}, attention_unit::warp,
                     3);
    model.check<f16>(model.classify(), {1});
  }
}

TEST_CASE("quick: a head that no kernel has is refused in words") {
  auto config = small_encoder(model_family::bert);
  config.head.takes_mean = true;
  test::random_weights weights;
  fill(weights, config);
  CHECK_THROWS_WITH_AS(load_parts<bf16>(weight_files(weights.folder()), config, {label_count, {}}),
                       doctest::Contains("tanh behind the mean"), ml::unsupported_model);
}
