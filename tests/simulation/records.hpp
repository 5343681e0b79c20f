// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/callbacks.hpp"
#include "src/core/client.hpp"
#include "src/core/hub.hpp"
#include "src/core/items.hpp"
#include "src/core/link.hpp"
#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"
#include "src/core/number_map.hpp"
#include "src/core/service_order.hpp"
#include "src/core/worker.hpp"
#include "src/driver/agenda.hpp"
#include "src/driver/outbox.hpp"
#include "src/driver/serving.hpp"
#include "tests/simulation/schedule.hpp"
#include "tests/simulation/simulation.hpp"
#include "tests/simulation/stories.hpp"
#include "tests/simulation/turns.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

// What the simulated world consists of, and what is known of it from outside the cores.
namespace yonder::core::simulation {

inline constexpr std::uint64_t first_session = 1'000;
inline constexpr std::uint64_t first_worker_session = std::uint64_t{1} << 40;
inline constexpr duration rest_limit = 400 * second;  // in which the world must come to rest
inline constexpr duration heartbeat = 100 * millisecond;
inline constexpr duration longest_unnoticed =
    200 * millisecond;  // of standing still: nobody is given up for it
inline constexpr duration longest_drain = 5 * second;
inline constexpr std::uint32_t most_kills = 8;  // of one call; some of them may be laid to another's account
inline constexpr std::size_t most_in_a_worker = std::size_t{64} * 64;  // bytes of small calls
inline constexpr double retries_per_second = 200;
inline constexpr std::size_t waiting_for_each =
    12;  // workers may wait for calls of their tasks, of each that may compute
inline constexpr std::uint64_t coded_one_in = 8;  // frames on whose way nothing happens to bits
inline constexpr auto service_name = "simulated::service";
inline constexpr std::size_t argument_size = 16;
inline constexpr std::size_t value_size = 16;
inline constexpr std::size_t narrow_bytes = 4'000;  // what a narrow connection's transport carries

// What the ends receive at most, each of another size.
inline constexpr std::size_t largest_at_hub = (std::size_t{3} << 20) / size_scale;
inline constexpr std::size_t largest_at_client = (std::size_t{5} << 19) / size_scale;
inline constexpr std::size_t largest_at_worker =
    (std::size_t{1} << 20) / size_scale;  // doubled for every second one

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  auto z = a * 0x9e3779b97f4a7c15 + b;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Of which build a call's worker has to be, and whether the call itself says so.
struct pin {
  bool said = false;
  build_choice choice{};
};

// What is known of one call from outside the cores.
struct record {
  static constexpr auto undrawn = static_cast<std::uint32_t>(-1);

  record() noexcept {}  // each member once: without it all is zero first

  time_point deadline = never;
  duration timeout = 0;
  std::uint32_t starts = 0;
  std::uint32_t last_attempt = 0;  // that the hub has assigned
  std::uint32_t last_epoch = 0;
  std::uint32_t fenced = 0;  // the last attempt that was told to stop
  std::uint32_t came = 0;    // the last attempt that has come to its worker; where transports have queues
  std::size_t large = 0;     // bytes of its arguments' buffers
  std::uint32_t function = 0;
  std::uint32_t kills = 0;  // workers that ended because they ran it
  // The records of the journal that say so; 0: none does.
  std::uint64_t recorded = 0;        // must be synced before it is started,
  std::uint64_t start_recorded = 0;  // so must this, if it may start only once,
  std::uint64_t end_recorded = 0;    // and this before its outcome is told
  std::uint64_t forgotten = 0;
  bool accepted = false;       // as its caller was told
  call_id wanted;              // which it asks for; of no session: it is a call itself
  bool is_foreign = false;     // that one, to who asks
  bool is_gone = false;        // it had been taken when this was asked,
  bool must_be_found = false;  // or it had not
  bool take_said = false;      // somebody has said that he has its outcome
  bool cancel_said = false;
  std::uint8_t outcomes = 0;
  bool durable = false;
  bool cursed = false;       // ends every worker that runs it
  bool large_value = false;  // past what some end receives
  bool may_repeat = false;
  std::uint8_t service = 0;  // that its worker must have made, from 1; 0: none
  std::uint8_t weight = 0;   // in a batch that runs as one
  std::uint32_t rest = 1;    // calls of its batch, from this one on
  turn_terms turn;
  pin pinned;
  std::uint32_t needs = 0;              // what its worker is to have (leases.cpp)
  std::uint32_t stream = 0;             // its place in world::streams_, from 1; 0: it has none
  std::uint32_t composed = 0;           // in world::compositions_, likewise
  std::uint32_t told = 0;               // in world::told_, likewise
  std::uint32_t keyed = 0;              // in world::keyed_, likewise
  std::uint32_t callback = 0;           // in world::callbacks_, likewise: what is called with its outcome
  std::uint32_t value_large = undrawn;  // bytes of its value's buffers
  errc code{};                          // why it has no value
  bool idempotent = false;
  bool lent = false;         // its value is an argument elsewhere,
  bool given_away = false;   // and nowhere else
  bool over_at_hub = false;  // the hub has said, or was told, that it has ended
  bool fresh = false;        // it waits at the hub for the first time
  bool ended_at_hub = false;
  std::uint32_t relation = 0;       // its place in world::relations_, from 1; 0: no task has to do with it
  bool suspect = false;             // a worker ended while it ran this beside others
  bool cancelled_in_queue = false;  // the hub had not assigned it when it took the cancel
};

// A call that the hub makes with the outcome of another one.
struct callback_story {
  call_id id;
  call_id of;
  bool any = false;  // with any outcome, or with a value only
  record call;       // itself
  // How that one has ended, as the journal has it.
  std::uint64_t outcome = 0;  // its record; 0: it has not
  bool has_value = false;
  std::array<std::byte, value_size> value{};
  errc code{};
};

// What is known of a call that a task has made, and of the calls that its own task has made.
struct relation {
  attempt_key parent;       // attempt 0: no task has made it
  std::uint32_t depth = 0;  // so many calls lie around it
  std::uint32_t run = 0;    // of the parent's worker

  std::vector<call_id> children;                           // of its latest attempt
  std::uint64_t ended = 0;                                 // of them, as the hub has said
  std::uint64_t waits_at = wait_message::no_longer.ended;  // as its client has said
  std::uint32_t over = 0;                                  // attempts up to this one have ended
  time_point over_since = 0;
};

// One life of a client process.
struct incarnation {
  std::vector<record> records;  // by call number, from 1
  std::uint32_t node = 0;
  bool ended = false;
  time_point gone_at_hub = never;
};

struct connection {
  bool of_worker = false;
  std::uint32_t node = 0;
  std::uint32_t generation = 0;  // of the node
  std::size_t life = 0;          // of a client: its incarnation
  bool open_at_node = false;
  bool open_at_hub = false;
  std::array<time_point, 2> cut_until{};     // towards the node, towards the hub
  std::array<time_point, 2> last_arrival{};  // at the node, at the hub
  std::array<time_point, 2> busy_until{};    // a slow link, towards the node, towards the hub
  std::array<std::uint32_t, 2> under_way{};  // frames, to the node and to the hub
  std::array<bool, 2> crowded{};             // the sender waits for room
  bool narrow = false;                       // its transport carries less than both ends were told
};

// What the observers know of one epoch of a session.
struct epoch_record {
  std::uint32_t assigned = 0;  // the highest number of an assignment
  std::size_t unanswered = 0;  // attempts
  time_point heard = never;    // when the hub last did; never: it has not
};

// What drives a core: as src/runtime does.
struct shell {
  driver::outbox unsent;
  driver::agenda<output> due;
};

inline constexpr std::uint32_t no_slot = static_cast<std::uint32_t>(-1);

enum class role : std::uint8_t { hub, client, worker };

struct client_node {
  bool abandoned = false;          // cut off for ever
  std::uint32_t worker = no_slot;  // whose own client this is; no_slot: nobody's
  shell driven;
  std::unique_ptr<client> core;
  std::uint32_t generation = 0;
  std::size_t life = 0;  // index of its incarnation
  peer_id peer = 0;
  time_point ticks_at = never;
  int in_flight = 0;
};

enum class conduct : std::uint8_t { returns, throws, hangs, ignores_stop, crashes, calls };

// What a worker runs: an attempt, or several as one.
struct task {
  task() noexcept {}  // as record's

  attempt_key key;                    // of the first
  call_id call;                       // of it
  std::vector<out::run::item> items;  // of several, and
  std::vector<call_id> company;       // whose they are
  std::uint32_t run = 0;              // which of its worker's runs this is
  conduct does{};
  time_point since = 0;
  time_point known_since = never;  // to the hub, which has heard the end of what ran before
  std::uint64_t after = 0;         // so many answers of its worker
  bool stopping = false;
  time_point told_to_stop = never;
  std::uint32_t makes = 0;  // a service, from 1; 0: none
  enum class of_worker : std::uint8_t { none, parks, comes_back } moves{};
  bool called = false;         // it has made its calls,
  std::uint32_t open = 0;      // so many of which have not ended,
  bool waits = false;          // and waits for them
  bool works = false;          // it takes what they have streamed
  std::uint32_t reports = 0;   // so often it has said how far it is,
  time_point reported_at = 0;  // the last time
  std::unique_ptr<attempt_stream> flow;
};

struct worker_node {
  bool abandoned = false;  // cut off for ever
  bool doomed = false;     // the hub has ended it
  bool drains = false;     // it was told to, by who runs it
  program_build made_of;
  std::uint32_t pool = 0;
  shell driven;
  driver::serving turns{true};
  driver::watch eye;
  std::vector<frame> inbox;  // come, not read
  std::optional<attempt_key> stopped_early;
  bool read_planned = false;
  bool taken_over = false;  // the watchdog reads
  bool watched = false;     // the watchdog is awake
  std::uint32_t runs = 0;   // odd while a task runs
  std::unique_ptr<worker> core;
  std::uint32_t generation = 0;
  peer_id peer = 0;
  time_point ticks_at = never;
  std::uint32_t concurrency = 1;
  std::vector<task> tasks;             // that run
  std::uint32_t run = 0;               // counts them
  std::uint32_t run_before = 0;        // of the processes that were here earlier
  std::optional<std::uint32_t> needs;  // of the calls that it runs; none: it ran none yet
  time_point ends_at = never;          // its allocation
  bool parked = false;                 // others may have these meanwhile:
  std::vector<std::string> gpus;       // that it was started with
  std::vector<std::uint32_t> cores;
  std::uint64_t started = 0;  // the published level

  task* find(std::uint32_t wanted) {
    for (auto& one : tasks)
      if (one.run == wanted) return &one;
    return nullptr;
  }

  std::uint32_t start = 0;            // of the hub; 0: it came by itself
  std::uint32_t service = 0;          // that it has made; 0: none
  std::uint32_t enters = 0;           // that it was told to make
  time_point computes_since = never;  // since when it could take a call, or takes it; never: its tasks wait
  std::vector<attempt_key> given;     // and not answered, as the hub knows it; where tasks make calls
  std::vector<attempt_key> fenced;    // that the hub has told to stop
  // Of one that runs one at a time, with drivers: items that ended, and answers to items, as they were said,
  // those of items that ended, and as the hub has heard them.
  std::uint64_t ended = 0, said = 0, said_ended = 0, heard = 0;
  call_id waiting;  // whose task it has said to wait

  // Whether somebody reads what comes.
  bool listens() const { return tasks.empty() || taken_over || concurrency > 1; }

  // The row that it runs, with drivers.
  out::run row;                      // as it was asked for; count 1: none
  std::uint32_t place = 0;           // of what runs
  std::uint32_t told = 0;            // items of it that the core knows to have ended
  bool row_open = false;             // a further one may begin
  std::vector<std::uint32_t> sizes;  // of the values that were not told,
  byte_buffer values;                // one behind the other
  time_point ended_late = 0;         // a task that had been told to stop for about as long as it may take
};

// A record of the hub's journal.
struct journal_line {
  std::uint64_t number = 0;
  out::append::kind what{};
  call_id call;
  std::uint32_t items = 1;
  std::string identity;
  std::string function;
  std::string key;
  std::optional<frame> body;
  time_point when = 0;
  bool with_next = false;  // it counts if the one behind it does
  std::uint64_t worker = 0;
};

// A frame on its way. Its body is the sender's as long as nothing happens to its bits.
struct parcel {
  bool to_hub = false;
  bool coded = false;  // head and body as bytes; otherwise as they are
  byte_buffer bytes;
  out::send sent;
};

enum class kind : std::uint8_t {
  parcel,
  hub_tick,
  client_tick,
  worker_tick,
  run_ends,         // a: worker, b: run
  cancels,          // a: incarnation, b: call number
  submits,          // a: client
  worker_starts,    // a: worker, b: start (0: by itself)
  start_fails,      // b: start
  hub_loses,        // a: peer, b: signal
  client_comes,     // a: client
  reconnects,       // a: node, b: 1 of a worker
  chaos,            // a: which
  turn,             // a: node, b: its role: there is room to send, or a turn threw
  link_breaks,      // a: peer
  comes_back,       // a: client
  worker_reads,     // a: worker, b: generation
  worker_watches,   // a: worker, b: generation
  syncs,            // a: record of the journal, b: which of its lives
  reads,            // a: number of out::read, b: as above
  goes_on,          // a: node, b: its role; it had stopped
  task_wakes,       // a: worker, b: run
  task_streams,     // a: worker, b: run
  task_reports,     // a: worker, b: run
  caller_streams,   // a: incarnation, b: call number
  told_of_end,      // a: worker, b: generation
  allocation_ends,  // a: worker, b: generation
  hub_drained       // a: its life
};

enum chaos_kind : std::uint32_t {
  partition,
  reconnect,
  worker_crash,
  client_crash,
  hub_restart,
  drain,
  imposture,
  lies,
  stoppage,
  hub_upgrade,
  chaos_kinds
};

struct happening {
  kind what{};
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

// A node that does nothing for a while, as a stopped process, and what has happened to it meanwhile.
struct stillness {
  bool still = false;
  time_point since = 0;
  time_point went_on = 0;  // when it last did
  std::vector<happening> put_off;
};

// An attempt, as world::name_of() names it.
struct suspicion {
  call_id call;
  std::uint32_t attempt = 0;
};

}  // namespace yonder::core::simulation
