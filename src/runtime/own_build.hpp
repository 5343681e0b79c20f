// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"

namespace yonder::runtime_detail {

// What this process is: the name that it was started by, and one number for the executable and whatever
// shared libraries have its tasks. Equal files have equal ones, wherever they lie.
core::program_build own_program_build();

}  // namespace yonder::runtime_detail
