// SPDX-License-Identifier: Apache-2.0
// expect: an aggregate of more than 16 members needs
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Page {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
