// SPDX-License-Identifier: Apache-2.0
// expect: parameter<2>::takes<double>::but_was_passed<page>
#include <yonder/task.hpp>

struct page {
  int number = 0;
};
int turn(page const& from, double by);
inline constexpr yonder::task<turn> turning;

int main() { return turning.local(page{1}, page{2}) + 1; }
