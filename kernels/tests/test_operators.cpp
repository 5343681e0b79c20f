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
#include "tests/cpu_checks.hpp"

namespace {

using namespace yonder::kernels;
using namespace yonder::kernels::test;

}  // namespace

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
