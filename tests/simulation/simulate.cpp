// SPDX-License-Identifier: Apache-2.0
// simulate [--profile NAME] [--seed S] [--seeds COUNT] [--events N] [--mutant NUMBER]
// Runs the simulated world once per seed and prints what it saw, its digest and its speed (on the processor's
// time).
#include "src/core/mutant.hpp"
#include "tests/simulation/simulation.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>

using namespace yonder::core;

namespace {

struct arguments {
  std::string profile = "all";
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  std::uint64_t events = 1'000'000;
};

bool run_once(simulation::profile const& how, simulation::options const& what) {
  auto const begin = std::clock();
  auto const seen = simulation::simulate(how, what);
  auto const took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  std::printf(
      "%-7s seed %llu: %llu events in %.2f s of processor time, %.2f M/s; digest %016llx; %llu calls, %llu "
      "values, %llu failures; "
      "%llu starts, %llu retries, %llu requeued, %llu fenced, %llu workers lost; %llu frames, %llu dropped, "
      "%llu "
      "repeated; %.1f s simulated%s%s\n",
      how.name.c_str(), static_cast<unsigned long long>(what.seed),
      static_cast<unsigned long long>(seen.events), took, static_cast<double>(seen.events) / took / 1e6,
      static_cast<unsigned long long>(seen.digest), static_cast<unsigned long long>(seen.calls),
      static_cast<unsigned long long>(seen.values), static_cast<unsigned long long>(seen.failures),
      static_cast<unsigned long long>(seen.starts), static_cast<unsigned long long>(seen.retries),
      static_cast<unsigned long long>(seen.requeued), static_cast<unsigned long long>(seen.fenced),
      static_cast<unsigned long long>(seen.workers_lost), static_cast<unsigned long long>(seen.frames),
      static_cast<unsigned long long>(seen.dropped), static_cast<unsigned long long>(seen.repeated),
      static_cast<double>(seen.simulated) / 1e9,
      seen.violation.empty() ? "" : "; VIOLATION: ", seen.violation.c_str());
  return seen.violation.empty();
}

arguments read(int argc, char** argv) {
  arguments made;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--profile") == 0) made.profile = argv[i + 1];
    if (std::strcmp(argv[i], "--seed") == 0) made.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seeds") == 0) made.seeds = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--events") == 0) made.events = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--mutant") == 0) planted = static_cast<mutant>(std::atoi(argv[i + 1]));
  }
  return made;
}

}  // namespace

int main(int argc, char** argv) try {
  auto const asked = read(argc, argv);
  auto good = true;
  for (std::uint64_t seed = asked.seed; seed < asked.seed + asked.seeds; ++seed) {
    for (auto const& how : simulation::profiles()) {
      if (asked.profile == "all" || asked.profile == how.name) good &= run_once(how, {seed, asked.events});
    }
  }
  return good ? 0 : 1;
} catch (std::exception const& error) {
  std::fprintf(stderr, "simulate: %s\n", error.what());
  return 2;
}
