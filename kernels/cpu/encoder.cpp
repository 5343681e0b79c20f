// SPDX-License-Identifier: Apache-2.0
#include "cpu/encoder.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace yonder::kernels::cpu {
namespace {

void add(std::vector<float>& to, std::vector<float> const& what) noexcept {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
}

void apply_to(kernel_set const& kernels, linear const& layer, std::vector<float> const& rows,
              std::vector<float>& out) noexcept {
  std::size_t const in = layer.weight.depth();
  multiply(kernels, rows.data(), in, rows.size() / in, layer.weight, layer.bias.data(), out.data(),
           layer.weight.columns());
}

char const* name_of(model_family family) noexcept {
  switch (family) {
    case model_family::distilbert: return "distilbert.";
    case model_family::roberta: return "roberta.";
    case model_family::bert: break;
  }
  return "bert.";
}

// Where the tensors of the encoder begin: "bert." in a model with a head, nothing in a bare encoder.
std::string prefix_of(weight_files const& files, model_family family) {
  std::string const prefix = name_of(family);
  return files.has(prefix + "embeddings.word_embeddings.weight") ? prefix : "";
}

}  // namespace

void embedding::add_row(std::size_t row, float* scratch, float* to) const noexcept {
  convert_to_float(tensor_->type, tensor_->bytes.data() + row * width_ * size_of(tensor_->type), width_,
                   scratch);
  for (std::size_t i = 0; i < width_; ++i) to[i] += scratch[i];
}

embedding part_loader::load_embedding(std::string const& name, std::size_t rows, std::size_t width) const {
  return {files_.get(prefix_ + name + ".weight", std::array<std::uint64_t, 2>{rows, width}), width};
}

linear part_loader::load_linear(std::string const& name, std::size_t in, std::size_t out) const {
  return load_linear(std::vector<std::string>{name}, in, out);
}

linear part_loader::load_linear(std::vector<std::string> const& names, std::size_t in,
                                std::size_t out_of_each) const {
  std::vector<tensor_view const*> weights;
  linear result;
  for (auto const& name : names) {
    weights.push_back(&files_.get(prefix_ + name + ".weight", std::array<std::uint64_t, 2>{out_of_each, in}));
    auto const bias = load_vector(name + ".bias", out_of_each);
    result.bias.insert(result.bias.end(), bias.begin(), bias.end());
  }
  result.weight =
      packed_matrix(kernels_, in, out_of_each * names.size(), [&](std::size_t column, float* row) {
        tensor_view const& weight = *weights[column / out_of_each];
        std::size_t const offset = column % out_of_each * in * size_of(weight.type);
        convert_to_float(weight.type, weight.bytes.data() + offset, in, row);
      });
  return result;
}

norm part_loader::load_norm(std::string const& name, std::size_t width) const {
  bool const legacy = has(name + ".gamma");
  return {load_vector(name + (legacy ? ".gamma" : ".weight"), width),
          load_vector(name + (legacy ? ".beta" : ".bias"), width)};
}

std::vector<float> part_loader::load_vector(std::string const& name, std::size_t size) const {
  tensor_view const& tensor = files_.get(prefix_ + name, std::array<std::uint64_t, 1>{size});
  std::vector<float> values(size);
  convert_to_float(tensor.type, tensor.bytes.data(), size, values.data());
  return values;
}

struct encoder::workspace {
  explicit workspace(encoder_config const& config, std::size_t tokens)
      : hidden(tokens * config.hidden),
        projected(tokens * config.hidden),
        context(tokens * config.hidden),
        query_key_value(tokens * config.hidden * 3),
        intermediate(tokens * config.intermediate) {}

  std::vector<float> hidden;
  std::vector<float> projected;
  std::vector<float> context;
  std::vector<float> query_key_value;
  std::vector<float> intermediate;
  attention_scratch attention;
};

encoder::encoder(weight_files const& files, encoder_config const& config, kernel_set const& kernels)
    : config_(config), kernels_(kernels) {
  part_loader const loader(files, kernels, prefix_of(files, config.family));
  words_ = loader.load_embedding("embeddings.word_embeddings", config.vocabulary, config.hidden);
  positions_ = loader.load_embedding("embeddings.position_embeddings", config.positions, config.hidden);
  if (config.token_types != 0) {
    types_ = loader.load_embedding("embeddings.token_type_embeddings", config.token_types, config.hidden);
  }
  embedding_norm_ = loader.load_norm("embeddings.LayerNorm", config.hidden);
  bool const distilbert = config.family == model_family::distilbert;
  for (std::size_t i = 0; i < config.layers; ++i) {
    std::string const number = std::to_string(i);
    layers_.push_back(distilbert ? load_distilbert_layer(loader.inside("transformer.layer." + number), config)
                                 : load_bert_layer(loader.inside("encoder.layer." + number), config));
  }
}

encoder::layer encoder::load_bert_layer(part_loader const& loader, encoder_config const& config) {
  std::size_t const hidden = config.hidden;
  return {loader.load_linear({"attention.self.query", "attention.self.key", "attention.self.value"}, hidden,
                             hidden),
          loader.load_linear("attention.output.dense", hidden, hidden),
          loader.load_norm("attention.output.LayerNorm", hidden),
          loader.load_linear("intermediate.dense", hidden, config.intermediate),
          loader.load_linear("output.dense", config.intermediate, hidden),
          loader.load_norm("output.LayerNorm", hidden)};
}

encoder::layer encoder::load_distilbert_layer(part_loader const& loader, encoder_config const& config) {
  std::size_t const hidden = config.hidden;
  return {loader.load_linear({"attention.q_lin", "attention.k_lin", "attention.v_lin"}, hidden, hidden),
          loader.load_linear("attention.out_lin", hidden, hidden),
          loader.load_norm("sa_layer_norm", hidden),
          loader.load_linear("ffn.lin1", hidden, config.intermediate),
          loader.load_linear("ffn.lin2", config.intermediate, hidden),
          loader.load_norm("output_layer_norm", hidden)};
}

std::vector<float> encoder::operator()(token_batch const& batch) const {
  workspace work(config_, batch.tokens());
  embed(batch, work);
  for (auto const& each : layers_) run_layer(each, batch, work);
  return std::move(work.hidden);
}

void encoder::embed(token_batch const& batch, workspace& work) const {
  std::vector<float> scratch(config_.hidden);
  for (std::size_t sequence = 0; sequence < batch.sequences(); ++sequence) {
    position_counter position(config_);
    for (std::size_t token = batch.starts[sequence]; token < batch.starts[sequence + 1]; ++token) {
      float* const to = work.hidden.data() + token * config_.hidden;
      words_.add_row(static_cast<std::size_t>(batch.ids[token]), scratch.data(), to);
      if (config_.token_types != 0) {
        types_.add_row(static_cast<std::size_t>(batch.type_ids[token]), scratch.data(), to);
      }
      positions_.add_row(position(batch.ids[token]), scratch.data(), to);
    }
  }
  normalize(embedding_norm_, work.hidden);
}

void encoder::run_layer(layer const& weights, token_batch const& batch, workspace& work) const {
  apply_to(kernels_, weights.query_key_value, work.hidden, work.query_key_value);
  attention(kernels_, work.query_key_value.data(), batch.starts, config_.heads,
            config_.hidden / config_.heads, work.context.data(), work.attention);
  apply_to(kernels_, weights.attention_output, work.context, work.projected);
  add(work.hidden, work.projected);
  normalize(weights.attention_norm, work.hidden);

  apply_to(kernels_, weights.intermediate, work.hidden, work.intermediate);
  activate(work.intermediate.data(), work.intermediate.size());
  apply_to(kernels_, weights.output, work.intermediate, work.projected);
  add(work.hidden, work.projected);
  normalize(weights.output_norm, work.hidden);
}

void encoder::activate(float* x, std::size_t count) const noexcept {
  switch (config_.hidden_activation) {
    case activation::gelu: kernels_.gelu(x, count); break;
    case activation::gelu_tanh: kernels_.gelu_tanh(x, count); break;
    case activation::relu: std::transform(x, x + count, x, [](float v) { return std::max(v, 0.0F); }); break;
  }
}

void encoder::normalize(norm const& norm, std::vector<float>& rows) const noexcept {
  std::size_t const width = norm.weight.size();
  for (std::size_t at = 0; at < rows.size(); at += width) {
    kernels_.layer_norm(rows.data() + at, width, norm.weight.data(), norm.bias.data(),
                        config_.layer_norm_epsilon);
  }
}

std::vector<float> apply(kernel_set const& kernels, linear const& layer, std::vector<float> const& rows) {
  std::vector<float> out(rows.size() / layer.weight.depth() * layer.weight.columns());
  apply_to(kernels, layer, rows, out);
  return out;
}

}  // namespace yonder::kernels::cpu
