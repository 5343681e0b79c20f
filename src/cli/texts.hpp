// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

// What a model says of the lines of a file.
namespace yonder::cli {

struct texts_order {
  std::string model{};                       // as the constructors of yonder::ml take it
  std::string file = "-";                    // with a text in each line; "-": standard input
  std::string device = "auto";               // or "cpu", "cuda"
  bool json = false;                         // an object a line, else columns that tabs part
  bool all = false;                          // classify: every label's score
  std::optional<std::string> prompt_name{};  // embed
  std::string query{};                       // rerank
  std::size_t most = 0;                      // rerank: 0 for all
  std::optional<std::size_t> overlap{};      // rerank, as ml::rerank_options has it
};

// A line of output for each of input, as it comes; of a line that the model cannot take, an error. They
// return exit codes, 1 where there was such a line, and throw what the models' constructors do.
int classify(texts_order const& order);
int embed(texts_order const& order);
// The documents of all lines, the best first.
int rerank(texts_order const& order);

}  // namespace yonder::cli
