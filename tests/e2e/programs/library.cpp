// SPDX-License-Identifier: Apache-2.0
//
// Tasks of a library without a main.
#include "tests/e2e/tasks.hpp"
