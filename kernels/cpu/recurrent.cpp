// SPDX-License-Identifier: Apache-2.0
#include "cpu/recurrent.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace yonder::kernels::cpu {
namespace {

linear load_gates(part_loader const& loader, std::string const& weight, std::string const& bias,
                  std::size_t in, std::size_t out) {
  auto const values = loader.load_values(weight, std::array<std::uint64_t, 2>{out, in});
  return {packed_matrix(
              loader.kernel(), in, out,
              [&](std::size_t column, float* row) { std::copy_n(values.data() + column * in, in, row); }),
          loader.load_values(bias, std::array<std::uint64_t, 1>{out})};
}

float sigmoid(float x) noexcept { return 1.0F / (1.0F + std::exp(-x)); }

// h[size] in place; input[3][size] and state[3][size]: what comes of x and of h, of the gates r, z and n.
void step(float* h, float const* input, float const* state, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    auto const r = sigmoid(input[i] + state[i]);
    auto const z = sigmoid(input[size + i] + state[size + i]);
    auto const n = std::tanh(input[2 * size + i] + r * state[2 * size + i]);
    h[i] = (1.0F - z) * n + z * h[i];
  }
}

}  // namespace

gated_recurrent_unit::gated_recurrent_unit(weight_files const& files, std::string const& name, std::size_t in,
                                           std::size_t hidden, kernel_set const& kernels)
    : kernels_(kernels),
      hidden_(hidden),
      input_(
          load_gates({files, *kernels.fp32}, name + ".weight_ih_l0", name + ".bias_ih_l0", in, 3 * hidden)),
      recurrent_(load_gates({files, *kernels.fp32}, name + ".weight_hh_l0", name + ".bias_hh_l0", hidden,
                            3 * hidden)) {}

// The longest first, so that those that still have a step are always the first of them.
std::vector<float> gated_recurrent_unit::operator()(crew const& by, std::vector<float> const& rows,
                                                    std::span<std::size_t const> lengths) const {
  std::vector<std::size_t> starts(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), std::size_t{0});
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return lengths[a] > lengths[b]; });

  auto const inputs = apply(kernels_, by, input_, rows);
  std::vector<float> states(lengths.size() * hidden_);
  std::vector<float> gates(lengths.size() * 3 * hidden_);
  operand encoded(recurrent_.weight.kernel(), hidden_);
  encoded.reserve(lengths.size());
  auto active = lengths.size();
  for (std::size_t t = 0;; ++t) {
    while (active != 0 && lengths[order[active - 1]] <= t) --active;
    if (active == 0) break;
    for (std::size_t i = 0; i < active; ++i) encoded.encode(i, states.data() + i * hidden_);
    multiply(kernels_, by, encoded, active, recurrent_.weight,
             {.bias = recurrent_.bias.data(), .out = gates.data()});
    for_each_rows(by, active, 60 * hidden_, [&](std::size_t first, std::size_t last) {
      for (auto i = first; i < last; ++i)
        step(states.data() + i * hidden_, inputs.data() + (starts[order[i]] + t) * 3 * hidden_,
             gates.data() + i * 3 * hidden_, hidden_);
    });
  }
  std::vector<float> result(states.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    std::copy_n(states.data() + i * hidden_, hidden_, result.data() + order[i] * hidden_);
  return result;
}

}  // namespace yonder::kernels::cpu
