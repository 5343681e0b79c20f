// SPDX-License-Identifier: Apache-2.0
#include "greeting.hpp"

#include <yonder/yonder.hpp>

namespace greeting {
std::string say(std::string const& name) { return "hello, " + name; }
inline constexpr yonder::task<say> saying;
}  // namespace greeting

std::string greet(yonder::runtime& on, std::string const& name) {
  return greeting::saying.on(on).remote(name);
}
