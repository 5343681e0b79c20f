// SPDX-License-Identifier: Apache-2.0
// expect: this type is only declared here; include its definition
#include <yonder/task.hpp>

struct Page;
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int use(Page const& page) { return print_task.remote(page); }
