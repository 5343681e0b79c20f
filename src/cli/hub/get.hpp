// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace yonder::cli {

// Downloads ORG/NAME[@REVISION] into `cache`, or where the environment says; prints the folder that it is in.
int get_model(std::string const& name, std::string const& cache);

}  // namespace yonder::cli
