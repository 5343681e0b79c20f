// SPDX-License-Identifier: Apache-2.0
//
// From nothing to the first label of the demo model, by phase.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/rows.hpp"

namespace bench {
namespace {

constexpr int starts = 9;  // in a round

// In ns: until main, from there until the model or the runtime is there, the first label, the second label;
// and until the first label in all.
struct phases {
  double process;
  double load;
  double first;
  double second;
  double all;
};

phases run_once(std::string const& mode) {
  auto const run = run_program({BENCH_COLDSTART, mode, BENCH_MODEL});
  if (run.status != 0) throw std::runtime_error("bench_coldstart failed with " + mode);
  std::istringstream times(run.output);
  std::vector<double> const at{std::istream_iterator<double>(times), {}};
  if (at.size() != 4) throw std::runtime_error("bench_coldstart printed no times");
  return {at[0] - static_cast<double>(run.started), at[1] - at[0], at[2] - at[1], at[3] - at[2],
          at[2] - static_cast<double>(run.started)};
}

double median_of(std::vector<phases> const& runs, double phases::*which) {
  std::vector<double> values;
  for (auto const& run : runs) values.push_back(run.*which);
  return median(values);
}

std::vector<phases> run_some(std::string const& mode) {
  std::vector<phases> runs;
  for (int i = 0; i < starts; ++i) runs.push_back(run_once(mode));
  return runs;
}

double time_of_true() {
  std::vector<double> times;
  for (int i = 0; i < starts; ++i) {
    auto const run = run_program({"/bin/true"});
    times.push_back(static_cast<double>(now() - run.started));
  }
  return median(times);
}

double time_to_read_model() {
  std::vector<double> times;
  for (int i = 0; i < starts; ++i) {
    auto const begin = now();
    for (auto const* name : {"config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"}) {
      std::ifstream file(std::filesystem::path(BENCH_MODEL) / name, std::ios::binary);
      std::string bytes{std::istreambuf_iterator<char>(file), {}};
      observe(bytes);
    }
    times.push_back(static_cast<double>(now() - begin));
  }
  return median(times);
}

struct round_figures {
  std::vector<double> process, load, first, second, all, remote, spawn, read;
};

round_figures measure_rounds() {
  round_figures found;
  for (int i = 0; i < rounds; ++i) {
    found.spawn.push_back(time_of_true());
    found.read.push_back(time_to_read_model());
    auto const here = run_some("here");
    found.process.push_back(median_of(here, &phases::process));
    found.load.push_back(median_of(here, &phases::load));
    found.first.push_back(median_of(here, &phases::first));
    found.second.push_back(median_of(here, &phases::second));
    found.all.push_back(median_of(here, &phases::all));
    found.remote.push_back(median_of(run_some("yonder"), &phases::all));
  }
  return found;
}

}  // namespace

void measure_coldstart(report& to) {
  auto const found = measure_rounds();
  auto const add = [&](char const* what, char const* peer, double limit, std::vector<double> const& ours,
                       std::vector<double> const& theirs) {
    to.add({std::string("coldstart, ") + what, "ms", peer, at_most(limit)}, summarize(ours, theirs), 1e6);
  };
  char const* const bare = "spawn, /bin/true, until it ends";
  add("process, until main", bare, 10, found.process, found.spawn);
  add("model load", "reading its files", 30, found.load, found.read);
  add("first call", "the second call", 10, found.first, found.second);
  add("from nothing to the first label", bare, 50, found.all, found.spawn);
  add("the same from remote(), worker started", bare, 50, found.remote, found.spawn);
}

}  // namespace bench
