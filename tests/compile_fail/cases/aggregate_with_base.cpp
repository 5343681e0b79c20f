// SPDX-License-Identifier: Apache-2.0
// expect: an aggregate with a base class needs
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Sheet {
  int size = 0;
};
struct Page : Sheet {
  int number = 0;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
