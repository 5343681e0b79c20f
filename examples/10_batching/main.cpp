// SPDX-License-Identifier: Apache-2.0
//
// A function that computes many at once, called with one: what callers ask for meanwhile runs together.
#include <yonder/yonder.hpp>

#include <iostream>
#include <span>
#include <string>
#include <vector>

// One outcome for each text, in order: a bad one fails alone.
using answer = yonder::expected<std::string, std::string>;
std::vector<answer> classify(std::span<std::string const> texts) {
  std::vector<answer> answers;
  for (auto const& text : texts) {
    if (text.empty())
      answers.emplace_back(yonder::unexpected(std::string("an empty text has no label")));
    else
      answers.emplace_back(text.find("good") != std::string::npos ? "positive" : "negative");
  }
  return answers;
}

std::uint64_t length(std::string const& text) { return text.size() + 1; }

inline constexpr yonder::batched<classify> label{{.max_size = 64, .max_weight = 4096, .weight = length}};

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);

  std::cout << label.remote("a good day") << "\n";  // one text in, one label out; a batch of its own, at once

  std::vector<std::string> const texts{"good job", "a bad day", "", "so good"};
  for (auto& one : label.map(texts).on_error(yonder::on_error::collect))  // these run together
    std::cout << (one ? *one : std::string(one.error().details().message)) << "\n";

  std::cout << label.local("good, here") << "\n";
}
