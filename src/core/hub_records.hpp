// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub.hpp"
#include "src/core/idempotency.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/items.hpp"
#include "src/core/link.hpp"
#include "src/core/metadata.hpp"
#include "src/core/mutant.hpp"
#include "src/core/number_map.hpp"
#include "src/core/requirements.hpp"
#include "src/core/ring.hpp"
#include "src/core/service_order.hpp"
#include "src/core/streams.hpp"
#include "src/core/task_numbers.hpp"
#include "src/core/timer_wheel.hpp"
#include "src/core/value_table.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

// What the hub's classes keep: records that are linked with each other. Private to the hub.
namespace yonder::core {

struct call_record;
struct caller_record;
struct function_record;
struct image;
struct order_record;
struct pool_record;
struct quota;
struct worker_session;

struct queue_tag {};
struct caller_tag {};
struct child_tag {};
struct lane_tag {};
struct load_tag {};
struct idle_tag {};
struct stream_tag {};
struct unoffered_tag {};

enum class timer_kind : std::uint8_t {
  call,
  orphans,
  client_link,
  worker_link,
  worker_grace,
  peer_hello,
  start
};

template <class Owner>
struct timer_of : timer {
  Owner* owner = nullptr;
};

template <class Owner>
Owner& owner_of(timer& due) {
  return *static_cast<timer_of<Owner>&>(due).owner;
}

enum class call_stage : std::uint8_t {
  composing,  // waits for the values of other calls
  queued,     // in its function's queue
  ordered,    // behind others of its order key
  stalled,    // in its caller's: that has yet to take earlier results
  held,       // in its quota's: its credential has as many as it may
  unsynced,   // waits for the journal
  reading,    // its arguments are read back from the journal
  delayed,    // waits for its backoff
  tokenless,  // waits for a retry token
  assigned,   // a worker has it
  sought,     // a worker of an earlier hub may have it
  recording,  // its outcome waits for the journal
  ended,      // its outcome waits for its caller to come back
  returning,  // a hub that ends gives it back to its client,
  put_off,    // or leaves it to the next one
  leaving,    // none of them
};

// The calls that an attempt's task has made.
struct nest {
  intrusive_list<call_record, child_tag> children;
  task_progress told;                                // of them, to the task's client
  task_progress waits_at = wait_message::no_longer;  // the task waits while that is all
  bool waits = false;                                // counted in worker_session::waiting_attempts
};

// The value of a call with which others wait, or whose buffers are among their arguments. It counts once,
// however many they are.
struct held_value {
  frame_ref value;
  std::size_t bytes = 0;
};
using value_holder = std::shared_ptr<held_value const>;  // let go by call_table

// What a call waits for whose arguments are the values of others.
struct composition {
  struct argument {
    awaited_argument where;
    value_holder value;  // null: it is to come
  };
  std::vector<argument> arguments;
  std::size_t missing = 0;
};

// When what happened to a call, where it is traced.
struct trace_record {
  time_point submitted = 0;
  time_point waits_since = 0;  // for a worker
  time_point assigned = 0;
  time_point began = never;
  errc code{};               // of the attempt that ends
  bool handed_back = false;  // it was not started
};

// What a call streams: out of its task, into it, or both.
struct stream_record : list_hook<stream_tag> {
  call_record* call = nullptr;
  bool reads = false;     // its caller reads what its task produces
  stream_level allowed;   // by its caller
  stream_account output;  // `allowed`: as was told to the worker that it is with
  bool runs = false;      // counted in worker_session::nests
  bool waits = false;     // for its reader, or its input; counted in worker_session::waiting_attempts
  duration left = never;  // of the attempt's timeout, meanwhile
  bool feeds = false;     // its task reads what its caller sends
  stream_account input;
  bool input_ended = false;
  std::uint64_t wants_input_at = ~std::uint64_t{0};  // its task waits for more than so many items
  std::uint64_t told = 0;                            // frames, to its caller

  bool waits_for_reader() const { return reads && output.waits(); }
  bool waits_for_input() const { return !input_ended && wants_input_at == input.passed.items; }
};

// When a call's callback is made.
enum class called_back : std::uint8_t { none, with_value, always };

// A call whose caller has not been given its outcome; or several, as long as the same holds for all of them.
struct call_record : timer, list_hook<queue_tag>, list_hook<caller_tag>, list_hook<child_tag> {
  call_id id;                       // of its first item
  std::uint32_t count = 1;          // items: calls of one task and policy with consecutive numbers
  caller_record* caller = nullptr;  // the account that it counts against, not a session
  function_record* function = nullptr;
  frame_ref message;        // call_stage::recording and ended: the outcome
  packed_items packed;      // of it
  std::uint32_t first = 0;  // the place there of this record's first item
  std::size_t offset = 0;   // of that one's payload
  std::size_t payload = 0;  // bytes, of all its items
  call_policy policy;
  time_point deadline = never;
  std::uint64_t stamp = 0;  // by its place in the queue
  std::uint64_t arrival = 0;
  std::uint32_t depth = 0;  // of calls that were made from within each other
  std::uint32_t priority = usual_priority;
  flow_record* flow = nullptr;       // whose share it is served from
  core::lane* lane = nullptr;        // call_stage::queued
  service_charge charged;            // for what the last attempt was given, until that is known to have begun
  order_record* order = nullptr;     // of its order key; null: it has none
  call_record* parent = nullptr;     // that made it, as long as that attempt lasts
  std::unique_ptr<core::nest> nest;  // call_stage::assigned, one item: what its task has called
  std::unique_ptr<stream_record> stream;
  std::unique_ptr<composition> composed;  // call_stage::composing
  std::unique_ptr<trace_record> traced;   // null: it is not
  std::vector<value_holder> values;       // that share buffers with its message
  std::vector<value_table::pin> pins;     // to what its outcome, or its arguments, have references
  std::set<call_id> finders;              // other calls, by which its outcome is asked for
  key_record* key = nullptr;              // that it stands for; null: none
  std::uint32_t joined = 0;               // of the finders, those that wait for it as its caller does
  std::size_t bytes = 0;
  call_stage stage = call_stage::queued;
  bool accepted = false;         // the journal has it
  bool start_recorded = false;   // the journal says that it may be started
  std::uint64_t start_for = 0;   // out::append::worker of that
  bool stored = false;           // only the journal has its arguments: of the message there is the metadata
  time_point due = never;        // of its backoff or of its attempt's timeout
  std::uint64_t record = 0;      // of the journal, which has to be synced first
  std::uint32_t attempt = 0;     // the number of the last assignment
  std::uint32_t tries = 0;       // attempts that may have been started
  bool was_abandoned = false;    // an attempt was given up, which may have run
  int kills = 0;                 // workers that ended while they ran it
  int unstarted = 0;             // workers that ended with it as the first that they had not started
  int cut_short = 0;             // allocations that ended while they ran it, and cost it no retry
  int outlived = 0;              // workers that came with less time than its timeout while it was queued
  core::quota* quota = nullptr;  // that it counts against, or waits for (call_stage::held); null: none
  batch_policy batching;
  called_back callback = called_back::none;
  time_point queued_since = 0;
  bool alone = false;                 // runs without neighbours: a worker ended while it ran beside others
  worker_session* worker = nullptr;   // call_stage::assigned
  bool stuck = false;                 // of wait_search
  std::uint64_t holder = 0;           // call_stage::recording: the worker that keeps its outcome until then
  time_point orphaned_since = never;  // since when nobody waits for it; never: its caller does
  std::string last_failure;           // why it is tried again

  std::uint32_t claim = 0;   // its caller's ticket for the attempt that outlasts its hub; 0: none does
  bool handed_over = false;  // its worker and its caller go on with it without this hub
  bool of_hub = false;       // only this hub can run it: it is part of a call that runs, or made of others

  bool is_whole() const { return count == packed.count; }  // the message is of its items only
  bool may_repeat() const { return policy.idempotent || policy.retries != 0; }
  // Its outcome is fixed; the message is that.
  bool has_ended() const { return stage == call_stage::recording || stage == call_stage::ended; }
  bool in_journal() const { return accepted || record != 0; }  // or on its way there; of durable calls
  void reset() {
    message = {};
    packed = {};
    count = 1;
    first = 0;
    offset = payload = 0;
    last_failure.clear();
    tries = attempt = depth = 0;
    arrival = 0;
    stuck = false;
    priority = usual_priority;
    flow = nullptr;
    lane = nullptr;
    charged = {};
    order = nullptr;
    parent = nullptr;
    nest.reset();
    stream.reset();
    composed.reset();
    traced.reset();
    values.clear();
    pins.clear();
    finders.clear();
    key = nullptr;
    joined = 0;
    was_abandoned = false;
    kills = unstarted = cut_short = outlived = 0;
    quota = nullptr;
    record = 0;
    worker = nullptr;
    holder = 0;
    start_for = 0;
    claim = 0;
    accepted = start_recorded = stored = alone = of_hub = handed_over = false;
    due = orphaned_since = never;
    batching = {};
    callback = called_back::none;
  }
};

using call_queue = intrusive_list<call_record, queue_tag>;
using caller_list = intrusive_list<call_record, caller_tag>;

// Calls under one order key of one credential: one after the other.
struct order_record {
  std::string key;
  std::size_t calls = 0;
  call_queue waiting;           // call_stage::ordered
  call_record* head = nullptr;  // the one that is not; null: none is
  std::size_t attempts = 0;     // in the hands of workers, also of calls that have ended
};

// The calls of one function that are served alike: first in, first out.
struct lane : list_hook<lane_tag> {
  function_record* function = nullptr;
  flow_record* flow = nullptr;
  service_rank rank = 0;
  call_queue calls;
  std::vector<std::unique_ptr<lane_place>> places;  // one for each of function_record::offers, in their order
};

// A lane in the order of service of an image that offers its function.
struct lane_place {
  core::lane* of = nullptr;
  core::image* by = nullptr;
  service_order::flow_share* in = nullptr;  // null: it has no calls
  std::size_t place = 0;
  std::uint64_t stamp() const noexcept { return of->calls.front().stamp; }
  bool comes_before(lane_place const& other) const noexcept { return stamp() < other.stamp(); }
};

struct lane_key {
  flow_record* flow = nullptr;
  service_rank rank = 0;
  friend bool operator==(lane_key const&, lane_key const&) = default;
};
struct lane_key_hash {
  std::size_t operator()(lane_key const& key) const noexcept {
    return std::hash<flow_record*>()(key.flow) ^ (std::size_t{key.rank} << 7);
  }
};

// A function's calls that wait for a worker.
struct function_queue {
  std::size_t size = 0;                     // records
  std::size_t items = 0;                    // calls
  lane* recent = nullptr;                   // that was asked for
  intrusive_list<lane, lane_tag> in_order;  // as they were made; some may be empty
  std::unordered_map<lane_key, std::unique_ptr<lane>, lane_key_hash> lanes;

  bool empty() const noexcept { return size == 0; }
  // One of them. Not if empty().
  call_record& any() {
    auto* one = &in_order.front();
    while (one->calls.empty()) one = in_order.after(*one);
    return one->calls.front();
  }
  // Calls visit(call) for each, lane by lane.
  template <class Visit>
  void each(Visit&& visit) {
    for (auto* one = in_order.first(); one != nullptr; one = in_order.after(*one))
      for (auto* call = one->calls.first(); call != nullptr; call = one->calls.after(*call)) visit(*call);
  }
  // Calls visit(lane) for each that has calls.
  template <class Visit>
  void each_lane(Visit&& visit) {
    for (auto* one = in_order.first(); one != nullptr; one = in_order.after(*one))
      if (!one->calls.empty()) visit(*one);
  }
};

// A client session's calls and what they cost. It outlives the session as long as one of its calls is left.
struct caller_record {
  std::uint64_t session = 0;
  std::string identity;         // the credential that its calls belong to
  flow_record* flow = nullptr;  // of those without a fairness key
  bool connected = false;
  number_map<call_record> calls;                  // by their first numbers
  std::map<std::uint64_t, call_record*> batches;  // of them, those with several items
  std::uint64_t highest = 0;                      // the highest number of a call that was ever taken
  std::size_t items = 0;
  caller_list subscribed;     // the caller waits for them
  caller_list orphaned;       // nobody does; the first to be so first
  caller_list lasting;        // nobody does, and they go on
  std::size_t bytes = 0;      // of its calls
  std::size_t untaken = 0;    // bytes of outcomes that were sent and have not been taken
  std::size_t recording = 0;  // and of those that the journal is to have first
  call_queue stalled;
  intrusive_list<stream_record, stream_tag> streams;
  std::set<std::pair<std::uint64_t, std::uint64_t>>
      awaiting;  // the number of a call, and that of one that waits for its value
  timer_of<caller_record> orphan_timer;
};

// A task's name and structure, as far as a worker or a pool offers it or a call asks for it.
struct function_record : list_hook<unoffered_tag> {
  std::string name;
  std::uint64_t signature = 0;
  std::string schema;
  function_queue queue;
  std::size_t calls = 0;
  std::vector<image*> offers;
  pool_record* pool = nullptr;  // that starts workers for it
  pool_record* home = nullptr;  // the only one whose workers count; null: those without requirements
  build_choice build;           // of whose calls those take part that say the same
  bool was_offered = false;
  time_point unoffered_since = 0;
  std::string last_loss;       // how the last worker that offered it ended
  duration estimate = never;   // of a run; never: not measured yet
  time_point waits_since = 0;  // of wait_watch
  bool wait_told = false;
  task_numbers* numbers = nullptr;  // of its task
  std::size_t ordered = 0;          // calls that wait for the turn of their order key
  bool batches = false;             // its calls may run together
  bool expected = false;            // durable calls wait for a worker that has it, however long that takes
};

// Of whoever waits for a worker that came by itself and has others to serve.
struct turn_wait {
  time_point since = never;  // never: nobody
  time_point due = never;    // when one is to give way

  void note(time_point now, bool waits, duration patience) {
    if (waits && since != never) return;
    since = waits ? now : never;
    due = add(since, patience);
  }
};

// A table of functions that one or several workers have in common, and the workers that have it.
struct image {
  std::string key;
  program_build made_of;
  std::uint64_t number = 0;     // no other one has had it
  pool_record* home = nullptr;  // of its functions
  std::vector<function_record*> functions;
  service_order order;      // of their calls that wait
  std::size_t holders = 0;  // workers and pools that have it
  std::size_t workers = 0;
  std::size_t waiting = 0;                             // of them, for calls that their tasks have made
  std::size_t lent = 0;                                // workers that hold, or make, a service meanwhile
  turn_wait missed;                                    // calls wait that only those could take
  intrusive_list<worker_session, load_tag> idle;       // the last to become idle first
  intrusive_list<worker_session, load_tag> open;       // busy, and run more at once
  intrusive_list<worker_session, load_tag> available;  // busy, with room for work that waits
  intrusive_list<worker_session, load_tag> computing;  // busy for long, and nothing waits there
  std::size_t loaded = 0;          // workers in which something waits, and was not asked for
  std::size_t loaded_singles = 0;  // of them, those in which no batch is last
  // What waits in those, as it would wait in a queue.
  struct {
    function_record const* function = nullptr;  // null: nothing does
    flow_record const* flow = nullptr;
    service_rank rank = 0;
    bool several = false;  // it is of several lanes
  } waits_as;

  bool has_takers() const { return workers != waiting; }
  bool has(std::string_view name, std::uint64_t signature, build_choice const& build = {}) const {
    return takes(build, made_of) && std::any_of(functions.begin(), functions.end(), [&](auto const* one) {
             return one->signature == signature && one->name == name;
           });
  }
};

// An assignment whose items are without their answers yet. Without a call it is fenced: only its slot counts.
struct attempt_record {
  call_record* call = nullptr;
  call_id id;               // of its first item
  std::uint32_t count = 1;  // items
  std::uint32_t number = 0;
  std::uint32_t sequence = 0;
  std::uint32_t place = 0;  // of its first item in the frame
  duration estimate = 0;
  std::size_t bytes = 0;
  std::optional<std::uint32_t> told_to_stop{};  // the ticket of what says so, until that has come
  time_point stop_by = never;                   // it runs and knows that: when it must have stopped
  bool recalled = false;
  std::size_t frame_bytes = 0;    // of the frame that it went in
  bool alone = false;             // it must have no neighbours, also when nobody wants it any more
  bool in_company = false;        // those next to it with its sequence run as one with it
  bool ended = false;             // its worker has said so; the answer is on its way
  bool adopted = false;           // an earlier hub has assigned it
  bool unclaimed = false;         // and its caller may come and say that it is his
  order_record* order = nullptr;  // of its call; the next one waits for this

  bool runs_with(attempt_record const& other) const { return in_company && sequence == other.sequence; }
};

struct peer_record;

struct session {
  std::uint64_t id = 0;
  peer_role role{};
  std::string name;
  program_build made_of;
  std::string identity;
  std::uint64_t process = 0;
  link conn;
  frame_limits limits;  // what it can receive
  peer_record* peer = nullptr;
  std::uint32_t hello = 0;  // the number of the hello that made or resumed it
  std::uint8_t welcome_flags = 0;
  std::size_t table_bytes = 0;  // of the functions that its hello names
  timer_of<session> link_timer;
};

// A connected caller: whom the outcomes of its calls are sent to.
struct client_session : session {
  std::vector<function_info> functions;
  struct untaken_outcome {
    std::uint32_t sequence = 0;
    std::size_t bytes = 0;
  };
  ring<untaken_outcome> untaken;
  // By their numbers, calls that ask for the outcomes of others, which have not ended.
  struct search {
    call_id wanted;
    attempt_key parent{};  // whose task asks; attempt 0: none does
    bool joins = false;    // it is the same call: who cancels it leaves the others alone
  };
  std::map<std::uint64_t, search> searches;
  // By the numbers under which they are told, outcomes that only the journal has: one is read after the
  // other.
  struct wanted_outcome {
    call_id first;
    std::uint32_t count = 1;
    attempt_key parent;
  };
  std::map<std::uint64_t, wanted_outcome> wanted;
  std::uint64_t reads = 0;   // out::read::number; 0: none is
  bool knows_drain = false;  // it gives this hub no more calls, but such as drain() lets begin
};

// Of a worker that has nothing to do.
enum class parking : std::uint8_t {
  none,
  begins,  // it was asked to release what it has on its GPUs
  parked,  // it has: they are others'
  ends,    // it was asked to bring that back
};

enum class worker_load : std::uint8_t { out_of_service, idle, open, available, computing, full };

struct worker_session : session, list_hook<load_tag>, list_hook<idle_tag> {
  image* program = nullptr;
  pool_record* pool = nullptr;  // that started it; null: it came by itself
  std::uint64_t start = 0;      // out::start_worker::start, if it was started elsewhere
  std::optional<resource_lease> lease;
  std::string gpus;               // of one elsewhere, as it has said
  time_point served_since = 0;    // it has run calls
  image* lent_by = nullptr;       // it came by itself, and makes or holds a service; null: it does not
  bool leaving = false;           // it was asked to end that service
  bool yields = false;            // it came by itself, and gives way to others when it has ended what it runs
  bool isolated = false;          // it was given the only call that it runs
  std::uint32_t concurrency = 1;  // items that it runs at once
  ring<attempt_record> outstanding;  // in the order in which it starts them
  std::size_t running = 0;           // of them, from the first on: it has them, and so runs them
  std::size_t items = 0;             // outstanding; a batch that runs as one is one
  std::size_t in_company = 0;        // outstanding records of such
  std::size_t ended = 0;             // outstanding, but only their answers, which are on their way
  duration backlog = 0;
  std::size_t backlog_bytes = 0;
  time_point began_since = 0;  // since when it has run what it began last
  time_point idle_since = 0;
  worker_load load = worker_load::out_of_service;
  bool held_some = false;     // attempts of an earlier hub, when it came
  bool all_recalled = false;  // what waits there
  bool counted_loaded = false;
  bool counted_singles = false;
  bool draining = false;            // takes no more work
  bool quiet = false;               // nothing has come of it for a while: no new work until something does
  std::uint64_t awaits_record = 0;  // it is kept free for what the journal is to say first; 0: it is not
  std::uint64_t awaits_read = 0;    // likewise, for arguments: out::read::number
  bool dying = false;               // kill_worker was asked for
  bool gone = false;                // its session has ended, and what it had is being dealt with
  bool condemned = false;      // something in it does not stop: it goes when what runs beside that has ended
  time_point gone_by = never;  // when it must have done what it was told last
  std::optional<std::uint32_t> told{};  // the ticket of what says so, until that has come
  duration within = 0;                  // its time for that from then on
  bool left_service = false;
  // While it makes its service it is in no image; what it will offer stands here.
  bool entering = false;
  std::vector<function_info> table;    // likewise while it is parked
  std::uint32_t nests = 0;             // attempts whose tasks have made calls, or stream
  std::uint32_t waiting_attempts = 0;  // of them, those that wait for these, for a reader or for input
  std::uint32_t stuck = 0;             // of wait_search: of these, those that may wait for ever
  bool waits = false;                  // so nothing is computed there
  timer_of<worker_session> grace_timer;
  // Of its allocation; never: it has no end. It is given nothing that would end after `drains_at`.
  time_point ends_at = never, drains_at = never;
  duration lasts = never;         // until then, from its hello on
  time_point replace_at = never;  // before that: when another one is to be on its way
  bool expires = false;           // that time has come
  bool passed_over = false;       // what waits does not end in time there
  time_point start_since = 0;     // when out::start_worker was said for it
  parking park = parking::none;
  time_point parked_since = 0;
  bool goes() const { return draining || dying || gone; }
  bool in_service() const { return !draining && !dying && park == parking::none; }
  // How many of its attempts, from the first on, run at once or are next to. One that has ended takes no
  // place.
  std::size_t places() {
    if (in_company == 0 && ended == 0) return std::min<std::size_t>(outstanding.size(), concurrency);
    std::size_t end = 0;
    for (std::size_t runs = 0; end < outstanding.size(); ++end) {
      auto const& one = outstanding[end];
      auto const joins = end != 0 && one.runs_with(outstanding[end - 1]);
      if (!one.ended && !joins && ++runs > concurrency) break;
    }
    return end;
  }
};

struct peer_record {
  peer_id id = 0;
  bool reliable = false;
  std::uint64_t start = 0;
  std::string identity;
  bool is_operator = false;
  bool may_call = true;
  bool may_work = true;
  std::uint64_t issued_for = 0;
  session* owner = nullptr;
  timer_of<peer_record> hello_timer;
  void reset() {
    owner = nullptr;
    is_operator = false;
    may_call = may_work = true;
    start = issued_for = 0;
    identity.clear();
  }
};

// A worker between out::start_worker and its hello.
struct start_record {
  std::uint64_t id = 0;
  std::uint64_t token = 0;
  pool_record* pool = nullptr;
  std::optional<resource_lease> lease;
  time_point since = 0;
  bool held = false;  // elsewhere: there is no room for it so far
  timer_of<start_record> start_timer;
};

// Workers that the hub starts, all of one program.
struct pool_record {
  pool_config config;
  bool on_demand = false;  // made for calls that say what they need; not of hub_config
  std::string key;         // on_demand: those requirements as they came
  requirements needs;
  std::size_t users = 0;     // on_demand: functions, starts and workers of it
  std::size_t entering = 0;  // workers that make their service
  std::size_t isolated = 0;  // workers that run their only call, and do not wait for others
  std::size_t wanted = 0;    // so many more workers are to be started although nothing waits
  std::size_t seen = 0;      // workers, by whoever counts them for now
  bool expected = false;     // as function_record::expected
  bool is_set = false;       // somebody has said how large it is: it is not forgotten
  bool recruits = false;     // its workers are some that came by themselves, for as long as they are needed
  // Of a service whose workers are of a program of their own, its model; null: they are of the first pool's,
  // or came by themselves.
  pool_config const* own_model = nullptr;
  bool lacks_recruits = false;    // none of those is idle now
  turn_wait lacks;                // of it, and it has no other worker
  bool shrinks = false;           // idle workers past its largest number go at once
  std::string impossible;         // why it can never have a worker, in words; empty: it can
  image* program = nullptr;       // what its workers offer; null: not known before the first one
  std::size_t queued = 0;         // records of calls that wait for a worker of it
  std::size_t queued_items = 0;   // calls
  std::size_t ordered_items = 0;  // calls that wait for the turn of their order key
  std::size_t starting = 0;
  std::size_t held = 0;       // of them, those that have no room so far,
  std::string held_why;       // as was said of one last
  std::uint64_t delayed = 0;  // of them, the one of which it was said last why it is not there yet,
  std::string delayed_why;    // in words; empty: of none
  std::size_t in_service = 0;
  std::size_t waiting = 0;     // of them, for calls that their tasks have made
  std::size_t expiring = 0;    // of them, whose allocation ends soon,
  std::size_t to_replace = 0;  // and of these, those for whom no other one is on its way
  int start_failures = 0;      // in a row, since that was told last
  int failures_in_row = 0;     // since one came last
  std::string failure_reason;
  std::string failure_tail;
  time_point start_not_before = 0;
  time_point least_not_before = 0;   // where nobody waits
  time_point waiting_since = never;  // since when calls have waited and no further worker was asked for
  time_point short_since = never;    // since when it wants a worker and others have what that needs
  intrusive_list<worker_session, idle_tag> idle;  // the longest idle first
  std::vector<worker_session*> parked;            // the longest parked first

  time_point used_last = never;  // when a call of it last waited or ran; never: it is not known yet
  bool gives_way = false;        // to another one: nothing of it stays that is not used

  // ", 2 times in a row; the last time it exited", or ": it exited"
  std::string failures_in_words() const {
    if (start_failures == 1) return ": " + failure_reason;
    return ", " + std::to_string(start_failures) + " times in a row; the last time " + failure_reason;
  }
  // Whether each of its workers has something of this machine for itself.
  bool leases() const { return needs.resources.any() && !config.elsewhere; }
  void forget_delay(std::uint64_t start) {
    if (start == delayed) delayed_why.clear();
  }
  // Workers that stay although idle.
  std::size_t least() const { return gives_way ? 0 : config.min_workers; }
  bool is_used() const { return queued != 0 || isolated != 0 || in_service > idle.size(); }
  std::size_t workers() const { return in_service + entering + starting + isolated; }
  // Calls that wait, also those that others of their order key are before.
  std::size_t waiting_items() const { return queued_items + ordered_items; }
  // How many more may come, once there are workers: those for which one is idle do not wait.
  std::size_t room(bool is_ordered) const {
    if (config.max_queue == 0 || workers() == 0) return ~std::size_t{0};
    auto const most = config.max_queue + (is_ordered ? 0 : idle.size() * needs.concurrency);
    return most - std::min(most, waiting_items());
  }
  bool has_service() const { return !needs.service.empty(); }
  // Against max_workers.
  std::size_t counted() const { return YONDER_MUTANT(waiting_counts) ? workers() : workers() - waiting; }
  // The same, as it will soon be.
  std::size_t lasting() const { return counted() - std::min(counted(), expiring); }
  std::size_t computing() const { return in_service - waiting - idle.size(); }
};

}  // namespace yonder::core
