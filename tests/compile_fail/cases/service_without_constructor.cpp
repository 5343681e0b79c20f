// SPDX-License-Identifier: Apache-2.0
// expect: has no constructor that takes these parameters
// compilers: GNU
#include <string>
#include <yonder/service.hpp>

struct counter {
  explicit counter(int from);
};
inline constexpr yonder::service<counter(std::string)> counters;

int main() {}
