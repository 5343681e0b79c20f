// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "yonder/runtime.hpp"

// What several groups of rows use.
namespace bench {

std::string random_text(std::size_t size);
std::vector<float> random_floats(std::size_t count);

// Echoes of `message` per second, `window` of them on their way at any time.
double spawn_rate(std::string const& message, std::size_t window);

}  // namespace bench
