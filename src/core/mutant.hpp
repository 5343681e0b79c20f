// SPDX-License-Identifier: Apache-2.0
#pragma once

// What only the simulator's own build of the cores and their drivers has: faults that are planted, one at a
// time, to prove that the simulator finds such faults; choices that are rare; and notes of what was reached.
#ifdef YONDER_SIMULATE_MUTANTS
#include <bitset>
#include <cstddef>
#include <cstdint>

namespace yonder::core {

// Large frames are so many times smaller there, so that worlds spend their time on decisions and not on
// copies. Links are as much slower: nothing else depends on it.
inline constexpr std::size_t size_scale = 8;

enum class mutant {
  none,
  adopted_runs_again,         // what a worker still runs of an earlier hub is given to another one, too
  claimed_runs_again,         // so is what a caller claims
  started_while_away,         // a worker starts what its hello, which is on its way, does not speak of
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
  late_answer_unsaid,         // that an attempt has ended is known when its answer has come through all bulk
  linger_runs_out,            // a drained worker leaves with answers that are on their way
  bulk_window_ignored,        // all chunks of a frame leave at once
  limits_ignored,             // what the other end cannot receive is sent nevertheless
  results_mixed_up,           // values are packed together that do not follow each other
  given_back_and_begun,       // a hub that ends gives back what a worker may have begun
  drain_unheard,              // a hub ends before its clients know that it does
  put_off_forgotten,          // what a hub gave back is given to no other one
  restart_is_final,           // a hub that ends in good order ends its clients and workers for good
  foreign_hello_obeyed,       // whoever names a session may end it
  prefetched_bytes_ignored,   // large arguments fill a worker's queue
  pool_offers_ignored,        // a function of a pool without workers is unknown while other workers are there
  late_start_kept,            // a worker that did not come in time is not ended
  item_level_ignored,         // of a lost worker's batch nothing counts as started
  batch_times_out,            // the timeout of one item ends the whole batch
  row_rest_lost,              // what a row that is closed has not begun is forgotten
  batch_cancelled,            // the cancel of one item ends the whole batch
  silence_given_work,         // a worker that was not heard for long is given work
  stillness_is_silence,       // who stood still takes the others for dead
  stillness_judges,           // who stood still ends others for what they could not say meanwhile
  deaf_peer_kept,             // whoever acknowledges nothing is given work for ever
  work_kept_at_end,           // a worker that must end itself hands nothing back
  untaken_ignored,            // what a client has not taken costs it nothing
  times_overflow,             // a time that is too far away is in the past
  tokens_ignored,             // an outage is made worse by retries
  quarantine_forgotten,       // a call goes on ending workers
  journal_overtaken,          // a durable call is started before the journal has it
  start_unrecorded,           // one that may start only once is started before the journal says so
  outcome_overtakes,          // its outcome is told before the journal has it
  uncertain_run_again,        // a new hub runs again what may have been started, and may start only once
  known_made_anew,            // a call that was accepted, and has been forgotten since, is made once more
  outcome_kept,               // what its owner has taken is found again after a restart,
  outcome_lost,               // and what he has not is not
  foreign_call_found,         // whoever knows an id finds the call
  other_pools_failed,         // a pool that cannot start workers fails the calls of others
  shares_ignored,             // calls are served as they come, whoever made them
  credentials_ignored,        // a credential with many keys gets the shares of many
  weights_ignored,            // every key gets as much
  late_references_kept,       // those of an outcome that nobody waits for any more are not given back
  forgotten_owner_unasked,    // a hub that was started anew does not ask what is not needed
  dead_owner_unsaid,          // who waits for a value is not told that its owner has gone
  requests_numbered_alike,    // what a hub asks of an owner has the numbers of what an earlier one has asked
  outcome_unpinned,           // nothing holds the values that an outcome refers to before its caller has it
  refund_forgotten,           // what came back before it was started has cost a share
  absence_saved_up,           // who was away is served alone until he has been given as much as the others
  order_overtaken,       // the next call of an order key starts while an attempt that was given up still runs
  order_forgotten,       // a call that is tried again lets the next one of its order key go first
  gpus_overbooked,       // a GPU is leased whatever others have of it
  lease_leaked,          // what a worker had is not given back
  parked_lease_assumed,  // a parked worker comes back to GPUs and cores that others have
  parked_runs,           // a worker that has parked is given calls
  priority_ignored,      // all calls are served as they come
  neighbours_killed,     // a worker is killed for one attempt although others run there
  condemned_forgotten,   // of a worker that must end, nobody looks again when its last neighbour is given up
  suspects_together,     // who ran beside others when a worker ended runs beside others again
  waits_believed,        // a task that said it waits is believed when it may go on
  children_kept,         // calls that a task has made go on when it has ended
  waiting_counts,        // a worker that waits uses a place of its pool
  stuck_later_unseen,    // the same where the last one comes back from a backoff, or from a worker
  deadlock_unseen,       // workers wait for each other for ever
  batch_limits_ignored,  // more run as one than their function takes
  batch_waits_idly,      // calls wait for company although a worker is idle
  company_mixed_up,      // the members of a batch are taken for each other
  shared_failure_believed,  // who failed together with others is not tried by himself
  entry_overtaken,          // calls run in a worker that has not made their service
  entry_repeated_at_once,   // what cannot be made is tried again and again
  failure_forgotten,        // with a pool that nobody needs: it is made anew, and tried, at once
  entry_waited_for,         // a service that is not made in time is waited for
  own_program_ignored,      // what a service's own program has is looked for in that of the first pool
  depth_ignored,            // calls that tasks wait for are served after those that came before
  stream_overrun,           // a producer is told that its reader takes more than it does
  stream_credit_forgotten,  // it is not told what its reader takes by now
  stream_begun_anew,        // an attempt begins with what its reader has already
  stream_repeated,          // it is made although its caller did not allow that, and has some items
  stream_out_of_time,       // a producer's time goes on while it waits for its reader
  stream_kept,              // what a client reads goes on when the client has gone
  items_overtake,           // a small item leaves before a large one that came first
  fed_again,                // a call is tried again whose task has had input
  input_wait_ignored,       // a task that waits for its input counts as one that computes
  arguments_mixed_up,       // the values that a call is made of change their places
  argument_awaited,         // a call waits for the value of one that has failed,
  cancelled_awaited,        // or was cancelled
  values_lost,              // a caller is not given a value because others are
  key_ignored,              // a call is made although another one of its idempotency key was
  key_freed,                // a key is free when its call has ended
  key_outlives,             // a key gives its outcome for ever
  key_of_anybody,           // callers of other credentials have it
  key_unrecorded,           // the journal does not say of an outcome that a key gives it
  digest_ignored,           // a call with other arguments is given it
  build_ignored,            // a call runs on whatever build has its task
  callback_apart,           // a callback counts where the journal has lost the outcome that it is of
  callback_of_failure,      // one that takes a value is made when there is none
  joined_forgotten,         // a caller that cancels ends the call for those that have joined it
  progress_misplaced,       // of calls that travel together the first is told how far the others are
  progress_stands,          // a caller is told once how far its task is, and no more
  progress_kept,            // what callers were told of calls that have ended is remembered
  allocation_ignored,       // a worker is given what does not end before its allocation does
  end_not_drained,          // what waits in a worker when that ends is lost with it
  ending_charged,           // what ran when one ended has cost a retry
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
  loop_not_told,         // nor a loop of the program's own
  throw_keeps_lead,      // after a turn that threw nobody leads again
  throw_leaves_unsent,   // what a step that threw was to send lies there until something else happens
  wake_forgotten,        // a leader that sleeps is not told of what is due
  gathered_left_unsent,  // a call that gathers is not sent while the housekeeper sleeps
};
inline constexpr int mutant_count = static_cast<int>(mutant::gathered_left_unsent);  // without none

inline mutant planted = mutant::none;

// States that the simulator must come to see, or it proves little.
enum class mark {
  batch_split,         // items of a batch parted ways
  recalled,            // what waited in a worker was called back
  fenced,              // an attempt answered that no longer counted
  adopted,             // a worker went on with what an earlier hub had assigned
  claimed,             // a caller claimed such an attempt, without a journal,
  unclaimed,           // or did not
  came_without,        // one that may have had it has not
  tokenless,           // a retry waited for a token
  withdrawn,           // a frame was taken back before it left
  transfer_withdrawn,  // one of which a part had left
  grace_over,          // a worker was ended that did not stop
  client_silent,       // the hub gave up a client that it did not hear
  worker_silent,       // the same of a worker
  deaf,                // the hub gave up a node that it heard, and that did not hear it
  resumed,             // a session went on over another connection
  begun_anew,          // a session began in the place of an older one
  stood_still,         // a node found that it had not listened
  stalled,             // a call waited until its caller took earlier results
  orphaned,            // a call ended because nobody had waited for it for long
  quarantined,         // a call was given up that had ended several workers
  starts_given_up,     // calls failed because no worker could be started
  expired_in_queue,    // a deadline passed before a call was given to a worker
  expired_in_worker,   // it passed while the call waited in a worker
  ended_itself,        // a worker whose attempt did not stop ended, and handed back what waited
  out_of_order,        // a frame was kept until those before it came
  resent,              // a frame was sent again
  put_together,        // a large frame was put together
  values_packed,       // values of several items travelled together
  separated,           // the items of a batch were sent one by one
  overloaded,          // a client asked for more than its credit
  synced,              // a call waited for the journal
  pool_learned,        // a pool's functions became known with its first worker
  shared_out,          // calls of several flows waited for the same workers
  refunded,            // what came back before it was started had cost a share
  allocation_ended,    // a worker was drained because its time was over
  drained,             // a hub began to end in good order,
  given_back,          // gave calls back that it had not begun,
  put_off,             // and their client kept them for the next one
};
inline constexpr std::size_t mark_count = static_cast<std::size_t>(mark::put_off) + 1;
inline std::bitset<mark_count> marks;

// Choices that are allowed and rare, and dangerous where they are not thought of: made one time in so many,
// if at all, in a world that wants them.
struct rare_choices {
  std::uint64_t one_in = 0;  // a power of two; 0: never
  std::uint64_t state = 0;
};
inline rare_choices rare;

inline bool chosen_rarely() noexcept {
  if (rare.one_in == 0) return false;
  rare.state = rare.state * 6364136223846793005 + 1442695040888963407;
  return ((rare.state >> 33) & (rare.one_in - 1)) == 0;
}

}  // namespace yonder::core

// Laid out as what nearly never happens.
#define YONDER_RARELY() (__builtin_expect(::yonder::core::chosen_rarely(), 0) != 0)
#define YONDER_REACHED(name) \
  static_cast<void>(::yonder::core::marks.set(static_cast<std::size_t>(::yonder::core::mark::name)))
#define YONDER_MUTANT(name) \
  (__builtin_expect(::yonder::core::planted == ::yonder::core::mutant::name, 0) != 0)
#else
#include <cstddef>

namespace yonder::core {
inline constexpr std::size_t size_scale = 1;
}  // namespace yonder::core

#define YONDER_RARELY() false
#define YONDER_REACHED(name) static_cast<void>(0)
#define YONDER_MUTANT(name) false
#endif
