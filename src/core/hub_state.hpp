// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/call_orders.hpp"
#include "src/core/call_table.hpp"
#include "src/core/dispatcher.hpp"
#include "src/core/hub.hpp"
#include "src/core/hub_schedules.hpp"
#include "src/core/kept_results.hpp"
#include "src/core/log_store.hpp"
#include "src/core/quotas.hpp"
#include "src/core/retry_budget.hpp"
#include "src/core/scaler.hpp"
#include "src/core/session_table.hpp"

#include <deque>
#include <functional>
#include <limits>
#include <string>

// What the hub's classes decide is carried out here: frames are taken and sent, calls move from one to the
// next. Private to hub*.cpp.
namespace yonder::core {

// "the worker was ended by signal 11"
std::string describe_loss(peer_loss const& loss);
failure only_for_operators();
bool operates(client_session const& client);

inline constexpr std::uint32_t most_concurrent = link::window;  // whatever a worker, or a service, says

struct hub::state {
  state(hub_config made, time_point now);

  // hub_sessions.cpp: who is connected
  void connected(time_point now, peer_id peer, peer_link const& link, outputs& out);
  void lost(time_point now, peer_id peer, peer_loss const& loss, outputs& out);
  void receive(time_point now, peer_id peer, frame&& message, outputs& out);
  void hello(time_point now, peer_record& peer, frame const& message, outputs& out);
  void begin_client(time_point now, peer_record& peer, hello_message& said, header const& head, outputs& out);
  void refuse_build(time_point now, peer_record& peer, header const& head, hello_message const& said,
                    pool_record const& pool, outputs& out);
  void begin_worker(time_point now, peer_record& peer, hello_message& said, header const& head, outputs& out);
  void take_predecessor(time_point now, peer_record const& peer, predecessor const& gone, outputs& out);
  void resume_session(time_point now, session& one, peer_record& peer, header const& head, outputs& out);
  void welcome(time_point now, session& one, outputs& out);
  void receive_from(time_point now, session& one, frame&& message, outputs& out);
  void deliver(time_point now, session& one, frame&& message, outputs& out);
  void turn_away(time_point now, client_session& client, frame const& message, outputs& out);
  void take_bye(time_point now, session& one, outputs& out);
  void revoked(time_point now, std::string_view identity, std::string const& why, outputs& out);
  void cancel_calls_of(time_point now, session const& client, outputs& out);
  void cancel_calls_of(time_point now, std::string_view identity, outputs& out);
  void ended(time_point now, session& one, peer_loss const& loss, outputs& out);
  void end_client(time_point now, client_session& client, outputs& out);
  void say_goodbye(time_point now, session& one, errc code, std::string const& text, std::uint8_t flags,
                   outputs& out);
  void dismiss(time_point now, session& one, errc code, std::string text, outputs& out);
  void violated(time_point now, session& one, std::string text, outputs& out);
  void shut_down(time_point now, session& one, outputs& out);
  void fell_silent(time_point now, session& one, outputs& out);
  void refuse(time_point now, peer_record& peer, header const& head, errc code, std::string text,
              outputs& out);
  void ask_to_rejoin(peer_record& peer, header const& head, std::string text, outputs& out);
  void heard(time_point now, session& one);
  void note_quiet(time_point now, session& one);
  void link_time(time_point now, session& one, outputs& out);
  void hello_time(time_point now, peer_record& peer, outputs& out);
  std::uint32_t send(time_point now, session& to, frame&& message, outputs& out);

  // hub_calls.cpp: what is asked for, and how it ends
  void take_call(time_point now, client_session& client, frame&& message, outputs& out);
  void refuse_call(time_point now, client_session& client, call_id id, std::uint32_t count,
                   failure const& why, outputs& out);
  void take_batch(time_point now, client_session& client, call_message const& said, packed_items const& items,
                  frame&& message, outputs& out);
  void take_new(time_point now, client_session& client, call_id id, call_message const& said,
                frame_ref const& whole, packed_items const& items, items_range const& range, outputs& out);
  void set_terms(time_point now, call_record& call, call_message const& said, frame_ref const& whole,
                 packed_items const& items, items_range const& range, pool_record* home);
  void begin_call(time_point now, call_record& call, outputs& out);
  pool_record* find_home(std::string_view needs, std::uint64_t session, failure& refused);
  pool_record* home_of(call_message const& said, std::uint64_t session, failure& refused);
  bool all_are_of(build_choice const& build) const;
  bool may_be_of(build_choice const& build);
  void find_other_homes(time_point now);
  bool find_other_home(time_point now, function_record& function);
  bool could_serve(requirements const& needs);
  pool_record* pool_of(std::string_view needs, failure& refused);
  void fail_impossible(time_point now, outputs& out);
  call_record* admit(time_point now, call_record& call, outputs& out);
  void take_again(time_point now, client_session& client, call_record& call, outputs& out);
  void take_cancel(time_point now, client_session& client, frame const& message, outputs& out);
  call_record& split(time_point now, call_record& call, std::uint32_t at);
  call_record& isolate(time_point now, call_record& call, std::uint64_t number, std::uint32_t count);
  void compact(call_record& call);
  void take_answer(time_point now, worker_session& worker, frame&& message, outputs& out);
  std::size_t find_attempt(worker_session& worker, call_id id, std::uint32_t number);
  std::size_t isolate_attempt(time_point now, worker_session& worker, std::size_t index, std::uint64_t number,
                              std::uint32_t count);
  void take_part(time_point now, worker_session& worker, std::size_t index, frame&& message, duration ran,
                 outputs& out);
  void take_end(time_point now, worker_session& worker, frame const& message, outputs& out);
  void note_end(worker_session& worker, attempt_record& attempt);
  void count_use(call_record const& call, worker_session const& worker, attempt_record const& attempt,
                 duration ran);
  void take_result(time_point now, call_record& call, frame&& message, outputs& out);
  void take_error(time_point now, worker_session& worker, call_record& call, frame const& message,
                  outputs& out);
  void attempt_failed(time_point now, call_record& call, failure error, outputs& out);
  void unstarted_lost(time_point now, call_record& call, peer_loss const& loss, bool suspect, outputs& out);
  void attempt_lost(time_point now, call_record& call, worker_session const& worker, peer_loss const& loss,
                    bool culprit, outputs& out);
  bool may_retry(call_record const& call, failure const& error) const;
  void retry_later(time_point now, call_record& call, failure error);
  void begin_backoff(time_point now, call_record& call);
  void hand_out_tokens(time_point now);
  void arm(call_record& call) { timers.arm(call, std::min(call.deadline, call.due)); }
  void requeue(time_point now, call_record& call);
  void answer(time_point now, client_session& client, call_id id, failure error, outputs& out);
  void send_outcome(time_point now, client_session& client, frame_ref outcome, outputs& out);
  void send_outcome(time_point now, client_session& client, header const& head, frame_ref outcome,
                    outputs& out);
  void hold_outcome(time_point now, call_record& call, frame_ref outcome, call_stage stage);
  void complete(time_point now, call_record& call, frame&& outcome, outputs& out);
  void fail(time_point now, call_record& call, failure error, outputs& out);
  void fail_one(time_point now, call_record& call, failure error, outputs& out);
  void fail(time_point now, call_record& call, errc code, std::string text, outputs& out);
  void leave_stage(time_point now, call_record& call);
  void wake_stalled(time_point now, caller_record& caller);
  void forget(time_point now, call_record& call);
  void cancel(time_point now, call_record& call, outputs& out);
  void cancel_found(time_point now, call_record& call, outputs& out);
  void note_taken(time_point now, client_session& client, outputs& out);
  void attempt_timed_out(time_point now, call_record& call, outputs& out);
  void call_time(time_point now, call_record& call, outputs& out);
  void orphan_time(time_point now, caller_record& caller, outputs& out);
  void abandon(time_point now, call_record& call, outputs& out);

  // hub_turns.cpp: when calls are served
  bool take_turn(call_record& call, call_turn const& said, failure& refused);
  order_record& order_of(call_record& call, std::string_view key);
  void line_up(time_point now, call_record& call);
  void open(time_point now, order_record& order);
  void leave_order(time_point now, call_record& call);
  // hub_quotas.cpp: what a credential may have at once
  void queue(time_point now, call_record& call);
  void let_in(time_point now, quota& whose);
  void leave_quota(time_point now, call_record& call);
  std::string exceeds_quota(call_record const& call);
  std::string why_held(call_record const& call);
  void leave_worker(time_point now, order_record& order);

  // hub_drain.cpp: a hub that ends in good order
  void drain(time_point now, duration within, outputs& out);
  void say_drains(time_point now, client_session& client, outputs& out);
  static bool waits_to_begin(call_record const& call);
  bool is_left(call_record const& call) const;
  bool is_left(client_session const& client, call_message const& said) const;
  void leave_to_next(time_point now, call_record& call);
  void give_back(time_point now, outputs& out);
  void say_given_back(time_point now, client_session& client, call_id id, std::uint32_t count, outputs& out);
  bool is_awaited(time_point now, call_record const& call) const;
  bool is_awaited(time_point now, client_session const& client) const;
  bool some_is_awaited(time_point now);
  void look_whether_drained(time_point now, outputs& out);
  void wait_again(time_point now, call_record& call);

  // hub_handover.cpp: what outlasts its hub without a journal
  bool may_go_on(worker_session const& worker, attempt_record const& attempt) const;
  void hand_over(time_point now, outputs& out);
  void take_keep(time_point now, worker_session& worker, frame const& message, outputs& out);
  void await_claim(time_point now, worker_session& worker, held_attempt const& one);
  bool keep_for_claim(time_point now, worker_session& worker, std::size_t index, frame& answer, duration ran);
  void claim(time_point now, call_record& call, outputs& out);
  struct unclaimed_attempt;
  using unclaimed_attempts = std::map<std::pair<call_id, std::uint32_t>, unclaimed_attempt>;  // with tickets
  unclaimed_attempt forget_unclaimed(unclaimed_attempts::iterator which);
  void forget_unclaimed(worker_session const& worker);
  void end_unclaimed(time_point now, outputs& out);

  // hub_composed.cpp: what waits for the values of other calls
  bool await_arguments(time_point now, call_record& call, std::vector<awaited_argument> const& arguments,
                       outputs& out);
  void await_nothing(call_record& call);
  static call_record* next_dependent(caller_record& caller, std::uint64_t number);
  static failure not_made(frame const& outcome);
  bool give_to_dependents(time_point now, call_record& call, frame_ref const& outcome, outputs& out);
  bool give_value(time_point now, call_record& waiting, std::uint64_t number, value_holder const& held,
                  outputs& out);
  void complete_arguments(time_point now, call_record& call, outputs& out);
  void cancel_dependents(time_point now, call_record& call, outputs& out);
  void fail_waiting(time_point now, call_record& waiting, failure error, outputs& out);

  // hub_journal.cpp: what is written down, and what waits for that
  std::optional<failure> not_durable(call_message const& said) const;
  void record(call_record& call, out::append::kind what, frame_ref body, outputs& out);
  void append(call_record& call, out::append::kind what, frame_ref body, outputs& out);
  static std::uint64_t mark_of(worker_session const& worker);
  bool must_record_start(call_record const& call, worker_session const& worker) const;
  worker_session* worker_of_start(call_record const& call);
  void record_start(time_point now, call_record& call, worker_session& worker, outputs& out);
  void release_workers(time_point now, std::uint64_t up_to);
  void record_outcome(time_point now, call_record& call, frame&& message, outputs& out);
  void keep_outcome(time_point now, call_record& call, frame&& message, outputs& out);
  void conclude(time_point now, call_record& call, outputs& out);
  void synced(time_point now, std::uint64_t up_to, outputs& out);
  bool is_past_recording(call_record const& call) const;
  void end_unrecorded(time_point now, call_record& call, std::string const& why, outputs& out);
  void journal_failed(time_point now, std::string const& why, outputs& out);
  void say_accepted(time_point now, call_record& call, outputs& out);
  void say_accepted(time_point now, client_session& client, call_id id, std::uint32_t count, outputs& out);
  void forget_kept(kept_result& one, outputs& out);
  void forget_overdue(time_point now, outputs& out);

  // hub_idempotency.cpp: calls that are made once, however often they are asked for
  std::optional<failure> keys_full() const;
  void hold_key(call_record& call, idempotency_terms const& said);
  void release_key(call_record& call);
  void release_key(kept_result& one);
  static std::string recorded_key(call_record const& call);
  void recall_key(kept_result& one, std::uint64_t signature, std::string_view recorded);
  static bool is_final(call_record const& call, frame const& outcome);
  bool take_keyed(time_point now, client_session& client, call_message const& said, frame const& message,
                  outputs& out);
  bool waits_within(client_session const& client, attempt_key const& parent, call_id call);
  bool leave_to_joined(time_point now, call_record& call);
  void end_if_left(time_point now, call_record& call, outputs& out);

  // hub_callbacks.cpp: tasks that are called with the outcomes of calls
  std::optional<failure> misfit_of_callback(call_message const& said, call_id of);
  call_record* append_callback(time_point now, call_record const& of, frame const& outcome, outputs& out);
  void begin_callback(time_point now, call_record& made, std::uint64_t record, outputs& out);

  // hub_schedules.cpp: calls that are made again and again
  void set_clock(time_point now, std::int64_t utc);
  void take_schedule(time_point now, client_session& client, call_message const& said, frame const& message,
                     outputs& out);
  std::optional<failure> read_schedule(client_session const& client, call_message said, frame const& message,
                                       kept_schedule& made);
  std::uint64_t new_schedule_id();
  void answer_when_synced(time_point now, client_session& client, call_id id, std::string value,
                          outputs& out);
  void answer_of_schedules(time_point now, std::uint64_t up_to, std::string const& why, outputs& out);
  static bool may_change(client_session const& client, kept_schedule const& one);
  void take_schedule_order(time_point now, client_session& client, std::string_view what,
                           frame const& message, outputs& out);
  void change_schedule(time_point now, std::uint64_t id, schedule_change change, outputs& out);
  void end_schedule(time_point now, std::uint64_t id, outputs& out);
  void end_schedules_of(time_point now, std::string_view identity, outputs& out);
  std::string list_schedules_for(time_point now, client_session const& client);
  void forget_record(call_id id, outputs& out);
  void note_state(time_point now, std::uint64_t id, kept_schedule& one);
  void record_of_schedule(time_point now, std::uint64_t id, kept_schedule& one, std::string_view what,
                          frame_ref body, std::uint64_t& counts, outputs& out);
  void record_terms(time_point now, std::uint64_t id, kept_schedule& one, outputs& out);
  void note_progress(std::uint64_t id);
  void record_progress(time_point now, outputs& out);
  void look_at_schedules(time_point now, outputs& out);
  void begin_runs(time_point now, outputs& out);
  void begin_run(time_point now, std::uint64_t id, kept_schedule& one, outputs& out);
  std::string why_not_run(call_record const& call, call_message const& said, std::string no_home);
  void add_progress(call_record const& call, out::append& said);
  void note_run_outcome(call_record const& call, frame const& outcome, outputs& out);
  void note_outcome(kept_schedule& one, call_id run, bool failed, std::string why, outputs& out);
  void note_run_ended(call_record const& call);
  static bool is_of_schedule(recovered_record const& said);
  bool recall_schedule(recovered_record&& said);
  bool recall_run(recovered_record const& said);
  void recall_forgotten_schedule(call_id id);
  void recovered_schedules(time_point now, outputs& out);
  void recover_runs(std::uint64_t id, kept_schedule& one, outputs& out);

  // hub_recovery.cpp: what the journal of an earlier hub says
  bool recall(time_point now, recovered_record&& said);
  bool recall_call(time_point now, recovered_record&& said);
  bool recall_outcome(time_point now, recovered_record&& said);
  void recall_forgotten(time_point now, recovered_record const& said);
  template <class See>
  void each_part(time_point now, call_id first, std::uint32_t items, See&& see);
  pool_record* recalled_home(std::string_view asked);
  void recovered(time_point now, std::uint64_t last, outputs& out);
  void seek(time_point now, call_record& call);
  static void keep_turn(call_record& call);
  static void step_past_held(worker_session const& worker, call_record& call);
  call_record* sought(time_point now, held_attempt const& by);
  void take_held(time_point now, worker_session& worker, std::span<held_attempt const> all, outputs& out);
  void adopt(time_point now, worker_session& worker, held_attempt const& one, outputs& out);
  void seek_again(time_point now, worker_session& worker, std::span<held_attempt const> all, outputs& out);
  void not_found_again(time_point now, call_record& call, std::string_view why, outputs& out);
  void came_without(time_point now, std::uint64_t worker, std::string_view why, outputs& out);
  void note_holder(time_point now, worker_session& worker, call_id id, std::uint32_t number, outputs& out);
  void say_taken(time_point now, worker_session& worker, call_id id, std::uint32_t number, outputs& out);

  // hub_reads.cpp: what only the journal has
  struct journal_read {
    call_id first;
    std::uint32_t count = 1;
    std::uint64_t worker = 0;  // that is kept free for these arguments
    std::uint64_t client = 0;  // that is told these outcomes; 0: they are arguments
    std::uint64_t number = 0;  // of client_session::wanted
  };
  // Of outcomes that are kept; without a journal nothing else has them.
  std::size_t cached_bytes() const {
    return config.journal ? config.max_cached_bytes : std::numeric_limits<std::size_t>::max();
  }
  std::uint64_t read(journal_read const& what, outputs& out);
  void read_back(time_point now, std::uint64_t number, std::optional<recovered_record>&& record,
                 std::string const& why, outputs& out);
  void store_away(call_record& call);
  void read_arguments(time_point now, call_record& call, worker_session& worker, outputs& out);
  void take_arguments(time_point now, journal_read const& what, std::optional<recovered_record>&& record,
                      std::string why, outputs& out);
  void give_arguments(time_point now, call_record& call, frame_ref const& whole, packed_items const& items,
                      call_id first);
  void tell_kept(time_point now, client_session& client, kept_result const& known, std::uint64_t number,
                 client_session::wanted_outcome const& wanted, outputs& out);
  void read_next(client_session& client, outputs& out);
  void tell_read(time_point now, client_session& client, std::uint64_t number,
                 client_session::wanted_outcome const& wanted, std::optional<recovered_record>&& record,
                 std::string const& why, outputs& out);
  static bool is_wanted(client_session const& client, std::uint64_t number);

  // hub_searches.cpp: calls that are asked for by their ids, and outcomes that are kept
  void send_to(time_point now, client_session& client, header const& head, frame_ref outcome, outputs& out);
  static frame make_elsewhere(call_id id);
  std::uint32_t give_kept(time_point now, client_session& client, call_id first, std::uint32_t most,
                          outputs& out);
  std::uint32_t take_out_kept(call_id first, std::uint32_t most);
  void take_taken(client_session& client, frame const& message, outputs& out);
  void take_search(time_point now, client_session& client, call_message const& said, frame const& message,
                   outputs& out);
  void find(time_point now, client_session& client, client_session::search const& search,
            std::uint64_t number, outputs& out);
  std::string too_many_searches(client_session const& client) const;
  failure not_found(call_id id) const;
  failure unknown(std::string text) const;
  void note_answered(time_point now, client_session const& client, attempt_key const& parent);
  void tell_finders(time_point now, call_record& call, frame_ref const& outcome, outputs& out);
  void leave_search(time_point now, client_session const& client, std::uint64_t number,
                    client_session::search const& search);
  void cancel_search(time_point now, client_session& client, std::uint64_t number, outputs& out);
  void end_searches(time_point now, client_session& client);
  call_listing list_calls_for(time_point now, client_session const& client);

#ifdef YONDER_SIMULATE_MUTANTS
  call_record* unfenced(time_point now, call_id id, std::uint32_t count, outputs& out);
#endif

  // hub_nested.cpp: calls that tasks make
  call_record* find_parent(client_session const& client, attempt_key const& key);
  bool may_ask(client_session const& client, attempt_key const& parent);
  call_record* parent_of(time_point now, client_session const& client, attempt_key const& key,
                         failure& refused);
  worker_session* worker_at(client_session const& client, std::uint32_t epoch) const;
  call_record* find_in_company(client_session const& client, attempt_key const& key);
  static call_record* companion_of(call_record const& call, worker_session& worker);
  static time_point deadline_within(call_record const& parent);
  bool is_entering(client_session const& client, attempt_key const& key) const;
  call_record& with_nest(time_point now, call_record& call, attempt_key const& key);
  void join_parent(call_record& call, call_record& parent);
  void leave_parent(call_record& call);
  void note_ended(call_record& parent, std::uint32_t count, std::uint64_t their_frames);
  void note_streamed(call_record& call);
  void take_waiting(time_point now, client_session& client, frame const& message, outputs& out);
  void look_at_wait(call_record& parent);
  void set_waits(worker_session& worker);
  void leave_nest(time_point now, call_record& call, worker_session& worker, outputs& out);
  void end_child(time_point now, call_record& call, outputs& out);
  void recall_behind_waits(time_point now, outputs& out);

  // hub_deadlocks.cpp: tasks that wait for each other
  struct wait_search;
  void break_deadlocks(time_point now, outputs& out);

  // hub_streams.cpp: what calls stream
  stream_record& stream_of(call_record& call);
  void begin_stream(call_record& call, stream_terms const& terms);
  frame_ref stream_assignment(call_record& call);
  void stream_runs(time_point now, call_record& call);
  void look_at_stream(time_point now, call_record& call);
  void stop_clock(time_point now, call_record& call);
  void leave_stream(call_record& call, worker_session& worker);
  bool may_stream_again(call_record const& call) const;
  static bool is_end_of(call_record const& call, frame const& message);
  void take_from_producer(time_point now, worker_session& worker, frame&& message, outputs& out);
  void take_items(time_point now, call_record& call, worker_session& worker, frame&& message, outputs& out);
  void take_input_credit(time_point now, call_record& call, worker_session& worker, frame const& message,
                         outputs& out);
  void say_input_allowed(time_point now, call_record& call, outputs& out);
  void take_input_wait(time_point now, call_record& call, worker_session& worker, frame const& message,
                       outputs& out);
  void take_from_reader(time_point now, client_session& client, frame&& message, outputs& out);
  void take_output_credit(time_point now, call_record& call, client_session& client, frame const& message,
                          outputs& out);
  void take_input(time_point now, call_record& call, client_session& client, frame&& message, outputs& out);
  void say_allowed(time_point now, call_record& call, outputs& out);
  void say_allowed(time_point now, caller_record& caller, outputs& out);
  void end_streams(time_point now, caller_record& caller, outputs& out);

  // hub_values.cpp: values that stay where they were made
  struct value_request {
    call_id from;  // who is to have the bytes
    std::uint64_t owner = 0;
  };
  struct value_owner {
    bool has_asked = false;    // for events
    std::uint64_t serves = 0;  // the number of its call that does; 0: there is none
    value_events events;       // that it is to be told
  };
  void take_value_order(time_point now, client_session& client, std::string_view what, frame&& message,
                        outputs& out);
  void take_wish(time_point now, client_session& client, frame const& message, outputs& out);
  void take_gift(time_point now, client_session& client, frame&& message, outputs& out);
  std::optional<failure> hold(time_point now, client_session& client, value_hold const& said);
  void give_references(client_session& client, frame const& outcome);
  void tell_owner(time_point now, client_session& owner, outputs& out);
  void forget_request(std::map<std::uint64_t, value_request>::iterator which);
  void fail_request(time_point now, value_request const& request, outputs& out);
  void end_values(time_point now, client_session const& client, outputs& out);
  void tell_unused(time_point now, outputs& out);
  bool has_needed_values(worker_session const& worker) const;

  // hub_progress.cpp: how far tasks say that they are
  void take_progress(time_point now, worker_session& worker, frame&& message, outputs& out);
  void forget_progress(std::uint64_t session, std::uint64_t first, std::uint64_t past);

  // hub_maps.cpp: how far maps are
  void take_map_order(time_point now, client_session& client, std::string_view what, frame const& message,
                      outputs& out);
  void note_map(time_point now, client_session const& client, map_report&& said);
  void forget_maps(std::uint64_t session);
  std::vector<map_census> maps_for(time_point now, client_session const& client) const;

  // hub_logs.cpp: what tasks print
  void take_printed(time_point now, worker_session& worker, frame const& message, outputs& out);
  log_page read_logs_for(time_point now, client_session const& client, log_order const& order);

  // hub_traces.cpp: when what happened to calls
  void begin_trace(time_point now, call_record& call) const;
  static void note_assigned(time_point now, call_record& call) noexcept {
    if (call.traced == nullptr) return;
    call.traced->assigned = now;
    call.traced->began = never;
  }
  void note_answer(call_record& call, frame const& answer) const;
  void trace_attempt(time_point now, call_record& call, worker_session const& worker, outputs& out) const;
  void trace_call(time_point now, call_record const& call, errc code, outputs& out) const;

  // hub_orders.cpp: what its operator says of its pools
  std::vector<pool_census> count_pools();
  pool_record* named_pool(std::string_view name, failure& refused);
  pool_record* pool_of(pool_order const& order, failure& refused);
  std::optional<failure> scale(pool_order const& order);
  std::optional<failure> warm(pool_order const& order);
  void take_order(time_point now, client_session& client, call_message const& said, frame const& message,
                  outputs& out);

  void answer_order(time_point now, client_session& client, call_id id, std::string const& value,
                    outputs& out);
  std::string name_of_pool(pool_record const& pool);
  static std::string kind_of_pool(pool_record const& pool);

  // hub_explain.cpp: what is said of one call, and of who runs what
  std::size_t calls_before(call_record& call);
  std::string why_queued(time_point now, call_record& call);
  static std::string why_none_comes(pool_record const& pool);
  std::string why_it_waits(time_point now, call_record& call);
  void explain_attempt(time_point now, call_record const& call, text_rows& rows);
  text_rows explain(time_point now, call_record& call);
  text_rows explain(time_point now, kept_result const& one, call_id meant);
  text_rows journal_in_rows() const;
  text_rows state_in_rows(time_point now) const;
  std::string gpus_of(worker_session const& worker) const;
  std::string progress_of(call_record const& call) const;
  text_rows workers_in_rows();
  call_record* call_for(client_session const& client, call_id id);
  kept_result* kept_for(client_session const& client, call_id id);
  void cancel_for(time_point now, call_record& call, std::uint64_t number, bool by_operator, outputs& out);
  void take_call_order(time_point now, client_session& client, std::string_view what, frame const& message,
                       outputs& out);

  // hub_parking.cpp: workers that nothing is to be done by, without their GPUs
  void ask(time_point now, worker_session& worker, std::string_view what, duration within, outputs& out);
  duration park_timeout(worker_session const& worker) const;
  void park(time_point now, worker_session& worker, outputs& out);
  void unpark(time_point now, outputs& out);
  void take_parking(time_point now, worker_session& worker, frame const& message, outputs& out);

  // hub_allocations.cpp: workers whose time is bounded
  void set_end(time_point now, worker_session& worker, duration remaining);
  void end_time(time_point now, worker_session& worker, outputs& out);
  void take_drain(time_point now, worker_session& worker, frame const& message, outputs& out);
  static time_point next_end(worker_session const& worker);
  static bool ends_with_allocation(time_point now, worker_session const& worker, peer_loss const& loss);
  bool cut_short(time_point now, call_record& call, std::string const& why);
  std::string exceeds_allocation(call_record const& call) const;
  void note_outlived(time_point now, worker_session const& worker, outputs& out);
  duration usable(duration allocation) const;

  // hub_workers.cpp: who runs it
  void dispatch(time_point now, outputs& out);
  bool may_be_assigned(time_point now, call_record& call, worker_session& worker, outputs& out);
  void assign_batch(time_point now, call_record& chosen, worker_session& worker, outputs& out);
  static void count_frame(call_record const& first, std::size_t calls);
  void assign(time_point now, call_record& call, worker_session& worker, outputs& out);
  void note_running(time_point now, worker_session& worker);
  void note_stops(time_point now, worker_session& worker);
  void give_time(time_point now, worker_session& worker, duration within);
  void note_told(time_point now, worker_session& worker);
  void began(time_point now, worker_session& worker, attempt_record& attempt);
  void answered(time_point now, worker_session& worker, std::size_t index);
  void arm_grace(worker_session& worker);
  void grace_time(time_point now, worker_session& worker, outputs& out);
  void kill_condemned(time_point now, outputs& out);
  void kill_condemned(time_point now, worker_session& worker, outputs& out);
  std::uint32_t say_cancel(time_point now, worker_session& worker, attempt_record const& attempt,
                           std::uint8_t flags, outputs& out);
  void abandon_one(time_point now, worker_session& worker, std::size_t index, outputs& out);
  void recall_waiting(time_point now, worker_session& worker, outputs& out);
  void spread(time_point now, outputs& out);
  failure explain_unknown(std::uint64_t session, std::string const& name, std::uint64_t signature,
                          build_choice const& build = {}, pool_config const* own_model = nullptr);
  void tell_of_wait(time_point now, function_record& function, outputs& out);
  void fail_unknown_functions(time_point now, outputs& out);
  void start_failed(time_point now, std::uint64_t start, std::string const& reason,
                    std::string const& stderr_tail, outputs& out);
  void worker_ended(time_point now, std::uint64_t start, std::string const& reason,
                    std::string const& stderr_tail, outputs& out);
  void give_up_starting(time_point now, pool_record* pool, outputs& out);
  void enter(time_point now, worker_session& worker, std::vector<function_info>&& table, outputs& out);
  void take_entry(time_point now, worker_session& worker, frame const& message, outputs& out);
  void recruit(time_point now, outputs& out);
  void recruit(time_point now, pool_record& pool, outputs& out);
  void take_turns(time_point now, outputs& out);
  worker_session* longest_serving(time_point now, turn_wait& wait, pool_record const* pool,
                                  std::function<bool(image const&)> const& helps);
  void yield(time_point now, worker_session& worker, outputs& out);
  void end_turns(time_point now, outputs& out);
  void fail_unknown_service(time_point now, pool_record& pool, outputs& out);
  void send_back(time_point now, worker_session& worker, outputs& out);
  bool is_missed(worker_session const& idle);
  bool is_awaited(worker_session const& worker);
  void send_back_missed(time_point now, outputs& out);
  void entry_failed(time_point now, worker_session& worker, std::string const& reason,
                    std::string const& stderr_tail, outputs& out);
  void let_go_idle(time_point now, outputs& out);
  void let_go(time_point now, worker_session& worker, outputs& out);
  void isolate_worker(time_point now, worker_session& worker, outputs& out);
  void worker_drains(time_point now, worker_session& worker, outputs& out);
  void kill(time_point now, worker_session& worker, outputs& out);
  static bool ran_several(worker_session& worker, peer_loss const& loss);
  static std::uint32_t started_items(worker_session const& worker, attempt_record const& attempt,
                                     peer_loss const& loss);
  void items_lost(time_point now, call_record& call, std::uint32_t started, worker_session const& worker,
                  peer_loss const& loss, bool culprit, outputs& out);
  void end_worker(time_point now, worker_session& worker, peer_loss const& loss, outputs& out);

  void settle(time_point now, outputs& out);
  void bring_workers(time_point now, outputs& out);
  void let_workers_go(time_point now, outputs& out);
  void tick(time_point now, outputs& out);
  bool stood_still(time_point now);
  time_point next_deadline() const;

  hub_config config;
  bool reads_first = false;  // the tick that comes is the second one after a standstill
  time_point stands_since;
  bool replaces_another = false;  // who comes had a session with an earlier one
  bool over = false;              // after shutdown: the hub that is awaited is another one
  bool drains = false;            // after drain()
  bool drain_told = false;        // to whoever runs the hub
  time_point drain_until = never, drain_look = never;
  time_point hand_over_until = never;  // never: nothing was handed over so far
  // What workers have of an earlier hub, that no caller has claimed so far.
  struct unclaimed_attempt {
    std::uint64_t worker = 0;
    std::uint32_t number = 0;
    time_point since = 0;              // it runs
    time_point until = never;          // then nobody wants it
    std::optional<frame> answer = {};  // it has ended
    duration ran = 0;
  };
  unclaimed_attempts unclaimed;
  std::size_t unclaimed_bytes = 0;
  time_point unclaimed_due = never;
  call_queue returning;
  random_source random;
  timer_wheel timers;
  hub_counters counters;
  task_tally tally;
  usage_tally used;
  log_store logs;

  value_table references;  // outlives the calls, which have pins
  std::map<std::uint64_t, value_owner> owners;
  std::map<std::uint64_t, value_request> requests;
  std::map<std::uint64_t, std::size_t> wishes;  // requests, by who made them
  std::uint64_t last_request = 0;

  call_table calls;
  session_table sessions;
  dispatcher work;
  scaler pools;
  retry_budget budget;

  std::unordered_map<std::string, std::unique_ptr<order_record>> orders;
  quota_table quotas;
  // What callers were told of that last.
  struct told_progress {
    std::uint32_t ticket = 0;   // of its caller's link
    std::uint32_t attempt = 0;  // that has said it
    progress_report said{};
  };
  std::map<call_id, told_progress> progress;
  struct map_record {
    time_point told_at = 0;
    std::string identity;  // of its caller
    map_report said;
  };
  std::map<call_id, map_record> maps;  // by their callers' sessions, and their numbers
  call_queue tokenless;
  std::size_t delayed = 0;
  call_queue unsynced;
  std::uint64_t last_record = 0, synced_record = 0;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> awaiting_record;  // records, and workers kept free
  std::string journal_fault;    // why nothing can be written any more; empty: it can
  std::string journal_refusal;  // why no further call can be; empty: it can
  kept_results kept;
  std::unordered_map<std::uint64_t, journal_read> reads;
  std::uint64_t last_read = 0;
  schedule_keeper schedules;
  std::size_t searching = 0;  // client_session::searches of all
  idempotency_keys keys;
  // By the workers that may have them, durable calls of an earlier hub (call_stage::sought).
  std::unordered_map<std::uint64_t, std::vector<std::pair<call_id, std::uint32_t>>> sought_at;
  std::uint64_t last_arrival = 0;
  struct {
    std::string asked;
    build_choice build{};
    std::string key{};
  } last_home;                        // of home_of()
  std::vector<call_record*> company;  // of assign_batch
  std::uint64_t last_entry = 0;       // the number of the last call of the hub's own

  std::vector<std::uint64_t> began_to_wait;          // workers, since the last settle()
  std::vector<std::pair<call_id, failure>> failing;  // calls whose arguments were not made
  bool fails = false;                                // whoever says so fails those, too
  std::vector<std::uint64_t> condemned;              // workers that have answered since then
  std::vector<std::uint64_t> yielding;               // workers that give way to others
  bool some_lack_workers = false;                    // of services of those that came by themselves
  time_point turns_due = never;                      // when to look whether one is to
  bool look_for_deadlocks = false;
  time_point deadlocks_due = never;  // when to look again, as the workers of an earlier hub had time to come
};

}  // namespace yonder::core
