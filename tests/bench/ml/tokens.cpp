// SPDX-License-Identifier: Apache-2.0
//
// Tokenizes the lines of a file, on one thread, and says how long that takes; texts.py drives it, beside the
// peers.
//
//   bench_ml_tokens FOLDER FILE
//
// Reads one command a line from stdin, and answers with one line:
//   run   tokenizes all lines, special tokens included: "seconds <all> tokens <all>"
//   ids   "ids <of all lines, one after the other>"
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "model/tokenizer.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

std::vector<std::string> read_lines(char const* path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class tokenizing {
 public:
  tokenizing(char const* folder, char const* texts)
      : loaded_(yonder::kernels::load_tokenizer(folder)), lines_(read_lines(texts)) {}

  double run() {
    auto const begin = clock_type::now();
    ids_.clear();
    type_ids_.clear();
    for (auto const& line : lines_) loaded_.tokens.append(line, std::nullopt, ids_, type_ids_);
    return std::chrono::duration<double>(clock_type::now() - begin).count();
  }

  std::vector<std::int32_t> const& ids() const noexcept { return ids_; }

 private:
  yonder::kernels::loaded_tokenizer loaded_;
  std::vector<std::string> lines_;
  std::vector<std::int32_t> ids_;
  std::vector<std::int32_t> type_ids_;
};

void answer(tokenizing& work, std::string const& command) {
  double const seconds = work.run();
  if (command == "run") {
    std::printf("seconds %.9f tokens %zu", seconds, work.ids().size());
  } else {
    std::fputs("ids", stdout);
    for (auto const id : work.ids()) std::printf(" %d", id);
  }
  std::puts("");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  tokenizing work(argv[1], argv[2]);
  for (std::string command; std::getline(std::cin, command);) answer(work, command);
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "bench_ml_tokens: %s\n", error.what());
  return 1;
}
