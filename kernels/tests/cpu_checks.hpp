// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "cpu/kernel_set.hpp"
#include "cpu/thread_pool.hpp"

// What the tests of the CPU's operators share.
namespace yonder::kernels::test {

inline std::vector<float> random_values(std::size_t count, float scale = 1.0F) {
  static std::mt19937 engine(7);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

inline double distance(std::vector<float> const& out, std::vector<double> const& expected) {
  REQUIRE(out.size() == expected.size());
  double square = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) square += (out[i] - expected[i]) * (out[i] - expected[i]);
  return std::sqrt(square);
}

inline double norm(std::vector<double> const& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

inline double relative_error(std::vector<float> const& out, std::vector<double> const& expected) {
  return distance(out, expected) / norm(expected);
}

inline std::vector<float> absolute(std::vector<float> values) {
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

inline cpu::crew workers(std::size_t width = 2) { return {cpu::thread_pool::shared(), width}; }

}  // namespace yonder::kernels::test
