// SPDX-License-Identifier: Apache-2.0
// expect: this type cannot be serialized; give it template <class Archive> void serialize(Archive& ar), or
// both save and load
#include <yonder/task.hpp>

class page {
 public:
  template <class Archive>
  void load(Archive& ar) {
    ar(number_);
  }

 private:
  int number_ = 0;
};
int print(page const& one);
inline constexpr yonder::task<print> print_task;

int use(page const& one) { return print_task.remote(one) + print_task.spawn(one).get(); }
