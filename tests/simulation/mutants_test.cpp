// SPDX-License-Identifier: Apache-2.0
//
// Every fault that can be planted is found within a stated number of events, in the profile where it shows.
// Not built with sanitizers: what a planted fault does to memory says nothing about the cores.
#include "src/core/mutant.hpp"
#include "tests/simulation/simulation.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;

namespace {

constexpr std::uint64_t usual = 400'000;
constexpr std::uint64_t many = 2'000'000;  // where several things must come together

struct whereabouts {
  char const* profile;
  std::uint64_t events;
};

// No default: a fault that is added has to be placed here.
whereabouts where_is(mutant fault) {
  switch (fault) {
    case mutant::none: break;
    case mutant::foreign_slot_freed:
    case mutant::slot_leaked:
    case mutant::lost_attempt_repeated:
    case mutant::started_ignored:
    case mutant::deadline_forgotten:
    case mutant::cancel_loses:
    case mutant::retry_forgotten:
    case mutant::credit_forgotten:
    case mutant::lost_client_kept:
    case mutant::foreign_hello_obeyed:
    case mutant::pool_offers_ignored:
    case mutant::times_overflow: return {"local", usual};
    case mutant::grace_forgotten: return {"local", many};
    case mutant::recall_runs_twice: return {"fast", many};
    case mutant::drain_ignored:
    case mutant::prefetched_bytes_ignored: return {"drains", usual};
    case mutant::timeout_forgotten:
    case mutant::item_level_ignored:
    case mutant::batch_cancelled: return {"batches", usual};
    case mutant::fence_ignored:
    case mutant::results_mixed_up: return {"batches", many};
    case mutant::batch_times_out: return {"bundled", many};
    case mutant::repetition_delivered: return {"lossy", usual};
    case mutant::resend_forgotten: return {"leaky", usual};
    case mutant::lost_session_kept:
    case mutant::deaf_peer_kept: return {"lossy", many};
    case mutant::given_back_and_begun:
    case mutant::drain_unheard:
    case mutant::put_off_forgotten: return {"upgrades", usual};
    case mutant::claimed_runs_again: return {"handovers", usual};
    case mutant::epoch_not_checked:
    case mutant::silence_given_work:
    case mutant::restart_is_final: return {"wild", usual};
    case mutant::work_kept_at_end: return {"wild", many};
    case mutant::late_answer_unsaid:
    case mutant::linger_runs_out: return {"crawling", many};
    case mutant::acknowledgement_forgotten:
    case mutant::withdrawal_unsaid:
    case mutant::bulk_window_ignored:
    case mutant::limits_ignored: return {"slow", usual};
    case mutant::stillness_is_silence:
    case mutant::stillness_judges: return {"stopped", many};
    case mutant::untaken_ignored: return {"credit", usual};
    case mutant::tokens_ignored:
    case mutant::quarantine_forgotten: return {"storm", usual};
    case mutant::journal_overtaken:
    case mutant::start_unrecorded:
    case mutant::outcome_overtakes:
    case mutant::foreign_call_found: return {"journal", usual};
    case mutant::uncertain_run_again:
    case mutant::adopted_runs_again:
    case mutant::started_while_away:
    case mutant::known_made_anew:
    case mutant::outcome_lost: return {"recovery", many};
    case mutant::outcome_kept: return {"remembered", usual};
    case mutant::other_pools_failed: return {"pools", many};
    case mutant::gpus_overbooked:
    case mutant::lease_leaked:
    case mutant::parked_lease_assumed:
    case mutant::parked_runs: return {"leases", usual};
    case mutant::shares_ignored:
    case mutant::credentials_ignored:
    case mutant::weights_ignored:
    case mutant::order_overtaken:
    case mutant::order_forgotten:
    case mutant::priority_ignored: return {"turns", usual};
    case mutant::refund_forgotten:
    case mutant::absence_saved_up: return {"turns", many};
    case mutant::suspects_together: return {"neighbours", usual};
    case mutant::neighbours_killed: return {"neighbours", many};
    case mutant::condemned_forgotten: return {"stubborn", usual};
    case mutant::waits_believed:
    case mutant::children_kept:
    case mutant::waiting_counts:
    case mutant::depth_ignored: return {"nested", usual};
    case mutant::batch_limits_ignored:
    case mutant::company_mixed_up:
    case mutant::shared_failure_believed: return {"batched", usual};
    case mutant::batch_waits_idly: return {"batched", many};
    case mutant::entry_overtaken:
    case mutant::entry_repeated_at_once:
    case mutant::failure_forgotten:
    case mutant::own_program_ignored:
    case mutant::entry_waited_for: return {"services", usual};
    case mutant::stream_overrun:
    case mutant::stream_credit_forgotten:
    case mutant::stream_begun_anew:
    case mutant::stream_out_of_time:
    case mutant::stream_kept:
    case mutant::fed_again:
    case mutant::input_wait_ignored: return {"streams", usual};
    case mutant::stream_repeated: return {"streams", many};
    case mutant::items_overtake: return {"lossy_streams", usual};
    case mutant::arguments_mixed_up:
    case mutant::argument_awaited:
    case mutant::cancelled_awaited:
    case mutant::values_lost: return {"composed", usual};
    case mutant::key_ignored:
    case mutant::key_freed:
    case mutant::key_outlives:
    case mutant::key_of_anybody:
    case mutant::digest_ignored:
    case mutant::joined_forgotten: return {"keys", usual};
    case mutant::build_ignored: return {"builds", usual};
    case mutant::callback_apart: return {"callbacks", many};
    case mutant::callback_of_failure: return {"callbacks", usual};
    case mutant::key_unrecorded: return {"durable_keys", usual};
    case mutant::progress_misplaced:
    case mutant::progress_stands:
    case mutant::progress_kept: return {"reports", usual};
    case mutant::allocation_ignored:
    case mutant::end_not_drained:
    case mutant::ending_charged: return {"allocations", usual};
    case mutant::stuck_later_unseen:
    case mutant::deadlock_unseen: return {"starved", usual};
    case mutant::task_not_taken_over:
    case mutant::throw_repeats:
    case mutant::late_start_kept: return {"driven", usual};
    case mutant::row_rest_lost:
    case mutant::early_stop_lost:
    case mutant::full_queue_drops: return {"driven", many};
    case mutant::waiting_uses_no_time: return {"broken", usual};
    case mutant::full_queue_overtaken:
    case mutant::too_large_ignored:
    case mutant::failed_send_ignored: return {"broken", many};
    case mutant::lead_not_handed_over:
    case mutant::wake_forgotten:
    case mutant::loop_not_told:
    case mutant::throw_leaves_unsent:
    case mutant::gathered_left_unsent: return {"crowd", usual};
    case mutant::late_references_kept:
    case mutant::forgotten_owner_unasked:
    case mutant::dead_owner_unsaid:
    case mutant::outcome_unpinned: return {"sharing", usual};
    case mutant::requests_numbered_alike: return {"sharing", many};
    case mutant::throw_keeps_lead: return {"crowd", many};
  }
  return {"local", 0};
}

bool finds(mutant fault) {
  auto const [name, most] = where_is(fault);
  planted = fault;
  std::uint64_t events = 0;
  auto found = false;
  for (std::uint64_t seed = 1; !found && events < most; ++seed) {
    auto const seen = simulation::simulate(simulation::profile_named(name), {seed, 40'000});
    found = !seen.violation.empty();
    events += seen.events;
  }
  planted = mutant::none;
  return found;
}

}  // namespace

TEST_CASE("simulated: every planted fault is found in as many events as it may take") {
  for (int fault = 1; fault <= mutant_count; ++fault) {
    INFO("mutant number " << fault << " survives");
    CHECK(finds(static_cast<mutant>(fault)));
  }
}
