// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/call_id.hpp"
#include "yonder/detail/durations.hpp"
#include "yonder/errc.hpp"

namespace yonder {

// What became of the calls of one task for one pool, whoever made them, since the hub began.
struct task_snapshot {
  std::string name;    // the task's
  std::string pool{};  // as of pool_snapshot::name; empty: only workers that come by themselves are for it
  std::uint64_t calls = 0;                               // that were made
  std::uint64_t succeeded = 0;                           // that ended with a value
  std::uint64_t cancelled = 0;                           // that were cancelled
  std::vector<std::pair<errc, std::uint64_t>> failed{};  // the others, by why

  // Attempts that returned a value, by how long they ran: runs[i] of less than 2ⁱ µs and of no range before;
  // the last is of whatever took longer.
  std::vector<std::uint64_t> runs{};
  std::chrono::microseconds run_time{};  // of all of them

  // In how many frames workers were given its calls, by how many calls each held: frames[i] of at most 2ⁱ and
  // of no range before; the last is of whatever was more.
  std::vector<std::uint64_t> frames{};
  std::uint64_t calls_in_frames = 0;     // of all of them
  std::vector<std::uint64_t> batches{};  // likewise those whose calls run together, as of yonder::batched
  std::uint64_t calls_in_batches = 0;    // of all of them

  std::uint64_t argument_bytes = 0;  // that calls had with them, with what surrounds them
  std::uint64_t result_bytes = 0;    // likewise those that returned a value

  // Calls that have ended, however.
  std::uint64_t ended() const {
    auto all = succeeded + cancelled;
    for (auto const& [code, count] : failed) all += count;
    return all;
  }
};

// One pool of a hub's workers at one moment.
struct pool_snapshot {
  std::string name{};         // for runtime::scale: "default", or a service and what tells its pools apart
  std::string needs{};        // of each worker, in words: "gpu = 1, gpu_memory = 20 GiB"; empty: nothing
  std::size_t min = 0;        // workers that stay
  std::size_t max = 0;        // workers at most
  std::size_t buffer = 0;     // spare workers while others work
  std::size_t max_queue = 0;  // 0: any number
  std::chrono::nanoseconds scaledown_window{};  // for which an idle worker stays
  std::chrono::nanoseconds park_window{};       // for which it is parked then
  std::size_t workers = 0;                      // in service, and those that make their object
  std::size_t idle_workers = 0;                 // of them
  std::size_t starting_workers = 0;             // not yet connected
  std::size_t parked_workers = 0;               // that have given back their GPUs and cores
  std::size_t queued = 0;                       // calls that wait for a worker
  std::uint64_t gpu_memory = 0;  // that its workers were given, in bytes; of a hub elsewhere: 0
  // Why its workers do not come, in words: what a scheduler says, or what a start that failed has printed.
  // Empty: nothing is known to stop them.
  std::string why{};
};

// Calls of one task that wait for workers of one pool, at one moment. Those that wait for something else are
// none of them: for the turn of their order key, for their next attempt, for the journal.
struct queue_snapshot {
  std::string task;       // its name
  std::string pool;       // as of pool_snapshot::name; empty: only workers that come by themselves are for it
  std::size_t calls = 0;  // that wait
  std::chrono::nanoseconds oldest{};  // for how long the first of them has waited
};

// A GPU of the hub's machine at one moment, in bytes. What is used of it is not known to the hub.
struct gpu_snapshot {
  std::string id;            // as CUDA_VISIBLE_DEVICES names it
  std::uint64_t memory = 0;  // that it has
  std::uint64_t leased = 0;  // of it, what workers were given: gpu_memory, or all of it
};

// A runtime's own hub at one moment; all is 0 where the hub is elsewhere.
struct runtime_snapshot {
  std::size_t clients = 0;           // connected, this program among them
  std::size_t workers = 0;           // connected
  std::size_t idle_workers = 0;      // of them
  std::size_t starting_workers = 0;  // not yet connected
  std::size_t parked_workers = 0;    // without their GPUs, until a call needs them (park_window)
  std::size_t waiting_workers = 0;   // whose tasks wait for calls that they have made, or for a slow reader
  std::size_t calls = 0;             // that have not ended
  std::size_t queued = 0;            // of them, those that wait for a worker
  std::size_t delayed = 0;           // and those that wait for their next attempt
  std::size_t bytes = 0;             // of their arguments

  std::uint64_t attempts = 0;        // that were given to workers, since the hub began
  std::uint64_t retries = 0;         // of them, those that were not a call's first
  std::uint64_t workers_lost = 0;    // that ended, or fell silent, by themselves
  std::uint64_t workers_killed = 0;  // that were ended: a timeout or a cancel that the task ignored
  std::uint64_t start_failures = 0;  // workers that could not be started

  std::uint64_t traced = 0;       // calls and attempts that were told where trace_options say
  std::uint64_t traces_lost = 0;  // that could not be

  std::vector<task_snapshot> tasks{};    // by name and pool
  std::vector<queue_snapshot> queues{};  // by task and pool, also where none wait
  std::vector<pool_snapshot> pools{};    // as runtime::pools()
  std::vector<gpu_snapshot> gpus{};      // those whose memory is known, once a task has asked for one
};

// One call of a hub at one moment.
struct call_snapshot {
  // How far it is.
  enum class state : std::uint8_t {
    waiting = 1,  // for a worker, its turn, its next attempt or the journal
    running,
    succeeded,
    failed,
  };
  call_id id;                       // as of call::id()
  std::string task;                 // its name
  state is{};                       // how far it is
  bool durable = false;             // as of options::durable
  unsigned attempts = 0;            // that may have been started, with the one that runs
  std::chrono::nanoseconds kept{};  // for so long the outcome of one that has ended is kept
};
YONDER_API std::string_view to_string(call_snapshot::state is) noexcept;  // in a word

// For how long workers ran a task for somebody on one day.
struct usage_snapshot {
  std::string day;         // "2026-11-29", by the local time of the hub's machine
  std::string task;        // its name
  std::string credential;  // whose calls (the text in client.pub); empty: those of the hub's own program
  std::string key;         // options::fairness_key; over HTTP, where the task has none, the name of the key
  std::uint64_t attempts = 0;               // that ran
  std::chrono::microseconds worker_time{};  // of all of them
  std::chrono::microseconds gpu_time{};     // the same times the GPUs that those workers had
};

}  // namespace yonder
