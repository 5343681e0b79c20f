// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "yonder/ml/export.hpp"

namespace yonder::ml {

// Whether device::automatic() takes this machine's first GPU.
struct gpu_report {
  bool used = false;               // whether it does
  std::string answer;              // one line: yes, or why not and what to type
  std::vector<std::string> facts;  // what was seen, a line each
};

// Looks at the PCI bus, the driver, its permissions, the container, the devices and cuBLASLt. Needs neither a
// GPU nor CUDA. It loads the driver's library and cuBLASLt into this process, where they are.
YONDER_KERNELS_API gpu_report examine_gpu();

}  // namespace yonder::ml
