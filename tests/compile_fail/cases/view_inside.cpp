// SPDX-License-Identifier: Apache-2.0
// expect: a view has no owner after decoding; hold a std::string or std::vector
#include <string_view>
#include <yonder/task.hpp>

struct Page {
  std::string_view text;
  void serialize(auto& ar) { ar(text); }
};
int print(Page const& page);
inline constexpr yonder::task<print> print_task;

int main() { return print_task.remote({"text"}) + print_task.spawn({"text"}).get(); }
