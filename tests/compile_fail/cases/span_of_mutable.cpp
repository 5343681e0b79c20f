// SPDX-License-Identifier: Apache-2.0
// expect: a parameter may be a string_view or a span<T const>
#include <span>
#include <yonder/task.hpp>

void sort(std::span<int> numbers);
inline constexpr yonder::task<sort> sort_task;

int main() {
  int numbers[] = {2, 1};
  sort_task.remote(numbers);
}
