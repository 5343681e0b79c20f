// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>

#include "src/core/trace.hpp"
#include "src/core/types.hpp"
#include "src/platform/fork.hpp"
#include "src/runtime/attempt_progress.hpp"
#include "src/runtime/executor_thread.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/detail/service_slot.hpp"
#include "yonder/detail/streaming.hpp"
#include "yonder/stop_token.hpp"

namespace yonder {

namespace detail {

// One attempt, as the threads of its task see it.
struct served_call {
  std::stop_source stop;
  std::uint32_t attempt = 0;
  call_id id;

  static served_call const* of(call_token const& token) noexcept { return token.call_.get(); }
};

}  // namespace detail

namespace runtime_detail {

// What this_call tells a task about the attempt that its worker runs.
class call_context {
 public:
  // `reach`: the engine that reaches the worker's hub: `host`, whose thread the worker is, or, in a process
  // that is a worker, one that is made for it; `host` is null then. `service`: what its worker has made; may
  // be null. `streams`: of the attempts; may be null.
  call_context(std::function<detail::engine_ref()> const& reach, detail::engine const* host,
               detail::service_slot* service = nullptr, detail::task_streams* streams = nullptr)
      : reach_(reach), host_(host), service_(service), streams_(streams) {}

  // The worker's thread: an attempt begins, and ends.
  void begin(core::out::run const& work) noexcept;
  void end() noexcept;
  // The next one of a row begins.
  void next() noexcept { ++key_.call.number; }

  // Any thread: the task is to return. What it has registered for this is called on a thread of its own.
  void request_stop() noexcept;

  // The task's own thread.
  bool stop_requested() const noexcept { return stop_.load(std::memory_order_relaxed); }
  core::attempt_key const& key() const noexcept { return key_; }
  std::uint32_t attempt() const noexcept { return key_.attempt; }
  call_id id() const noexcept { return {key_.call.session, key_.call.number}; }
  std::shared_ptr<detail::served_call const> share();
  void retire() noexcept { retires_ = true; }
  void report_progress(double fraction, std::string_view text);
  detail::service_slot* service() const noexcept { return service_; }
  // Null in a fork: the reader is the worker's.
  detail::task_streams* streams() const noexcept { return mark_.is_ours() ? streams_ : nullptr; }
  // What it hands on to what it asks others for; none where a service is made.
  std::optional<core::trace_of> trace() const;
  // Where its calls of tasks go, through the worker's own hub. Throws what a connection throws. Not in a
  // fork: the connection is the worker's.
  detail::engine_ref const& hub();
  bool is_ours() const noexcept { return mark_.is_ours(); }
  // Whether that is this one.
  bool calls_through(detail::engine const* engine) {
    return engine == host_ ? hub().get() == engine : hub_.get() == engine;
  }

  // Any thread: what it has said of that.
  attempt_progress& progress() noexcept { return progress_; }
  attempt_progress const& progress() const noexcept { return progress_; }
  // Called by the task's thread when that is due earlier than it was. To be set before anything runs.
  void on_progress(std::function<void()> told) { told_of_progress_ = std::move(told); }

  // Whether the attempt that ended has asked for it.
  bool retires() const noexcept { return retires_; }

 private:
  std::function<detail::engine_ref()> reach_;
  detail::engine const* host_;
  detail::service_slot* service_;
  detail::task_streams* streams_;
  detail::engine_ref hub_;  // once a task has called a task
  bool called_ = false;     // this attempt has
  std::atomic<bool> stop_{false};
  bool retires_ = false;
  core::attempt_key key_;
  std::span<std::byte const> metadata_;          // of its assignment, as long as it runs
  std::span<core::out::run::item const> items_;  // likewise: of several that run as one
  attempt_progress progress_;
  std::function<void()> told_of_progress_;
  bool is_shared_ = false;  // of the task's own thread
  std::mutex mutex_;
  std::shared_ptr<detail::served_call> shared_;  // once somebody has asked for it
  executor_thread callbacks_{"yonder-stop"};
  platform::process_mark mark_;
};

// Of the thread that asks; null outside of a task.
call_context*& current_call() noexcept;

// The attempt whose task this thread runs, if its calls go through this engine; else of number 0.
core::attempt_key calling_attempt(detail::engine const* engine);

}  // namespace runtime_detail
}  // namespace yonder
