// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "cuda/device.hpp"

namespace yonder::kernels::cuda {

struct ceiling {
  char const* what;
  char const* unit;
  double value;
};

// What the machine gives at best: bytes copied a second (read and written), and the cost of a launch, of a
// graph's node, of one with programmatic dependent launch, and of a barrier of the whole grid.
std::vector<ceiling> measure_ceilings(gpu_stream const& stream, device_properties const& device);

}  // namespace yonder::kernels::cuda
