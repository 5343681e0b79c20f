// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string_view>

#include "src/core/types.hpp"
#include "yonder/detail/call_state.hpp"

namespace yonder::detail {

// One submitted call. Fields are guarded by the engine's lock until `done` is set; from then on nothing
// changes.
class call_state {
 public:
  call_state(engine_ref owner, std::string_view name) noexcept : where(std::move(owner)), task(name) {}

  engine_ref where;
  std::string_view task;  // its name
  core::call_id id;
  std::atomic<bool> done{false};
  std::optional<core::outcome> result;
  std::optional<error_details> failure;  // of a result that is an error

  call_ref in_flight;                         // itself, until it is done: the runtime's share
  std::condition_variable* waiter = nullptr;  // of a thread that waits while another one pumps
  void (*resume)(void*) = nullptr;            // the coroutine that waits
  void* resume_argument = nullptr;
  bool borrows = false;  // its buffers belong to the caller, who waits
};

}  // namespace yonder::detail
