// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>

#include "src/core/types.hpp"
#include "src/runtime/executor_thread.hpp"
#include "yonder/detail/service_slot.hpp"
#include "yonder/this_call.hpp"

namespace yonder {

namespace detail {

// One attempt, as the threads of its task see it.
struct served_call {
  std::stop_source stop;
  std::uint32_t attempt = 0;
  call_id id;
};

}  // namespace detail

namespace runtime_detail {

// What this_call tells a task about the attempt that its worker runs.
class call_context {
 public:
  // `host`: the engine of this process whose worker runs the attempt; null in a worker process.
  // `service`: what its worker has made; may be null.
  explicit call_context(void const* host, detail::service_slot* service = nullptr)
      : host_(host), service_(service) {}

  // The worker's thread: an attempt begins, and ends.
  void begin(core::attempt_key const& key) noexcept;
  void end() noexcept;
  // The next one of a row begins.
  void next() noexcept { ++id_.number; }

  // Any thread: the task is to return. What it has registered for this is called on a thread of its own.
  void request_stop() noexcept;

  // The task's own thread.
  bool stop_requested() const noexcept { return stop_.load(std::memory_order_relaxed); }
  std::uint32_t attempt() const noexcept { return attempt_; }
  call_id id() const noexcept { return id_; }
  std::shared_ptr<detail::served_call const> share();
  void retire() noexcept { retires_ = true; }
  void const* host() const noexcept { return host_; }
  detail::service_slot* service() const noexcept { return service_; }

  // Whether the attempt that ended has asked for it.
  bool retires() const noexcept { return retires_; }

 private:
  void const* host_;
  detail::service_slot* service_;
  std::atomic<bool> stop_{false};
  bool retires_ = false;
  std::uint32_t attempt_ = 0;
  call_id id_;
  bool is_shared_ = false;  // of the task's own thread
  std::mutex mutex_;
  std::shared_ptr<detail::served_call> shared_;  // once somebody has asked for it
  executor_thread callbacks_{"yonder-stop"};
};

// Why a task cannot call tasks on workers.
inline constexpr std::string_view nested_call =
    "a task cannot call tasks on workers yet: it would wait for the slot that it holds; make the call from "
    "the program, "
    "or use local() here";

// Of the thread that asks; null outside of a task.
call_context*& current_call() noexcept;

}  // namespace runtime_detail
}  // namespace yonder
