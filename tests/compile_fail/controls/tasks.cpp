// SPDX-License-Identifier: Apache-2.0
#include <span>
#include <string>
#include <vector>
#include <yonder/task.hpp>

struct Page {
  int number = 0;
  void serialize(auto& ar) { ar(number); }
};
Page print(std::span<int const> inks, std::string const& text);
constexpr auto twice = [](int number) { return 2 * number; };
inline constexpr yonder::task<print> print_task;
inline constexpr yonder::task<&twice> twice_task;

int main() { return print_task.remote(std::vector{1, 2}, "text").number + twice_task.spawn(2).get(); }
