// SPDX-License-Identifier: Apache-2.0
// expect: this type cannot be serialized; give it template <class Archive> void serialize(Archive& ar)
#include <yonder/task.hpp>

class Page {
 public:
  int number() const { return number_; }

 private:
  int number_ = 0;
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int main() { return print_task.remote(Page()) + print_task.spawn(Page()).get(); }
