// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/runtime/gateway.hpp"

namespace yonder::http {

// What a program does that is started with --yonder-compare: measures a task in each environment that is
// there, and prints what it has found. Returns the exit status. Throws usage_error.
int compare_environments(compare_request const& how);

}  // namespace yonder::http
