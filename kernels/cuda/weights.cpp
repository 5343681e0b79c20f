// SPDX-License-Identifier: Apache-2.0
#include "cuda/weights.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
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
  norm_parts norm(std::string const& name, std::size_t width, bool has_bias) const {
    bool const legacy = files_.has(prefix_ + name + ".gamma");
    auto const weight = vector<float>(name + (legacy ? ".gamma" : ".weight"), width);
    if (!has_bias) return {weight, values(std::vector<float>(width))};
    return {weight, vector<float>(name + (legacy ? ".beta" : ".bias"), width)};
  }
  // What is in no file.
  part<float> values(std::vector<float> const& all) const {
    std::size_t const offset = aligned_end();
    bytes_.resize(offset + all.size() * sizeof(float));
    std::memcpy(bytes_.data() + offset, all.data(), all.size() * sizeof(float));
    return {offset};
  }
  // A tensor's values, beside the block.
  std::vector<float> read(std::string const& name, std::span<std::uint64_t const> shape) const {
    tensor_view const& tensor = files_.get(prefix_ + name, shape);
    std::vector<float> all(tensor.bytes.size() / size_of(tensor.type));
    convert_to_float(tensor.type, tensor.bytes.data(), all.size(), all.data());
    check_finite<float>(prefix_ + name, all);
    return all;
  }
  // Tensors of one shape, one after the other.
  template <class Element>
  part<Element> stacked(std::vector<std::string> const& names, std::span<std::uint64_t const> shape) const {
    std::size_t const offset = aligned_end();
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
  std::size_t aligned_end() const { return (bytes_.size() + alignment - 1) / alignment * alignment; }

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

// Angles for each base of rotary positions, once.
class angle_tables {
 public:
  angle_tables(packer const& to, encoder_config const& config) : to_(to), config_(config) {}

  std::optional<part<float>> of(float base) {
    if (base == 0) return std::nullopt;
    auto const known = tables_.find(base);
    if (known != tables_.end()) return known->second;
    auto const made = to_.values(rotary_angles(base, config_.positions, config_.hidden / config_.heads));
    return tables_.emplace(base, made).first->second;
  }

 private:
  packer const& to_;
  encoder_config const& config_;
  std::map<float, part<float>> tables_;
};

std::uint32_t window_of(attention_pattern const& pattern) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(pattern.window, unlimited_window));
}

template <class T>
layer_parts<T> load_layer(packer const& all, encoder_config const& config, angle_tables& angles,
                          std::size_t index) {
  auto const& names = describe(config.family);
  auto const& how = config.layer;
  packer const from = all.inside(layer_name(config, index));
  std::size_t const hidden = config.hidden;
  std::size_t const intermediate = (how.gated ? 2 : 1) * config.intermediate;
  auto const bias = [&](char const* name, std::size_t size, bool is_there) {
    std::optional<part<T>> found;
    if (is_there) found = from.template vector<T>(name + std::string(".bias"), size);
    return found;
  };
  std::vector<std::string> weights;
  std::vector<std::string> biases;
  for (std::string const& name : query_key_value_names(names)) {
    weights.push_back(name + ".weight");
    biases.push_back(name + ".bias");
  }
  std::size_t const each = 3 * hidden / weights.size();
  layer_parts<T> parts;
  parts.query_key_value = from.template stacked<T>(weights, std::array<std::uint64_t, 2>{each, hidden});
  if (how.attention_biases)
    parts.query_key_value_bias = from.template stacked<T>(biases, std::array<std::uint64_t, 1>{each});
  parts.attention_output = from.template matrix<T>(names.attention_output, hidden, hidden);
  parts.attention_output_bias = bias(names.attention_output, hidden, how.attention_biases);
  parts.attention_norm = from.norm(names.attention_norm, hidden, how.norm_biases);
  parts.intermediate = from.template matrix<T>(names.intermediate, intermediate, hidden);
  parts.intermediate_bias = bias(names.intermediate, intermediate, how.feed_forward_biases);
  parts.output = from.template matrix<T>(names.output, hidden, config.intermediate);
  parts.output_bias = bias(names.output, hidden, how.feed_forward_biases);
  parts.output_norm = all.norm(output_norm_name(config, index), hidden, how.norm_biases);
  auto const pattern = config.attention.of(index);
  parts.window = window_of(pattern);
  parts.angles = angles.of(pattern.rotary_base);
  return parts;
}

// Whether one kernel has all of its layers.
bool is_classifier_of_first_token(encoder_config const& config, model_task const& task) {
  auto const& head = config.head;
  bool const known = !head.first_activation || *head.first_activation == activation::relu;
  return !task.of_each_token() && known && head.first_bias && !head.takes_mean &&
         describe(config.family).first_norm == nullptr;
}

template <class T>
classifier_parts<T> load_classifier(packer const& from, encoder_config const& config, std::size_t labels) {
  auto const& names = describe(config.family);
  return {from.template matrix<T>(names.first, config.hidden, config.hidden),
          from.template vector<float>(names.first + std::string(".bias"), config.hidden),
          from.template matrix<T>(names.last, labels, config.hidden),
          from.template vector<float>(names.last + std::string(".bias"), labels), labels};
}

// Of the head that stands behind a product and a norm, or behind nothing: as cpu::head_layers.
template <class T>
head_parts<T> load_head(packer const& from, encoder_config const& config, model_task const& task) {
  auto const& names = describe(config.family);
  head_parts<T> parts;
  parts.of_tokens = task.of_each_token();
  parts.labels = *task.labels;
  if (!parts.of_tokens || names.first_norm != nullptr) {
    if (!config.head.first_activation) {
      throw ml::unsupported_model({"config.json", "a classifier's tanh behind the mean of a text's tokens",
                                   "gelu or relu there for the CUDA kernels",
                                   "use the device cpu for this model"});
    }
    parts.first = from.template matrix<T>(names.first, config.hidden, config.hidden);
    if (config.head.first_bias)
      parts.first_bias = from.template vector<T>(names.first + std::string(".bias"), config.hidden);
  }
  if (names.first_norm != nullptr)
    parts.norm = from.norm(names.first_norm, config.hidden, config.layer.norm_biases);
  std::string const last = parts.of_tokens ? task.token_layer : names.last;
  parts.last = from.template matrix<T>(last, parts.labels, config.hidden);
  parts.last_bias = from.template vector<float>(last + ".bias", parts.labels);
  return parts;
}

void check_shapes(encoder_config const& config) {
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
model_parts<T> load_parts(weight_files const& files, encoder_config const& config, model_task const& task) {
  check_shapes(config);
  auto const& names = describe(config.family);
  std::string const prefix =
      files.has(names.prefix + std::string(names.words) + ".weight") ? names.prefix : "";

  model_parts<T> parts;
  packer const from(files, prefix, parts.bytes);
  parts.words = from.template matrix<T>(names.words, config.vocabulary, config.hidden);
  if (!config.is_rotary()) {
    parts.positions =
        from.template matrix<T>("embeddings.position_embeddings", config.positions, config.hidden);
  }
  if (config.token_types != 0) {
    parts.types =
        from.template matrix<T>("embeddings.token_type_embeddings", config.token_types, config.hidden);
  }
  parts.embedding_norm = from.norm(names.embedding_norm, config.hidden, config.layer.norm_biases);
  if (names.distances != nullptr) {
    std::array<std::uint64_t, 2> const shape{config.distance_buckets, config.heads};
    auto const table = from.read(std::string(names.distances) + ".weight", shape);
    parts.distances = from.values(spread_distances(config, table));
  }
  angle_tables angles(from, config);
  for (std::size_t i = 0; i < config.layers; ++i) {
    parts.layers.push_back(load_layer<T>(from, config, angles, i));
  }
  packer const whole(files, "", parts.bytes);
  if (task.labels && is_classifier_of_first_token(config, task))
    parts.classifier = load_classifier<T>(whole, config, *task.labels);
  else if (task.labels)
    parts.head = load_head<T>(whole, config, task);
  return parts;
}

template model_parts<bf16> load_parts(weight_files const&, encoder_config const&, model_task const&);
template model_parts<f16> load_parts(weight_files const&, encoder_config const&, model_task const&);

}  // namespace yonder::kernels::cuda
