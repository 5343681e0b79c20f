// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_records.hpp"
#include "src/core/wait_watch.hpp"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

namespace yonder::core {

struct function_key {
  pool_record const* home = nullptr;
  std::string_view name;
  std::uint64_t signature = 0;
  build_choice build{};
  friend bool operator==(function_key const&, function_key const&) = default;
};
struct function_key_hash {
  std::size_t operator()(function_key const& key) const noexcept {
    return std::hash<std::string_view>()(key.name) ^ static_cast<std::size_t>(key.signature) ^
           std::hash<void const*>()(key.home) ^ static_cast<std::size_t>(key.build.build + key.build.program);
  }
};

// Where the lane's calls wait for workers of that program.
void add_place(lane& one, image& by);

// Which worker runs which call: functions and their queues, the tables that workers and pools offer, and
// what each worker has in its hands. It decides; the hub sends.
class dispatcher {
 public:
  struct limits {
    duration prefetch = 1 * millisecond;  // of measured work that may wait in a worker
    std::size_t attempts = 64;            // in a worker's hands
    std::size_t bytes = 0;                // of calls that wait in a worker behind the one that it runs
    duration function_grace = 0;          // how long calls wait for a function whose last worker went
    time_point began = 0;                 // when workers began to come
    duration wait_notice = 5 * second;    // how long they wait for whom there is nobody before that is told
    std::string starts_for{};             // services, in words: of others the hub starts no workers; none: ""
  };

  explicit dispatcher(limits allowed) : limits_(std::move(allowed)), waits_(limits_.wait_notice) {}

  // --- functions, and who offers them

  // `home`: where it has to run; null: on any worker without requirements.
  function_record& function_of(std::string_view name, std::uint64_t signature, pool_record* home = nullptr,
                               build_choice const& build = {});
  // One of its calls has ended.
  void release(function_record& function);

  // The table is held until release(): by a worker, or by a pool. Takes the schemas.
  image& hold_image(std::vector<function_info>& table, pool_record* home = nullptr,
                    program_build const& made_of = {});
  static std::vector<function_info> table_of(image const& one);
  // Calls of this build may come: what is known of its functions stays.
  void hold_build(std::uint64_t build) { ++held_builds_[build]; }
  void release_build(std::uint64_t build);
  void release(time_point now, image& held);

  // Pools in the order in which they are asked to start workers.
  void add_pool(pool_record& pool);
  // The pool's workers do not come: others start theirs for its functions, as far as they may have them.
  void hand_over(pool_record const& failing);
  // Whether workers that the hub starts have this, as far as is known: of a service whose workers are of a
  // program of their own (pool_record::own_model), what that one has, and of others what the first pool's
  // has. What is not known may be.
  bool could_offer(pool_config const* own_model, std::string_view name, std::uint64_t signature,
                   build_choice const& build = {}) const;
  // The pool's workers turn out to offer this.
  void learn(time_point now, pool_record& pool, image& program);

  // --- queues

  void enqueue(time_point now, call_record& call);
  static void expect(function_record& function) { function.expected = true; }
  // What was not started goes back to the place it had, and has cost nothing.
  void requeue(time_point now, call_record& call);
  void dequeue(call_record& call);
  // The same for one that is given to this worker, and counts as served.
  void take(call_record& call, worker_session const& worker);
  // The first items of a queued call, which wait by themselves from now on.
  void queue_before(time_point now, call_record& call, call_record& front);
  std::size_t queued() const noexcept { return queued_; }
  // So many more of its calls, or fewer, wait for the turn of their order key before they are queued.
  static void count_ordered(function_record& function, std::ptrdiff_t more);
  // Whether a call that a task has made was queued since this was asked last.
  bool nested_came() noexcept { return std::exchange(nested_came_, false); }

  // The waiting calls that only workers of this pool could run, of which none is there; the longest waiting
  // first.
  std::vector<call_record*> waiting_for(pool_record const& pool) const;
  // Calls visit(call) for all that wait for a worker of this pool, in no order. It changes no queue.
  template <class Visit>
  void each_waiting(pool_record const& pool, Visit&& visit) const {
    for (auto const& [key, function] : functions_)
      if (function->pool == &pool) function->queue.each(visit);
  }

  // --- workers

  struct assignment {
    call_record* call = nullptr;
    worker_session* worker = nullptr;
  };
  // How many of the call's items the worker may be given: as many as are estimated to keep it busy for the
  // prefetch time, and one always.
  std::uint32_t room(time_point now, worker_session const& worker, call_record const& call) const;
  // The same behind others of its function, which it is about to be given. 0: none.
  struct load_to_come {
    std::size_t records = 0, items = 0, bytes = 0;
  };
  std::uint32_t room_behind(worker_session const& worker, call_record const& call,
                            load_to_come const& others) const;
  // Whether the call ends before the worker's allocation does, with what that has to run before, as far as is
  // known: by its timeout, or else as such calls have lasted so far.
  static bool outlasts(time_point now, worker_session const& worker, call_record const& call);
  // What is to be assigned next; without a call: nothing can be. It must be dequeued before the next
  // question.
  assignment next(time_point now);
  // The call of this function that is next for the image's workers; null: none waits.
  call_record* next_in(function_record& function, image& one);
  // When a batch that waits for company is to be handed to a busy worker.
  time_point batch_due() const noexcept { return batch_due_; }
  // The call was sent to the worker under `sequence`, in a frame of so many bytes. Returns its place among
  // those that the worker has.
  std::size_t assigned(time_point now, call_record& call, worker_session& worker, std::uint32_t sequence,
                       std::size_t bytes);
  // The same for calls that run as one, under consecutive ids from `first` on.
  std::size_t assigned(time_point now, std::span<call_record* const> company, worker_session& worker,
                       call_id first, std::uint32_t sequence);
  // The attempt's first `at` items go their own way: they are the attempt at `index`, the rest is the next.
  // What it runs, or has ended, of an earlier hub. `call`: null, if nobody wants it.
  void adopt(time_point now, call_record* call, worker_session& worker, call_id id,
             std::uint32_t number) const;
  // The attempt at `index`, which nobody wanted so far, is of this call.
  static void adopt(call_record& call, worker_session& worker, std::size_t index);
  void split(worker_session& worker, std::size_t index, std::uint32_t at);
  // The worker has answered.
  void answered(time_point now, worker_session& worker, std::size_t index);
  void measure(function_record& function, duration ran) const;

  void join(time_point now, worker_session& worker, image& program);
  // Looks anew at how much the worker may be given.
  void update_load(time_point now, worker_session& worker);
  // Out of service for good: draining, dying or gone. What it has in its hands is still awaited.
  void leave_service(time_point now, worker_session& worker);
  // It computes nothing, as its tasks wait for calls of their own.
  void set_waits(worker_session& worker, bool waits);
  // Its table's functions wait for it, or for others, while it holds a service.
  void lend(time_point now, worker_session& worker);
  void bring_back(time_point now, worker_session& worker);
  // It is in no image until it joins one again, of its table.
  void set_aside(time_point now, worker_session& worker);
  // It is in no image any more, and holds nothing.
  void take_out(time_point now, worker_session& worker);
  // Whether some that came by themselves have this, as far as is known.
  bool could_recruit(std::string_view name, std::uint64_t signature, build_choice const& build);
  // One that came by itself, has nothing to do, and has this; null: none is. `none_has`: nor will be.
  worker_session* find_recruit(std::string_view name, std::uint64_t signature, build_choice const& build,
                               bool& none_has);
  // Whether calls wait that its workers could run, and nobody else does.
  static bool is_missed(image const& one);
  // Calls visit(image) for those of which workers are lent.
  template <class Visit>
  void each_that_lends(Visit visit) {
    for (auto* const one : in_order_)
      if (one->lent != 0) visit(*one);
  }
  // Gone: releases its table.
  void leave(time_point now, worker_session& worker);
  std::size_t in_service() const noexcept { return in_service_; }

  // All that waits in the worker was asked for.
  static void recalled(worker_session& worker);
  // Whether it is time to look at what waits in workers.
  bool should_spread(time_point now);
  time_point spread_due() const noexcept { return spread_due_; }
  // Whether the worker's waiting work has waited long behind one attempt, and could run elsewhere, or after
  // what has come meanwhile.
  bool could_spread(time_point now, worker_session& worker) const;

  // --- functions that nobody offers

  // A function whose waiting calls are to fail; null: none. They must be dequeued before the next question.
  function_record* unknown(time_point now);
  time_point unknown_due() const noexcept { return unknown_due_; }
  // Whether a pool was learned of since this was asked: calls that waited for it may be for others.
  bool some_stranded() noexcept { return std::exchange(some_stranded_, false); }
  // By a worker, or a pool, for calls that ask nothing of who runs them.
  bool is_offered(std::string_view name, std::uint64_t signature) const;
  // Of what other builds the workers are that have it; none: no worker has it.
  std::optional<failure> explain_builds(std::string const& name, std::uint64_t signature,
                                        build_choice const& build) const;
  // `own_model`: as of could_offer().
  failure explain_unknown(std::string const& name, std::uint64_t signature,
                          std::vector<function_info> const* callers_functions,
                          pool_config const* own_model = nullptr) const;

  // --- waits that are long

  // A function whose calls wait and nobody can take, which is to be told; null: no more.
  function_record* long_wait(time_point now) { return waits_.look(now, functions_, &has_takers); }
  std::string tell_of_wait(function_record const& function) const;
  // Why no worker takes its calls, where none could.
  std::string explain_wait(function_record const& function) const;
  std::string why_not_started() const;
  time_point long_wait_due() const noexcept { return queued_ == 0 ? never : waits_.due(); }

  std::size_t functions() const noexcept { return functions_.size(); }
  // Calls visit(function) for each, in no order. It changes no queue.
  template <class Visit>
  void each_function(Visit visit) const {
    for (auto const& [key, function] : functions_) visit(*function);
  }

 private:
  static void offer(function_record& function, image& by);
  void forget(function_record& function);
  std::string builds_of(std::string_view name, std::uint64_t signature) const;
  static service_rank rank_of(call_record const& call);
  lane& lane_of(call_record const& call);
  static void forget(lane& empty);
  static void reorder(lane& one);
  static void count_items(function_record& function, std::ptrdiff_t more);
  void queue_grew(time_point now, call_record const& call);
  void find_pool(function_record& function);
  static void set_pool(function_record& function, pool_record* found);
  bool fits(worker_session const& worker, call_record const& call) const;
  bool is_late(time_point now, worker_session const& worker) const;
  bool could_grow(image const& one) const;
  bool is_batch_due(time_point now, function_record& function) const;
  struct candidate {
    worker_session* worker = nullptr;
    bool some_end = false;  // there are others, whose allocations end too soon
  };
  candidate find_worker(time_point now, image& one, call_record& call, bool prefetch) const;
  static duration need_of(worker_session const& worker, call_record const& call);
  static std::uint64_t runs_left(time_point now, worker_session const& worker, call_record const& call);
  assignment next_of(time_point now, image& one, bool prefetch) const;
  duration estimate_of(function_record const& function) const;
  // Of measured work that the worker may have.
  duration prefetch_of(worker_session const& worker) const { return limits_.prefetch * worker.concurrency; }
  worker_load load_of(worker_session& worker) const;
  void move_to(time_point now, worker_session& worker, worker_load load);
  static void count_loaded(worker_session& worker);
  static void note_waiting(worker_session& worker, std::size_t first);
  bool could_serve_better(image const& one) const;
  bool sources_known(function_record const& function) const;
  void own_program_changed(pool_config const* own_model);
  static bool is_of_own_program(image const& one) {
    return one.home != nullptr && one.home->own_model != nullptr;
  }
  void leave_image(time_point now, worker_session& worker);
  void list_images();
  static bool has_takers(function_record const& function);
  // Of a pool some of whose workers wait, no more compute than it may have.
  template <class Takes>
  static worker_session* free_worker(image& one, Takes&& takes) {
    for (auto* idle = one.idle.first(); idle != nullptr; idle = one.idle.after(*idle)) {
      auto const may = idle->pool == nullptr || idle->pool->computing() < idle->pool->config.max_workers;
      if (may && takes(*idle)) return idle;
    }
    return nullptr;
  }
  static bool can_help(image& one) {
    return one.loaded != 0 && one.order.empty() && (has_free_worker(one) || !one.open.empty());
  }
  static bool has_free_worker(image& one);

  limits limits_;
  wait_watch waits_;
  std::unordered_map<function_key, std::unique_ptr<function_record>, function_key_hash> functions_;
  function_record* last_function_ = nullptr;
  std::unordered_map<std::uint64_t, std::size_t> held_builds_;
  std::unordered_map<std::uint64_t, time_point> gone_builds_;  // when the last worker of each went, of late
  intrusive_list<function_record, unoffered_tag> unoffered_;
  std::map<std::string, image> images_;
  std::vector<image*> in_order_;  // these
  std::vector<pool_record*> pools_;
  std::uint64_t last_stamp_ = 0;
  std::uint64_t last_image_ = 0;
  std::size_t queued_ = 0;
  bool nested_came_ = false;
  std::size_t in_service_ = 0;      // workers that take work
  std::size_t own_in_service_ = 0;  // of them, those of a service's own program
  time_point spread_due_ = never;
  time_point batch_due_ = never;
  bool some_stranded_ = false;
  time_point unknown_due_ = never;  // when to look again at calls for functions that nobody offers
};

}  // namespace yonder::core
