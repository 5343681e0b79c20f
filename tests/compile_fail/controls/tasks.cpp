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
yonder::generator<Page> print_all(yonder::input_stream<std::string> texts, int copies);
inline constexpr yonder::task<print_all> print_all_task;

int main() {
  for (auto const& page : print_all_task.stream(std::vector<std::string>{"a", "b"}, 2))
    if (page.number == 0) return 1;
  return print_task.remote(std::vector{1, 2}, "text").number + twice_task.spawn(2).get();
}
