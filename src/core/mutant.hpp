// SPDX-License-Identifier: Apache-2.0
#pragma once

// Faults planted in the cores, one at a time, to prove that the simulator finds such faults. They exist only
// in the simulator's own build of the cores.
#ifdef YONDER_SIMULATE_MUTANTS

namespace yonder::core {

enum class mutant {
  none,
  foreign_slot_freed,     // an answer that names no attempt of its worker frees that worker's slot
  slot_leaked,            // the answer of a fenced attempt does not free its slot
  epoch_not_checked,      // frames of an earlier session count
  attempt_not_checked,    // an answer is taken for the call's attempt of now, whichever it answers
  lost_attempt_repeated,  // a lost attempt is tried again although the caller did not allow it
  started_ignored,        // what a lost worker had not started is failed, or what it had started queued again
  repetition_delivered,   // a numbered frame that comes twice is delivered twice
  acknowledgement_forgotten,  // nothing is acknowledged
  resend_forgotten,           // nothing is sent again
  expired_started,            // a worker starts what has expired
  cancel_loses,               // the cancel of a queued call is forgotten
  timeout_forgotten,          // an attempt outlasts its timeout
  grace_forgotten,            // a worker that does not stop is not killed
  retry_forgotten,            // a delayed call is never queued again
  credit_forgotten,           // a client's bytes in flight are not given back
  recall_runs_twice,          // a recalled attempt is queued again before the worker has handed it back
  lost_client_kept,           // the calls of a client that went stay
  drain_ignored,              // a draining worker is given work
};

inline mutant planted = mutant::none;

}  // namespace yonder::core

#define YONDER_MUTANT(name) (::yonder::core::planted == ::yonder::core::mutant::name)
#else
#define YONDER_MUTANT(name) false
#endif
