// SPDX-License-Identifier: Apache-2.0
// expect: this type cannot be serialized; give it template <class Archive> void serialize(Archive& ar)
#include <memory>
#include <string>
#include <yonder/task.hpp>

struct Page {
  int number = 0;
  template <class Archive>
  void save(Archive& ar) const {
    ar(number);
  }
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int read(Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
