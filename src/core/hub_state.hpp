// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/link.hpp"
#include "src/core/metadata.hpp"
#include "src/core/number_map.hpp"
#include "src/core/ring.hpp"
#include "src/core/slab.hpp"
#include "src/core/timer_wheel.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

// What the hub knows. Private to hub*.cpp.
namespace yonder::core {

struct call_record;
struct function_record;
struct image;
struct client_session;
struct worker_session;

struct queue_tag {};
struct owner_tag {};
struct load_tag {};
struct idle_tag {};
struct unoffered_tag {};

enum class timer_kind : std::uint8_t { call, client_link, worker_link, worker_grace, peer_hello, start };

enum class stage : std::uint8_t {
  queued,     // in its function's queue
  delayed,    // waits for its backoff
  tokenless,  // waits for a retry token
  assigned,   // a worker has it
};

template <class Owner>
struct timer_of : timer {
  Owner* owner = nullptr;
};

// A call without its outcome yet.
struct call_record : timer, list_hook<queue_tag>, list_hook<owner_tag> {
  call_id id;
  client_session* client = nullptr;
  function_record* function = nullptr;
  frame_ref message;
  call_policy policy;
  time_point deadline = never;
  std::uint64_t stamp = 0;  // its place in the order of arrival
  std::size_t bytes = 0;
  stage now_in = stage::queued;
  time_point due = never;     // of its backoff or of its attempt's timeout
  std::uint32_t attempt = 0;  // the number of the last assignment
  std::uint32_t tries = 0;    // attempts that may have been started
  int kills = 0;              // workers that ended while they ran it
  int unstarted = 0;          // workers that ended with it as the first that they had not started
  worker_session* worker = nullptr;
  std::uint32_t sequence = 0;
  std::string last_failure;  // why it is tried again

  void reset() {
    message = {};
    last_failure.clear();
    tries = attempt = 0;
    kills = unstarted = 0;
    worker = nullptr;
    due = never;
  }
};

using call_queue = intrusive_list<call_record, queue_tag>;

// A task's name and structure, as far as a worker offers it or a call asks for it.
struct function_record : list_hook<unoffered_tag> {
  std::string name;
  std::uint64_t signature = 0;
  std::string schema;
  call_queue queue;
  std::size_t calls = 0;
  struct offer {
    image* by = nullptr;
    std::size_t place = 0;  // in its heap, from 1; 0: nothing is queued
  };
  std::vector<offer> offers;
  bool was_offered = false;
  time_point unoffered_since = 0;
  duration estimate = never;  // of a run; never: not measured yet

  std::uint64_t head_stamp() { return queue.front().stamp; }
};

// A table of functions that one or several workers have in common, and the workers that have it.
struct image {
  std::string key;
  std::vector<function_record*> functions;
  std::vector<function_record*> heap;  // of functions with a queue, the longest waiting call first
  std::size_t workers = 0;
  intrusive_list<worker_session, load_tag> idle;       // the last to become idle first
  intrusive_list<worker_session, load_tag> available;  // busy, with room for work that waits
  std::size_t loaded = 0;                              // workers with two attempts or more
};

// An assignment without its answer yet. Without a call it is fenced: only its slot counts.
struct attempt_record {
  call_record* call = nullptr;
  call_id id;
  std::uint32_t number = 0;
  std::uint32_t sequence = 0;
  duration estimate = 0;
  bool recalled = false;
};

struct peer_record;

struct session {
  std::uint64_t id = 0;
  peer_role role{};
  std::string name;
  std::uint64_t process = 0;
  link conn;
  frame_limits limits;  // what it can receive
  peer_record* peer = nullptr;
  std::uint32_t hello = 0;  // the number of the hello that made or resumed it
  std::uint8_t welcome_flags = 0;
  timer_of<session> link_timer;
};

struct client_session : session {
  std::uint64_t last_number = 0;
  number_map<call_record> calls;
  intrusive_list<call_record, owner_tag> order;
  std::size_t bytes = 0;
  std::vector<function_info> functions;
};

enum class load : std::uint8_t { out_of_service, idle, available, full };

struct worker_session : session, list_hook<load_tag>, list_hook<idle_tag> {
  image* program = nullptr;
  ring<attempt_record> outstanding;
  duration backlog = 0;
  time_point head_since = 0;
  time_point idle_since = 0;
  load now_is = load::out_of_service;
  bool counted_loaded = false;
  bool draining = false;  // takes no more work
  bool dying = false;     // kill_worker was asked for
  bool left_service = false;
  std::uint64_t start = 0;
  timer_of<worker_session> grace_timer;
  bool in_service() const { return !draining && !dying; }
};

struct peer_record {
  peer_id id = 0;
  bool reliable = false;
  std::uint64_t start = 0;
  session* owner = nullptr;
  timer_of<peer_record> hello_timer;
  void reset() {
    owner = nullptr;
    start = 0;
  }
};

// A worker process between start_worker and hello.
struct start_record {
  std::uint64_t id = 0;
  timer_of<start_record> start_timer;
};

struct function_key {
  std::string_view name;
  std::uint64_t signature = 0;
  friend bool operator==(function_key const&, function_key const&) = default;
};
struct function_key_hash {
  std::size_t operator()(function_key const& key) const noexcept {
    return std::hash<std::string_view>()(key.name) ^ static_cast<std::size_t>(key.signature);
  }
};

// "the worker was ended by SIGSEGV (signal 11)"
std::string describe_loss(peer_loss const& loss);

struct hub::state {
  state(hub_config made, time_point now);

  // hub_sessions.cpp: who is connected
  void connected(time_point now, peer_id peer, peer_link link, outputs& out);
  void lost(time_point now, peer_id peer, peer_loss const& loss, outputs& out);
  void receive(time_point now, peer_id peer, frame&& message, outputs& out);
  void hello(time_point now, peer_record& peer, frame const& message, outputs& out);
  void begin_client(time_point now, peer_record& peer, hello_message& said, std::uint32_t number,
                    outputs& out);
  void begin_worker(time_point now, peer_record& peer, hello_message& said, std::uint32_t number,
                    outputs& out);
  void begin_session(time_point now, session& made, peer_record& peer, hello_message& said,
                     std::uint32_t number, outputs& out);
  void resume_session(time_point now, session& one, peer_record& peer, header const& head, outputs& out);
  void rebind(time_point now, session& one, peer_record& peer, outputs& out);
  void welcome(time_point now, session& one, outputs& out);
  void receive_from(time_point now, session& one, frame&& message, outputs& out);
  void deliver(time_point now, session& one, frame&& message, outputs& out);
  void ended(time_point now, session& one, peer_loss const& loss, outputs& out);
  void end_client(time_point now, client_session& client, outputs& out);
  void end_worker(time_point now, worker_session& worker, peer_loss const& loss, outputs& out);
  void part(time_point now, session& one, errc code, std::string const& text, std::uint8_t flags,
            outputs& out);
  void dismiss(time_point now, session& one, errc code, std::string text, outputs& out);
  void shut_down(time_point now, session& one, outputs& out);
  void fell_silent(time_point now, session& one, outputs& out);
  void refuse(time_point now, peer_record& peer, header const& head, errc code, std::string text,
              outputs& out);
  void ask_to_rejoin(peer_record& peer, header const& head, outputs& out);
  void forget_peer(peer_record& peer);
  void watch(session& one);
  void link_time(time_point now, session& one, outputs& out);
  bool alive(std::uint64_t id, std::uint32_t epoch) const;
  std::uint32_t send(time_point now, session& to, frame&& message, outputs& out);

  // hub_calls.cpp: what is asked for, and how it ends
  void take_call(time_point now, client_session& client, frame&& message, outputs& out);
  std::string overload(client_session const& client, std::size_t size) const;
  void take_cancel(time_point now, client_session& client, header const& head, outputs& out);
  void take_answer(time_point now, worker_session& worker, frame&& message, outputs& out);
  void take_error(time_point now, worker_session& worker, call_record& call, frame const& message,
                  outputs& out);
  void attempt_failed(time_point now, call_record& call, failure error, outputs& out);
  void unstarted_lost(time_point now, call_record& call, peer_loss const& loss, bool suspect, outputs& out);
  void attempt_lost(time_point now, call_record& call, worker_session& worker, peer_loss const& loss,
                    bool culprit, outputs& out);
  bool may_retry(call_record const& call, errc code) const;
  void retry_later(time_point now, call_record& call, failure error);
  void begin_backoff(time_point now, call_record& call);
  void arm(call_record& call) { timers.arm(call, std::min(call.deadline, call.due)); }
  void hand_out_tokens(time_point now);
  void refill_tokens(time_point now);
  void complete(time_point now, call_record& call, frame&& message, outputs& out);
  void fail(time_point now, call_record& call, failure error, outputs& out);
  void fail(time_point now, call_record& call, errc code, std::string text, outputs& out);
  void forget(call_record& call);
  void call_time(time_point now, call_record& call, outputs& out);
  void abandon(time_point now, call_record& call, outputs& out);
  void answer(time_point now, client_session& client, call_id id, failure error, outputs& out);

#ifdef YONDER_SIMULATE_MUTANTS
  call_record* unfenced(time_point now, call_id id, outputs& out);
#endif

  // hub_dispatch.cpp: who runs it
  function_record& function_of(std::string_view name, std::uint64_t signature);
  void release_function(function_record& function);
  image& image_of(std::vector<function_info>& functions);
  void release_image(time_point now, image& one);
  void enqueue(time_point now, call_record& call);
  void requeue(time_point now, call_record& call);
  void dequeue(call_record& call);
  void reorder(function_record& function);
  void dispatch(time_point now, outputs& out);
  void dispatch_image(time_point now, image& one, bool prefetch, outputs& out);
  worker_session* find_worker(image& one, function_record const& function, bool prefetch) const;
  bool fits(worker_session const& worker, function_record const& function) const;
  duration estimate_of(function_record const& function) const;
  void assign(time_point now, call_record& call, worker_session& worker, outputs& out);
  void head_began(time_point now, worker_session& worker);
  void measure(function_record& function, duration ran);
  load load_of(worker_session& worker) const;
  void leave_service(time_point now, worker_session& worker);
  void removed_attempt(time_point now, worker_session& worker, std::size_t index);
  void place(time_point now, worker_session& worker);
  void move_to(time_point now, worker_session& worker, load where);
  void say_cancel(time_point now, worker_session& worker, attempt_record const& attempt, std::uint8_t flags,
                  outputs& out);
  void recall_waiting(time_point now, worker_session& worker, outputs& out);
  void spread(time_point now, outputs& out);
  void judge_unoffered(time_point now, outputs& out);
  void fail_unoffered(time_point now, function_record& function, outputs& out);
  failure explain_unoffered(function_record& function, client_session const& client) const;

  // hub_workers.cpp: how many workers there are
  void scale(time_point now, outputs& out);
  bool wants_worker(time_point now) const;
  time_point scale_due() const;
  void start_worker(time_point now, outputs& out);
  void start_failed(time_point now, std::uint64_t start, std::string const& reason,
                    std::string const& stderr_tail, outputs& out);
  void start_succeeded(std::uint64_t start);
  void give_up_starting(time_point now, outputs& out);
  void let_go_idle(time_point now, outputs& out);
  void drain(time_point now, worker_session& worker, outputs& out);
  void worker_drains(time_point now, worker_session& worker, outputs& out);
  void kill(time_point now, worker_session& worker, std::string reason, outputs& out);

  void settle(time_point now, outputs& out);
  void tick(time_point now, outputs& out);
  time_point next_deadline() const;

  hub_config config;
  random_source random;
  timer_wheel timers;
  hub_counters counters;
  std::uint32_t last_epoch;

  slab<peer_record> peer_records;
  number_map<peer_record> peers;
  number_map<session> sessions;
  std::unordered_map<std::uint64_t, std::unique_ptr<client_session>> clients;
  std::unordered_map<std::uint64_t, std::unique_ptr<worker_session>> workers;
  std::unordered_map<std::uint64_t, std::unique_ptr<start_record>> starts;

  slab<call_record> calls;
  std::size_t bytes = 0;
  std::uint64_t last_stamp = 0;
  std::size_t queued = 0;
  call_queue tokenless;
  std::size_t delayed = 0;
  double tokens;
  time_point tokens_at;

  std::unordered_map<function_key, std::unique_ptr<function_record>, function_key_hash> functions;
  function_record* last_function = nullptr;
  intrusive_list<function_record, unoffered_tag> unoffered;
  std::map<std::string, image> images;

  std::size_t in_service = 0;       // workers that take work
  std::size_t ours_in_service = 0;  // of them, started by this hub
  std::uint64_t last_start = 0;
  int start_failures = 0;
  std::string start_failure_reason;
  std::string start_failure_tail;
  time_point start_not_before = 0;
  time_point waiting_since = never;  // since when calls have waited without a further worker being asked for
  intrusive_list<worker_session, idle_tag> idle_started;  // workers of ours, the longest idle first
  time_point spread_due = never;
  time_point judge_due = never;  // when to look again at calls for functions that nobody offers
};

}  // namespace yonder::core
