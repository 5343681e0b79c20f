// SPDX-License-Identifier: Apache-2.0
// expect: a const member cannot be loaded into
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Page {
  std::string text;
  int const number = 1;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
