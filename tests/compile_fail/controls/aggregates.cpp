// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <optional>
#include <string>
#include <vector>
#include <yonder/task.hpp>

struct Word {
  std::string text;
  std::optional<float> weight;
};
struct Page {
  int number = 0;
  std::vector<Word> words;
  double margins[4]{};
  std::map<std::string, Page> notes;
};
Page scan(Page const& page, Word word);
inline constexpr yonder::task<scan> scan_task;

int main() { return scan_task.remote({.number = 1}, {"text", 1.0F}).number; }
