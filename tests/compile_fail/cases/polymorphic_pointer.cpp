// SPDX-License-Identifier: Apache-2.0
// expect: a pointer to a polymorphic class cannot travel, because bytes must not choose a type
#include <memory>
#include <yonder/task.hpp>

struct Shape {
  virtual ~Shape() = default;
  void serialize(auto&) {}
};
int area(std::unique_ptr<Shape> shape);
inline constexpr yonder::task<area> area_task;

int main() { return area_task.remote(nullptr) + area_task.spawn(std::make_unique<Shape>()).get(); }
