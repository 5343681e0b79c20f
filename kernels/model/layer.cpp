// SPDX-License-Identifier: Apache-2.0
#include "model/layer.hpp"

#include <cmath>

namespace yonder::kernels {

std::vector<float> rotary_angles(float base, std::size_t positions, std::size_t head_size) {
  std::size_t const half = head_size / 2;
  std::vector<float> frequencies(half);
  for (std::size_t i = 0; i < half; ++i) {
    float const exponent = static_cast<float>(2 * i) / static_cast<float>(head_size);
    auto const power = static_cast<float>(std::pow(double{base}, double{exponent}));
    frequencies[i] = 1.0F / power;
  }
  std::vector<float> angles(positions * head_size);
  for (std::size_t position = 0; position < positions; ++position) {
    float* const to = angles.data() + position * head_size;
    for (std::size_t i = 0; i < half; ++i) {
      double const angle = static_cast<float>(position) * frequencies[i];
      to[i] = static_cast<float>(std::cos(angle));
      to[half + i] = static_cast<float>(std::sin(angle));
    }
  }
  return angles;
}

}  // namespace yonder::kernels
