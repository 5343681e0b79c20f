// SPDX-License-Identifier: Apache-2.0
// expect: this type cannot be serialized; give it template <class Archive> void serialize(Archive& ar)
#include <yonder/task.hpp>

struct Page {
  int number;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int main() { return print_task.remote(Page{1}) + print_task.spawn(Page{2}).get(); }
