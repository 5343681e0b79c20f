// SPDX-License-Identifier: Apache-2.0
// expect: this method is one of a base class
#include <yonder/service.hpp>

struct base {
  int count() const;
};
struct counter : base {};
inline constexpr yonder::service<counter()> counters;
inline constexpr yonder::method<&counter::count> count_of;

int main() { return count_of.on(counters()).remote(); }
