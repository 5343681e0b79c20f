// SPDX-License-Identifier: Apache-2.0
//
// From remote() in a client to the label: a model in one worker process; texts.py drives it, beside the
// peers.
//
//   bench_ml_service FOLDER FILE THREADS
//
// Reads one command a line from stdin, and answers with one line:
//   many   classifies all lines of the file, 32 to a call, several calls on their way: "seconds <all>"
//   one    classifies each line by a call of its own, one after the other: "seconds <for one, median>"
//   labels "labels <of all lines>"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#include "yonder/ml/text_classifier.hpp"
#include "yonder/yonder.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using texts = std::vector<std::string>;
using labels = std::vector<std::string>;

constexpr std::size_t texts_in_a_call = 32;

// The model is loaded once per process.
labels classify(std::string const& folder, unsigned threads, texts const& some) {
  static yonder::ml::text_classifier const model(folder, {.threads = threads});
  labels found;
  for (auto& each : model(std::span<std::string const>(some))) found.push_back(std::move(each.label));
  return found;
}

constexpr yonder::task<classify, "bench_ml_classify"> classify_task;

double since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

class client {
 public:
  client(char const* folder, char const* file, unsigned threads) : folder_(folder), threads_(threads) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) all_.push_back(line);
    for (std::size_t i = 0; i < all_.size(); i += texts_in_a_call) {
      auto const begin = all_.begin() + static_cast<std::ptrdiff_t>(i);
      auto const count = std::min(texts_in_a_call, all_.size() - i);
      calls_.emplace_back(folder_, threads_, texts(begin, begin + static_cast<std::ptrdiff_t>(count)));
    }
  }

  double many() {
    auto const begin = clock_type::now();
    found_.clear();
    for (labels& some : classify_task.starmap(calls_)) {
      found_.insert(found_.end(), some.begin(), some.end());
    }
    return since(begin);
  }

  double one() const {
    std::vector<double> times;
    for (auto const& text : all_) {
      auto const begin = clock_type::now();
      classify_task.remote(folder_, threads_, texts{text});
      times.push_back(since(begin));
    }
    auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
  }

  labels const& found() const noexcept { return found_; }

 private:
  std::string folder_;
  unsigned threads_;
  texts all_;
  std::vector<std::tuple<std::string, unsigned, texts>> calls_;
  labels found_;
};

void answer(client& work, std::string const& command) {
  if (command == "labels") {
    work.many();
    std::fputs("labels", stdout);
    for (auto const& each : work.found()) std::printf(" %s", each.c_str());
    std::puts("");
  } else {
    std::printf("seconds %.9f\n", command == "many" ? work.many() : work.one());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
  yonder::runtime const here(argc, argv, {.max = 1});
  if (argc != 4) return 2;
  client work(argv[1], argv[2], static_cast<unsigned>(std::stoul(argv[3])));
  for (std::string command; std::getline(std::cin, command);) answer(work, command);
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "bench_ml_service: %s\n", error.what());
  return 1;
}
