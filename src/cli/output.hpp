// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iostream>
#include <stdexcept>

namespace yonder::cli {

// Throws std::runtime_error where something of what was printed did not arrive.
inline void flush_output() {
  if (!std::cout.flush())
    throw std::runtime_error("cannot write to standard output; is its disk full, or its reader gone?");
}

}  // namespace yonder::cli
