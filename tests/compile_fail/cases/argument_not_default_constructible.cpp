// SPDX-License-Identifier: Apache-2.0
// expect: a type that travels needs a public default constructor
#include <yonder/task.hpp>

struct Page {
  explicit Page(int n) : number(n) {}
  int number;
  void serialize(auto& ar) { ar(number); }
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int main() { return print_task.remote(Page(1)) + print_task.spawn(Page(2)).get(); }
