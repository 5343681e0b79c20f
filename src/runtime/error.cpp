// SPDX-License-Identifier: Apache-2.0
#include "yonder/error.hpp"

#include "yonder/detail/error_definitions.hpp"
