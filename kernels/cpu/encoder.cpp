// SPDX-License-Identifier: Apache-2.0
#include "cpu/encoder.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <mutex>
#include <numeric>
#include <utility>

#include "model/family.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels::cpu {
namespace {

// Where the tensors of the encoder begin: "bert." in a model with a head, nothing in a bare encoder.
std::string prefix_of(weight_files const& files, family_description const& names) {
  std::string const prefix = names.prefix;
  return files.has(prefix + names.words + ".weight") ? prefix : "";
}

// The wide middle of a feed-forward network is computed in slabs, of which a block of rows stays in the
// second-level cache.
std::vector<slice> slabs_of(std::size_t width, product_kernel const& kernel) {
  std::size_t const count = (kernel.row_bytes(width) + cached_row_bytes - 1) / cached_row_bytes;
  std::size_t const each = ((width + count - 1) / count + 63) / 64 * 64;
  std::vector<slice> slabs;
  for (std::size_t begin = 0; begin < width; begin += each)
    slabs.push_back({begin, std::min(each, width - begin)});
  return slabs;
}

std::vector<linear> load_intermediate(part_loader const& loader, std::string const& name,
                                      encoder_config const& config) {
  std::vector<linear> result;
  bool const biases = config.layer.feed_forward_biases;
  for (slice const each : slabs_of(config.intermediate, loader.kernel())) {
    result.push_back(config.layer.gated
                         ? loader.load_gated(name, config.hidden, config.intermediate, each, biases)
                         : loader.load_outputs(name, config.hidden, config.intermediate, each, biases));
  }
  return result;
}

std::vector<linear> load_output(part_loader const& loader, std::string const& name,
                                encoder_config const& config) {
  std::vector<linear> result;
  for (slice const each : slabs_of(config.intermediate, loader.kernel()))
    result.push_back(
        loader.load_inputs(name, config.intermediate, config.hidden, each, config.layer.feed_forward_biases));
  return result;
}

// That of the layers' products.
product_kernel const& choose_kernel(weight_files const& files, encoder_config const& config,
                                    kernel_set const& kernels, ml::precision precision) {
  auto const& usual = kernels.product(precision);
  if (precision != ml::precision::fp32) return usual;
  auto const& names = describe(config.family);
  auto matrices = query_key_value_names(names);
  for (char const* const name : {names.attention_output, names.intermediate, names.output})
    matrices.emplace_back(name);
  std::string const prefix = prefix_of(files, names);
  auto const type_of = [&](std::size_t layer, std::string const& name) {
    return files.type_of(prefix + layer_name(config, layer) + "." + name + ".weight");
  };
  auto const type = type_of(0, matrices.front());
  for (std::size_t layer = 0; layer < config.layers; ++layer)
    for (auto const& name : matrices)
      if (type_of(layer, name) != type) return usual;
  auto const* const kept = type == data_type::bf16  ? kernels.fp32_of_bf16
                           : type == data_type::f16 ? kernels.fp32_of_f16
                                                    : nullptr;
  return kept == nullptr ? usual : *kept;
}

// What attention adds by distance, for the longest text that there may be.
std::vector<float> load_distances(part_loader const& loader, encoder_config const& config) {
  char const* const name = describe(config.family).distances;
  if (name == nullptr) return {};
  std::array<std::uint64_t, 2> const shape{config.distance_buckets, config.heads};
  return spread_distances(config, loader.load_values(std::string(name) + ".weight", shape));
}

}  // namespace

void embedding::read_row(std::size_t row, float* to) const noexcept {
  convert_to_float(tensor_->type, tensor_->bytes.data() + row * width_ * size_of(tensor_->type), width_, to);
}

embedding part_loader::load_embedding(std::string const& name, std::size_t rows, std::size_t width) const {
  return {files_.get(prefix_ + name + ".weight", std::array<std::uint64_t, 2>{rows, width}), width};
}

linear part_loader::load_linear(std::string const& name, std::size_t in, std::size_t out,
                                bool has_bias) const {
  return load_linear(std::vector<std::string>{name}, in, out, has_bias);
}

linear part_loader::load_linear(std::vector<std::string> const& names, std::size_t in,
                                std::size_t out_of_each, bool has_bias) const {
  std::vector<tensor_view const*> weights;
  linear result;
  for (auto const& name : names) {
    weights.push_back(&weight_of(name, in, out_of_each));
    if (!has_bias) continue;
    auto const bias = load_vector(name + ".bias", out_of_each);
    result.bias.insert(result.bias.end(), bias.begin(), bias.end());
  }
  result.weight = packed_matrix(kernel_, in, out_of_each * names.size(), [&](std::size_t column, float* row) {
    std::size_t const which = column / out_of_each;
    read_row(*weights[which], names[which], column % out_of_each * in, in, row);
  });
  return result;
}

linear part_loader::load_outputs(std::string const& name, std::size_t in, std::size_t out, slice part,
                                 bool has_bias) const {
  tensor_view const& weight = weight_of(name, in, out);
  linear result;
  if (has_bias) {
    auto const bias = load_vector(name + ".bias", out);
    auto const begin = bias.begin() + static_cast<std::ptrdiff_t>(part.begin);
    result.bias.assign(begin, begin + static_cast<std::ptrdiff_t>(part.count));
  }
  result.weight = packed_matrix(kernel_, in, part.count, [&](std::size_t column, float* row) {
    read_row(weight, name, (part.begin + column) * in, in, row);
  });
  return result;
}

linear part_loader::load_gated(std::string const& name, std::size_t in, std::size_t out, slice part,
                               bool has_bias) const {
  tensor_view const& weight = weight_of(name, in, 2 * out);
  // Where a column of the part lies: behind those of the first half lie those of the second.
  auto const place = [&](std::size_t column) {
    return part.begin + (column < part.count ? column : out + column - part.count);
  };
  linear result;
  if (has_bias) {
    auto const bias = load_vector(name + ".bias", 2 * out);
    for (std::size_t column = 0; column < 2 * part.count; ++column)
      result.bias.push_back(bias[place(column)]);
  }
  result.weight = packed_matrix::gated(kernel_, in, part.count, [&](std::size_t column, float* row) {
    read_row(weight, name, place(column) * in, in, row);
  });
  return result;
}

linear part_loader::load_inputs(std::string const& name, std::size_t in, std::size_t out, slice part,
                                bool has_bias) const {
  tensor_view const& weight = weight_of(name, in, out);
  return {packed_matrix(kernel_, part.count, out,
                        [&](std::size_t column, float* row) {
                          read_row(weight, name, column * in + part.begin, part.count, row);
                        }),
          has_bias && part.begin == 0 ? load_vector(name + ".bias", out) : std::vector<float>()};
}

tensor_view const& part_loader::weight_of(std::string const& name, std::size_t in, std::size_t out) const {
  return files_.get(prefix_ + name + ".weight", std::array<std::uint64_t, 2>{out, in});
}

void part_loader::read_row(tensor_view const& weight, std::string const& name, std::size_t first,
                           std::size_t count, float* row) const {
  convert_to_float(weight.type, weight.bytes.data() + first * size_of(weight.type), count, row);
  check_finite(name + ".weight", {row, count});
}

norm part_loader::load_norm(std::string const& name, std::size_t width, bool has_bias) const {
  bool const legacy = has(name + ".gamma");
  return {load_vector(name + (legacy ? ".gamma" : ".weight"), width),
          has_bias ? load_vector(name + (legacy ? ".beta" : ".bias"), width) : std::vector<float>(width)};
}

std::vector<float> part_loader::load_vector(std::string const& name, std::size_t size) const {
  return load_values(name, std::array<std::uint64_t, 1>{size});
}

std::vector<float> part_loader::load_values(std::string const& name,
                                            std::span<std::uint64_t const> shape) const {
  tensor_view const& tensor = files_.get(prefix_ + name, shape);
  std::vector<float> values(std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>{}));
  convert_to_float(tensor.type, tensor.bytes.data(), values.size(), values.data());
  check_finite(name, values);
  return values;
}

void part_loader::check_finite(std::string const& name, std::span<float const> values) const {
  constexpr std::uint32_t exponent = 0x7f800000U;
  bool finite = true;
  for (float const value : values) finite &= (std::bit_cast<std::uint32_t>(value) & exponent) != exponent;
  if (finite) return;
  throw ml::inconsistent_model({files_.source(), "a NaN or an infinity in the weight " + prefix_ + name,
                                "finite numbers", "its training may have diverged; take another checkpoint"});
}

// Memory of one call; it grows to the largest batch so far.
class encoder_workspace {
 public:
  encoder_workspace(encoder_config const& config, product_kernel const& kernel)
      : hidden_rows(kernel, config.hidden),
        context_rows(kernel, config.hidden),
        slab_rows(kernel, slabs_of(config.intermediate, kernel).front().count),
        last_slab_rows(kernel, slabs_of(config.intermediate, kernel).back().count),
        config_(config) {}

  void reserve(token_batch const& batch) {
    tokens = batch.tokens();
    hidden.resize(tokens * config_.hidden);
    query_key_value.resize(tokens * config_.hidden * 3);
    positions.resize(tokens);
    for (operand* each : {&hidden_rows, &context_rows, &slab_rows, &last_slab_rows}) each->reserve(tokens);
    if (!hidden_rows.takes_whole_rows()) return;
    context.resize(tokens * config_.hidden);
    slab.resize(tokens * slab_rows.depth());
  }

  // Of the positions of the longest sequence so far; no file's number makes them more.
  void reserve_angles(token_batch const& batch, std::vector<float> const& bases) {
    std::size_t longest = 0;
    for (std::size_t i = 0; i < batch.sequences(); ++i)
      longest = std::max(longest, batch.starts[i + 1] - batch.starts[i]);
    if (longest <= positions_with_angles_) return;
    std::size_t const enough = std::bit_ceil(longest);
    angles.clear();
    for (float const base : bases)
      angles.push_back(rotary_angles(base, enough, config_.hidden / config_.heads));
    positions_with_angles_ = enough;
  }

  // Slabs are of two widths at most; an operand is for one.
  operand& rows_of_slab(std::size_t width) noexcept {
    return width == slab_rows.depth() ? slab_rows : last_slab_rows;
  }

  std::size_t tokens = 0;
  std::vector<float> hidden;
  std::vector<float> query_key_value;
  std::vector<float> context;  // where rows are encoded whole, as is the next
  std::vector<float> slab;
  std::vector<std::size_t> positions;
  std::vector<std::vector<float>> angles;  // for each of the encoder's bases, as rotary_angles() has them
  operand hidden_rows;
  operand context_rows;
  operand slab_rows;
  operand last_slab_rows;

 private:
  encoder_config const& config_;
  std::size_t positions_with_angles_ = 0;
};

// Those that no call uses now: as many as calls have ever run at once.
class encoder::workspaces {
 public:
  std::unique_ptr<encoder_workspace> take() {
    std::lock_guard const lock(mutex_);
    if (free_.empty()) return nullptr;
    auto work = std::move(free_.back());
    free_.pop_back();
    return work;
  }

  void give_back(std::unique_ptr<encoder_workspace> work) noexcept {
    try {
      std::lock_guard const lock(mutex_);
      free_.push_back(std::move(work));
    } catch (std::bad_alloc const&) {  // then its memory is freed
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<encoder_workspace>> free_;
};

encoder::states::states(encoder const& from, std::unique_ptr<encoder_workspace> work) noexcept
    : from_(from), work_(std::move(work)) {}
encoder::states::states(states&&) noexcept = default;
encoder::states::~states() {
  if (work_) from_.workspaces_->give_back(std::move(work_));
}
std::span<float const> encoder::states::values() const noexcept { return work_->hidden; }

encoder::encoder(weight_files const& files, encoder_config const& config, kernel_set const& kernels,
                 compute_options options)
    : config_(config),
      kernels_(kernels),
      product_(choose_kernel(files, config, kernels, options.precision)),
      threads_(options.threads != 0 ? options.threads : default_threads()),
      workspaces_(std::make_unique<workspaces>()) {
  auto const& names = describe(config.family);
  part_loader const loader(files, product_, prefix_of(files, names));
  words_ = loader.load_embedding(names.words, config.vocabulary, config.hidden);
  if (!config.is_rotary()) {
    positions_ = loader.load_embedding("embeddings.position_embeddings", config.positions, config.hidden);
  }
  if (config.token_types != 0) {
    types_ = loader.load_embedding("embeddings.token_type_embeddings", config.token_types, config.hidden);
  }
  embedding_norm_ = loader.load_norm(names.embedding_norm, config.hidden, config.layer.norm_biases);
  distances_ = load_distances(loader, config);
  for (std::size_t i = 0; i < config.layers; ++i) layers_.push_back(load_layer(loader, i));
}

encoder::layer encoder::load_layer(part_loader const& loader, std::size_t index) {
  std::size_t const hidden = config_.hidden;
  auto const& names = describe(config_.family);
  auto const& how = config_.layer;
  auto const pattern = config_.attention.of(index);
  auto const query_key_value = query_key_value_names(names);
  part_loader const inside = loader.inside(layer_name(config_, index));
  return {
      inside.load_linear(query_key_value, hidden, 3 * hidden / query_key_value.size(), how.attention_biases),
      inside.load_linear(names.attention_output, hidden, hidden, how.attention_biases),
      inside.load_norm(names.attention_norm, hidden, how.norm_biases),
      load_intermediate(inside, names.intermediate, config_),
      load_output(inside, names.output, config_),
      loader.load_norm(output_norm_name(config_, index), hidden, how.norm_biases),
      pattern.window,
      rotation_of(pattern.rotary_base)};
}

// Which of rotary_bases_ it is.
std::size_t encoder::rotation_of(float base) {
  if (base == 0) return 0;
  auto const known = std::ranges::find(rotary_bases_, base);
  auto const index = static_cast<std::size_t>(known - rotary_bases_.begin());
  if (known == rotary_bases_.end()) rotary_bases_.push_back(base);
  return index;
}

encoder::~encoder() = default;

encoder::states encoder::operator()(token_batch const& batch) const {
  auto work = workspaces_->take();
  if (!work) work = std::make_unique<encoder_workspace>(config_, product_);
  work->reserve(batch);
  work->reserve_angles(batch, rotary_bases_);
  embed(batch, *work);
  for (auto const& each : layers_) {
    attend(each, batch, *work);
    feed_forward(each, *work);
  }
  return {*this, std::move(work)};
}

void encoder::embed(token_batch const& batch, encoder_workspace& work) const {
  for (std::size_t sequence = 0; sequence < batch.sequences(); ++sequence) {
    position_counter position(config_);
    for (std::size_t token = batch.starts[sequence]; token < batch.starts[sequence + 1]; ++token)
      work.positions[token] = position(batch.ids[token]);
  }
  std::size_t const width = config_.hidden;
  for_each_rows(workers(), work.tokens, 8 * width, [&](std::size_t begin, std::size_t end) {
    thread_local std::vector<float> row;
    row.resize(width);
    for (std::size_t token = begin; token < end; ++token) {
      float* const to = work.hidden.data() + token * width;
      words_.read_row(static_cast<std::size_t>(batch.ids[token]), to);
      add_tables(batch, token, work.positions[token], row.data(), to);
      kernels_.layer_norm(to, width, embedding_norm_.weight.data(), embedding_norm_.bias.data(),
                          config_.layer_norm_epsilon);
      work.hidden_rows.encode(token, to);
    }
  });
}

// What stands for a token's type and its position; `row` is memory.
void encoder::add_tables(token_batch const& batch, std::size_t token, std::size_t position, float* row,
                         float* to) const {
  if (config_.token_types != 0) {
    types_.read_row(static_cast<std::size_t>(batch.type_ids[token]), row);
    kernels_.add(to, row, config_.hidden);
  }
  if (config_.is_rotary()) return;
  positions_.read_row(position, row);
  kernels_.add(to, row, config_.hidden);
}

void encoder::attend(layer const& weights, token_batch const& batch, encoder_workspace& work) const {
  multiply(kernels_, workers(), work.hidden_rows, work.tokens, weights.query_key_value.weight,
           {.bias = weights.query_key_value.bias_data(), .out = work.query_key_value.data()});
  if (config_.is_rotary()) rotate(work.angles[weights.rotation], work);
  bool const whole = product_.whole_rows;
  attention(kernels_, workers(),
            {work.query_key_value.data(), batch.starts, config_.heads, config_.hidden / config_.heads,
             distances_.empty() ? nullptr : distances_.data(), config_.max_tokens(), weights.window},
            {whole ? work.context.data() : nullptr, whole ? nullptr : &work.context_rows});
  if (whole) encode_rows(work.context.data(), work.tokens, config_.hidden, work.context_rows);
  multiply(kernels_, workers(), work.context_rows, work.tokens, weights.attention_output.weight,
           {.bias = weights.attention_output.bias_data(),
            .residual = work.hidden.data(),
            .out = work.hidden.data()});
  normalize(weights.attention_norm, config_.layer.norms == norm_place::before_part, work);
}

// Queries and keys.
void encoder::rotate(std::vector<float> const& angles, encoder_workspace& work) const {
  std::size_t const hidden = config_.hidden;
  std::size_t const size = hidden / config_.heads;
  for_each_rows(workers(), work.tokens, 4 * hidden, [&](std::size_t begin, std::size_t end) {
    for (std::size_t token = begin; token < end; ++token) {
      float const* const cosines = angles.data() + work.positions[token] * size;
      float* const row = work.query_key_value.data() + token * 3 * hidden;
      for (float* each = row; each != row + 2 * hidden; each += size)
        kernels_.rotate(each, cosines, cosines + size / 2, size / 2);
    }
  });
}

void encoder::feed_forward(layer const& weights, encoder_workspace& work) const {
  for (std::size_t i = 0; i < weights.output.size(); ++i)
    run_slab(weights.intermediate[i], weights.output[i], work);
  bool const last = &weights == &layers_.back();
  normalize(weights.output_norm, !last && config_.layer.norms == norm_place::before_part, work);
}

// Adds what a slab of the middle gives to the hidden states.
void encoder::run_slab(linear const& intermediate, linear const& output, encoder_workspace& work) const {
  bool const whole = product_.whole_rows;
  std::size_t const width = output.weight.depth();
  operand& rows = work.rows_of_slab(width);
  multiply(kernels_, workers(), work.hidden_rows, work.tokens, intermediate.weight,
           {.bias = intermediate.bias_data(),
            .activate = kernels_.function_of(config_.layer.feed_forward_activation),
            .out = whole ? work.slab.data() : nullptr,
            .encoded = whole ? nullptr : &rows});
  if (whole) encode_rows(work.slab.data(), work.tokens, width, rows);
  multiply(kernels_, workers(), rows, work.tokens, output.weight,
           {.bias = output.bias_data(), .residual = work.hidden.data(), .out = work.hidden.data()});
}

// The norm goes on to the next product, and takes the place of the sum unless that is kept.
void encoder::normalize(norm const& norm, bool keeps_sum, encoder_workspace& work) const {
  std::size_t const width = config_.hidden;
  for_each_rows(workers(), work.tokens, 4 * width, [&](std::size_t begin, std::size_t end) {
    thread_local std::vector<float> copy;
    copy.resize(width);
    for (std::size_t token = begin; token < end; ++token) {
      float* row = work.hidden.data() + token * width;
      if (keeps_sum) row = std::copy_n(row, width, copy.data()) - width;
      kernels_.layer_norm(row, width, norm.weight.data(), norm.bias.data(), config_.layer_norm_epsilon);
      work.hidden_rows.encode(token, row);
    }
  });
}

void encoder::encode_rows(float const* rows, std::size_t count, std::size_t width, operand& to) const {
  for_each_rows(workers(), count, width, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) to.encode(row, rows + row * width);
  });
}

std::vector<float> apply(kernel_set const& kernels, crew const& by, linear const& layer,
                         std::vector<float> const& rows) {
  std::size_t const depth = layer.weight.depth();
  std::size_t const count = rows.size() / depth;
  operand encoded(layer.weight.kernel(), depth);
  encoded.reserve(count);
  for (std::size_t row = 0; row < count; ++row) encoded.encode(row, rows.data() + row * depth);
  std::vector<float> out(count * layer.weight.columns());
  multiply(kernels, by, encoded, count, layer.weight, {.bias = layer.bias_data(), .out = out.data()});
  return out;
}

}  // namespace yonder::kernels::cpu
