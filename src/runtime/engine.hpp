// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "src/core/call_orders.hpp"
#include "src/core/client.hpp"
#include "src/core/hub.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/driver/agenda.hpp"
#include "src/driver/leadership.hpp"
#include "src/driver/outbox.hpp"
#include "src/driver/pack_size.hpp"
#include "src/driver/spinning.hpp"
#include "src/platform/event_counter.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/loop_hook.hpp"
#include "src/platform/poller.hpp"
#include "src/runtime/call_state.hpp"
#include "src/runtime/endurance.hpp"
#include "src/runtime/executor_thread.hpp"
#include "src/runtime/launching.hpp"
#include "src/runtime/trace_writer.hpp"
#include "src/runtime/worker_pool.hpp"
#include "transports/remote.hpp"
#include "transports/transport.hpp"
#include "yonder/detail/streaming.hpp"
#include "yonder/executor.hpp"
#include "yonder/log.hpp"
#include "yonder/snapshot.hpp"

namespace yonder::runtime_detail {
class schedules;
}

namespace yonder::detail {

struct engine_config {
  core::client_config client;
  std::optional<core::hub_config> hub;  // embedded; none: the hub is at the other end of `uplink`
  std::size_t max_call_bytes = 0;
  std::size_t max_decoded_bytes = 0;
  std::uint64_t max_value_bytes = 0;                     // by reference: of one, and of all that are kept
  core::duration drain_timeout = 0;                      // of its end in good order
  bool no_workers = false;                               // none is started here, and none can connect,
  bool has_service_pools = false;                        // but those of some services
  yonder::executor executor;                             // of coroutines; none: a thread of the engine's own
  log_sink log;                                          // none: stderr
  std::shared_ptr<runtime_detail::trace_writer> traces;  // of the hub; null: none
  bool own_thread = true;  // false: a loop of the program's own drives, instead of the housekeeper
};

class hub_journal;
class value_store;

// What a runtime owns and its calls share: the cores, and who drives them.
//
// Threads: one lock guards everything. The thread that waits for a call drives the sockets itself (the
// leader); it holds the lock but for the sleep in the poller. Other waiting threads sleep until the leader
// has their result or hands over. The housekeeping thread leads while nobody waits. Code of users never runs
// on a thread that drives: coroutines go on by an executor. What is decided is decided by src/core and
// src/driver; this carries it out.
class engine : public std::enable_shared_from_this<engine> {
 public:
  explicit engine(engine_config config);
  ~engine();
  engine(engine const&) = delete;
  engine& operator=(engine const&) = delete;

  // Where the embedded hub's workers come from; at most one. Before start().
  void add_pool(std::unique_ptr<runtime_detail::worker_pool> pool);
  // What starts the workers of some of its pools elsewhere; with a listener. Before start().
  void add_launching(std::unique_ptr<runtime_detail::launching> launching);
  // Remote workers of the embedded hub. Before start().
  void add_listener(std::unique_ptr<transport::listener> listener);
  // The embedded hub's durable calls. Before start(). Throws usage_error.
  void open_journal(std::string const& folder, core::duration result_time, std::uint64_t max_bytes);
  // The connection to a hub elsewhere. Before start().
  void set_uplink(std::unique_ptr<transport::endpoint> uplink);
  // Starts the housekeeping thread, or has the program's loop called.
  void start();

  // Of a loop of the program's own: what it waits for, and its turn, in which also coroutines go on. False:
  // the runtime has ended, or this is a fork.
  int descriptor() const noexcept { return hook_ ? hook_->descriptor() : -1; }
  bool drive();

  // `told`: resumed when the call has ended, and emptied if the call was taken.
  call_ref submit(task_entry const& task, options const& settings, outgoing&& call, departure when,
                  std::unique_ptr<call_stream> stream = nullptr, resumption* told = nullptr);
  call_ref submit_composed(task_entry const& task, options const& settings, outgoing&& call,
                           std::vector<awaited_value>&& arguments);

  // Of a task that streams. `window`: of its reader; null: nothing comes out. `feeds`: its caller feeds it.
  call_ref submit_stream(task_entry const& task, options const& settings, outgoing&& call,
                         core::stream_level const* window, bool feeds);
  enum class stream_event : std::uint8_t { items, wanted, over };
  // Waits until items have come, which are `part` then; or, if the caller has something to feed, until that
  // is wanted; or until the call has ended.
  stream_event wait_for_stream(call_state& call, bool may_feed, stream_part& part);
  // The same without waiting: whether there were items. `listener`: is told that some have come.
  bool take_items(call_state& call, stream_part& part);
  void tell_of_items(call_state& call, resumption const& listener);
  // False: the attempt that asked for it has gone; whoever asks next is given the same.
  bool feed(call_state& call, encoded& item);
  bool end_feed(call_state& call);

  // How far its task has said that it is. False: it has not.
  bool latest_progress(call_state& call, core::progress_report& latest);
  void listen_to_progress(call_state& call, std::shared_ptr<progress_listener> listener);
  void tell_of_progress(call_state& call, resumption const& watcher);
  // Of a durable call: until the hub has it in its journal, or it has ended.
  void wait_accepted(call_state& call);
  // Its caller has the outcome.
  void take(call_state& call) noexcept;
  call_ref find(core::call_id id, std::string const& (*structure)());
  core::call_listing calls();

  void wait(call_state& call);
  bool wait_until(call_state& call, std::int64_t until);
  // Returns once one of them has ended. False: none has by then.
  bool wait_any(std::span<call_state* const> calls, std::int64_t until = core::never);
  void cancel(call_state& call);
  core::call_id id_of(call_state const& call);
  // Sends what submit() has left to whoever waits.
  void send_now();
  bool resume_when_done(call_state& call, resumption const& next);
  bool forget_resumption(call_state& call, resumption const& gone);

  // A worker's attempt, whose task has made calls here, has ended.
  void attempt_ended(core::attempt_key const& attempt) noexcept;

  // Of a hub of its own: begins to end in good order, within this time (core::hub::drain). Returns a
  // descriptor that is readable once that is done; -1: it has no hub, or has ended.
  int drain(core::duration within);
  core::duration drain_timeout() const noexcept { return config_.drain_timeout; }

  // For a continuation: resumes one coroutine whose call has ended, if there is one.
  void resume_one();

  // Completes every call with `disconnected`, ends the workers, waits for the threads inside.
  void stop();

  // Made when it is first asked for, if it is to be. Null: there is none, or the runtime has ended, or this
  // is a fork.
  std::shared_ptr<runtime_detail::schedules> schedules(bool make);

  // Of its hub's pools, the embedded one's or at the other end of `uplink`. Throw what is refused.
  void scale(core::pool_order const& order);
  void warm(core::pool_order const& order);
  // Of a hub elsewhere: see ask_hub() in orders.hpp.
  std::string ask(std::string_view order, std::string const& payload);
  std::vector<core::pool_census> pools();
  std::vector<core::usage_row> usage();
  bool has_own_hub() const noexcept { return config_.hub.has_value(); }
  bool has_journal() const noexcept { return journal_ != nullptr; }  // its own hub

  std::size_t worker_count();
  runtime_snapshot snapshot();
  std::vector<std::string> addresses();

  // A pack of so many calls goes: nobody has one of them any more. Any thread, without the lock.
  void let_go(std::size_t calls) noexcept;

  // What a result may take. Any thread.
  decode_limits decoding() const noexcept { return {.bytes = config_.max_decoded_bytes}; }

  // Its values by reference. Null before start().
  std::shared_ptr<value_store> const& values() const noexcept { return values_; }

  transport::poller& poller() noexcept { return *poller_; }

  // Whether this process is the one that made it, not a fork of it. In a fork nothing else is called, and it
  // is never destroyed: its lock may be held by a thread that is not there, its descriptors are shared.
  bool is_ours() const noexcept { return mark_.is_ours(); }

 private:
  using lock = std::unique_lock<std::mutex>;
  static constexpr std::size_t many_calls = 32'768;  // that are worth a look at the heap

  // One connected endpoint, and the part of a core's peer number that tells it from the others.
  enum class source : std::uint8_t { none, client, pool, listener, uplink };
  static core::peer_id peer_of(source from, transport::peer_id peer) noexcept;
  static source source_of(core::peer_id peer) noexcept;
  static transport::peer_id transport_peer(core::peer_id peer) noexcept;

  call_ref refusal_of(task_entry const& task, options const& settings, outgoing const& call);
  call_ref ended(task_entry const& task, errc code, std::string message);
  call_ref submit_alone(lock& held, task_entry const& task, core::call_policy const& policy,
                        core::attempt_key const& parent, outgoing&& call, departure when,
                        std::unique_ptr<call_stream> stream = nullptr,
                        std::unique_ptr<found_call const> found = nullptr);
  bool add_resumption(call_state& call, resumption const& next);
  call_ref gather(lock& held, task_entry const& task, core::call_policy const& policy,
                  core::attempt_key const& parent, outgoing const& call, departure when);
  bool is_broken() const noexcept { return broken_by_[0] != 0; }
  std::string why_broken() const;
  std::string why_ended() const;
  void begin_pack_spec(task_entry const& task, core::call_policy const& policy,
                       core::attempt_key const& parent, std::span<std::byte const> metadata);
  void add_to_pack_spec(std::span<std::byte const> arguments);
  void open_pack(task_entry const& task, core::attempt_key const& parent);
  void close_pack();
  void send_pack();
  void send_due_pack();
  static void number(call_pack& pack, core::call_id const& first) noexcept;

  template <class Done>
  bool lead_until(lock& held, std::int64_t until, std::span<call_state* const> calls, Done done);
  void lead_until(lock& held, call_state& call, std::function<bool()> const& done);
  void say_that_waits(lock& held, core::attempt_key const& attempt);
  void say_that_goes_on(lock& held, core::attempt_key const& attempt);
  void lead(lock& held, std::int64_t until);
  struct follower : core::list_hook<engine> {
    std::condition_variable woken;
  };
  void wake_followers() noexcept;
  void follow(lock& held, std::int64_t until, std::span<call_state* const> calls);
  void hand_over();
  void wake_leader_if_needed();
  void turn(lock& held, std::int64_t until);
  void take_what_came();
  void sleep_in_loop(lock& held);
  void tick();
  void flush();
  bool arm();
  std::int64_t next_deadline() const;
  std::int64_t pack_due() const noexcept;
  void housekeep();
  void trim_heap_if_due(lock& held);
  template <class Step>
  void survive(lock& held, Step&& step) {
    endurance_.survive(
        held, step, [this](char const* what) { give_up(what); }, [this] { poller_->ring(); });
  }
  void give_up(char const* what) noexcept;
  void end_calls();
  void end_calls_without_memory() noexcept;
  void continue_later(call_state& call) noexcept;
  void post_resumptions() noexcept;
  void resume_here(lock& held);

  void take_events();
  void take_pool_events();
  void take_launched_events();
  void take_pool_event(runtime_detail::pool_event& event);
  void take_listener_event(transport::event& event);
  void take_uplink_event(transport::event& event);
  void carry_out();
  void carry_out_client(core::output& output);
  void carry_out_hub(core::output& output);
  void observe_machine();
  void begin_day();
  bool asks_own_hub();
  template <class Change>
  void change_pool(Change&& change);
  call_ref ask_hub(task_entry const& what, std::string const& payload);
  void tell(std::string line);
  void send(core::out::send&& message);
  driver::send_result offer(core::out::send const& message);
  void refuse_frame(core::peer_id peer);
  void kill(core::out::kill_worker const& doomed);
  void end(core::peer_id peer);
  void complete(core::out::completed& completed);
  void accept(core::out::accepted const& accepted);
  void append(core::out::append const& record);
  void flush_journal();
  void take_journal();
  static call_failure* misfit_of(call_state const& call, core::frame const& value) noexcept;
  void set_ended(call_state& call, call_failure* failure) noexcept;
  call_failure* take_value(call_state& call, core::frame& message) const noexcept;
  void give_back_references(core::frame const& result) const;
  call_failure* failure_of(core::failure& told, call_state const& call) const noexcept;
  static void name_call(call_state const& call, error_details& failure);
  static bool is_outcome(errc code) noexcept;
  bool send_composed(call_state& call);
  void park(call_state& call) noexcept;
  bool unpark(call_state& call) noexcept;
  void send_parked();
  void complete_parked(call_state& call, errc code, std::string const& why);
  void end_unparked(call_state& call, errc code, std::string const& why);
  void end_parked(errc code, std::string const& why);
  void wake(call_state& call);
  void allow_more(lock& held, call_state& call);
  static bool take_first(call_stream& stream, stream_part& part);
  void arrived(core::out::stream_arrived& items);
  void progressed(core::out::progressed& told) noexcept;
  void post_progress(call_state& call);
  bool take_newer(call_state& call, core::progress_report& latest,
                  std::shared_ptr<progress_listener>& listener);
  static void run_listener(void* posted);
  void allowed(core::out::stream_allowed const& told);
  void detach(call_state& call);
  transport::endpoint* endpoint(source from) const noexcept;

  engine_config config_;
  std::mutex mutex_;
  std::unique_ptr<platform::poller> poller_ = platform::make_poller();
  std::int64_t time_ = 0;  // of the step that is being made, read once in each
  std::int64_t day_ends_ = 0;
  std::int64_t due_ = 0;  // when a core is to be told the time, as of the last sleep
  core::client client_;
  std::optional<core::hub> hub_;
  std::size_t in_flight_ = 0;               // calls
  std::atomic<std::size_t> held_calls_{0};  // of packs, by whoever made them or in flight
  std::atomic<bool> held_many_{false};      // so that the heap is trimmed when they have gone,
  std::atomic<bool> heap_fell_{false};      // as they have
  std::int64_t trim_at_ = core::never;
  std::shared_ptr<call_pack> pack_;  // that gathers; null: none
  task_entry const* pack_task_ = nullptr;
  core::batch_spec pack_spec_;  // its memory is used again
  driver::pack_size packs_;
  driver::agenda<core::output> client_due_;
  driver::agenda<core::output> hub_due_;
  std::optional<core::out::completed> unfinished_;  // that there was no memory to carry out
  driver::outbox outbox_;
  std::vector<runtime_detail::pool_event> pool_events_;
  driver::agenda<runtime_detail::pool_event> greetings_;
  driver::agenda<runtime_detail::pool_event> endings_;
  driver::agenda<transport::event> from_pool_;
  driver::agenda<transport::event> from_listener_;
  driver::agenda<transport::event> from_uplink_;
  std::unique_ptr<runtime_detail::worker_pool> pool_;
  std::unique_ptr<transport::listener> listener_;
  std::unique_ptr<runtime_detail::launching> launching_;
  std::unique_ptr<transport::endpoint> uplink_;
  std::unique_ptr<hub_journal> journal_;  // null: there is none
  std::unique_ptr<platform::event_counter> drained_;

  driver::leadership lead_;
  driver::spinning spin_;
  runtime_detail::endurance endurance_;
  core::intrusive_list<follower, engine> followers_;  // each on the stack of a thread that waits
  char broken_by_[256] = "";                          // why nothing is driven any more; empty: it is

  call_state* parked_ = nullptr;       // composed, and wait for outcomes that come here; a list
  std::list<resumption> resumptions_;  // due
  std::size_t unposted_ = 0;  // of them, for which the executor was not asked yet: there was no memory
  runtime_detail::executor_thread executor_{"yonder-resume"};
  std::condition_variable housekeeper_wakes_;
  std::unique_ptr<platform::loop_hook> hook_;  // of the program's loop; null: there is a housekeeper
  std::condition_variable nobody_inside_;
  std::thread housekeeper_;
  std::thread observer_;  // of the machine
  std::shared_ptr<value_store> values_;
  std::mutex schedules_mutex_;
  std::shared_ptr<runtime_detail::schedules> schedules_;
  bool takes_schedules_ = true;
  platform::process_mark mark_;
};

core::call_policy policy_of(options const& settings);

// What the call has to do with values by reference, of those that this thread has encoded last.
void take_references(outgoing& call);

// Puts them behind what the call's metadata say.
void add_referred(outgoing& call);
void add_schedule_terms(std::string_view terms, outgoing& call);

void add_standing_engine(engine_ref engine);
void remove_standing_engine(engine const* engine) noexcept;

}  // namespace yonder::detail
