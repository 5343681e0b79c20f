// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/pool_orders.hpp"
#include "src/core/requirements.hpp"
#include "src/core/resources.hpp"
#include "src/core/task_numbers.hpp"
#include "src/core/types.hpp"
#include "src/core/usage.hpp"

#include <functional>
#include <memory>

namespace yonder::core {

// Workers of one program, build and kind of machine, which the hub has started when calls wait for them.
struct pool_config {
  std::uint32_t id = 0;  // in out::start_worker
  // What its workers offer. Empty: not known before the first one; until then they may offer anything.
  std::vector<function_info> functions{};
  program_build made_of{};      // likewise, what they are
  std::size_t min_workers = 0;  // that stay although idle
  std::size_t max_workers = 0;
  std::size_t spare = 0;      // idle ones that are kept ready while others work
  std::size_t max_queue = 0;  // calls that may wait once there is a worker; 0: as many as the hub holds
  duration scaledown_window = 30 * second;
  duration park_window = 0;  // for which an idle worker is parked before it is let go; 0: it is not
  bool elsewhere = false;    // its workers run on other machines: they are given nothing of what this one has
  // Of such: from worker_placed() to hello. 0: hub_config::start_timeout.
  duration start_timeout = 0;
  // A call that waited so long asks for another worker. 0: hub_config::scale_delay.
  duration scale_delay = 0;
  duration allocation = never;  // for which each of its workers lasts; never: for ever, or not known
};

struct hub_config {
  std::uint64_t seed = 0;  // drawn at random at every start: jitter, tokens, and epochs that never repeat
  // The first that offers a function starts workers for it. For calls that say what they need of their worker
  // further pools are made after the first one's model.
  std::vector<pool_config> pools;
  // The models of pools for these services, instead of that one.
  std::vector<std::pair<std::string, pool_config>> services{};
  std::size_t max_pools = 1024;     // of those
  std::size_t max_demanded = 1024;  // workers that are started for all of those together
  // So long calls wait for what workers of another pool have that are never idle; then these go, one after
  // the other, when they have ended what they run, and not before they have served for as long.
  duration resource_patience = 10 * second;
  // A pool without calls for so long gives way to another one when there are max_pools.
  duration pool_memory = 600 * second;
  std::size_t max_starts = 64;  // workers of one pool that are on their way at once
  // What the workers that it starts can be given. None: it asks for it (out::observe_machine) when it must
  // know.
  std::optional<core::machine> machine{};
  bool own_processes = true;               // that is what these workers are
  duration scale_delay = 1 * millisecond;  // a call that waited so long asks for another worker
  duration start_timeout = 30 * second;    // from start_worker to hello; then abandon_start
  int start_failures = 3;                  // in a row, with no worker live: the waiting calls fail
  duration cancel_grace = 2 * second;      // from a stop request to kill_worker
  duration function_grace = 10 * second;   // how long calls wait for a function whose last worker went
  duration wait_notice = 5 * second;       // a call that waits so long while nobody can take it: out::notice
  duration session_timeout = 10 * second;  // hello must follow a connection within this time
  // Before a worker's allocation ends, it is given nothing more; an eighth of the allocation, if that is
  // less.
  duration end_margin = 5 * second;
  duration silence = 10 * second;  // whose other end is not heard for so long ends: a session elsewhere,
                                   // and a call that nobody waits for
  bool journal = false;            // durable calls are taken: out::append and synced()
  bool traces = false;             // out::traced is wanted
  duration result_time = 24 * 3600 * second;  // for which their outcomes are kept that nobody takes
  // What those take without their values, and what idempotency keys take (without a journal with the values
  // of their outcomes, which memory keeps then): past it no further ones are taken.
  std::size_t max_kept_bytes = std::size_t{1} << 30;
  // Of what the journal has, too, memory has no more: of the values of those, and of the arguments of calls.
  std::size_t max_cached_bytes = std::size_t{256} << 20;

  std::size_t max_client_calls = std::size_t{1} << 20;  // in flight per client, told in the welcome
  std::size_t max_client_bytes = std::size_t{1} << 30;
  std::size_t max_calls = std::size_t{1} << 22;  // of all clients
  std::size_t max_bytes = std::size_t{4} << 30;
  std::size_t max_peers = 65'536;
  std::size_t max_keys = 4'096;  // fairness keys of one credential at once
  // Of the shares of credentials; 1 for those that are not named.
  std::vector<std::pair<std::string, std::uint32_t>> weights;
  bool proves_sessions = false;  // who comes over an unreliable connection says of what its id is the hash
  frame_limits limits;           // what this hub can receive
  // Takes large blocks of memory that nobody needs any more, on any thread, and throws nothing. Unset:
  // whoever needed one last frees it, which takes some 100 µs a MiB.
  std::function<void(byte_buffer&&)> free_large{};
  std::size_t max_hello_bytes = std::size_t{16} << 20;
  std::size_t max_table_bytes = std::size_t{256} << 20;  // of the functions that all hellos name

  duration prefetch = 1 * millisecond;                    // of measured work that may wait in a worker
  std::size_t max_prefetch = 64;                          // attempts outstanding in a worker
  std::size_t max_prefetch_bytes = std::size_t{1} << 20;  // of them; one always may be larger

  duration backoff_first = 1 * second;  // doubled by every retry; full jitter
  duration backoff_cap = 60 * second;
  double retry_tokens = 100;  // at the start, and at most
  double retry_tokens_per_call = 0.1;
  double retry_tokens_per_second = 10;  // so that what waits for a token never waits for ever
  int quarantine_after = 3;             // workers that died while they ran one call
  // How many calls may be made from within each other. A pool has at most so many times its workers more,
  // that wait for such calls.
  std::uint32_t max_depth = 32;
  int unstarted_after = 16;  // workers that died when one call reached them, before they started it

  std::size_t max_call_log = std::size_t{1} << 20;  // bytes of what one call printed that are kept
  std::size_t max_logs = std::size_t{32} << 20;     // of what all did, with what keeping it takes

  link_timing timing;
};

// How a connection behaves, which start_worker it came of, and whose it is.
struct peer_link {
  bool reliable =
      false;  // frames are neither lost nor repeated while it stands: no acknowledgements, no repetition
  std::uint64_t start = 0;    // out::start_worker::start; 0: it came by itself, or its hello brings the token
  std::string identity = {};  // the credential that the transport has checked; empty: it has none
  bool is_operator = false;   // that is one which may see and change pools
  bool may_call = true;       // or else only from within attempts that its workers run
  bool may_work = true;       // be a worker
  // The credential was made for the worker of this start, and lets in no other; 0: for none.
  std::uint64_t issued_for = 0;
  // Of all that has this credential, but for what its tasks call; 0: as many as there are.
  std::uint32_t max_jobs = 0;  // calls that run or wait for a worker
  std::uint32_t max_gpus = 0;  // that these ask for
};

// What is known about the end of a connection.
struct peer_loss {
  // The highest out::run::mark that the worker had published; unknown: everything that was sent to it may
  // have been started.
  std::optional<std::uint64_t> started{};
  int signal = 0;
  std::optional<int> exit_status{};
  std::string stderr_tail{};
  std::string reason{};
};

struct hub_counters {
  std::uint64_t calls = 0, completed = 0, failed = 0, cancelled = 0;
  std::uint64_t attempts = 0, retries = 0, requeued = 0;  // requeued: handed back unstarted, for free
  std::uint64_t workers_started = 0, workers_lost = 0, workers_killed = 0, start_failures = 0;
  std::uint64_t fenced = 0;  // answers of attempts that no longer counted
  std::uint64_t stale = 0;   // frames of another epoch, or repeated
  std::uint64_t protocol_violations = 0;
  std::uint64_t given_back = 0;  // calls that had not begun, by a hub that ends
};

// What the hub holds; all but connections, sessions and workers is 0 when nothing is to be done.
struct hub_census {
  std::size_t peers = 0, clients = 0, workers = 0, starting = 0, idle_workers = 0;
  std::size_t waiting_workers = 0;  // for calls that their tasks have made, or for who reads a stream
  std::size_t parked_workers = 0;
  std::size_t calls = 0, queued = 0, delayed = 0, attempts = 0, frames_held = 0, bytes = 0, client_bytes = 0,
              functions = 0, timers = 0;
  std::size_t kept = 0;        // outcomes of durable calls that were not taken
  std::size_t kept_bytes = 0;  // of those in memory
  std::size_t progress = 0;    // of calls, that their callers were told
};

// Calls of one task that wait for workers of one pool.
struct queue_census {
  std::string_view task;  // valid until the next step of the hub
  std::string pool;       // empty: workers that came by themselves are all that there is for it
  std::size_t calls = 0;
  duration oldest = 0;  // since when the first of them has waited
};

// One out::append of a hub that is gone, as its journal has it.
struct recovered_record {
  out::append::kind what{};
  call_id call;
  std::uint32_t items = 1;
  std::string identity{};
  std::string function{};
  std::string key{};
  std::uint64_t worker = 0;  // 0: it was not told
  std::optional<frame> body{};
  duration age = 0;  // since it was written
};

// Takes calls from clients and has workers run them. Rules and promises: docs/protocol.md.
class hub {
 public:
  hub(hub_config config, time_point now);
  ~hub();

  void connected(time_point now, peer_id peer, peer_link link, outputs& out);
  // Frames that the peer had sent before must have been received first.
  void lost(time_point now, peer_id peer, peer_loss const& loss, outputs& out);
  void receive(time_point now, peer_id peer, frame&& message, outputs& out);

  // This identity is let in no longer, for a reason ("its key was revoked"): its sessions end, the calls of
  // its clients are cancelled, and what its workers run is lost.
  void revoked(time_point now, std::string_view identity, std::string const& why, outputs& out);

  // out::start_worker could not be carried out, or its process ended before connected(): a sentence, and what
  // it wrote.
  void worker_start_failed(time_point now, std::uint64_t start, std::string const& reason,
                           std::string const& stderr_tail, outputs& out);

  // What out::start_worker has started elsewhere runs there; until then nobody is impatient. And it is no
  // more, whether its worker had come or not.
  void worker_placed(time_point now, std::uint64_t start, outputs& out);
  // It waits before it is placed, as there is no room for it: a sentence why. Said again, room was made for
  // it, and is not enough.
  void worker_held(time_point now, std::uint64_t start, std::string const& why, outputs& out);
  // It is under way, and not there yet: why, for whoever asks what calls wait for. Empty: that is over.
  void worker_waits(std::uint64_t start, std::string why);
  void worker_ended(time_point now, std::uint64_t start, std::string const& reason,
                    std::string const& stderr_tail, outputs& out);

  // After out::observe_machine.
  void observed(time_point now, machine has, outputs& out);

  // What whoever drives the hub says of its pools; from elsewhere it comes as a call (pool_orders.hpp).
  std::optional<failure> scale(time_point now, pool_order const& order, outputs& out);
  std::optional<failure> warm(time_point now, pool_order const& order, outputs& out);
  std::vector<pool_census> pools() const;

  // Begins to end in good order: nothing is started any more but what is part of a call that runs, and what
  // has not begun goes back to its client, which gives it to the hub that comes next. out::drained follows
  // when nobody waits for anything else here, and after this time at the latest; then shutdown(). Again: no
  // later than so.
  void drain(time_point now, duration within, outputs& out);

  // Ends every session with a bye: workers that the hub had started exit, clients and other workers look for
  // the hub that comes next, as after a crash. Nothing more is said of the hub's own workers: their driver
  // waits until they are gone, and kills what stays.
  void shutdown(time_point now, outputs& out);

  // With hub_config::journal, before anything else: what it holds, in order; then recovered(), with the
  // number of the last record that was ever written. False: the record says what it cannot say.
  bool recall(time_point now, recovered_record&& record);
  void recovered(time_point now, std::uint64_t last_record, outputs& out);
  // What the wall clock shows, UTC in nanoseconds since 1970: with hub_config::journal before recovered(),
  // and whenever it is known; the schedules that the journal has go by it.
  void set_clock(time_point now, std::int64_t utc);
  // Every record up to this number of out::append is on disk.
  void synced(time_point now, std::uint64_t record, outputs& out);
  // After out::read: the record. None: there is none, or it cannot be read, for a reason.
  void read_back(time_point now, std::uint64_t number, std::optional<recovered_record>&& record,
                 std::string const& why, outputs& out);
  // No further one will be: a sentence why. Durable calls end here as disconnected, and go on with the hub
  // that reads the journal next.
  void journal_failed(time_point now, std::string const& why, outputs& out);
  // Durable calls are refused for this reason from now on; empty: they are taken.
  void refuse_durable(std::string why);

  void tick(time_point now, outputs& out);
  time_point next_deadline() const;

  hub_counters counters() const;
  hub_census census() const;
  // For each task that has had calls, and has workers or calls; also where none wait.
  std::vector<queue_census> queues(time_point now) const;
  // Of the hub's machine. None: there is none, or nobody has asked for one.
  std::vector<gpu_census> gpus() const;
  // What ran for whom from now on counts for this day, if it is a later one.
  void begin_day(std::uint32_t day) noexcept;
  std::vector<usage_row> usage() const;

  // By the names of tasks.
  std::map<task_tally::place, task_numbers> const& tasks() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace yonder::core
