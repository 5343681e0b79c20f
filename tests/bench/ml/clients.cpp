// SPDX-License-Identifier: Apache-2.0
//
// Clients that call a classifier's service: each a thread that has one call under way, as bench_service.py's
// are to the peers' servers. It drives this program by lines.
//
//   bench_ml_clients FOLDER FILE THREADS
//
// Reads one command a line from stdin; answers with one line, "figures <texts/s> <p50 in s> <p99 in s>", but
// for the last:
//   batched CLIENTS TEXTS   by ml::classify, whose calls run together
//   single CLIENTS TEXTS    by a method that takes one text
//   ideal TEXTS             by text_classifier in this process, as many at once as it takes; no percentiles
//   labels                  "labels <of all lines>"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "yonder/ml/services.hpp"
#include "yonder/yonder.hpp"

namespace {

namespace ml = yonder::ml;
using clock_type = std::chrono::steady_clock;

// The same model without batches.
class plain_classifier {
 public:
  plain_classifier(std::string const& folder, ml::text_options const& options) : model_(folder, options) {}
  ml::label_score classify(std::string const& text) const { return model_(text); }

 private:
  ml::text_classifier model_;
};
constexpr yonder::service<plain_classifier(std::string, ml::text_options), "bench_plain"> plain{{.max = 1}};
constexpr yonder::method<&plain_classifier::classify, "bench_plain_classify"> classify_plainly;

double since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

class work {
 public:
  work(std::string const& folder, char const* file, ml::text_options options)
      : batched_(ml::classify.on(ml::classifier_service(folder, options))),
        single_(classify_plainly.on(plain(folder, options))),
        here_(folder, options) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) texts_.push_back(line);
  }

  void answer(std::string const& line) {
    std::istringstream words(line);
    std::string what;
    std::size_t clients = 1;
    std::size_t count = 0;
    words >> what;
    if (what == "batched" || what == "single") words >> clients;
    words >> count;
    if (what == "batched") call(batched_, clients, count);
    if (what == "single") call(single_, clients, count);
    if (what == "ideal") compute(count);
    if (what == "labels") print_labels();
    std::fflush(stdout);
  }

 private:
  // One for each line, in order, by as many threads as there are clients.
  template <class Task>
  void call(Task const& task, std::size_t clients, std::size_t count) const {
    std::atomic<std::size_t> next{0};
    std::vector<double> times(count);
    auto const begin = clock_type::now();
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < clients; ++i) {
        threads.emplace_back([&] {
          for (std::size_t mine = next++; mine < count; mine = next++) {
            auto const asked = clock_type::now();
            (void)task.remote(texts_[mine % texts_.size()]);
            times[mine] = since(asked);
          }
        });
      }
    }
    double const all = since(begin);
    std::sort(times.begin(), times.end());
    std::printf("figures %.3f %.9f %.9f\n", static_cast<double>(count) / all, times[count / 2],
                times[count * 99 / 100]);
  }

  void compute(std::size_t count) const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(texts_[i % texts_.size()]);
    auto const begin = clock_type::now();
    (void)here_(std::span<std::string const>(all));
    std::printf("figures %.3f 0 0\n", static_cast<double>(count) / since(begin));
  }

  void print_labels() const {
    std::fputs("labels", stdout);
    for (auto& each : batched_.map(texts_)) std::printf(" %s", each.label.c_str());
    std::puts("");
  }

  decltype(ml::classify.on(ml::classifier_service(""))) batched_;
  decltype(classify_plainly.on(plain("", {}))) single_;
  ml::text_classifier here_;
  std::vector<std::string> texts_;
};

}  // namespace

int main(int argc, char** argv) try {
  yonder::runtime const here(argc, argv);
  if (argc != 4) return 2;
  work service(argv[1], argv[2], {.threads = std::stoul(argv[3])});
  for (std::string command; std::getline(std::cin, command);) service.answer(command);
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "bench_ml_clients: %s\n", error.what());
  return 1;
}
