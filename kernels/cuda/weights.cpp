// SPDX-License-Identifier: Apache-2.0
#include "cuda/weights.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "cuda/number.hpp"
#include "model/family.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels::cuda {
namespace {

constexpr std::size_t alignment = 256;
constexpr std::size_t widest_hidden = 1024;

template <class Element>
constexpr data_type stored_as = std::is_same_v<Element, float>  ? data_type::f32
                                : std::is_same_v<Element, bf16> ? data_type::bf16
                                                                : data_type::f16;

template <class Element>
void round_to(std::vector<float> const& from, Element* to) {
  if constexpr (std::is_same_v<Element, float>) {
    std::memcpy(to, from.data(), from.size() * sizeof(float));
  } else {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from_float<Element>(from[i]);
  }
}

template <class Element>
void convert(tensor_view const& tensor, std::byte* to) {
  if (tensor.type == stored_as<Element>) {
    std::memcpy(to, tensor.bytes.data(), tensor.bytes.size());
    return;
  }
  constexpr std::size_t at_once = std::size_t{64} * 1024;
  std::size_t const size = size_of(tensor.type);
  std::size_t const count = tensor.bytes.size() / size;
  std::vector<float> values;
  for (std::size_t i = 0; i < count; i += at_once) {
    values.resize(std::min(at_once, count - i));
    convert_to_float(tensor.type, tensor.bytes.data() + i * size, values.size(), values.data());
    round_to(values, reinterpret_cast<Element*>(to) + i);
  }
}

// All ones in the exponent: infinite, or no number.
inline bool is_finite(float value) { return (detail::bits_of(value) & 0x7f800000U) != 0x7f800000U; }
constexpr bool is_finite(bf16 value) { return (value.bits & 0x7f80U) != 0x7f80U; }
constexpr bool is_finite(f16 value) { return (value.bits & 0x7c00U) != 0x7c00U; }

// Appends tensors to a model's block.
class packer {
 public:
  packer(weight_files const& files, std::string prefix, std::vector<std::byte>& bytes)
      : files_(files), prefix_(std::move(prefix)), bytes_(bytes) {}

  template <class Element>
  part<Element> matrix(std::string const& name, std::size_t out, std::size_t in) const {
    return stacked<Element>({name + ".weight"}, std::array<std::uint64_t, 2>{out, in});
  }
  template <class Element>
  part<Element> vector(std::string const& name, std::size_t size) const {
    return stacked<Element>({name}, std::array<std::uint64_t, 1>{size});
  }
  // Also under the names gamma and beta, as TensorFlow's checkpoints have them.
  norm_parts norm(std::string const& name, std::size_t width) const {
    bool const legacy = files_.has(prefix_ + name + ".gamma");
    return {vector<float>(name + (legacy ? ".gamma" : ".weight"), width),
            vector<float>(name + (legacy ? ".beta" : ".bias"), width)};
  }
  // Tensors of one shape, one after the other.
  template <class Element>
  part<Element> stacked(std::vector<std::string> const& names, std::span<std::uint64_t const> shape) const {
    std::size_t const offset = (bytes_.size() + alignment - 1) / alignment * alignment;
    std::size_t at = offset;
    for (auto const& name : names) {
      tensor_view const& tensor = files_.get(prefix_ + name, shape);
      std::size_t const size = tensor.bytes.size() / size_of(tensor.type) * sizeof(Element);
      bytes_.resize(at + size);
      convert<Element>(tensor, bytes_.data() + at);
      check_finite<Element>(prefix_ + name,
                            {reinterpret_cast<Element const*>(bytes_.data() + at), size / sizeof(Element)});
      at += size;
    }
    return {offset};
  }

  packer inside(std::string const& name) const { return {files_, prefix_ + name + ".", bytes_}; }

 private:
  template <class Element>
  void check_finite(std::string const& name, std::span<Element const> values) const {
    if (std::all_of(values.begin(), values.end(), [](Element value) { return is_finite(value); })) return;
    throw ml::inconsistent_model({files_.source(),
                                  "a value of " + name + " that is no finite number in its format",
                                  "finite numbers", "take another checkpoint, or another precision"});
  }

  weight_files const& files_;
  std::string prefix_;
  std::vector<std::byte>& bytes_;
};

template <class T>
layer_parts<T> load_layer(packer const& all, encoder_config const& config, std::size_t index) {
  auto const& names = describe(config.family);
  packer const from = all.inside(layer_name(config, index));
  std::size_t const hidden = config.hidden;
  std::size_t const intermediate = config.intermediate;
  std::vector<std::string> weights;
  std::vector<std::string> biases;
  for (std::string const& name : query_key_value_names(names)) {
    weights.push_back(name + ".weight");
    biases.push_back(name + ".bias");
  }
  layer_parts<T> parts;
  parts.query_key_value = from.template stacked<T>(weights, std::array<std::uint64_t, 2>{hidden, hidden});
  parts.query_key_value_bias = from.template stacked<T>(biases, std::array<std::uint64_t, 1>{hidden});
  parts.attention_output = from.template matrix<T>(names.attention_output, hidden, hidden);
  parts.attention_output_bias =
      from.template vector<T>(names.attention_output + std::string(".bias"), hidden);
  parts.attention_norm = from.norm(names.attention_norm, hidden);
  parts.intermediate = from.template matrix<T>(names.intermediate, intermediate, hidden);
  parts.intermediate_bias = from.template vector<T>(names.intermediate + std::string(".bias"), intermediate);
  parts.output = from.template matrix<T>(names.output, hidden, intermediate);
  parts.output_bias = from.template vector<T>(names.output + std::string(".bias"), hidden);
  parts.output_norm = all.norm(output_norm_name(config, index), hidden);
  return parts;
}

template <class T>
classifier_parts<T> load_classifier(packer const& from, encoder_config const& config, std::size_t labels) {
  auto const& names = describe(config.family);
  return {from.template matrix<T>(names.first, config.hidden, config.hidden),
          from.template vector<float>(names.first + std::string(".bias"), config.hidden),
          from.template matrix<T>(names.last, labels, config.hidden),
          from.template vector<float>(names.last + std::string(".bias"), labels), labels};
}

void check_shapes(encoder_config const& config) {
  if (config.layer.norms != norm_place::after_sum || config.layer.gated || config.is_rotary()) {
    throw ml::unsupported_model(
        {"config.json", "norms before the parts of a layer, a gate and rotary positions, as ModernBERT has",
         "BERT, DistilBERT or RoBERTa for the CUDA kernels", "use the device cpu for this model"});
  }
  if (config.distance_buckets != 0) {
    throw ml::unsupported_model({"config.json", "attention that adds something by distance, as MPNet's",
                                 "BERT, DistilBERT or RoBERTa for the CUDA kernels",
                                 "use the device cpu for this model"});
  }
  std::size_t const head_size = config.hidden / config.heads;
  if ((head_size == 32 || head_size == 64) && config.hidden <= widest_hidden &&
      config.intermediate % 8 == 0 && config.positions <= 0xffff && config.token_types <= 0xffff)
    return;
  throw ml::unsupported_model(
      {"config.json",
       std::to_string(config.heads) + " heads of " + std::to_string(head_size) + ", hidden size " +
           std::to_string(config.hidden) + ", intermediate size " + std::to_string(config.intermediate),
       "heads of 32 or 64, a hidden size of at most 1024, an intermediate size that 8 divides, for the CUDA "
       "kernels",
       "use the device cpu for this model"});
}

}  // namespace

template <class T>
model_parts<T> load_parts(weight_files const& files, encoder_config const& config,
                          std::optional<std::size_t> labels) {
  check_shapes(config);
  auto const& names = describe(config.family);
  std::string const prefix =
      files.has(names.prefix + std::string(names.words) + ".weight") ? names.prefix : "";

  model_parts<T> parts;
  packer const from(files, prefix, parts.bytes);
  parts.words = from.template matrix<T>(names.words, config.vocabulary, config.hidden);
  parts.positions =
      from.template matrix<T>("embeddings.position_embeddings", config.positions, config.hidden);
  if (config.token_types != 0) {
    parts.types =
        from.template matrix<T>("embeddings.token_type_embeddings", config.token_types, config.hidden);
  }
  parts.embedding_norm = from.norm(names.embedding_norm, config.hidden);
  for (std::size_t i = 0; i < config.layers; ++i) {
    parts.layers.push_back(load_layer<T>(from, config, i));
  }
  if (labels) parts.classifier = load_classifier<T>(packer(files, "", parts.bytes), config, *labels);
  return parts;
}

template model_parts<bf16> load_parts(weight_files const&, encoder_config const&, std::optional<std::size_t>);
template model_parts<f16> load_parts(weight_files const&, encoder_config const&, std::optional<std::size_t>);

}  // namespace yonder::kernels::cuda
