// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/simulation/records.hpp"

// The simulated world, one file a concern: network.cpp (frames under way), nodes.cpp (hub, clients, workers),
// drivers.cpp (what src/runtime does with threads and sockets),
// observers.cpp (what the protocol promises), simulation.cpp (time, chance and misfortune), profiles.cpp.
namespace yonder::core::simulation {

// Of its hub: for how long a task that is told to stop may go on.
duration cancel_grace(profile const& how);

class world {
 public:
  world(profile const& how, options const& what) : how_(how), what_(what), random_(what.seed) {
    auto const longest = how_.straggle > 0 ? how_.longest_delay * 100 : how_.longest_delay;
    slack_ = 4 * longest + 2 * millisecond;
    if (how_.slow_bytes_per_second != 0) slack_ += 500 * millisecond;  // behind a window of chunks
    if (how_.stop_every != 0) slack_ += how_.longest_hub_stop + how_.longest_stop;
  }
  report run();

 private:
  // --- the beginning and the end

  void begin();
  bool at_rest();
  void abandon_part();
  void abandon_pool();
  std::int64_t abandoned_calls() const;
  void finish();
  std::string describe(record const& call) const;
  void note_counters();
  void violated(std::string what);

  // --- chance

  double chance() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }
  [[gnu::always_inline]] bool happens(double probability) {
    return probability > 0 && !stopping_ && occurs(probability);
  }
  bool occurs(double probability) { return chance() < probability; }
  duration between(duration low, duration high) {
    return low + static_cast<duration>(random_.below(static_cast<std::uint64_t>(high - low) + 1));
  }
  // Each step is one to one: what differs once goes on to differ (FNV-1a; Fowler, Noll, Vo 1991).
  void note(std::uint64_t what, std::uint64_t more) {
    constexpr std::uint64_t prime = 0x100000001b3;
    seen_.digest = ((seen_.digest ^ what) * prime ^ more) * prime;
  }

  // --- the network

  void plan(duration after, kind what, std::uint32_t a = 0, std::uint32_t b = 0);
  connection& link_of(peer_id peer) { return connections_[peer - 1]; }
  void post(out::send&& send, bool to_hub);
  void make_room(connection& over, bool to_hub);
  duration delay();
  time_point leaves(connection& over, bool to_hub, frame const& message);
  void transmit(out::send&& send, bool to_hub, time_point arrives);
  void code(parcel& made);
  static frame_fault decode(parcel const& come, frame const& sent, frame& message);
  std::uint32_t take_parcel();
  void arrive(std::uint32_t index);
  void deliver(peer_id peer, connection const& over, bool to_hub, frame&& message);
  peer_id open_connection(bool of_worker, std::uint32_t node, std::uint32_t generation);

  // --- the hub

  void make_hub();
  std::string identity_of(bool of_worker, std::uint32_t index) const {
    if (!of_worker && clients_[index].worker != no_slot) return identity_of(true, clients_[index].worker);
    auto const credential = of_worker ? index : index / clients_of_a_credential();
    return (of_worker ? "worker" : "client") + std::to_string(credential);
  }
  static link_timing timing();
  void after_hub();
  void do_for_hub(output& one);
  void begin_start(out::start_worker const& start);
  void append(out::append const& what);
  void read(out::read const& what);
  void read_back(std::uint64_t number, std::uint32_t life);
  void lose_unsynced();
  bool counts(journal_line const& line);
  void recall();
  void search(std::uint32_t index);
  void found(client_node& node, record const& search, out::completed const& done);
  void take(client_node& node, call_id id);
  void observe_outcome(header const& head, std::uint32_t items);
  void plan_tick(time_point due, time_point& planned, kind what, std::uint32_t node);
  void killed(peer_id peer);
  void closed(peer_id peer);

  // --- clients

  void start_client(std::uint32_t index);
  void connect_client(std::uint32_t index);
  void after_client(std::uint32_t index);
  void submit(std::uint32_t index);
  void add_record(client_node& node, call_policy const& policy, std::uint32_t function, std::uint32_t rest);
  program_build build_of_worker(std::uint32_t index) const;
  program_build build_of_client(std::uint32_t index) const;
  pin draw_pin(std::uint32_t client, call_policy const& policy);
  static void write_pin(byte_buffer& body, pin const& its);
  void observe_build(worker_node const& node, record const& call);
  turn_terms draw_turn(std::uint32_t client);
  turn_terms draw_turn_within(turn_terms const& parent);
  static bool is_parking(out::run const& run);
  void begin_parking(std::uint32_t index, out::run const& run);
  void end_parking(worker_node& node, task const& ended);
  void draw_kind(record& made, std::uint32_t composed, std::uint64_t count);
  static std::size_t kinds_of_needs();
  static machine simulated_machine();
  std::uint32_t draw_needs();
  static void write_needs(byte_buffer& body, std::uint32_t needs);
  static void write_turn(byte_buffer& body, turn_terms const& turn);
  void add_argument(byte_buffer& body, client_node const& node, std::uint64_t number) const;
  call_id submit_one(client_node& node, std::string_view function, call_policy const& policy,
                     attempt_key const& parent = {});
  call_policy draw_policy();
  call_id submit_batch(client_node& node, std::string_view function, call_policy const& policy,
                       std::uint64_t count);
  static std::vector<std::string> const& function_names();
  std::size_t draw_large();
  static void add_large(frame& message, std::uint64_t number, std::size_t size);
  static bool is_large_of(std::span<buffer const> buffers, std::uint64_t number, std::size_t size);

  // True: the call failed, its client had better wait before it asks again.
  bool completed(client_node& node, out::completed const& done);
  void check_value(record const& call, out::completed const& done);
  void check_failure(record const& call, failure const& error);
  void end_client(std::uint32_t index);

  // The node's end is gone. The hub hears of it on reliable connections, after all that was sent before.
  void disconnect(peer_id peer, std::uint32_t signal);

  // --- workers

  static constexpr std::uint32_t no_pool = static_cast<std::uint32_t>(-1);
  std::uint32_t free_slot();
  // The worker that came by itself, and has none of the clients' functions.
  bool is_foreign(std::uint32_t index) const {
    return how_.foreign_worker && index == static_cast<std::uint32_t>(how_.workers);
  }
  // Whether the workers of a pool have this function: every other one is in two pools.
  bool offers(std::uint32_t pool, std::uint32_t function) const {
    if (is_service_apart()) return true;
    auto const pools = static_cast<std::uint32_t>(how_.pools);
    return function % pools == pool || (function % 2 == 1 && (function + 1) % pools == pool);
  }
  std::vector<function_info> offers_of(std::uint32_t pool) const {
    std::vector<function_info> made;
    for (std::uint32_t i = 0; i < how_.functions; ++i)
      if (offers(pool, i)) made.push_back({function_names()[i], 7, ""});
    auto const makes_service = !is_service_apart() || pool == service_pool;
    if (how_.services != 0 && makes_service) made.push_back({service_name, 7, ""});
    return made;
  }
  // Where starts fail, if there are several pools.
  // Every other function takes several calls at once.
  bool batches(std::uint32_t function) const { return how_.batched && function % 2 == 0; }
  static batch_policy batching_of(std::uint32_t function, std::uint8_t weight);
  bool is_troubled(std::uint32_t pool) const { return how_.pools == 1 || pool == 0; }
  bool may_lack_workers(record const& call) const;
  void start_worker(std::uint32_t index, std::uint32_t start);
  void connect_worker(std::uint32_t index, std::uint32_t start);
  void after_worker(std::uint32_t index);
  void begin_run(std::uint32_t index, out::run const& run);
  void begin_item(std::uint32_t index, out::run const& run);
  void identify(task& made, out::run const& run);
  // Calls see(call, key) for each call that it is of.
  template <class See>
  static void each_call(task const& one, See&& see) {
    if (one.company.empty()) return see(one.call, one.key);
    for (std::size_t i = 0; i < one.company.size(); ++i) see(one.company[i], one.items[i].key);
  }
  // How an attempt is named in its value: those of one frame that the hub has put together have its numbers.
  static std::uint32_t name_of(attempt_key const& key) {
    constexpr auto own = std::uint32_t{1} << 31;
    return key.call.session != 0 ? key.attempt : static_cast<std::uint32_t>(key.call.number) | own;
  }
  // Of an id that the hub has given to the members of a batch: the call's own.
  call_id own_id(call_id id) const {
    return id.session != 0 || id.number >= company_.size() ? id : company_[id.number];
  }
  void begin_row(std::uint32_t index, out::run&& row);
  void begin_next(std::uint32_t index);
  bool goes_on_in_row(worker_node& node, task const& ended);
  void close_row(std::uint32_t index);
  void tell_row(worker_node& node);
  conduct draw_conduct();
  // Some wait for ever, and say so.
  duration draw_patience(duration usual) { return random_.below(16) == 0 ? never : usual; }
  void stop_run(std::uint32_t index, attempt_key const& key);
  void end_run(std::uint32_t index, std::uint32_t run);
  void answer(worker_node& node, task const& ended);
  failure failure_of(task const& ended);
  frame value_of(call_id call, attempt_key const& key);
  static void add_value(byte_buffer& to, call_id call, attempt_key const& key);
  void end_worker(std::uint32_t index, std::uint32_t signal);
  void note_loss(worker_node const& node, std::uint32_t signal);

  // --- allocations

  void plan_end(std::uint32_t index, worker_config& config);
  void tell_of_end(std::uint32_t index, std::uint32_t generation);
  void end_allocation(std::uint32_t index, std::uint32_t generation);
  void observe_allocation(connection const& over, call_id id);
  bool is_cut_short(record const& call) const;

  // --- nests

  std::uint32_t inner_of(std::uint32_t worker) const {
    return static_cast<std::uint32_t>(how_.clients) + worker;
  }
  relation& relation_of(record& call);
  relation const* known_relation(record const& call) const;
  std::uint32_t depth_of(record const& call) const;
  bool makes_calls(record const& call);
  void wake(std::uint32_t index, std::uint32_t run);
  void make_calls(std::uint32_t index, task& parent);
  std::span<call_id const> siblings_in(task const& parent);
  void relate(record& child, call_id id, attempt_key const& parent, std::uint32_t run);
  void child_ended(client_node const& inner, record const& call);
  void end_calls(std::uint32_t index, task const& ended);
  void note_computes(worker_node& node) const;
  void note_queued(record& call);
  void note_not_queued(record& call);
  void observe_nested_at_hub(connection const& over, frame const& message);
  void note_ended_at_hub(record& call);
  void note_attempt_over(record& call, std::uint32_t attempt);
  void observe_nested_from_hub(peer_id peer, header const& head, record& call);
  void observe_nested_assigned(connection const& over, attempt_key const& key, record& call);
  void observe_computing(worker_node const& chosen);
  void observe_deadlock(failure const& error);
  void observe_outlived(task const& ended);

  // --- services

  // Of one pool, whose program has no service: the workers of services are of another one.
  static constexpr std::uint32_t service_pool = 1;
  std::uint64_t service_plan() const {
    auto const drawn = mix(what_.seed, service_pool);
    return how_.services == 0 ? 0 : how_.drivers ? 1 + drawn % 2 : drawn % 3;
  }
  bool is_service_apart() const { return service_plan() != 0; }
  // No others are started, and all calls are for services.
  bool is_services_only() const { return service_plan() == 2; }
  void plan_services(hub_config& config);
  std::uint32_t concurrency_of(std::uint32_t service) const;
  std::string requirements_of(std::uint32_t service) const;
  static bool may_fail(std::uint32_t service);
  static bool is_entry(out::run const& run);
  void begin_entry(std::uint32_t index, out::run const& run);
  conduct conduct_of(std::uint32_t service);
  void end_entry(worker_node& node, task const& ended);
  void observe_entry(connection const& over, frame const& assign);
  void observe_entry_failed(connection const& over);
  void observe_service(worker_node const& node, task const& made);

  // --- what calls stream

  stream_story* story_of(record const& call) {
    return call.stream == 0 ? nullptr : &streams_[call.stream - 1];
  }
  bool waits_with_stream(std::uint32_t index);
  std::uint32_t draw_story();
  void write_stream_of(byte_buffer& body, call_spec& spec, record const& call);
  void look_at_stream(client_node const& node, std::uint64_t number);
  void stream_arrived(client_node& node, out::stream_arrived const& come);
  void check_items(frame const& message, call_id id, bool input, stream_level& passed,
                   stream_level const& allowed);
  void stream_allowed(client_node& node, out::stream_allowed const& told);
  void caller_streams(std::uint32_t life, std::uint32_t number);
  void serve_stream(client_node& node, std::uint64_t number);
  bool serve_children(client_node& inner, task const& parent);
  void check_streamed(stream_story const& story, frame const& value);
  void begin_stream(std::uint32_t index, task& made, out::run const& run);
  void stream_later(std::uint32_t index, task& one);
  void stream_on(std::uint32_t index, std::uint32_t run);
  void take_input(worker_node& node, task& one);
  void produce(worker_node& node, task& one);
  void wait_for_input(worker_node& node, task& one);
  void task_allowed(std::uint32_t index, out::stream_allowed const& told);
  void task_fed(std::uint32_t index, out::stream_arrived const& come);
  void observe_restart(record const& call);
  void observe_stream_from_hub(peer_id peer, frame const& message);
  void observe_unread(task const& one);
  void observe_stopped_stream(task const& one);

  // --- idempotency keys

  std::uint32_t clients_of_a_credential() const { return how_.searches > 0 || how_.keys > 0 ? 2 : 1; }
  void draw_key(client_node const& node, std::uint32_t index, record& made);
  void write_key(byte_buffer& body, record const& call) const;
  void observe_keyed_at_hub(connection const& over, frame const& message);
  bool goes_on_for_certain(record const& call) const;
  void observe_keyed_assigned(record const& call);
  keyed_call const* source_of(std::span<std::byte const> payload) const;
  void observe_keyed_value(record const& call, std::span<std::byte const> payload);
  void check_keyed_value(record const& call, frame const& value);
  bool may_end_as_its_key(record const& call, errc code) const;

  // --- what is called with outcomes

  std::uint32_t draw_callback(call_id of, int depth = 0);
  void write_callback_of(byte_buffer& body, record const& call) const;
  record* find_callback(call_id id);
  void note_outcome(record const& call, out::append const& what);
  void identify_callback(task const& made, out::run const& run);
  void check_callbacks();

  // --- how far tasks are

  void plan_report(std::uint32_t index, task const& one);
  void report_from(std::uint32_t index, std::uint32_t run);
  void progressed(client_node& node, out::progressed const& told);
  void observe_progress_from_hub(frame const& message);
  void check_reported(task const& ended);

  // --- calls that are made of others

  std::uint32_t draw_composed(client_node const& node, std::span<call_id const> among);
  void write_arguments_of(byte_buffer& body, record const& call) const;
  void identify_composed(task const& made, record const& call, out::run const& run);
  bool is_composed_failure(client_node const& node, record const& call, failure const& error) const;
  void observe_composed(client_node const& node, record const& call);
  void observe_elsewhere(record const& call, frame const& value);
  void note_over_at_hub(header const& head, std::uint32_t count);

  // --- drivers

  struct node_name {
    role of;
    std::uint32_t index;
  };
  driver::send_result offer(out::send const& one, bool to_hub);
  static std::size_t most_received(connection const& over, bool to_hub);
  void send(shell& from, out::send&& one, bool to_hub);
  void refuse_frame(peer_id peer);
  template <class Step>
  void drive(shell& which, node_name name, Step&& step);
  void turn(std::uint32_t index, role of);
  shell* shell_of(std::uint32_t index, role of);
  void break_link(peer_id peer);
  void come_back(std::uint32_t index);
  void arrive_at_worker(std::uint32_t index, frame&& message);
  void plan_read(std::uint32_t index);
  void read(std::uint32_t index, std::uint32_t generation);
  void do_for_worker(std::uint32_t index, output& one);
  void serve(std::uint32_t index);
  void watch(std::uint32_t index, std::uint32_t generation);
  void begin_watched(std::uint32_t index);
  void end_watched(std::uint32_t index, attempt_key const& key);

  // --- what is observed

  void reach(state one) { seen_.reached.set(static_cast<std::size_t>(one)); }

  record* find(call_id id) {
    if (id.number >= first_callback) return find_callback(id);
    if (id.session < first_session || id.session - first_session >= lives_.size()) return nullptr;
    auto& records = lives_[id.session - first_session].records;
    return id.number == 0 || id.number > records.size() ? nullptr : &records[id.number - 1];
  }
  epoch_record& about(std::uint32_t epoch);
  void observe_run(task const& made, out::run const& run, std::uint32_t pool);
  void observe_start(call_id id, std::uint32_t pool);
  void observe_company(task const& made);
  void observe_at_hub(peer_id peer, connection const& over, frame const& message);
  void observe_decisions();
  void observe_from_hub(peer_id peer, frame const& message);
  void observe_from_hub(peer_id peer, header const& head, frame const& message);
  void observe_turn_at_hub(peer_id peer, frame const& message);
  void observe_turn_from_hub(peer_id peer, frame const& message);
  bool waits_again(header const& answer);
  void observe_turn_of_run(std::uint32_t index, call_id id);
  void observe_lease(std::uint32_t index, call_id id);
  bool is_repetition(header const& assign);
  void observe_dismissal(connection const& over);
  void observe_prefetch(frame const& assign);
  void observe_silence(std::uint32_t epoch);
  void observe_assigned(attempt_key const& key, call_id id);
  call_id introduced(std::uint64_t number, std::span<std::byte const> argument);
  void observe_value(call_id id, std::span<std::byte const> payload);
  // Its answers may wait in a queue of its transport, and with them whoever waits for their end.
  bool knows_late(worker_node const& node) const {
    return how_.drivers && how_.reliable && node.concurrency == 1;
  }
  void observe_come(header const& assign, std::uint32_t items);
  void observe_answer(worker_node& node, frame const& message);
  void observe_answer_at_hub(connection const& over, frame const& message);
  void check_timeout(worker_node const& node, task const& ended);
  void note_suspects(std::vector<suspicion> const& together);
  void suspect(suspicion const& one);
  void observe_neighbours(worker_node const& node);
  static bool was_told_to_stop(worker_node const& node, attempt_key const& key);
  void observe_kill(worker_node const& node);
  void check_held();
  void check_idle();
  void observe_remaining(frame const& message);
  void observe_cancel(peer_id peer, frame const& message);
  void check_retries();
  void check_handed_back(worker_node const& node, std::size_t waited);

  // --- what happens

  void happen(happening const& what);
  void tick_hub();
  void tick_client(std::uint32_t index);
  void tick_worker(std::uint32_t index);
  void resume_client(std::uint32_t index);
  void cancel(std::uint32_t life, std::uint32_t number);
  void fail_start(std::uint32_t slot, std::uint32_t start);
  void lose_at_hub(std::uint32_t peer, std::uint32_t signal);
  void sync(std::uint64_t record, std::uint32_t life);

  // --- misfortune

  duration period(std::uint32_t which) const;
  void plan_chaos(std::uint32_t which);
  void inject_fault(std::uint32_t which);
  void cut(peer_id peer);
  // Of some only one direction is dead for ever.
  static std::array<time_point, 2> cut_of_abandoned(std::uint32_t node) {
    if (node % 3 == 0) return {never, never};
    return node % 3 == 1 ? std::array<time_point, 2>{never, 0} : std::array<time_point, 2>{0, never};
  }
  void stop_somebody();
  void go_on(std::uint32_t index, role of);
  stillness& stillness_of(std::uint32_t index, role of);
  stillness* still(std::uint32_t index, role of) {
    auto& one = stillness_of(index, of);
    return one.still ? &one : nullptr;
  }
  stillness* still_at(peer_id peer);
  stillness* who_is_still(happening const& what);
  void do_happen(happening const& what);

  // The connection is made anew; what was under way may still come, the hub may or may not hear of the old
  // one's end.
  void reconnect_node(std::uint32_t index, bool of_worker);
  void restart_hub(bool drained = false);
  void end_drained_hub(std::uint32_t life);
  void drain_worker(std::uint32_t index);
  void pose_as(std::uint32_t index);
  void lie();
  frame invent(random_source& random);
  static frame const& invented_hello(std::uint64_t session, std::uint64_t functions);
  void remember(frame const& message);

  struct lost_level {
    peer_id peer = 0;
    std::uint64_t started = 0;
    call_id crashed;                       // the call that ended it; of no session: none did
    std::vector<suspicion> together = {};  // those that ran beside each other, if it ended by itself
    std::vector<attempt_key> given = {};   // that the hub has no answer of; where tasks make calls
  };
  struct slot_reservations {
    std::vector<std::uint32_t> slots;
    bool contains_slot(std::uint32_t slot) const {
      return std::find(slots.begin(), slots.end(), slot) != slots.end();
    }
    void release(std::uint32_t slot) { std::erase(slots, slot); }
  };

  profile const& how_;
  options const& what_;
  random_source random_;
  report seen_;
  time_point now_ = second;
  duration slack_ = 0;
  bool stopping_ = false;
  std::uint64_t happenings_ = 0;
  std::uint32_t barren_ = no_pool;  // the pool that the world does not heal
  bool all_honest_ = false;         // no worker does anything that it could be dismissed for
  bool always_taken_ = false;       // whatever waits can be taken by every worker
  time_point hub_since_ = second;
  std::uint64_t synced_ = 0;  // of the journal
  std::vector<journal_line> journal_;
  std::uint32_t journal_life_ = 0;
  std::map<std::uint64_t, call_id> reads_;  // out::read, under their numbers
  bool lacks_room_ = false;                 // a worker was to be started while those before it had not ended
  bool some_unknown_ = false;               // what some pool offers is not known before its first worker
  bool restarted_ = false;
  std::uint32_t hub_life_ = 0;
  bool hurried_ = false;          // some hub ended although somebody waited for it
  std::uint64_t imposters_ = 0;   // that this hub has seen
  std::vector<frame> overheard_;  // what honest peers have lately sent to the hub
  std::uint64_t overheard_next_ = 0;
  time_point rest_until_ = never;
  time_point quiet_since_ = never;
  std::int64_t open_calls_ = 0;

  schedule<happening> schedule_;
  outputs out_;
  std::deque<outputs> taken_{1};  // by steps within steps; to be used again
  std::size_t depth_ = 0, deepest_ = 1;
  std::unique_ptr<hub> hub_;
  shell hub_shell_;
  std::string last_close_;  // why
  bool broken_ = false;     // a link was given up because a frame could not be sent
  time_point hub_ticks_at_ = never;
  std::vector<client_node> clients_;
  std::vector<worker_node> workers_;
  std::vector<incarnation> lives_;
  std::uint64_t worker_sessions_ = 0;
  std::vector<call_id> company_;                              // by the hub's own numbers
  std::vector<std::string> requirements_;                     // by service
  std::unordered_map<std::uint64_t, time_point> started_at_;  // by start, where there are services
  std::unordered_map<std::uint32_t, time_point> failed_at_;   // by service, the last time
  std::deque<relation> relations_;
  std::deque<stream_story> streams_;
  std::deque<composed_story> compositions_;
  std::deque<told_progress> told_;
  std::deque<keyed_call> keyed_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_value_;  // places in keyed_, from 1
  std::unordered_map<std::uint64_t, key_story> keys_;          // by keyed_call::scope
  std::deque<callback_story> callbacks_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_callback_;  // places there, from 1
  std::array<std::size_t, 8> fresh_{};  // by depth, calls that wait at the hub for the first time
  slot_reservations reserved_;
  std::unordered_map<std::uint64_t, std::uint32_t> hung_starts_;    // by start, the slot
  std::unordered_map<std::uint64_t, std::uint32_t> pool_of_start_;  // of those under way
  std::unordered_map<std::uint64_t, out::start_worker> grants_;     // of starts under way
  stillness hub_stillness_;
  std::vector<stillness> client_stillness_;
  std::vector<stillness> worker_stillness_;
  std::vector<lost_level> lost_levels_;
  turn_watch turns_;
  number_map<epoch_record> epochs_;
  std::deque<epoch_record> epoch_records_;
  std::vector<connection> connections_;
  std::vector<std::unique_ptr<parcel>> parcels_;
  std::vector<std::uint32_t> free_parcels_;
  std::uint64_t coded_ = 0;
};

}  // namespace yonder::core::simulation
