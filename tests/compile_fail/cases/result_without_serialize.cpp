// SPDX-License-Identifier: Apache-2.0
// expect: this type cannot be serialized; give it template <class Archive> void serialize(Archive& ar)
#include <yonder/task.hpp>

class Page {
 public:
  int number() const { return number_; }

 private:
  int number_ = 0;
};
Page scan(int number);
inline constexpr yonder::task<scan> scan_task;

int main() { return scan_task.remote(1).number() + scan_task.spawn(2).get().number(); }
