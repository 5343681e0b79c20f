// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"

namespace yonder::runtime_detail {

// What this process is: the name that it was started by, and one number for the executable and whatever
// shared libraries have its tasks. Equal files have equal ones, wherever they lie.
core::program_build own_program_build();

// Its 16 digits on stdout, as a launch plan's {build} stands for them. Exits: 0, 2 where `fault` says what is
// wrong with the arguments, 1 where this program's own file cannot be read.
[[noreturn]] void tell_build_and_exit(std::string const& fault);

}  // namespace yonder::runtime_detail
