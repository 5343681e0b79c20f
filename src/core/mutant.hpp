// SPDX-License-Identifier: Apache-2.0
#pragma once

// Faults planted in the cores and their drivers, one at a time, to prove that the simulator finds such
// faults. They exist only in the simulator's own build of them.
#ifdef YONDER_SIMULATE_MUTANTS
#include <cstdint>

namespace yonder::core {

enum class mutant {
  none,
  foreign_slot_freed,         // an answer frees the slot of its worker's first attempt, whichever it answers
  slot_leaked,                // the answer of a fenced attempt does not free its slot
  fence_ignored,              // what a fenced attempt says still counts
  epoch_not_checked,          // frames of an earlier session count
  lost_attempt_repeated,      // a lost attempt is tried again although the caller did not allow it
  started_ignored,            // what a lost worker had started is queued again as if it had not
  repetition_delivered,       // a numbered frame that comes twice is delivered twice
  acknowledgement_forgotten,  // what was acknowledged is still held
  resend_forgotten,           // nothing is sent again
  deadline_forgotten,         // the hub starts what has expired
  cancel_loses,               // the cancel of a queued call is forgotten
  timeout_forgotten,          // an attempt outlasts its timeout
  grace_forgotten,            // a worker that does not stop is not killed
  retry_forgotten,            // a call that is to be tried again is forgotten
  credit_forgotten,           // a client's bytes in flight are not given back
  recall_runs_twice,          // a recalled attempt is queued again before the worker has handed it back
  lost_client_kept,           // the calls of a client that went stay
  drain_ignored,              // a draining worker is given work
  lost_session_kept,          // what was sent in a session that the hub forgot is still awaited
  withdrawal_unsaid,          // the other end goes on waiting for a frame that was taken back
  bulk_window_ignored,        // all chunks of a frame leave at once
  limits_ignored,             // what the other end cannot receive is sent nevertheless
  results_mixed_up,           // values are packed together that do not follow each other
  restart_is_final,           // a hub that ends in good order ends its clients and workers for good
  foreign_hello_obeyed,       // whoever names a session may end it
  prefetched_bytes_ignored,   // large arguments fill a worker's queue
  pool_offers_ignored,        // a function of a pool without workers is unknown while other workers are there
  late_start_kept,            // a worker that did not come in time is not ended
  item_level_ignored,         // of a lost worker's batch nothing counts as started
  batch_times_out,            // the timeout of one item ends the whole batch
  batch_cancelled,            // the cancel of one item ends the whole batch
  silence_given_work,         // a worker that was not heard for long is given work
  // of the drivers
  early_stop_lost,       // a stop that comes before its attempt begins is forgotten
  task_not_taken_over,   // nobody reads the connection while a task runs
  full_queue_drops,      // what a full queue does not take is lost
  full_queue_overtaken,  // what comes later is sent before what waits
  too_large_ignored,     // what can never be sent is forgotten without a word
  failed_send_ignored,   // so is what was lost when a transport threw
  waiting_uses_no_time,  // a frame that waits for a full queue keeps its deadline
  throw_repeats,         // a step that threw is made again, with what is left of it
  lead_not_handed_over,  // who leaves tells nobody that nobody leads
  wake_forgotten,        // a leader that sleeps is not told of what is due
  gathered_left_unsent,  // a call that gathers is not sent while the housekeeper sleeps
};
inline constexpr int mutant_count = static_cast<int>(mutant::gathered_left_unsent);  // without none

inline mutant planted = mutant::none;

// Choices that are allowed and rare, and dangerous where they are not thought of: made one time in so many,
// if at all, in a world that wants them.
struct rare_choices {
  std::uint64_t one_in = 0;  // 0: never
  std::uint64_t state = 0;
};
inline rare_choices rare;

inline bool chosen_rarely() noexcept {
  if (rare.one_in == 0) return false;
  rare.state = rare.state * 6364136223846793005 + 1442695040888963407;
  return (rare.state >> 33) % rare.one_in == 0;
}

}  // namespace yonder::core

#define YONDER_RARELY() (::yonder::core::chosen_rarely())
#define YONDER_MUTANT(name) (::yonder::core::planted == ::yonder::core::mutant::name)
#else
#define YONDER_RARELY() false
#define YONDER_MUTANT(name) false
#endif
