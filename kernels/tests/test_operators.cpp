// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "cpu/attention.hpp"
#include "cpu/heads.hpp"
#include "cpu/matrix.hpp"
#include "cpu/reference.hpp"
#include "model/data_type.hpp"

namespace {

using namespace yonder::kernels;

std::vector<float> random_values(std::size_t count, float scale = 1.0F) {
  static std::mt19937 engine(7);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

double distance(std::vector<float> const& out, std::vector<double> const& expected) {
  REQUIRE(out.size() == expected.size());
  double square = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) square += (out[i] - expected[i]) * (out[i] - expected[i]);
  return std::sqrt(square);
}

double norm(std::vector<double> const& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

double relative_error(std::vector<float> const& out, std::vector<double> const& expected) {
  return distance(out, expected) / norm(expected);
}

std::vector<float> absolute(std::vector<float> values) {
  for (float& value : values) value = std::fabs(value);
  return values;
}

template <class Check>
void for_each_kernel_set(Check const& check) {
  for (auto const* const kernels : cpu::available_kernels()) {
    CAPTURE(std::string(kernels->name));
    check(*kernels);
  }
}

cpu::crew workers(std::size_t width = 2) { return {cpu::thread_pool::shared(), width}; }

cpu::packed_matrix pack(cpu::product_kernel const& kernel, std::vector<float> const& rows, std::size_t depth,
                        std::size_t columns) {
  return {kernel, depth, columns,
          [&](std::size_t column, float* row) { std::copy_n(rows.data() + column * depth, depth, row); }};
}

cpu::operand encode(cpu::product_kernel const& kernel, std::vector<float> const& rows, std::size_t depth) {
  cpu::operand result(kernel, depth);
  result.reserve(rows.size() / depth);
  for (std::size_t row = 0; row * depth < rows.size(); ++row) result.encode(row, rows.data() + row * depth);
  return result;
}

std::vector<float> product(cpu::kernel_set const& kernels, yonder::ml::precision precision,
                           std::vector<float> const& a, cpu::packed_matrix const& b, float const* bias,
                           std::size_t width = 2) {
  std::size_t const rows = a.size() / b.depth();
  std::vector<float> out(rows * b.columns(), std::numeric_limits<float>::quiet_NaN());
  multiply(kernels, workers(width), encode(kernels.product(precision), a, b.depth()), rows, b,
           {.bias = bias, .out = out.data()});
  return out;
}

// What a precision may lose of the sum of absolute products.
double allowed(yonder::ml::precision precision) {
  switch (precision) {
    case yonder::ml::precision::bf16: return 0x1p-8;
    case yonder::ml::precision::int8: return 0.03;
    default: return 1e-6;
  }
}

constexpr yonder::ml::precision precisions[] = {yonder::ml::precision::fp32, yonder::ml::precision::bf16,
                                                yonder::ml::precision::int8};

}  // namespace

TEST_CASE("a matrix product of any shape and precision is that of the formula") {
  for (std::size_t const rows : {1, 7, 16, 17, 33, 129}) {
    for (std::size_t const columns : {1, 17, 48, 49, 100}) {
      for (std::size_t const depth : {1, 3, 64, 257, 600}) {
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(depth);
        auto const a = random_values(rows * depth);
        auto const b = random_values(columns * depth);
        auto const bias = random_values(columns);
        auto const expected = reference::multiply(a.data(), rows, b.data(), columns, depth, bias.data());
        double const scale = norm(reference::multiply(absolute(a).data(), rows, absolute(b).data(), columns,
                                                      depth, absolute(bias).data()));
        for_each_kernel_set([&](cpu::kernel_set const& kernels) {
          for (auto const precision : precisions) {
            auto const& kernel = kernels.product(precision);
            CAPTURE(std::string(kernel.name));
            auto const c = product(kernels, precision, a, pack(kernel, b, depth, columns), bias.data());
            CHECK(distance(c, expected) < allowed(precision) * scale);
          }
        });
      }
    }
  }
}

TEST_CASE("with AVX-512 every precision has a kernel of it, whatever else the machine lacks") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    if (std::string(kernels.name) == "avx512") CHECK(kernels.bf16->width == kernels.fp32->width);
  });
}

TEST_CASE("fp32 products are as exact as a sum in fp32 can be, on every instruction set") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    for (float const scale : {1e-12F, 1.0F, 1e12F}) {
      constexpr std::size_t rows = 33;
      constexpr std::size_t depth = 768;
      constexpr std::size_t columns = 64;
      auto const a = random_values(rows * depth, scale);
      auto const b = random_values(columns * depth);
      auto const c =
          product(kernels, yonder::ml::precision::fp32, a, pack(*kernels.fp32, b, depth, columns), nullptr);
      auto const expected = reference::multiply(a.data(), rows, b.data(), columns, depth, nullptr);
      double const error = relative_error(c, expected);
      MESSAGE(std::string(kernels.name) << ": error " << error << " at scale " << scale);
      CHECK(error < 1e-6);
    }
  });
}

TEST_CASE("a row of a product has the same bits alone as among others, whatever the threads") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    for (auto const precision : precisions) {
      constexpr std::size_t rows = 600;
      constexpr std::size_t depth = 300;
      constexpr std::size_t columns = 100;
      auto const& kernel = kernels.product(precision);
      CAPTURE(std::string(kernel.name));
      auto const a = random_values(rows * depth);
      auto const b = pack(kernel, random_values(columns * depth), depth, columns);
      auto const all = product(kernels, precision, a, b, nullptr, 4);
      CHECK(product(kernels, precision, a, b, nullptr, 1) == all);
      for (std::size_t row = 0; row < 40; ++row) {
        auto const begin = a.begin() + static_cast<std::ptrdiff_t>(row * depth);
        auto const one = product(kernels, precision, {begin, begin + depth}, b, nullptr);
        CHECK(std::equal(one.begin(), one.end(), all.begin() + static_cast<std::ptrdiff_t>(row * columns)));
      }
    }
  });
}

TEST_CASE("bias, activation and residual are applied in this order, to floats and to the next operand") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    constexpr std::size_t rows = 9;
    constexpr std::size_t depth = 40;
    constexpr std::size_t columns = 70;
    auto const a = random_values(rows * depth);
    auto const weights = random_values(columns * depth);
    auto const bias = random_values(columns);
    auto const residual = random_values(rows * columns);
    auto const b = pack(*kernels.fp32, weights, depth, columns);
    auto const rows_of_a = encode(*kernels.fp32, a, depth);
    auto expected = reference::multiply(a.data(), rows, weights.data(), columns, depth, bias.data());
    for (double& value : expected) value = reference::gelu(value);

    cpu::operand encoded(*kernels.fp32, columns);
    encoded.reserve(rows);
    multiply(kernels, workers(), rows_of_a, rows, b,
             {.bias = bias.data(), .activate = kernels.gelu, .encoded = &encoded});
    auto const identity = random_values(columns);
    std::vector<float> next(rows);
    multiply(kernels, workers(), encoded, rows, pack(*kernels.fp32, identity, columns, 1),
             {.out = next.data()});
    std::vector<float> activated(expected.begin(), expected.end());
    CHECK(relative_error(next, reference::multiply(activated.data(), rows, identity.data(), 1, columns,
                                                   nullptr)) < 2e-6);

    std::vector<float> out(rows * columns);
    multiply(kernels, workers(), rows_of_a, rows, b,
             {.bias = bias.data(), .activate = kernels.gelu, .residual = residual.data(), .out = out.data()});
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += residual[i];
    CHECK(relative_error(out, expected) < 1e-6);
  });
}

TEST_CASE("a NaN in a row spoils that row and no other, in every precision") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    for (auto const precision : precisions) {
      auto const& kernel = kernels.product(precision);
      CAPTURE(std::string(kernel.name));
      for (float const bad :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
            std::numeric_limits<float>::infinity()}) {
        auto a = random_values(std::size_t{40} * 70);
        a[5 * 70 + 3] = bad;
        auto const c = product(kernels, precision, a, pack(kernel, random_values(70 * 10), 70, 10), nullptr);
        bool spoiled_alone = true;
        for (std::size_t i = 0; i < c.size(); ++i) spoiled_alone &= std::isfinite(c[i]) == (i / 10 != 5);
        CHECK(spoiled_alone);
      }
    }
  });
}

TEST_CASE("GELU stays within two units in the last place of its formula, and of zero far out") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    std::vector<float> x;
    for (float value = -12.0F; value <= 12.0F; value += 0.001F) x.push_back(value);
    auto exact = x;
    auto tanh = x;
    kernels.gelu(exact.data(), exact.size());
    kernels.gelu_tanh(tanh.data(), tanh.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      double const unit = std::max(1.0, std::fabs(static_cast<double>(x[i]))) * 0x1p-24;
      REQUIRE(std::fabs(exact[i] - reference::gelu(x[i])) < 2.5 * unit);
      REQUIRE(std::fabs(tanh[i] - reference::gelu_tanh(x[i])) < 5 * unit);
    }
  });
}

// In blocks of so many.
std::vector<float> softmax(cpu::kernel_set const& kernels, std::vector<float> x, float scale,
                           std::size_t block) {
  cpu::softmax_row row;
  for (std::size_t begin = 0; begin < x.size(); begin += block) {
    std::size_t const count = std::min(block, x.size() - begin);
    float const shrunk = kernels.softmax_block(x.data() + begin, count, scale, row);
    for (std::size_t i = 0; i < begin; ++i) x[i] *= shrunk;
  }
  for (float& value : x) value /= row.sum;
  return x;
}

TEST_CASE("softmax and layer norm of any width are those of the formula") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    for (std::size_t const width : {1, 2, 15, 16, 17, 31, 384, 1000}) {
      auto const x = random_values(width, 4.0F);
      auto const expected = reference::softmax(x.data(), width, 0.3F);
      CHECK(relative_error(softmax(kernels, x, 0.3F, width), expected) < 5e-7);
      for (std::size_t const block : {1, 7, 64})  // a rounding more for each block
        CHECK(relative_error(softmax(kernels, x, 0.3F, block), expected) < 2e-6);

      auto const weight = random_values(width);
      auto const bias = random_values(width);
      auto y = x;
      kernels.layer_norm(y.data(), width, weight.data(), bias.data(), 1e-5F);
      CHECK(relative_error(y, reference::layer_norm(x.data(), width, weight.data(), bias.data(), 1e-5F)) <
            1e-6);
    }
  });
}

TEST_CASE("softmax survives scores that would overflow") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    for (std::size_t const block : {1, 4}) {
      auto const x = softmax(kernels, {3e38F, -3e38F, 3e38F, 0.0F}, 1.0F, block);
      CHECK(x[0] == doctest::Approx(0.5));
      CHECK(x[1] < 1e-30F);
      CHECK(x[2] == x[0]);
    }
  });
}

TEST_CASE("attention over sequences of several lengths is that of each alone") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    constexpr std::size_t heads = 3;
    constexpr std::size_t head_size = 20;
    constexpr std::size_t hidden = heads * head_size;
    std::array<std::size_t, 6> const starts = {0, 1, 66, 196, 200, 500};  // one longer than a block of keys
    auto const qkv = random_values(starts.back() * 3 * hidden);
    constexpr std::size_t reach = 301;
    auto const distances = random_values(heads * (2 * reach - 1));
    std::vector<float> out(starts.back() * hidden);
    for (float const* added : {static_cast<float const*>(nullptr), distances.data()}) {
      cpu::attention(kernels, workers(), {qkv.data(), starts, heads, head_size, added, reach},
                     {.values = out.data()});
      for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
        std::size_t const length = starts[i + 1] - starts[i];
        auto const begin = out.begin() + static_cast<std::ptrdiff_t>(starts[i] * hidden);
        std::vector<float> const rows(begin, begin + static_cast<std::ptrdiff_t>(length * hidden));
        auto const expected =
            reference::attention(qkv.data() + starts[i] * 3 * hidden, length, heads, head_size, added, reach);
        CHECK(relative_error(rows, expected) < 1e-6);
      }
    }
  });
}

TEST_CASE("of local attention a token sees those in its window alone, however long the sequence is") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    constexpr std::size_t heads = 2;
    constexpr std::size_t head_size = 16;
    constexpr std::size_t hidden = heads * head_size;
    std::array<std::size_t, 5> const starts = {0, 1, 40, 93, 793};
    auto const qkv = random_values(starts.back() * 3 * hidden);
    std::vector<float> out(starts.back() * hidden);
    for (std::size_t const window : {0, 1, 4, 64, 255, 256, 300, 1000}) {
      CAPTURE(window);
      cpu::attention(kernels, workers(), {qkv.data(), starts, heads, head_size, nullptr, 0, window},
                     {.values = out.data()});
      for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
        std::size_t const length = starts[i + 1] - starts[i];
        auto const begin = out.begin() + static_cast<std::ptrdiff_t>(starts[i] * hidden);
        std::vector<float> const rows(begin, begin + static_cast<std::ptrdiff_t>(length * hidden));
        auto const expected = reference::attention(qkv.data() + starts[i] * 3 * hidden, length, heads,
                                                   head_size, nullptr, 0, window);
        CHECK(relative_error(rows, expected) < 1e-6);
      }
    }
  });
}

TEST_CASE("rotary positions turn the halves of a head together, by angles in single precision") {
  constexpr float base = 10'000;
  for (std::size_t const size : {2, 6, 32, 64, 72}) {
    auto const angles = rotary_angles(base, 300, size);
    for_each_kernel_set([&](cpu::kernel_set const& kernels) {
      for (std::size_t const position : {0, 1, 17, 299}) {
        auto const x = random_values(size);
        auto y = x;
        float const* const cosines = angles.data() + position * size;
        kernels.rotate(y.data(), cosines, cosines + size / 2, size / 2);
        CHECK(relative_error(y, reference::rotate(x.data(), size, position, base)) < 2e-5);
        if (position == 0) CHECK(y == x);
      }
    });
  }
}

TEST_CASE("a gated product is the activated first half times the second, in every precision") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    for (auto const precision : precisions) {
      auto const& kernel = kernels.product(precision);
      CAPTURE(std::string(kernel.name));
      for (std::size_t const columns : {1, 23, 24, 25, 48, 130}) {
        CAPTURE(columns);
        constexpr std::size_t rows = 35;
        constexpr std::size_t depth = 70;
        auto const a = random_values(rows * depth);
        auto const weights = random_values(2 * columns * depth);
        auto const bias = random_values(2 * columns);
        auto const both =
            product(kernels, precision, a, pack(kernel, weights, depth, 2 * columns), bias.data());
        std::vector<double> expected;
        for (std::size_t row = 0; row < rows; ++row) {
          float const* const first = both.data() + row * 2 * columns;
          for (std::size_t i = 0; i < columns; ++i)
            expected.push_back(reference::gelu(first[i]) * first[columns + i]);
        }
        auto const encoded = encode(kernel, a, depth);
        auto const packed =
            cpu::packed_matrix::gated(kernel, depth, columns, [&](std::size_t column, float* row) {
              std::copy_n(weights.data() + column * depth, depth, row);
            });
        std::vector<float> out(rows * columns);
        multiply(kernels, workers(), encoded, rows, packed,
                 {.bias = bias.data(), .activate = kernels.gelu, .out = out.data()});
        CHECK(relative_error(out, expected) < 1e-6);
      }
    }
  });
}

TEST_CASE("every half-precision value becomes its float") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    double const sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    int const exponent = static_cast<int>(bits >> 10 & 31);
    double const fraction = static_cast<double>(bits & 1023) / 1024.0;
    float const value = float_from_f16(static_cast<std::uint16_t>(bits));
    if (exponent == 31) {
      REQUIRE(
          (fraction == 0.0 ? value == sign * std::numeric_limits<double>::infinity() : std::isnan(value)));
    } else {
      double const magnitude =
          exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15);
      REQUIRE(value == sign * magnitude);
      REQUIRE(std::signbit(value) == (sign < 0));
    }
  }
  CHECK(float_from_bf16(0x3FC0) == 1.5F);
}

TEST_CASE("each way of pooling is that of its formula") {
  std::vector<float> const hidden = {1, -2, 3, 4, 5, -6, 7, 8};  // four tokens of two
  std::array<float, 2> out = {};
  cpu::pool(pooling_mode::first_token, hidden.data(), 4, 2, 0, out.data());
  CHECK(out == std::array<float, 2>{1, -2});
  cpu::pool(pooling_mode::maximum, hidden.data(), 4, 2, 0, out.data());
  CHECK(out == std::array<float, 2>{7, 8});
  cpu::pool(pooling_mode::mean, hidden.data(), 4, 2, 0, out.data());
  CHECK(out == std::array<float, 2>{4, 1});
  cpu::pool(pooling_mode::mean_sqrt_length, hidden.data(), 4, 2, 0, out.data());
  CHECK(out == std::array<float, 2>{8, 2});
}

TEST_CASE("scores are a softmax, a sigmoid each, or the logits") {
  std::array<float, 2> logits = {1.0F, 3.0F};
  auto scores = logits;
  cpu::apply_scores(score_function::none, scores.data(), 2);
  CHECK(scores == logits);
  cpu::apply_scores(score_function::sigmoid, scores.data(), 2);
  CHECK(scores[0] == doctest::Approx(0.7310586));
  CHECK(scores[1] == doctest::Approx(0.9525741));
  scores = logits;
  cpu::apply_scores(score_function::softmax, scores.data(), 2);
  CHECK(scores[0] == doctest::Approx(0.1192029));
  CHECK(scores[1] == doctest::Approx(0.8807971));
}
