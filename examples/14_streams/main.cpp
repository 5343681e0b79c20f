// SPDX-License-Identifier: Apache-2.0
//
// A task that makes its result item by item, and one that reads its input so: neither holds all of it.
#include <yonder/yonder.hpp>

#include <iostream>
#include <string>
#include <vector>

// Runs on a worker as far as its reader has asked, and a little ahead.
yonder::generator<std::string> sing(int bottles) {
  for (int n = bottles; n > 0; --n) co_yield std::to_string(n) + " green bottles";
}
inline constexpr yonder::task<sing> song;

// Reads on a worker while its caller still sends.
std::size_t count_characters(yonder::input_stream<std::string> lines) {
  std::size_t count = 0;
  for (auto const& line : lines) count += line.size();
  return count;
}
inline constexpr yonder::task<count_characters> lengths;

// Both at once.
yonder::generator<std::string> raise_voice(yonder::input_stream<std::string> lines) {
  for (auto const& line : lines) co_yield line + "!";
}
inline constexpr yonder::task<raise_voice> louder;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);

  for (auto const& line : song.stream(3)) std::cout << line << "\n";

  for (auto const& line : song.stream(1'000'000'000)) {
    std::cout << line << "\n";
    break;  // ends the task, too
  }

  std::cout << lengths.remote(song.local(100'000)) << "\n";  // whatever range feeds it, a generator, too

  for (auto const& line : louder.stream(std::vector<std::string>{"hello", "yonder"}))
    std::cout << line << "\n";
}
