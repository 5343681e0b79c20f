// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "src/core/types.hpp"
#include "yonder/detail/call_state.hpp"

namespace yonder::detail {

// What goes on when a call has ended: a coroutine.
struct resumption {
  void (*resume)(void*);
  void* argument;
  friend bool operator==(resumption const&, resumption const&) = default;
};

// One submitted call. Fields are guarded by the engine's lock until `done` is set; from then on nothing
// changes.
class call_state {
 public:
  call_state(engine_ref owner, std::string_view name) noexcept : where(std::move(owner)), task(name) {}
  ~call_state();
  call_state(call_state const&) = delete;
  call_state& operator=(call_state const&) = delete;

  // In a fork of the process that made the call, if it had not ended by then: how it ends there. Nothing but
  // `where` and `task` is to be looked at, another thread may have been writing the rest. Any thread.
  error_details const& failure_in_fork() const;

  engine_ref where;
  std::string_view task;  // its name
  core::call_id id;
  std::int64_t submitted = 0;  // when, in nanoseconds of the monotonic clock
  std::atomic<bool> done{false};
  std::optional<core::outcome> result;
  std::optional<error_details> failure;  // of a result that is an error

  call_ref in_flight;                         // itself, until it is done: the runtime's share
  std::condition_variable* waiter = nullptr;  // of a thread that waits while another one pumps
  bool several_wait = false;                  // more than one such thread: all followers are told
  bool borrows = false;                       // its buffers belong to the caller, who waits
  std::vector<resumption> resumptions;        // the coroutines that wait

 private:
  mutable std::atomic<error_details const*> failure_in_fork_{nullptr};  // made when it is first asked for
};

}  // namespace yonder::detail
