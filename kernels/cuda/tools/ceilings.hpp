// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cuda/device.hpp"

namespace yonder::kernels::cuda {

struct rate {
  std::string what;
  std::string unit;
  double value;
};

// What the machine gives at best: copy, launch, node, dependent or barrier. Throws std::invalid_argument for
// another name, ml::gpu_error.
rate measure_rate(std::string const& name, gpu_stream const& stream, device_properties const& device);

}  // namespace yonder::kernels::cuda
