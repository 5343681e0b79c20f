// SPDX-License-Identifier: Apache-2.0
// expect: a member of this aggregate is a reference or has no default constructor
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Page {
  std::string& text;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
