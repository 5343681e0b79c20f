// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is measured, as `--yonder-compare` takes it (docs/compare.md), and as one environment is told it.
namespace yonder::http::compare {

struct workload {
  std::string task;                       // the name of its endpoint
  std::string arguments;                  // of each call, as JSON
  unsigned calls = 200;                   // one after another, and at least as many of each of `sizes`
  std::vector<unsigned> sizes{1, 8, 64};  // how many calls are made at once
};

struct order {
  workload what;
  std::vector<std::string> with{};   // files and folders that the task reads, for containers
  std::vector<std::string> hosts{};  // reached by ssh
  std::vector<std::pair<std::string, std::vector<std::string>>>
      also{};                       // a name, and what runs a program there
  std::string folder{};             // for results.json, pictures and a page; empty: none
  bool json = false;                // in place of the table
  std::chrono::seconds limit{300};  // for each environment
};

// The arguments behind --yonder-compare. Throws usage_error.
order parse_order(std::span<std::string const> arguments);

// What an environment is told by its stdin, so that no shell reads it and nobody sees it in a list of
// processes.
struct probe_order {
  workload what;
  bool in_process = false;  // the workers are threads
};
std::string to_text(probe_order const& told);
std::optional<probe_order> parse_probe(std::string_view text);

// What it says. Times are in seconds.
struct figures {
  double first_call = 0;  // the worker's start and whatever it loads included
  double p50 = 0;
  double p99 = 0;
  double user = 0;  // of the program and its workers
  double sys = 0;
  double memory = 0;                                      // the most that one of them had resident, in bytes
  std::vector<std::pair<unsigned, double>> throughput{};  // calls a second with so many at once
};
std::string to_text(figures const& seen);
// Behind whatever else was printed. Nothing: it is not all there.
std::optional<figures> parse_figures(std::string_view text);

// What became of one environment.
struct row {
  std::string name;
  std::string trouble{};           // why there are no figures; empty: there are
  double real = 0;                 // from its start to its end
  std::optional<double> joules{};  // that the machine's processors took meanwhile, where that can be read
  figures seen{};
};

}  // namespace yonder::http::compare
