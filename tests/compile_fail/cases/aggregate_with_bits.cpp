// SPDX-License-Identifier: Apache-2.0
// expect: an aggregate with bit-fields
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Page {
  unsigned number : 20;
  unsigned size : 4;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
