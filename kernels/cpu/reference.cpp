// SPDX-License-Identifier: Apache-2.0
#include "cpu/reference.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace yonder::kernels::reference {

std::vector<double> multiply(float const* a, std::size_t rows, float const* b, std::size_t columns,
                             std::size_t depth, float const* bias) {
  std::vector<double> c(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      double sum = bias == nullptr ? 0.0 : bias[j];
      for (std::size_t k = 0; k < depth; ++k) sum += static_cast<double>(a[i * depth + k]) * b[j * depth + k];
      c[i * columns + j] = sum;
    }
  }
  return c;
}

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }

double gelu_tanh(double x) {
  double const inner = std::sqrt(2.0 * std::numbers::inv_pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(inner));
}

std::vector<double> softmax(float const* x, std::size_t count, double scale) {
  std::vector<double> y(x, x + count);
  double const largest = *std::max_element(y.begin(), y.end());
  double sum = 0.0;
  for (double& value : y) sum += value = std::exp(scale * (value - largest));
  for (double& value : y) value /= sum;
  return y;
}

std::vector<double> layer_norm(float const* x, std::size_t count, float const* weight, float const* bias,
                               double epsilon) {
  std::vector<double> y(x, x + count);
  double mean = 0.0;
  for (double const value : y) mean += value / static_cast<double>(count);
  double variance = 0.0;
  for (double const value : y) variance += (value - mean) * (value - mean) / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i)
    y[i] = (y[i] - mean) / std::sqrt(variance + epsilon) * weight[i] + bias[i];
  return y;
}

std::vector<double> rotate(float const* x, std::size_t size, std::size_t position, double base) {
  std::vector<double> y(size);
  std::size_t const half = size / 2;
  for (std::size_t i = 0; i < half; ++i) {
    double const exponent = -2.0 * static_cast<double>(i) / static_cast<double>(size);
    double const angle = static_cast<double>(position) * std::pow(base, exponent);
    y[i] = x[i] * std::cos(angle) - x[i + half] * std::sin(angle);
    y[i + half] = x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
  }
  return y;
}

std::vector<double> attention(float const* qkv, std::size_t length, std::size_t heads, std::size_t head_size,
                              float const* distances, std::size_t reach, std::size_t window) {
  std::size_t const hidden = heads * head_size;
  std::vector<double> out(length * hidden);
  auto const at = [&](std::size_t token, std::size_t part, std::size_t column) {
    return static_cast<double>(qkv[token * 3 * hidden + part * hidden + column]);
  };
  for (std::size_t head = 0; head < heads; ++head) {
    for (std::size_t i = 0; i < length; ++i) {
      std::size_t const first = i < window ? 0 : i - window;
      std::size_t const last = length - i <= window ? length : i + window + 1;
      std::vector<float> scores(last - first);
      for (std::size_t j = first; j < last; ++j) {
        double score = 0.0;
        for (std::size_t k = head * head_size; k < (head + 1) * head_size; ++k)
          score += at(i, 0, k) * at(j, 1, k);
        if (distances != nullptr) score += distances[head * (2 * reach - 1) + reach - 1 + j - i];
        scores[j - first] = static_cast<float>(score);
      }
      auto const weights =
          softmax(scores.data(), scores.size(), 1.0 / std::sqrt(static_cast<double>(head_size)));
      for (std::size_t k = head * head_size; k < (head + 1) * head_size; ++k) {
        for (std::size_t j = first; j < last; ++j) out[i * hidden + k] += weights[j - first] * at(j, 2, k);
      }
    }
  }
  return out;
}

std::vector<double> convolution(std::vector<double> const& image, std::size_t in, std::size_t height,
                                std::size_t width, std::vector<float> const& weight,
                                std::vector<float> const& bias) {
  auto const pixel = [&](std::size_t c, std::size_t y, std::size_t x) {  // counted from the border on
    return y == 0 || x == 0 || y > height || x > width ? 0.0 : image[(c * height + y - 1) * width + x - 1];
  };
  std::vector<double> out(bias.size() * (height / 2) * (width / 2), 0.0);  // ReLU: none is less
  for (std::size_t o = 0; o < bias.size(); ++o) {
    for (std::size_t y = 0; y < height / 2 * 2; ++y) {
      for (std::size_t x = 0; x < width / 2 * 2; ++x) {
        double sum = bias[o];
        for (std::size_t c = 0; c < in; ++c)
          for (std::size_t place = 0; place < 9; ++place)
            sum += pixel(c, y + place / 3, x + place % 3) * weight[(o * in + c) * 9 + place];
        auto& largest = out[(o * (height / 2) + y / 2) * (width / 2) + x / 2];
        largest = std::max(largest, sum);
      }
    }
  }
  return out;
}

std::vector<double> gated_recurrent_unit(std::vector<float> const& x, std::size_t in, std::size_t hidden,
                                         std::vector<float> const& weight_ih,
                                         std::vector<float> const& weight_hh,
                                         std::vector<float> const& bias_ih,
                                         std::vector<float> const& bias_hh) {
  std::vector<double> h(hidden);
  auto const sigmoid = [](double value) { return 1.0 / (1.0 + std::exp(-value)); };
  for (std::size_t t = 0; t < x.size() / in; ++t) {
    std::vector<double> of_x(bias_ih.begin(), bias_ih.end());
    std::vector<double> of_h(bias_hh.begin(), bias_hh.end());
    for (std::size_t row = 0; row < 3 * hidden; ++row) {
      for (std::size_t i = 0; i < in; ++i)
        of_x[row] += static_cast<double>(x[t * in + i]) * weight_ih[row * in + i];
      for (std::size_t i = 0; i < hidden; ++i) of_h[row] += h[i] * weight_hh[row * hidden + i];
    }
    for (std::size_t i = 0; i < hidden; ++i) {
      auto const r = sigmoid(of_x[i] + of_h[i]);
      auto const z = sigmoid(of_x[hidden + i] + of_h[hidden + i]);
      auto const n = std::tanh(of_x[2 * hidden + i] + r * of_h[2 * hidden + i]);
      h[i] = (1.0 - z) * n + z * h[i];
    }
  }
  return h;
}

}  // namespace yonder::kernels::reference
