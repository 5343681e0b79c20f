// SPDX-License-Identifier: Apache-2.0
#include "src/core/check.hpp"

#include <string>

namespace yonder::core {

void check_failed(char const* rule) {
  throw broken_invariant(std::string("a defect of Yonder, please report it: ") + rule);
}

}  // namespace yonder::core
