// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <string>

// For messages.
namespace yonder::core {

// In the largest unit of which it is a whole number: "2 s", "1500 ms", "250 us", "7 ns".
std::string in_words(duration time);

}  // namespace yonder::core
