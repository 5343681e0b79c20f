// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/worker_loop.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "src/platform/process.hpp"
#include "src/runtime/exceptions.hpp"
#include "src/runtime/registry.hpp"

namespace yonder {
namespace runtime_detail {
namespace {

using platform::now;

constexpr core::duration patience = core::millisecond;  // with a call, before the watchdog takes over
constexpr int idle_ticks = 100;                         // of the watchdog, before it sleeps until it is woken
constexpr core::duration result_delay =
    100 * core::microsecond;  // results that others follow are sent together

volatile sig_atomic_t termination_requested = 0;

void on_termination(int) { termination_requested = 1; }

thread_local call_context* current_call = nullptr;

core::failure failure_of(errc code, std::string message) {
  core::failure failure;
  failure.code = code;
  failure.message = std::move(message);
  return failure;
}

std::size_t bytes_of(detail::encoded const& content) {
  auto bytes = content.head.size();
  for (auto const& block : content.buffers) bytes += block.size;
  return bytes;
}

}  // namespace

void block_termination() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

worker_loop::worker_loop(worker_loop_config config) : config_(std::move(config)), core_(config_.core, now()) {
  index_tasks();
}

worker_loop::~worker_loop() {
  {
    lock const held(mutex_);
    stopping_ = true;
  }
  wake_watchdog();
  if (watchdog_.joinable()) watchdog_.join();
}

void worker_loop::index_tasks() {
  for (auto const& function : config_.core.functions) {
    auto const* const task = find_task(function.name);
    tasks_.emplace(task->name, task);
  }
}

core::out::exit worker_loop::run() {
  watchdog_ = std::thread([this] { watch(); });
  ::pthread_setname_np(watchdog_.native_handle(), "yonder-watchdog");
  lock held(mutex_);
  while (!exit_) {
    if (next_)
      serve(held, *std::exchange(next_, std::nullopt));
    else
      turn(held);
  }
  connection_->flush();
  return *exit_;
}

void worker_loop::abandon() noexcept {
  abandoned_.store(true);
  context_.stop.store(true);
  poller_->ring();
}

// --- one call
// -----------------------------------------------------------------------------------------------------

void worker_loop::serve(lock& held, core::out::run work) {
  running_key_ = work.key;
  context_.stop.store(false, std::memory_order_relaxed);
  context_.attempt = work.key.attempt;
  context_.id = {work.key.call.session, work.key.call.number};
  if (config_.started != nullptr) config_.started->store(work.sequence, std::memory_order_release);
  runs_.fetch_add(1, std::memory_order_relaxed);
  held.unlock();

  if (watchdog_asleep_.load(std::memory_order_relaxed)) wake_watchdog();
  detail::encoded result;
  std::optional<core::failure> failure;
  current_call = &context_;
  try {
    execute(work, result);
  } catch (codec_error const& error) {
    failure = failure_of(error.code(), error.details().message);
  } catch (...) {
    failure = describe_current_exception(config_.max_result_bytes);
  }
  current_call = nullptr;
  end_if_fork(!failure);

  held.lock();
  runs_.fetch_add(1, std::memory_order_relaxed);
  while (taken_over_) {
    poller_->ring();
    given_back_.wait(held);
  }
  auto const time = now();
  if (failure)
    core_.finished(time, work.key, std::move(*failure), outputs_);
  else
    report(time, work.key, std::move(result));
  if (context_.retire.load(std::memory_order_relaxed)) core_.drain(time, outputs_);
  carry_out();
  flush_if_due(time);
}

// A task has forked, and this is the child, at the task's end: as a thread's first function would, it ends
// here. The call is the parent's to answer.
void worker_loop::end_if_fork(bool returned) const noexcept {
  if (!mark_.is_ours()) ::_exit(returned ? EXIT_SUCCESS : EXIT_FAILURE);
}

void worker_loop::execute(core::out::run const& work, detail::encoded& result) {
  auto const found = tasks_.find(work.function);
  if (found == tasks_.end())
    detail::throw_error({.code = errc::unknown_function, .message = "this worker has no such task"});
  found->second->invoke(work.message.payload(), work.message.buffers, {.bytes = config_.max_decoded_bytes},
                        result);
}

void worker_loop::report(std::int64_t time, core::attempt_key const& key, detail::encoded&& result) {
  if (auto const bytes = bytes_of(result); bytes > config_.max_result_bytes) {
    core_.finished(
        time, key,
        failure_of(errc::too_large, "the result takes " + std::to_string(bytes) + " bytes; the limit is " +
                                        std::to_string(config_.max_result_bytes) +
                                        " (runtime_options::max_call_bytes)"),
        outputs_);
    return;
  }
  core::frame value;
  value.head.buffer_count = static_cast<std::uint32_t>(result.buffers.size());
  value.body = std::move(result.head);
  value.buffers = std::move(result.buffers);
  core_.finished(time, key, std::move(value), outputs_);
}

// Results that more work follows leave together.
void worker_loop::flush_if_due(std::int64_t time) {
  if (unflushed_since_ == 0) unflushed_since_ = time;
  if (next_ && time - unflushed_since_ < result_delay) return;
  connection_->flush();
  unflushed_since_ = 0;
}

// --- the connection
// -----------------------------------------------------------------------------------------------

void worker_loop::turn(lock& held) {
  connection_->flush();
  unflushed_since_ = 0;
  if (connection_->arm(*poller_)) sleep(held);
  take_events();
  carry_out();
}

void worker_loop::sleep(lock& held) {
  auto const deadline = next_deadline();
  auto const left = deadline == core::never ? -1 : std::max<core::duration>(0, deadline - now());
  bool const reads_directly = connection_->can_wait();
  held.unlock();
  if (reads_directly)
    connection_->wait(left);
  else
    poller_->poll(left);
  held.lock();
  if (!reads_directly) poller_->dispatch();
}

void worker_loop::take_events() {
  using what = transport::event::kind;
  constexpr std::size_t most = 1024;
  connection_->receive(events_, most);
  auto const time = now();
  for (auto& event : events_) {
    switch (event.what) {
      case what::connected: core_.connected(time, event.peer, connection_->reliable(), outputs_); break;
      case what::received:
        heard_.store(true, std::memory_order_relaxed);
        core_.receive(time, event.peer, std::move(event.message), outputs_);
        break;
      case what::lost: {
        bool const final = event.unauthorized || connection_->reliable();
        core_.lost(time, event.peer, final, event.unauthorized ? errc::unauthorized : errc::disconnected,
                   event.reason, outputs_);
        break;
      }
    }
  }
  events_.clear();
  if (core_.next_deadline() <= time) core_.tick(time, outputs_);
  if (abandoned_.load()) exit_ = core::out::exit{.clean = false, .reason = "abandoned"};
}

void worker_loop::carry_out() {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    auto output = std::move(outputs_[i]);
    if (auto* const message = std::get_if<core::out::send>(&output)) {
      connection_->send(message->peer, message->message());
    } else if (auto* const work = std::get_if<core::out::run>(&output)) {
      next_ = std::move(*work);
    } else if (auto* const stop = std::get_if<core::out::stop_requested>(&output)) {
      if (stop->key == running_key_) context_.stop.store(true, std::memory_order_relaxed);
    } else if (auto* const closed = std::get_if<core::out::close>(&output)) {
      connection_->close(closed->peer);
    } else if (auto* const exit = std::get_if<core::out::exit>(&output)) {
      exit_ = std::move(*exit);
    }
  }
  outputs_.clear();
}

// --- the watchdog
// -------------------------------------------------------------------------------------------------

void worker_loop::watch() {
  if (config_.own_process) {
    struct sigaction action {};
    action.sa_handler = on_termination;
    ::sigaction(SIGTERM, &action, nullptr);
  }
  std::uint32_t seen = 0;
  int idle = 0;
  lock held(mutex_);
  while (!stopping_) {
    auto const run = runs_.load(std::memory_order_relaxed);
    bool const running = run % 2 == 1;
    if (config_.own_process && std::exchange(termination_requested, 0) != 0) {
      core_.drain(now(), outputs_);
      carry_out();
      connection_->flush();
      if (exit_ && !running) leave_process();
    }
    if (running && run == seen) take_over(held, run);
    idle = run == seen && !running ? idle + 1 : 0;
    seen = run;
    watchdog_asleep_.store(idle >= idle_ticks, std::memory_order_relaxed);
    held.unlock();
    wait_for_work();
    held.lock();
  }
}

// A tick of the watchdog; SIGTERM is let in only here.
void worker_loop::wait_for_work() {
  pollfd wake{watchdog_wakes_.descriptor(), POLLIN, 0};
  timespec const tick{0, patience};
  sigset_t set;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &set);
  if (config_.own_process) ::sigdelset(&set, SIGTERM);
  if (::ppoll(&wake, 1, watchdog_asleep_.load(std::memory_order_relaxed) ? nullptr : &tick, &set) <= 0)
    return;
  watchdog_wakes_.clear();
}

// Reads the connection while task number `run` runs.
void worker_loop::take_over(lock& held, std::uint32_t run) {
  taken_over_ = true;
  while (runs_.load(std::memory_order_relaxed) == run && !stopping_) {
    connection_->flush();
    auto const deadline = next_deadline();
    auto const left = !connection_->arm(*poller_) ? 0
                      : deadline == core::never
                          ? 100 * core::millisecond
                          : std::clamp<core::duration>(deadline - now(), 0, 100 * core::millisecond);
    held.unlock();
    poller_->poll(left);
    held.lock();
    poller_->dispatch();
    take_events();
    if (config_.own_process && std::exchange(termination_requested, 0) != 0) core_.drain(now(), outputs_);
    carry_out();
    if (exit_ && !exit_->clean && config_.own_process) leave_process();
  }
  connection_->flush();
  taken_over_ = false;
  given_back_.notify_one();
}

// Ends the process around a task that still runs, or around the thread that reads: no destructor may wait for
// them.
void worker_loop::leave_process() {
  connection_->flush();
  ::_exit(exit_->clean ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace runtime_detail

namespace this_call {

using runtime_detail::current_call;

bool stop_requested() noexcept {
  return current_call != nullptr && current_call->stop.load(std::memory_order_relaxed);
}
std::uint32_t attempt() noexcept { return current_call != nullptr ? current_call->attempt : 0; }
void retire_worker() noexcept {
  if (current_call != nullptr) current_call->retire.store(true, std::memory_order_relaxed);
}
call_id id() noexcept { return current_call != nullptr ? current_call->id : call_id{}; }

}  // namespace this_call
}  // namespace yonder
