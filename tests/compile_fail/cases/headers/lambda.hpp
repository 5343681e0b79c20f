// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yonder/task.hpp>

namespace header {

inline constexpr yonder::task<[](int number) { return 2 * number; }> twice;

}  // namespace header
