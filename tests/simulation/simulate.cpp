// SPDX-License-Identifier: Apache-2.0
// simulate [--profile NAME] [--seed S] [--events N] [--mutant NUMBER] [--set FIELD=VALUE] [--shrink]
// [--complete] [--list] Runs simulated worlds, seed after seed and profile after profile, until N events are
// made (on the processor's time). The last line says how many, how fast, and how many promises were broken;
// then it exits with 1. --shrink looks for a smaller world that breaks one, and says how to see it again.
#include <malloc.h>

#include <algorithm>
#include <bitset>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "src/core/mutant.hpp"
#include "tests/simulation/simulation.hpp"

using namespace yonder::core;
using simulation::profile;

namespace {

constexpr std::uint64_t events_a_world = 50'000;

struct arguments {
  std::string profile = "all";
  std::uint64_t seed = 1;
  std::uint64_t events = 1'000'000;
  std::vector<std::string> set;
  int mutant = 0;
  bool shrink = false;
  bool complete = false;  // a state that was never reached is a failure, too
  bool list = false;
};

struct totals {
  std::uint64_t events = 0;
  std::uint64_t violations = 0;
  double seconds = 0;
  std::bitset<simulation::state_count> reached;
  std::bitset<mark_count> marks;
};

unsigned long long number(std::uint64_t value) { return value; }

simulation::report run_world(profile const& how, simulation::options const& what, totals& sum) {
  auto const begin = std::clock();
  auto seen = simulation::simulate(how, what);
  sum.seconds += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  sum.events += seen.events;
  sum.reached |= seen.reached;
  sum.marks |= seen.marks;
  sum.violations += seen.violation.empty() ? 0 : 1;
  return seen;
}

// Which promise was broken: the words in front of figures and details.
std::string promise_of(std::string const& violation) {
  return violation.substr(0, violation.find_first_of("0123456789:("));
}

bool fails(profile const& how, simulation::options const& what, std::string const& promise) {
  auto const seen = simulation::simulate(how, what);
  return !seen.violation.empty() && promise_of(seen.violation) == promise;
}

// The smaller world in `seed` or one of the next ones, if it fails there, too.
bool fails_nearby(profile const& how, simulation::options& what, std::string const& promise) {
  constexpr std::uint64_t tries = 8;
  for (auto seed = what.seed; seed < what.seed + tries; ++seed) {
    if (!fails(how, {seed, what.events}, promise)) continue;
    what.seed = seed;
    return true;
  }
  return false;
}

// Leaves out calls, nodes and misfortunes, one kind after the other, as long as the promise is broken.
void shrink(profile how, simulation::options what, std::string const& promise) {
  how = simulation::drawn(how, what.seed);
  for (auto smaller = true; smaller;) {
    smaller = false;
    auto const try_with = [&](auto change) {
      auto less = how;
      auto when = what;
      if (!change(less, when) || !fails_nearby(less, when, promise)) return;
      how = less;
      what = when;
      smaller = true;
    };
    for (auto const count : {&profile::clients, &profile::workers, &profile::window, &profile::most_calls})
      try_with([&](profile& less, auto&) {
        auto const before = less.*count;
        less.*count = before > 1 ? before / 2 : before == 0 && count == &profile::most_calls ? 64 : before;
        return less.*count != before;
      });
    try_with([](profile&, simulation::options& when) { return (when.events /= 2) >= 16; });
    for (auto const& one : simulation::fields())
      try_with([&](profile& less, auto&) { return one.get(less) != 0 && (one.set(less, 0), true); });
  }
  auto const seen = simulation::simulate(how, what);
  std::printf("shrunk: %s\n  after %llu events, %llu calls; again by: --profile %s --seed %llu --events %llu",
              seen.violation.c_str(), number(seen.events), number(seen.calls), how.name.c_str(),
              number(what.seed), number(what.events));
  std::printf(" --set clients=%d --set workers=%d --set window=%d --set most_calls=%d", how.clients,
              how.workers, how.window, how.most_calls);
  auto const base = simulation::profile_named(how.name);
  for (auto const& one : simulation::fields())
    if (one.get(how) != one.get(base)) std::printf(" --set %s=%g", one.name, one.get(how));
  std::printf("\n");
}

void report(profile const& how, std::uint64_t seed, simulation::report const& seen) {
  std::printf("%s seed %llu: VIOLATION: %s; after %llu events, %llu calls\n", how.name.c_str(), number(seed),
              seen.violation.c_str(), number(seen.events), number(seen.calls));
}

void list_unreached(totals const& sum) {
  for (std::size_t i = 0; i < simulation::state_count; ++i)
    if (!sum.reached[i])
      std::printf("never reached: %s\n", std::string(to_string(static_cast<simulation::state>(i))).c_str());
  for (std::size_t i = 0; i < mark_count; ++i)
    if (!sum.marks[i])
      std::printf("never reached: %s\n", std::string(simulation::to_string(static_cast<mark>(i))).c_str());
}

std::uint64_t whole(std::string const& text) {
  std::size_t used = 0;
  auto const value = std::stoull(text, &used);
  if (used != text.size()) throw std::invalid_argument("not a number: " + text);
  return value;
}

arguments read(int argc, char** argv) {
  arguments made;
  for (int i = 1; i < argc; ++i) {
    std::string const name = argv[i];
    if (name == "--shrink" || name == "--list" || name == "--complete") {
      (name == "--list" ? made.list : name == "--shrink" ? made.shrink : made.complete) = true;
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument(name + ": unknown, or its value is missing");
    std::string const value = argv[++i];
    if (name == "--profile")
      made.profile = value;
    else if (name == "--seed")
      made.seed = whole(value);
    else if (name == "--events")
      made.events = whole(value);
    else if (name == "--mutant")
      made.mutant = static_cast<int>(whole(value));
    else if (name == "--set")
      made.set.push_back(value);
    else
      throw std::invalid_argument(
          name +
          ": unknown; there are --profile, --seed, --events, --mutant, --set, --shrink, --complete, --list");
  }
  if (made.mutant > mutant_count)
    throw std::invalid_argument("there are mutants 1 to " + std::to_string(mutant_count));
  return made;
}

void apply(std::string const& text, profile& how) {
  auto const equals = text.find('=');
  auto const name = text.substr(0, equals);
  auto const value = equals == std::string::npos ? 0 : std::stod(text.substr(equals + 1));
  if (simulation::set_count(how, name, static_cast<int>(value))) return;
  for (auto const& one : simulation::fields())
    if (name == one.name) return one.set(how, value);
  throw std::invalid_argument("--set " + text + ": no such field");
}

std::vector<profile> wanted(arguments const& asked) {
  std::vector<profile> made;
  if (asked.profile == "all")
    made = simulation::profiles();
  else
    made.push_back(simulation::profile_named(asked.profile));
  for (auto& one : made)
    for (auto const& text : asked.set) apply(text, one);
  return made;
}

int finish(totals const& sum) {
  std::printf("sim: %llu events at %.0f events/s, %llu violations\n", number(sum.events),
              static_cast<double>(sum.events) / sum.seconds, number(sum.violations));
  return sum.violations == 0 ? 0 : 1;
}

int run(arguments const& asked) {
  planted = static_cast<mutant>(asked.mutant);
  auto const all = wanted(asked);
  if (asked.list) {
    for (auto const& how : all) std::printf("%s\n", how.name.c_str());
    return 0;
  }
  totals sum;
  auto const events = std::min(asked.events, events_a_world);
  for (auto seed = asked.seed; sum.events < asked.events; ++seed) {
    for (auto const& how : all) {
      if (sum.events >= asked.events) break;
      auto const seen = run_world(how, {seed, events}, sum);
      if (seen.violation.empty()) continue;
      report(how, seed, seen);
      if (asked.shrink) shrink(how, {seed, events}, promise_of(seen.violation));
      if (asked.shrink || asked.mutant != 0) return finish(sum);
    }
  }
  list_unreached(sum);
  if (asked.complete && !(sum.reached.all() && sum.marks.all())) {
    finish(sum);
    return 1;
  }
  return finish(sum);
}
}  // namespace

int main(int argc, char** argv) try {
  ::mallopt(M_MMAP_THRESHOLD,
            1 << 30);  // worlds come and go: the system need not clear their memory each time
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  return run(read(argc, argv));
} catch (std::exception const& error) {
  std::fprintf(stderr, "simulate: %s\n", error.what());
  return 2;
}
