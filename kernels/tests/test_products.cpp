// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cpu/matrix.hpp"
#include "cpu/reference.hpp"
#include "model/data_type.hpp"
#include "tests/cpu_checks.hpp"

// Matrix products of every instruction set; also with AMX's tiles emulated.
namespace yonder::kernels::test {
namespace {

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

TEST_CASE("as many rows pass over a panel as its cache holds, whole tiles, one at least") {
  for_each_kernel_set([](cpu::kernel_set const& kernels) {
    auto const& kernel = *kernels.fp32;
    auto const in = [&](std::size_t depth, std::size_t cache) {
      return cpu::rows_in_cache(kernel, depth, cache);
    };
    std::size_t const usual = std::size_t{2} << 20;
    CHECK(in(768, usual) == cpu::most_rows / kernel.tile_rows * kernel.tile_rows);
    for (std::size_t const cache : {usual / 8, usual / 4, usual / 2, usual}) {
      CHECK(in(1200, cache) % kernel.tile_rows == 0);
      bool const fits = in(1200, cache) * kernel.row_bytes(1200) <= cache / 8 * 5;
      CHECK((fits || in(1200, cache) == kernel.tile_rows));
      CHECK(in(1200, cache) >= in(1200, cache / 2));
    }
    CHECK(in(1'000'000, usual) == kernel.tile_rows);
  });
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

TEST_CASE("bf16 products are those of the rounded operands, as exact as a sum in fp32 can be") {
  constexpr std::size_t rows = 33;
  constexpr std::size_t columns = 64;
  auto const rounded = [](std::vector<float> values) {  // to the nearest, ties to even
    for (float& value : values) {
      auto const bits = std::bit_cast<std::uint32_t>(value);
      value = std::bit_cast<float>((bits + 0x7fffU + (bits >> 16 & 1U)) & 0xffff0000U);
    }
    return values;
  };
  for (std::size_t const depth : {1, 7, 386, 768}) {
    CAPTURE(depth);
    auto const a = random_values(rows * depth);
    auto const b = random_values(columns * depth);
    auto const expected =
        reference::multiply(rounded(a).data(), rows, rounded(b).data(), columns, depth, nullptr);
    for_each_kernel_set([&](cpu::kernel_set const& kernels) {
      CAPTURE(std::string(kernels.bf16->name));
      auto const c =
          product(kernels, yonder::ml::precision::bf16, a, pack(*kernels.bf16, b, depth, columns), nullptr);
      double const error = relative_error(c, expected);
      if (depth == 768) MESSAGE(std::string(kernels.bf16->name) << ": error " << error);
      CHECK(error < 2e-6);
    });
  }
}

TEST_CASE("int8 products have the same bits on every instruction set") {
  constexpr std::size_t rows = 33;
  constexpr std::size_t columns = 100;
  for (std::size_t const depth : {1, 9, 386, 768}) {
    CAPTURE(depth);
    auto const a = random_values(rows * depth);
    auto const b = random_values(columns * depth);
    auto const of = [&](cpu::kernel_set const& kernels) {
      return product(kernels, yonder::ml::precision::int8, a, pack(*kernels.int8, b, depth, columns),
                     nullptr);
    };
    auto const exact = reference::multiply(a.data(), rows, b.data(), columns, depth, nullptr);
    auto const expected = of(*cpu::available_kernels().back());
    for_each_kernel_set([&](cpu::kernel_set const& kernels) {
      CAPTURE(std::string(kernels.int8->name));
      auto const c = of(kernels);
      if (depth == 768) MESSAGE(std::string(kernels.int8->name) << ": error " << relative_error(c, exact));
      CHECK(c == expected);
    });
  }
}

TEST_CASE("weights that stay 16-bit numbers give the bits that they give as floats") {
  std::vector<float> const random = random_values(std::size_t{100} * 1001, 0.05F);
  auto const bf16 = [&](std::size_t i) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(random[i]) & 0xffff0000U);
  };
  auto const f16 = [&](std::size_t i) {  // of any size, subnormal ones and zeros too
    auto const bits = static_cast<std::uint16_t>(i * 40'503U);
    return float_from_f16((bits & 0x7c00U) == 0x7c00U ? static_cast<std::uint16_t>(bits ^ 0x4000U) : bits);
  };
  for_each_kernel_set([&](cpu::kernel_set const& kernels) {
    auto const check = [&](cpu::product_kernel const* kernel, auto const& weight) {
      if (kernel == nullptr) return;
      CAPTURE(std::string(kernel->name));
      CHECK(2 * kernel->panel_bytes(768) == kernels.fp32->panel_bytes(768));
      for (std::size_t const depth : {1, 2, 64, 385, 1001}) {
        for (std::size_t const columns : {1, 49, 100}) {
          CAPTURE(depth);
          CAPTURE(columns);
          std::vector<float> weights(depth * columns);
          for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = weight(i);
          std::size_t const rows = columns == 49 ? 61 : 13;  // many tiles, or few
          auto const a = random_values(rows * depth);
          std::vector<float> out(rows * columns, std::numeric_limits<float>::quiet_NaN());
          multiply(kernels, workers(), encode(*kernel, a, depth), rows,
                   pack(*kernel, weights, depth, columns), {.out = out.data()});
          CHECK(out == product(kernels, yonder::ml::precision::fp32, a,
                               pack(*kernels.fp32, weights, depth, columns), nullptr));
        }
      }
    };
    check(kernels.fp32_of_bf16, bf16);
    check(kernels.fp32_of_f16, f16);
    std::string const name = kernels.name;
    bool const has_both = name == "avx512" || name == "avx2" || name.starts_with("neon");
    if (has_both) CHECK((kernels.fp32_of_bf16 != nullptr && kernels.fp32_of_f16 != nullptr));
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

}  // namespace yonder::kernels::test
