// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.hpp"

#include "src/core/mutant.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;
using simulation::profile_named;
using simulation::simulate;

namespace {

void keeps_every_promise(std::string const& name) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    auto const seen = simulate(profile_named(name), {seed, 25'000});
    INFO("profile " << name << ", seed " << seed);
    CHECK(seen.violation == "");
    CHECK(seen.events >= 25'000);
    CHECK(seen.values > 1'000);
  }
}

// A fault that is in the cores as long as this stands.
class planted_fault {
 public:
  explicit planted_fault(mutant fault) { planted = fault; }
  ~planted_fault() { planted = mutant::none; }
};

bool finds(mutant fault) {
  planted_fault const faulty(fault);
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    for (auto const* const name : {"drains", "local", "lossy", "wild", "slow"}) {
      if (!simulate(profile_named(name), {seed, 40'000}).violation.empty()) return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("simulated: without faults, every call has its value") {
  auto const seen = simulate(profile_named("fast"), {1, 100'000});
  CHECK(seen.violation == "");
  CHECK(seen.values == seen.calls);
}

TEST_CASE("simulated: reliable links keep every promise while processes crash, hang and are told to go") {
  keeps_every_promise("local");
}

TEST_CASE("simulated: workers that are told to go lose nothing") { keeps_every_promise("drains"); }

TEST_CASE("simulated: links that lose, repeat, delay and reorder keep every promise") {
  keeps_every_promise("lossy");
}

TEST_CASE("simulated: so they do when the hub starts anew") { keeps_every_promise("wild"); }

TEST_CASE("simulated: large frames over slow links starve nobody") { keeps_every_promise("slow"); }

TEST_CASE("simulated: so they do when frames are lost and processes crash") { keeps_every_promise("rough"); }

TEST_CASE("simulated: a seed replays exactly") {
  for (auto const& how : simulation::profiles()) {
    auto const first = simulate(how, {7, 20'000});
    auto const again = simulate(how, {7, 20'000});
    auto const other = simulate(how, {8, 20'000});
    INFO("profile " << how.name);
    CHECK(first.digest == again.digest);
    CHECK(first.events == again.events);
    CHECK(first.digest != other.digest);
  }
}

TEST_CASE("simulated: every planted fault of the cores is found") {
  for (int fault = 1; fault <= mutant_count; ++fault) {
    INFO("mutant number " << fault << " survives");
    CHECK(finds(static_cast<mutant>(fault)));
  }
}
