// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.hpp"

#include "src/core/mutant.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;
using simulation::profile_named;
using simulation::simulate;

namespace {

// Instrumented, a world takes twenty times as long; it has no threads to watch.
constexpr std::uint64_t worlds = YONDER_IS_SANITIZED ? 1 : 4;

void keeps_every_promise(std::string const& name) {
  for (std::uint64_t seed = 1; seed <= worlds; ++seed) {
    auto const seen = simulate(profile_named(name), {seed, 25'000});
    INFO("profile " << name << ", seed " << seed);
    CHECK(seen.violation == "");
    CHECK(seen.events >= 25'000);
    CHECK(seen.values > 900);
  }
}

// A fault that is in the cores as long as this stands.
class planted_fault {
 public:
  explicit planted_fault(mutant fault) { planted = fault; }
  ~planted_fault() { planted = mutant::none; }
};

// Where a fault shows soonest, if that is not "local".
char const* likely(mutant fault) {
  switch (fault) {
    case mutant::epoch_not_checked:
    case mutant::fence_ignored:
    case mutant::silence_given_work:
    case mutant::lost_session_kept: return "wild";
    case mutant::repetition_delivered:
    case mutant::acknowledgement_forgotten:
    case mutant::resend_forgotten: return "lossy";
    case mutant::timeout_forgotten:
    case mutant::grace_forgotten:
    case mutant::early_stop_lost:
    case mutant::task_not_taken_over:
    case mutant::full_queue_drops:
    case mutant::full_queue_overtaken:
    case mutant::throw_repeats: return "driven";
    case mutant::too_large_ignored:
    case mutant::failed_send_ignored:
    case mutant::waiting_uses_no_time: return "broken";
    case mutant::item_level_ignored:
    case mutant::batch_times_out:
    case mutant::batch_cancelled: return "batches";
    case mutant::withdrawal_unsaid:
    case mutant::bulk_window_ignored:
    case mutant::limits_ignored: return "slow";
    case mutant::drain_ignored:
    case mutant::prefetched_bytes_ignored: return "drains";
    case mutant::lead_not_handed_over:
    case mutant::wake_forgotten:
    case mutant::gathered_left_unsent: return "crowd";
    default: return "local";
  }
}

bool finds_in(std::string const& name, std::uint64_t seeds) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    if (!simulate(profile_named(name), {seed, 40'000}).violation.empty()) return true;
  return false;
}

bool finds(mutant fault) {
  planted_fault const faulty(fault);
  if (finds_in(likely(fault), 4)) return true;
  for (auto const& how : simulation::profiles())
    if (finds_in(how.name, 6)) return true;
  return false;
}

}  // namespace

TEST_CASE(
    "simulated: drivers keep every promise over queues that fill up, through interrupted reads and steps "
    "that throw") {
  keeps_every_promise("driven");
  keeps_every_promise("driven_lossy");
}

TEST_CASE("simulated: so they do where frames cannot be sent at all") { keeps_every_promise("broken"); }

TEST_CASE("simulated: of the threads of a runtime somebody always leads, and nobody is forgotten") {
  keeps_every_promise("crowd");
}

TEST_CASE("simulated: whatever goes wrong together, and however often") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    INFO("seed " << seed);
    CHECK(simulate(profile_named("swarm"), {seed, 10'000}).violation == "");
  }
}

TEST_CASE("simulated: without faults, every call has its value") {
  auto const seen = simulate(profile_named("fast"), {1, 100'000});
  CHECK(seen.violation == "");
  CHECK(seen.values == seen.calls);
}

TEST_CASE("simulated: reliable links keep every promise while processes crash, hang and are told to go") {
  keeps_every_promise("local");
}

TEST_CASE("simulated: workers that are told to go lose nothing") { keeps_every_promise("drains"); }

TEST_CASE("simulated: the items of batches part ways without harm to each other") {
  keeps_every_promise("batches");
}

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

TEST_CASE("simulated: every planted fault of the cores is found" * doctest::skip(YONDER_IS_SANITIZED)) {
  for (int fault = 1; fault <= mutant_count; ++fault) {
    INFO("mutant number " << fault << " survives");
    CHECK(finds(static_cast<mutant>(fault)));
  }
}
