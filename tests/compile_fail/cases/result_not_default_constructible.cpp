// SPDX-License-Identifier: Apache-2.0
// expect: a type that travels needs a public default constructor
#include <yonder/task.hpp>

struct Page {
  explicit Page(int n) : number(n) {}
  int number;
  void serialize(auto& ar) { ar(number); }
};
Page scan(int number);
inline constexpr yonder::task<scan> scan_task;

int main() { return scan_task.remote(1).number; }
