// SPDX-License-Identifier: Apache-2.0
#include "src/core/words.hpp"

namespace yonder::core {

std::string in_words(duration time) {
  struct unit {
    duration length;
    char const* name;
  };
  constexpr unit units[] = {{second, " s"}, {millisecond, " ms"}, {microsecond, " us"}};
  for (auto const& each : units)
    if (time % each.length == 0) return std::to_string(time / each.length) + each.name;
  return std::to_string(time) + " ns";
}

}  // namespace yonder::core
