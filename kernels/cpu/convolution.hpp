// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cpu/encoder.hpp"

namespace yonder::kernels::cpu {

// Images, one after the other: [count][height][width][channels].
struct image_batch {
  std::size_t count = 0;
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t channels = 0;
  std::vector<float> values{};
};

// 3x3 with a border of zeros, then ReLU, as a product: each pixel's neighbourhood is a row.
class convolution {
 public:
  // `name`.weight [out][in][3][3] and `name`.bias [out].
  convolution(weight_files const& files, std::string const& name, std::size_t in, std::size_t out,
              kernel_set const& kernels);

  // Of `in` channels to `out`. Reference: reference::convolution.
  image_batch operator()(crew const& by, image_batch const& images) const;

 private:
  kernel_set const& kernels_;
  linear layer_;  // its inputs: [3][3][in]
};

// The largest of each 2x2; what is left over at the right and below counts for nothing.
image_batch largest_of_four(image_batch const& images);

}  // namespace yonder::kernels::cpu
