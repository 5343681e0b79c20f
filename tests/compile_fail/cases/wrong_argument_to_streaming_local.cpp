// SPDX-License-Identifier: Apache-2.0
// expect: parameter<1>::takes<int>::but_was_passed<page>
#include <yonder/task.hpp>

struct page {
  int number = 0;
};
yonder::generator<int> count(int from, int to);
inline constexpr yonder::task<count> counting;

int main() {
  for (int i : counting.local(page{1}, 2)) return i;
}
