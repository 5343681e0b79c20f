// SPDX-License-Identifier: Apache-2.0
//
// How often a classifier gives another label in bf16 and int8 than in fp32.
//
//   label_changes FOLDER [TEXTS]
//
// Texts (10,000 unless stated) are random, from a fixed seed: 3 to 40 whole words of the folder's vocab.txt.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "yonder/ml/text_classifier.hpp"

namespace {

using rows = std::vector<std::vector<float>>;

bool is_word(std::string const& token) {
  return token.size() > 1 &&
         std::all_of(token.begin(), token.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::vector<std::string> read_words(std::string const& folder) {
  std::ifstream file(folder + "/vocab.txt");
  std::vector<std::string> words;
  for (std::string line; std::getline(file, line);) {
    if (is_word(line)) words.push_back(line);
  }
  if (words.empty()) throw std::runtime_error(folder + "/vocab.txt has no words");
  return words;
}

std::vector<std::string> make_texts(std::vector<std::string> const& words, std::size_t count) {
  std::mt19937 engine(1);
  std::vector<std::string> texts(count);
  for (auto& text : texts) {
    for (std::size_t length = 3 + engine() % 38; length > 0; --length)
      text += words[engine() % words.size()] + ' ';
  }
  return texts;
}

rows logits_of(char const* folder, yonder::ml::precision precision, std::vector<std::string> const& texts) {
  yonder::ml::text_classifier const model(folder, {.compute = precision});
  return model.logits(std::vector<std::string_view>(texts.begin(), texts.end()));
}

double relative_error(rows const& found, rows const& exact) {
  double error = 0;
  double size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    for (std::size_t j = 0; j < exact[i].size(); ++j) {
      error += std::pow(static_cast<double>(found[i][j]) - exact[i][j], 2);
      size += std::pow(static_cast<double>(exact[i][j]), 2);
    }
  }
  return std::sqrt(error / size);
}

std::size_t label_changes(rows const& found, rows const& exact) {
  auto const label = [](std::vector<float> const& row) {
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  std::size_t changes = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) changes += label(found[i]) != label(exact[i]) ? 1 : 0;
  return changes;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::invalid_argument("usage: label_changes FOLDER [TEXTS]");
  auto const texts = make_texts(read_words(argv[1]), argc > 2 ? std::stoul(argv[2]) : 10'000);
  auto const exact = logits_of(argv[1], yonder::ml::precision::fp32, texts);
  for (auto const precision : {yonder::ml::precision::bf16, yonder::ml::precision::int8}) {
    auto const found = logits_of(argv[1], precision, texts);
    std::printf("%s: %zu of %zu labels differ from fp32; relative error of the logits %.1e\n",
                precision == yonder::ml::precision::bf16 ? "bf16" : "int8", label_changes(found, exact),
                texts.size(), relative_error(found, exact));
  }
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "label_changes: %s\n", error.what());
  return 1;
}
