// SPDX-License-Identifier: Apache-2.0
#include "cpu/heads.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

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

classification_head::classification_head(weight_files const& files, encoder_config const& config,
                                         std::size_t labels, kernel_set const& kernels, crew const& by)
    : kernels_(kernels),
      by_(by),
      rectifies_(describe(config.family).rectifies),
      first_(part_loader(files, *kernels.fp32)
                 .load_linear(describe(config.family).first, config.hidden, config.hidden)),
      classifier_(part_loader(files, *kernels.fp32)
                      .load_linear(describe(config.family).last, config.hidden, labels)) {}

std::vector<float> classification_head::operator()(token_batch const& batch,
                                                   std::span<float const> hidden) const {
  std::size_t const width = first_.weight.depth();
  std::vector<float> rows;
  for (std::size_t i = 0; i < batch.sequences(); ++i) {
    auto const begin = hidden.begin() + static_cast<std::ptrdiff_t>(batch.starts[i] * width);
    rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
  }
  rows = apply(kernels_, by_, first_, rows);
  for (float& value : rows) value = rectifies_ ? std::max(value, 0.0F) : std::tanh(value);
  return apply(kernels_, by_, classifier_, rows);
}

token_head::token_head(weight_files const& files, std::string const& layer, std::size_t width,
                       std::size_t labels, kernel_set const& kernels, crew const& by)
    : kernels_(kernels),
      by_(by),
      layer_(part_loader(files, *kernels.fp32).load_linear(layer, width, labels)) {}

std::vector<float> token_head::operator()(std::span<float const> hidden) const {
  return apply(kernels_, by_, layer_, {hidden.begin(), hidden.end()});
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
