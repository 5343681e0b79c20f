// SPDX-License-Identifier: Apache-2.0
//
// Runs a classifier, of texts or of each token, on token ids and says how long that takes; bench_ml.py drives
// it, beside the peers.
//
//   bench_ml_forward FOLDER fp32|bf16|int8 THREADS [KERNEL SET]
//
// Reads one command a line from stdin, and answers with one line:
//   batch <tokens of the first text> <of the second> …  remembers a batch of random ids: "tokens <count>"
//   ids <id> <id> …                                     remembers one text of these ids: "tokens <count>"
//   run <seconds>                                       runs it for so long: "seconds <for one run>"
//   logits                                              "logits <of each text or token, one after the other>"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/encoder.hpp"
#include "cpu/heads.hpp"
#include "model/config.hpp"
#include "model/family.hpp"
#include "model/safetensors.hpp"

namespace {

using namespace yonder::kernels;
using clock_type = std::chrono::steady_clock;

yonder::ml::precision parse_precision(std::string_view name) {
  if (name == "fp32") return yonder::ml::precision::fp32;
  if (name == "bf16") return yonder::ml::precision::bf16;
  if (name == "int8") return yonder::ml::precision::int8;
  throw std::invalid_argument("no precision '" + std::string(name) + "'; there are fp32, bf16 and int8");
}

cpu::kernel_set const& find_kernels(std::string_view name) {
  for (auto const* const each : cpu::available_kernels()) {
    if (name.empty() || each->name == name) return *each;
  }
  throw std::invalid_argument("this machine has no kernels '" + std::string(name) + "'");
}

class classifier {
 public:
  classifier(char const* folder, yonder::ml::precision precision, std::size_t threads,
             cpu::kernel_set const& kernels)
      : config_(read_config(folder)),
        files_(folder),
        encoder_(files_, config_.encoder, kernels, {precision, threads}) {
    auto const labels = config_.classifier.labels.size();
    if (config_.classifies_tokens)
      token_head_.emplace(files_, config_.encoder, describe(config_.encoder.family).tags, labels, kernels,
                          encoder_.workers());
    else
      head_.emplace(files_, config_.encoder, labels, kernels, encoder_.workers());
  }

  std::vector<float> operator()(cpu::token_batch const& batch) const {
    auto const states = encoder_(batch);
    return token_head_ ? (*token_head_)(states) : (*head_)(batch, states);
  }
  char const* kernel_name() const noexcept { return encoder_.kernel_name(); }
  std::size_t vocabulary() const noexcept { return config_.encoder.vocabulary; }

 private:
  model_config config_;
  weight_files files_;
  cpu::encoder encoder_;
  std::optional<cpu::classification_head> head_;
  std::optional<cpu::token_head> token_head_;
};

void append(cpu::token_batch& batch, std::int32_t id) {
  batch.ids.push_back(id);
  batch.type_ids.push_back(0);
}

cpu::token_batch random_batch(std::istream& lengths, std::size_t vocabulary) {
  static std::mt19937 engine(1);
  std::uniform_int_distribution<std::int32_t> id(0, static_cast<std::int32_t>(vocabulary - 1));
  cpu::token_batch batch;
  for (std::size_t length = 0; lengths >> length;) {
    for (std::size_t i = 0; i < length; ++i) append(batch, id(engine));
    batch.starts.push_back(batch.ids.size());
  }
  return batch;
}

cpu::token_batch stated_batch(std::istream& ids) {
  cpu::token_batch batch;
  for (std::int32_t id = 0; ids >> id;) append(batch, id);
  batch.starts.push_back(batch.ids.size());
  return batch;
}

// The first run does not count unless it takes as long by itself.
double seconds_for_one(classifier const& run, cpu::token_batch const& batch, double seconds) {
  auto begin = clock_type::now();
  run(batch);
  std::chrono::duration<double> elapsed = clock_type::now() - begin;
  if (elapsed.count() >= seconds) return elapsed.count();
  begin = clock_type::now();
  int runs = 0;
  do {
    run(batch);
    ++runs;
    elapsed = clock_type::now() - begin;
  } while (elapsed.count() < seconds);
  return elapsed.count() / runs;
}

void serve(classifier const& run) {
  cpu::token_batch batch;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "batch" || command == "ids") {
      batch = command == "ids" ? stated_batch(words) : random_batch(words, run.vocabulary());
      std::cout << "tokens " << batch.tokens();
    } else if (command == "run") {
      double seconds = 0;
      words >> seconds;
      std::cout << "seconds " << seconds_for_one(run, batch, seconds);
    } else if (command == "logits") {
      std::cout << "logits";
      std::cout.precision(9);
      for (float const value : run(batch)) std::cout << ' ' << value;
    } else {
      throw std::invalid_argument("no command '" + command + "'");
    }
    std::cout << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) throw std::invalid_argument("usage: bench_ml_forward FOLDER PRECISION THREADS [KERNEL SET]");
  cpu::kernel_set const& kernels = find_kernels(argc > 4 ? argv[4] : "");
  classifier const run(argv[1], parse_precision(argv[2]), std::stoul(argv[3]), kernels);
  std::cout << "ready " << run.kernel_name() << std::endl;
  serve(run);
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "bench_ml_forward: %s\n", error.what());
  return 1;
}
