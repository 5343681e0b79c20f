// SPDX-License-Identifier: Apache-2.0
// expect: a shared_ptr or weak_ptr cannot be shared with another process
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Page {
  std::string text;
  std::shared_ptr<int> number;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
