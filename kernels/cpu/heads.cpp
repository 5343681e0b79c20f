// SPDX-License-Identifier: Apache-2.0
#include "cpu/heads.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "model/family.hpp"

namespace yonder::kernels::cpu {
namespace {

double sum_of(float const* column, std::size_t length, std::size_t width) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < length; ++i) sum += column[i * width];
  return sum;
}

float mean_of(float const* column, std::size_t length, std::size_t width, double divisor) noexcept {
  return length == 0 ? 0.0F : static_cast<float>(sum_of(column, length, width) / divisor);
}

// Weights count up from `weight` on.
float weighted_mean_of(float const* column, std::size_t length, std::size_t width,
                       std::size_t weight) noexcept {
  double sum = 0.0;
  double weights = 0.0;
  for (std::size_t i = 0; i < length; ++i) {
    auto const each = static_cast<double>(weight + i);
    sum += each * column[i * width];
    weights += each;
  }
  return length == 0 ? 0.0F : static_cast<float>(sum / weights);
}

float largest_of(float const* column, std::size_t length, std::size_t width) noexcept {
  float largest = column[0];
  for (std::size_t i = 1; i < length; ++i) largest = std::max(largest, column[i * width]);
  return largest;
}

}  // namespace

head_layers::head_layers(weight_files const& files, encoder_config const& config, std::string const& last,
                         std::size_t labels, bool of_tokens, kernel_set const& kernels, crew const& by)
    : kernels_(kernels),
      by_(by),
      activation_(config.head.first_activation),
      epsilon_(config.layer_norm_epsilon) {
  auto const& names = describe(config.family);
  part_loader const loader(files, *kernels.fp32);
  if (!of_tokens || names.first_norm != nullptr)
    first_ = loader.load_linear(names.first, config.hidden, config.hidden, config.head.first_bias);
  if (names.first_norm != nullptr)
    norm_ = loader.load_norm(names.first_norm, config.hidden, config.layer.norm_biases);
  last_ = loader.load_linear(last, config.hidden, labels);
}

std::vector<float> head_layers::operator()(std::vector<float> rows) const {
  if (first_) {
    rows = apply(kernels_, by_, *first_, rows);
    activate(rows);
  }
  if (norm_) {
    for (float* row = rows.data(); row != rows.data() + rows.size(); row += width())
      kernels_.layer_norm(row, width(), norm_->weight.data(), norm_->bias.data(), epsilon_);
  }
  return apply(kernels_, by_, last_, rows);
}

void head_layers::activate(std::vector<float>& rows) const {
  if (activation_) return kernels_.function_of(*activation_)(rows.data(), rows.size());
  for (float& value : rows) value = std::tanh(value);
}

classification_head::classification_head(weight_files const& files, encoder_config const& config,
                                         std::size_t labels, kernel_set const& kernels, crew const& by)
    : pooling_(config.head.takes_mean ? pooling_mode::mean : pooling_mode::first_token),
      layers_(files, config, describe(config.family).last, labels, false, kernels, by) {}

std::vector<float> classification_head::operator()(token_batch const& batch,
                                                   std::span<float const> hidden) const {
  std::size_t const width = layers_.width();
  std::vector<float> rows(batch.sequences() * width);
  for (std::size_t i = 0; i < batch.sequences(); ++i) {
    pool(pooling_, hidden.data() + batch.starts[i] * width, batch.starts[i + 1] - batch.starts[i], width, 0,
         rows.data() + i * width);
  }
  return layers_(std::move(rows));
}

void apply_scores(score_function function, float* logits, std::size_t count) noexcept {
  if (function == score_function::none) return;
  if (function == score_function::sigmoid) {
    for (std::size_t i = 0; i < count; ++i) logits[i] = 1.0F / (1.0F + std::exp(-logits[i]));
    return;
  }
  float const largest = *std::max_element(logits, logits + count);
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(logits[i]) - largest);
  for (std::size_t i = 0; i < count; ++i) {
    logits[i] = static_cast<float>(std::exp(static_cast<double>(logits[i]) - largest) / sum);
  }
}

void pool(pooling_mode mode, float const* hidden, std::size_t length, std::size_t width, std::size_t skipped,
          float* out) noexcept {
  bool const none = skipped >= length;
  std::size_t const first = none ? 0 : skipped;
  float const* const kept = hidden + first * width;
  std::size_t const count = none ? 0 : length - skipped;
  double const size = static_cast<double>(count);
  for (std::size_t column = 0; column < width; ++column) {
    switch (mode) {
      case pooling_mode::first_token: out[column] = kept[column]; break;
      case pooling_mode::last_token: out[column] = none ? 0.0F : hidden[(length - 1) * width + column]; break;
      case pooling_mode::maximum:
        out[column] =
            none ? -std::numeric_limits<float>::infinity() : largest_of(kept + column, count, width);
        break;
      case pooling_mode::mean: out[column] = mean_of(kept + column, count, width, size); break;
      case pooling_mode::mean_sqrt_length:
        out[column] = mean_of(kept + column, count, width, std::sqrt(size));
        break;
      case pooling_mode::weighted_mean:
        out[column] = weighted_mean_of(kept + column, count, width, first + 1);
        break;
    }
  }
}

void normalize_length(float* x, std::size_t count) noexcept {
  double square = 0.0;
  for (std::size_t i = 0; i < count; ++i) square += static_cast<double>(x[i]) * x[i];
  double const divisor = std::max(std::sqrt(square), 1e-12);
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<float>(x[i] / divisor);
}

}  // namespace yonder::kernels::cpu
