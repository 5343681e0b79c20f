// SPDX-License-Identifier: Apache-2.0
// expect: parameter<1>::takes<int>::but_was_passed<yonder::call<page>
#include <yonder/task.hpp>

struct page {
  int number = 0;
};
page open(int number);
inline constexpr yonder::task<open> opening;

page main_page() { return opening.remote(opening.spawn(1)); }
