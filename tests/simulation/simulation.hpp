// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/mutant.hpp"
#include "src/core/types.hpp"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// A deterministic world of client cores, one hub core and worker cores, whose network, processes and users
// misbehave as a seed says, and whose every step is checked against what the protocol promises.
namespace yonder::core::simulation {

// What goes wrong, and how often. Probabilities are per frame, per run or per call; periods are means.
struct profile {
  std::string name;
  bool crowd = false;    // the threads of one runtime instead of a world: nothing below is looked at
  bool sharing = false;  // values by reference instead of a world: likewise
  bool swarm = false;    // what goes wrong, and how often, is drawn from the seed
  bool reliable = true;
  int clients = 4;
  int workers = 4;
  int most_calls = 0;     // of each client; 0: as many as there is time for
  int concurrency = 1;    // attempts that a worker runs at once
  int window = 64;        // calls that each client keeps in flight
  bool launcher = false;  // the hub starts the workers; otherwise they come by themselves
  int pools = 1;  // of workers, each with some of the functions, and some in common; `workers` of each
  std::size_t functions = 1;

  duration shortest_delay = 5 * microsecond;
  duration longest_delay = 500 * microsecond;
  double drop = 0, repeat = 0, flip = 0, straggle = 0;  // flip: one bit; straggle: up to 100 times the delay
  duration partition_every = 0, reconnect_every = 0;    // 0: never
  duration worker_crash_every = 0, client_crash_every = 0, hub_restart_every = 0, drain_every = 0;
  duration stop_every = 0;                          // of nodes that do nothing for a while, and then go on
  duration longest_hub_stop = 0, longest_stop = 0;  // of the hub, of the others
  duration hub_upgrade_every = 0;                   // of a hub that ends in good order
  duration hub_drain = 0;                           // for which that waits for what runs; 0: for long
  duration silence = 1 * second;                    // after which a hub gives a worker up
  double leaves_with_hub = 0;                       // of hubs that end so: a client ends before the next one
  duration imposture_every = 0;                     // of peers that name a client's session
  duration lies_every = 0;                  // of peers that repeat what they overheard, and flood the hub
  std::size_t prefetch_bytes = 0;           // that may wait in a worker; 0: as usual
  std::size_t client_bytes = 0;             // of one client that the hub holds; 0: as usual
  std::size_t cached_bytes = 0;             // that the hub has beside its journal; 0: as usual
  bool journal = false;                     // the hub has one
  std::size_t max_queue = 0;                // calls that may wait for a pool; 0: as many as there are
  double searches = 0;                      // of submissions: that ask for another call by its id
  double start_fails = 0, start_hangs = 0;  // of a worker process
  duration allocation = 0;                  // after which a worker is ended, on the average; 0: never
  bool foreign_worker = false;              // one that has none of the functions that clients call
  double large = 0;  // of calls and of values: with some hundred KiB to a few MiB in buffers, / size_scale
  std::int64_t slow_bytes_per_second = 0;  // of the first client's and the first worker's link; 0: never

  // Of nodes that are driven as src/runtime does it, over queues of so many frames.
  bool drivers = false;
  std::uint32_t queue_frames = 16;
  double interrupts = 0, step_throws = 0, send_throws = 0;  // of reads, outputs, frames
  double narrow = 0;  // of connections: they carry less than both ends were told

  double throws = 0, hangs = 0, ignores_stop = 0, crashes = 0, long_runs = 0;  // of runs
  double turns = 0;         // of submissions: with a priority, a fairness key, an order key
  bool batched = false;     // every other function takes several calls at once
  int services = 0;         // that calls need: each is made by the workers of its own pool
  double nests = 0;         // of runs: whose task makes calls of its own
  double callbacks = 0;     // of durable submissions: with a task that is called with the outcome
  double keys = 0;          // of submissions: under an idempotency key,
  duration key_window = 0;  // which gives its outcome for so long
  double streams = 0;       // of submissions: whose tasks produce items, or read some
  double reports = 0;       // of runs: whose task says how far it is
  double composes = 0;      // of submissions: whose arguments are the values of others
  double batches = 0;       // of submissions: up to 40 calls in one frame
  double needs = 0;         // of submissions: that say what their worker is to have
  bool builds = false;      // workers and clients are several builds of one program
  double cancels = 0, deadlines = 0, timeouts = 0, retries = 0, idempotent = 0, durable = 0;  // of calls
};

std::vector<profile> const& profiles();
profile const& profile_named(std::string const& name);

// A misfortune by its name: a probability, or a period in nanoseconds.
struct field {
  char const* name;
  double profile::*probability;
  duration profile::*period;
  double get(profile const& of) const {
    return probability != nullptr ? of.*probability : static_cast<double>(of.*period);
  }
  void set(profile& of, double value) const {
    if (probability != nullptr)
      of.*probability = value;
    else
      of.*period = static_cast<duration>(value);
  }
};
std::vector<field> const& fields();

// clients, workers, window or most_calls. False: no such count.
bool set_count(profile& of, std::string const& name, int value);

// The profile itself, or of a swarm the one that the seed stands for.
profile drawn(profile const& how, std::uint64_t seed);

// What the simulator must come to see besides the marks of the cores, or it proves little.
enum class state : std::uint8_t {
  queue_full,          // a transport took no more, and the frame waited
  too_large,           // a call was refused because its arguments, or its result, were past a limit
  large_value,         // a block came back
  frame_refused,       // a frame could not be sent at all
  step_threw,          // a driver's step threw
  read_interrupted,    // a read brought nothing because of a signal
  several_read,        // a worker read several frames at once
  stopped_early,       // a stop came before its attempt began
  taken_over,          // the watchdog read while a task ran
  exit_while_running,  // a worker was told to end while its task ran
  handed_over,         // a caller that left let another lead
  leader_woken,        // a thread woke the leader for an earlier deadline
  lied_to,             // a peer repeated what it had overheard, and said hello again and again
  read_back,           // a hub has read a call or an outcome back from its journal
  recalled,            // a hub read the journal of an earlier one
  found,               // a call was found by its id
  chose_rarely,        // a world in which the cores made their rare choices
  part_abandoned,      // the world healed but for some nodes, and the others went on
  left_unsent,         // a call gathered while its caller worked
  loop_slept,          // a loop of the program's own slept as the leader
  loop_robbed,         // and somebody who waited took the lead from it
  hub_stopped,         // the hub did nothing for a while, and went on
  client_stopped,      // a client did
  worker_stopped,      // a worker did
  half_open,           // one direction of a connection was dead
  hub_restarted,       // a hub began anew, after a crash or an end in good order
  start_failed,        // a worker could not be started
  start_hung,          // one that was started did not come
  pool_barren,         // the world healed but for a pool that no worker can be started for
  pools_overlap,       // a call was for a function that workers of two pools have
  worker_crashed,      // a worker ended while it ran a call
  call_lost,           // a caller was told that its call may have run, or not
  cancelled_in_queue,  // a cancel came before its call was given to a worker
  row,                 // items of a batch ran in a row
  row_closed,          // the watchdog closed one
  turns_shared,        // several wanted to be served at once
  leased,              // a worker had a GPU, a core, or memory for itself
  parked,              // a worker parked
  unparked,            // and came back
  ran_together,        // a worker ran several attempts at once
  suspected,           // a worker ended while it ran several
  nested,              // a task made calls
  worker_waited,       // a worker waited for them
  deadlocked,          // a call was given up because all waited for each other
  ran_as_one,          // several calls ran as one
  threw_together,      // and failed as one
  entered,             // a worker made a service
  entry_failed,        // one that could not be made
  service_apart,       // the workers of services were of a program of their own
  streamed,            // a task produced items
  producer_waited,     // and waited for its reader
  stream_resumed,      // an attempt went on behind what its reader had
  fed,                 // a task read what its caller sent
  joined,              // a caller was given the value of another call of its idempotency key
  progressed,          // a caller was told how far its task is
  called_back,         // a task was called with the outcome of a call
  pinned,              // a call ran that asks for a build
  refused_build,       // one was refused, as no worker is of that
  composed,            // a call ran on the values of others
  elsewhere,           // a value went to other calls only
  allocation_over,     // a worker was ended because its time was over
  preempted,           // or told that it would be, before
  referred,            // a result had a reference to a value,
  brought,             // which went to whoever asked for it
  came_late,           // one did that nobody waited for any more
  hub_upgraded,        // a hub ended when nobody waited for anything of it
  last = hub_upgraded
};
inline constexpr std::size_t state_count = static_cast<std::size_t>(state::last) + 1;
std::string_view to_string(state one);
std::string_view to_string(mark one);

struct options {
  std::uint64_t seed = 1;
  std::uint64_t events =
      100'000;  // steps of cores, after which no new call is made and the world comes to rest
};

struct report {
  std::uint64_t events = 0;
  std::uint64_t digest = 0;  // of every step; equal for equal options
  std::uint64_t calls = 0, values = 0, failures = 0, abandoned = 0;
  std::uint64_t starts = 0, retries = 0, requeued = 0, fenced = 0, workers_lost = 0;
  std::uint64_t frames = 0, dropped = 0, repeated = 0;
  duration simulated = 0;
  std::bitset<state_count> reached;
  std::bitset<mark_count> marks;  // of the cores
  std::string violation;          // empty: every promise was kept
};

report simulate(profile const& how, options const& what);

// The threads of one runtime, who lead and follow.
report simulate_crowd(options const& what);

// Processes that have values, and bring each other's.
report simulate_sharing(options const& what);

}  // namespace yonder::core::simulation
