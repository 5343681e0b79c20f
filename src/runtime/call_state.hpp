// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "src/core/streams.hpp"
#include "src/core/types.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/detail/spare_blocks.hpp"

namespace yonder::detail {

class call_pack;
struct value_ticket;
class call_state;

// What goes on when a call has ended: a coroutine, or, `at_once`, what is told of it on the thread that
// drives, under the engine's lock.
struct resumption {
  void (*resume)(void*) = nullptr;
  void* argument = nullptr;
  bool at_once = false;
  friend bool operator==(resumption const&, resumption const&) = default;
};

// What a call streams. Of the engine, under its lock.
struct call_stream {
  bool reads = false;  // its caller reads what it produces
  core::stream_reader reader;
  std::deque<core::frame> inbox;  // what has come, and was not taken
  core::stream_level given;       // what was taken last: its reader is at it
  resumption listener{};          // is told that items have come; null: a thread waits for them
  bool feeds = false;             // its caller feeds it
  core::stream_account input;
};

// A call whose arguments are the values of others. Of the engine, under its lock.
struct call_composition {
  task_entry const& task;
  core::call_policy policy;
  core::attempt_key parent;
  outgoing call;  // without these values
  std::vector<awaited_value> arguments;
  bool gone = false;  // the hub knows one of them no longer: its outcome is here, or on its way
  call_state* next_parked = nullptr;  // of the engine's list
};

// How a call ended without its value: in words, and as the core told it, where it did.
struct call_failure {
  error_details details;
  std::unique_ptr<core::failure> told;
};

// Of a call whose end there was no memory to tell of; of one whose runtime could not go on, likewise.
call_failure* failure_without_memory() noexcept;
call_failure* failure_of_broken_runtime() noexcept;

struct failure_deleter {
  void operator()(call_failure* failure) const noexcept {
    if (failure != failure_without_memory() && failure != failure_of_broken_runtime()) delete failure;
  }
};

// How far a task has said that it is, and who is told of it. Of the engine, under its lock.
struct call_progress {
  std::optional<core::progress_report> latest;
  resumption watcher{};  // at once
  std::shared_ptr<progress_listener> listener;
  bool posted = false;  // the listener is told, or is about to be
  bool newer = false;   // it has something to be told
};

// Of a call that is another one's, which was asked for by its id.
struct found_call {
  core::call_id id;
  std::string const& (*structure)();  // of what it is to return, in words
};

// What few calls have.
struct call_extras {
  std::list<resumption> resumptions;  // whoever waits without a thread
  std::vector<buffer> buffers;        // of the value
  std::unique_ptr<call_stream> stream;
  std::unique_ptr<call_composition> composed;  // until it has ended
  std::unique_ptr<call_progress> progress;
  std::shared_ptr<outgoing_values> values;             // among its arguments; until it has ended
  std::vector<std::shared_ptr<value_ticket>> tickets;  // of the references in its value
};

// One submitted call, of which there may be a million. Fields are guarded by the engine's lock until `done`
// is set; from then on nothing changes.
class call_state {
 public:
  call_state() = default;
  ~call_state();
  call_state(call_state const&) = delete;
  call_state& operator=(call_state const&) = delete;

  engine_ref const& where() const noexcept;
  std::string_view task() const noexcept;  // its name
  std::int64_t submitted() const noexcept;

  // In a fork of the process that made the call, if it had not ended by then: how it ends there. Nothing but
  // where() and task() is to be looked at, another thread may have been writing the rest. Any thread.
  error_details const& failure_in_fork() const;

  call_pack* pack = nullptr;       // that it is part of, for ever
  std::uint32_t place = 0;         // there
  std::uint32_t value_offset = 0;  // of the result in `value`
  std::atomic<bool> done{false};
  bool several_wait = false;                  // more than one thread, while another one pumps
  bool borrows = false;                       // its buffers belong to the caller, who waits
  bool lent = false;                          // it is an argument of a call, and may be one of others
  bool elsewhere = false;                     // its value was given to another call alone
  bool accepted = false;                      // it is in the hub's journal
  std::atomic<bool> is_kept{false};           // the hub keeps its outcome until it is told that we have it
  std::condition_variable* waiter = nullptr;  // of a thread that waits so
  std::unique_ptr<call_extras> extras;
  call_extras& with_extras() {
    if (!extras) extras = std::make_unique<call_extras>();
    return *extras;
  }
  call_progress& with_progress() {
    auto& its = with_extras().progress;
    if (!its) its = std::make_unique<call_progress>();
    return *its;
  }
  call_stream* stream() const noexcept { return extras ? extras->stream.get() : nullptr; }
  call_composition* composed() const noexcept { return extras ? extras->composed.get() : nullptr; }

  std::unique_ptr<call_failure, failure_deleter> failure;  // null: there is a value
  core::frame_body value;

 private:
  mutable std::atomic<error_details const*> failure_in_fork_{nullptr};  // made when it is first asked for
};

// The call says whose task makes it.
void add_parent(core::attempt_key const& parent, outgoing& call);

// Calls of one task that were made one after the other, and travel together; or one call. Whoever has one of
// them shares the pack.
class call_pack {
 public:
  call_pack(engine_ref owner, std::string_view name, std::size_t capacity, std::int64_t now)
      : where(std::move(owner)),
        task(name),
        submitted(now),
        capacity_(capacity),
        others_(capacity > 1 ? new call_state[capacity - 1] : nullptr) {}
  ~call_pack();
  call_pack(call_pack const&) = delete;
  call_pack& operator=(call_pack const&) = delete;

  // One more call. Not if full().
  call_state& add() noexcept {
    auto& added = size_ == 0 ? first_ : others_[size_ - 1];
    added.pack = this;
    added.place = size_++;
    ++undone;
    return added;
  }
  bool full() const noexcept { return size_ == capacity_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }

  engine_ref const where;
  std::string_view const task;
  std::int64_t const submitted;  // when the first one was, in nanoseconds of the monotonic clock

  // The numbers of its calls: from `number` on; 0: they have none yet. Any thread may read it.
  std::uint64_t session = 0;
  std::atomic<std::uint64_t> number{0};
  core::call_id id_of(call_state const& call) const noexcept {
    return found ? found->id : submitted_id_of(call);
  }
  // Of a call that asks for another one's outcome: its own.
  core::call_id submitted_id_of(call_state const& call) const noexcept {
    return {session, number.load(std::memory_order_relaxed) + call.place};
  }

  bool of_task = false;  // whose task is to say that it waits for them
  bool durable = false;
  std::unique_ptr<found_call const> found;  // before it is submitted
  call_state& at(std::size_t place) noexcept { return place == 0 ? first_ : others_[place - 1]; }

  // Of the engine, under its lock.
  std::size_t undone = 0;
  std::shared_ptr<call_pack> in_flight;  // itself, while one is undone: the runtime's share

 private:
  std::uint32_t size_ = 0;
  std::size_t capacity_;
  call_state first_;
  std::unique_ptr<call_state[]> others_;
};

// A pack of one, whose memory its thread uses again.
inline std::shared_ptr<call_pack> one_call(engine_ref owner, std::string_view task, std::int64_t now) {
  return std::allocate_shared<call_pack>(spare_allocator<call_pack>(), std::move(owner), task, 1, now);
}

inline engine_ref const& call_state::where() const noexcept { return pack->where; }
inline std::string_view call_state::task() const noexcept { return pack->task; }
inline std::int64_t call_state::submitted() const noexcept { return pack->submitted; }

}  // namespace yonder::detail
