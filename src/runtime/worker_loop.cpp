// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/worker_loop.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"
#include "src/core/requirements.hpp"
#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/allocation.hpp"
#include "src/runtime/exceptions.hpp"
#include "src/runtime/look.hpp"
#include "src/runtime/recording.hpp"
#include "src/runtime/registry.hpp"
#include "src/runtime/send_result.hpp"
#include "src/runtime/supervisor.hpp"
#include "src/runtime/values.hpp"
#include "src/runtime/worker_start.hpp"

namespace yonder {
namespace runtime_detail {
namespace {

using platform::now;

constexpr core::time_point no_time = 0;  // for an outbox: what a worker says states no deadline

// What SIGTERM reaches, and SIGUSR1 where the program does nothing with that (batch systems say by it that
// time is over): one loop in a process of its own, which lasts as long as the process.
struct {
  std::atomic<bool> requested{false};
  std::atomic<platform::event_counter const*> bell{nullptr};
  std::atomic<pid_t> process{0};
  bool takes_notice = false;  // SIGUSR1
  sigset_t signals_before{};  // that main's thread blocked
} constinit termination;

// On whatever thread of the program. A task's fork ends by the signal, as it would without a handler: also in
// the moment before a process_mark knows of it.
void on_termination(int signal) {
  if (::getpid() != termination.process) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  int const error = errno;
  termination.requested = true;
  termination.bell.load()->add();
  errno = error;
}

void handle_termination(platform::event_counter const& bell) {
  termination.bell = &bell;
  termination.process = ::getpid();
  struct sigaction action {};
  action.sa_handler = on_termination;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
  if (termination.takes_notice) ::sigaction(SIGUSR1, &action, nullptr);
}

bool is_default(int signal) noexcept {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

core::failure failure_of(errc code, std::string message) {
  core::failure failure;
  failure.code = code;
  failure.message = std::move(message);
  return failure;
}

// Of a task, or of the codec. Without memory for words: none.
core::failure failure_of_current_exception(std::size_t most) noexcept {
  try {
    try {
      throw;
    } catch (codec_error const& error) {
      return failure_of(error.code(), error.details().message);
    } catch (...) {
      return describe_current_exception(most);
    }
  } catch (...) {
    return {};
  }
}

[[noreturn]] void throw_unknown() {
  detail::throw_error({.code = errc::unknown_function, .message = "this worker has no such task"});
}

core::attempt_key item_key(core::attempt_key key, std::uint32_t place) {
  key.call.number += place;
  return key;
}

core::worker_config with_rows(core::worker_config config) {
  config.max_row = row::most;
  return config;
}

}  // namespace

void block_termination() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  termination.takes_notice = is_default(SIGUSR1);
  if (termination.takes_notice) ::sigaddset(&set, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &set, &termination.signals_before);
}

worker_loop::worker_loop(worker_loop_config config)
    : config_(std::move(config)), core_(with_rows(config_.core), now()), turns_(config_.own_process) {
  index_tasks();
}

worker_loop::~worker_loop() { stop_watching(); }

void worker_loop::stop_watching() {
  {
    lock const held(mutex_);
    stopping_ = true;
  }
  wake_watchdog();
  if (watchdog_.joinable()) watchdog_.join();
}

void worker_loop::part() {
  stop_watching();
  lock const held(mutex_);
  connection_.reset();
}

void worker_loop::index_tasks() {
  for (auto const& function : config_.core.functions) {
    auto const* const task = find_task(function.name);
    if (task != nullptr) tasks_.emplace(task->name, task);  // its plugin may have been closed
  }
}

core::out::exit worker_loop::run() {
  using step = driver::serving::step;
  if (config_.own_process) handle_termination(watchdog_wakes_);
  begin_output();
  watchdog_ = platform::start_thread("yonder-watchdog", [this] { watch(); });
  // Tasks, and the processes that they start, find the signals as the program left them.
  if (config_.own_process) ::pthread_sigmask(SIG_SETMASK, &termination.signals_before, nullptr);
  lock held(mutex_);
  for (;;) {
    auto const next = turns_.next();
    if (next == step::leave) break;
    survive(held, [&] {
      if (leaves_service_ && turns_.runs()) return turn(held);
      if (leaves_service_) return dismiss(held);
      switch (next) {
        case step::run: return run_next(held);
        case step::refuse: return endurance_.once([&] { refuse(turns_.take()); });
        default: return turn(held);
      }
    });
  }
  survive(held, [&] { flush(); });
  end_lanes(held);
  leaving_ = true;
  held.unlock();
  leave_service();
  return *turns_.exit();
}

// What it has in its hands is lost, which its end tells.
void worker_loop::give_up(char const* what) noexcept {
  std::string why;
  try {
    why = std::string("the worker cannot go on: ") + what;
  } catch (std::bad_alloc const&) {  // no memory for words
  }
  exit({.clean = false, .reason = std::move(why)});
}

std::string worker_loop::trouble() {
  lock const held(mutex_);
  return core_.trouble();
}

void worker_loop::abandon() noexcept {
  // Before the stop, which serve() clears: it looks again at this.
  abandoned_.store(true);
  own_.context.request_stop();
  poller_->ring();
}

// --- one call

// Where a supervisor reads what was started. In between, nothing of the new epoch was.
void worker_loop::publish(core::out::run const& work) noexcept {
  if (config_.started == nullptr) return;
  if (config_.epoch != nullptr && config_.epoch->load(std::memory_order_relaxed) != work.key.epoch) {
    config_.started->store(0, std::memory_order_release);
    config_.epoch->store(work.key.epoch, std::memory_order_release);
  }
  config_.started->store(work.mark, std::memory_order_release);
}

// What is taken is answered, or ends this worker.
void worker_loop::run_next(lock& held) {
  endurance_.once([&] {
    if (!lanes_.empty()) return hand_over(turns_.take());
    auto const work = turns_.take();
    return work.count > 1 ? serve_row(held, work) : serve(held, work);
  });
  if (!lanes_.empty()) return;
  if (turns_.flush_due(served_)) return flush();
  connection_->put_down();  // the next task may end this process
}

void worker_loop::serve(lock& held, core::out::run const& work) {
  own_.context.begin(work);
  own_.streams.begin(work);
  if (abandoned_.load()) own_.context.request_stop();
  publish(work);
  serves_ = owner_of(work);
  runs_.fetch_add(1, std::memory_order_relaxed);
  held.unlock();
  if (watchdog_asleep_.load(std::memory_order_relaxed)) wake_watchdog();
  run_task(own_, work);
  held.lock();
  runs_.fetch_add(1, std::memory_order_relaxed);
  take_back(held);
  served_ = now();
  end_output(served_);
  serves_ = {};
  settle(own_, served_, work);
}

void worker_loop::settle(lane& on, std::int64_t time, core::out::run const& work) {
  if (work.key.call.session == 0 && !on.error) try {
      entered(work);
    } catch (std::exception const&) {  // no threads for its calls: nothing stands
      on.error = failure_of_current_exception(config_.max_result_bytes);
      leaves_service_ = true;
    }
  report(on, time, work.key, work.items);
  on.streams.end();
  turns_.ended(work.key);
  if (on.context.retires()) core_.drain(time, due_.items());
  carry_out();
}

void worker_loop::run_task(lane& on, core::out::run const& work) {
  on.result = {};
  on.items.clear();
  on.error.reset();
  on.references.clear();
  detail::forget_references();
  current_call() = &on.context;
  try {
    execute(on, work);
  } catch (...) {
    on.error = failure_of_current_exception(config_.max_result_bytes);
  }
  if (detail::has_references() && mark_.is_ours())
    note_references(on, work.key, work.items, work.stream.has_value());
  current_call() = nullptr;
  end_if_fork(!on.error);
  on.context.end();
  finish_lines();
}

// Without the lock from the first item to the last, unless the watchdog closes the row in between.
void worker_loop::serve_row(lock& held, core::out::run const& work) {
  own_.context.begin(work);
  if (abandoned_.load()) own_.context.request_stop();
  row_.open(work.key, work.count);
  row_runs_ = true;
  runs_.fetch_add(1, std::memory_order_relaxed);
  held.unlock();
  if (watchdog_asleep_.load(std::memory_order_relaxed)) wake_watchdog();
  run_row(work);
  held.lock();
  runs_.fetch_add(1, std::memory_order_relaxed);
  take_back(held);
  auto const time = served_ = now();
  close_row(time);
  row_runs_ = false;
  if (left_behind_) report(own_, time, row_.first(), {});
  turns_.ended(row_.last_begun());
  if (own_.context.retires()) core_.drain(time, due_.items());
  carry_out();
}

detail::task_entry const* worker_loop::find(std::string_view function) const {
  auto const found = tasks_.find(function);
  return found == tasks_.end() ? nullptr : found->second;
}

// What each item of a row pays for. One that throws, or whose value is large, is the last.
void worker_loop::run_row(core::out::run const& work) {
  left_behind_ = false;
  own_.references.clear();
  detail::forget_references();
  auto const* const task = find(work.function);
  detail::decode_limits const limits{.bytes = config_.max_decoded_bytes};
  auto arguments = work.message.payload();
  current_call() = &own_.context;
  auto const records = records_attempts();
  std::uint32_t place = 0;
  while (!left_behind_ && row_.begin(place)) {
    auto const size = core::load_le<std::uint32_t>(work.sizes + place * sizeof(std::uint32_t));
    if (place != 0) own_.context.next();
    if (config_.started != nullptr) config_.started->store(work.mark + place, std::memory_order_release);
    own_.result.head.clear();
    own_.result.buffers.clear();
    own_.error.reset();
    try {
      if (task == nullptr) throw_unknown();
      std::optional<recorded_attempt> recorded;
      if (records)
        recorded.emplace(*task, item_key(work.key, place), arguments.first(size),
                         std::span<detail::buffer const>());
      task->invoke(arguments.first(size), {}, limits, own_.result);
    } catch (...) {
      own_.error = failure_of_current_exception(config_.max_result_bytes);
    }
    if (detail::has_references() && mark_.is_ours())
      note_references(own_, item_key(work.key, place), {}, false);
    end_if_fork(!own_.error);
    own_.context.end();
    arguments = arguments.subspan(size);
    if (own_.error || !own_.references.empty() || !own_.result.buffers.empty() ||
        own_.result.head.size() > row::most_value)
      left_behind_ = true;
    else
      row_.add(own_.result.head);
    if (own_.context.retires() || abandoned_.load(std::memory_order_relaxed) ||
        (work.deadline != core::never && now() >= work.deadline))
      break;
  }
  current_call() = nullptr;
  finish_lines();
}

// What waits behind the item that runs waits in the core again, and what ended before it is told.
void worker_loop::close_row(std::int64_t time) {
  if (!row_.is_closed()) {
    auto const begun = row_.close();
    turns_.closed(row_.first(), row_.last_begun());
    core_.shorten(time, row_.first(), begun, due_.items());
  }
  if (row_runs_) end_output(time);
  auto const ready = row_.untold();
  if (ready.sizes.empty()) return;
  core_.finished(time, row_.first(), ready.sizes, ready.values, due_.items());
  row_.told(ready.sizes.size());
}

// The connection, from the watchdog.
void worker_loop::take_back(lock& held) {
  while (taken_over_) {
    poller_->ring();
    given_back_.wait(held);
  }
}

// A stop came before the start: the task is not called, for none of those that would have run as one.
void worker_loop::refuse(core::out::run const& work) {
  auto const answer = [this](core::attempt_key const& key) {
    core_.finished(now(), key, failure_of(errc::cancelled, "stopped before it was started"), due_.items());
  };
  if (work.items.empty()) answer(work.key);
  for (auto const& item : work.items) answer(item.key);
  carry_out();
}

// A task has forked, and this is the child, at the task's end: as a thread's first function would, it ends
// here. The call is the parent's to answer.
void worker_loop::end_if_fork(bool returned) const noexcept {
  if (!mark_.is_ours()) ::_exit(returned ? EXIT_SUCCESS : EXIT_FAILURE);
}

void worker_loop::execute(lane& on, core::out::run const& work) {
  if (work.key.call.session == 0 && obey(work.function)) return;
  auto const* const task = find(work.function);
  if (task == nullptr) throw_unknown();
  if (!work.items.empty()) return execute_batch(on, *task, work);
  auto const with_them = with_values(on, work);
  if (on.error) return;
  auto const& message = with_them ? *with_them : work.message;
  auto const run = [&] {
    task->invoke(message.payload(), message.buffers, {.bytes = config_.max_decoded_bytes}, on.result);
  };
  if (work.stream || !service_.empty()) return run();  // more than its arguments make what it does
  recorded_attempt const recorded(*task, work.key, message.payload(), message.buffers);
  run();
}

void worker_loop::execute_batch(lane& on, detail::task_entry const& task, core::out::run const& work) {
  if (task.invoke_batch == nullptr)
    detail::throw_error(
        {.code = errc::signature_mismatch, .message = "this task does not take batches here"});
  on.items.resize(work.items.size());
  auto left = work.message.payload();
  for (std::size_t i = 0; i < work.items.size(); ++i) {
    on.items[i].arguments = left.first(work.items[i].size);
    left = left.subspan(work.items[i].size);
  }
  task.invoke_batch(on.items, {.bytes = config_.max_decoded_bytes});
}

// An outcome that cannot be told is a lost attempt, which the end of this worker tells.
void worker_loop::report(lane& on, std::int64_t time, core::attempt_key const& key,
                         std::span<core::out::run::item const> items) noexcept try {
  on.streams.flush();
  if (auto& trouble = on.streams.trouble(); trouble && !on.error) on.error = std::move(trouble);
  if (!items.empty())
    report_items(on, time, items);
  else if (on.error)
    core_.finished(time, key, std::move(*on.error), due_.items());
  else if (on.streams.is_read())
    core_.finished(time, key, on.streams.items(), due_.items());
  else
    report_value(on, std::move(on.result), time, key);
} catch (std::exception const& error) {
  exit({.clean = false, .reason = error.what()});
}

void worker_loop::report_items(lane& on, std::int64_t time, std::span<core::out::run::item const> items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto const& key = items[i].key;
    if (on.error) {
      auto failure = core::copy_of(*on.error);
      failure.shared = true;
      core_.finished(time, key, std::move(failure), due_.items());
    } else if (on.items[i].error) {
      try {
        std::rethrow_exception(on.items[i].error);
      } catch (...) {
        core_.finished(time, key, failure_of_current_exception(config_.max_result_bytes), due_.items());
      }
    } else {
      report_value(on, std::move(on.items[i].result), time, key);
    }
  }
}

void worker_loop::request_stop(core::attempt_key const& key) noexcept {
  if (lanes_.empty()) return stop(own_);
  for (auto& one : lanes_)
    if (one->work && one->work->key == key) stop(*one);
}

void worker_loop::stop_running() noexcept {
  stop(own_);
  for (auto& one : lanes_)
    if (one->work) stop(*one);
}

void worker_loop::stop(lane& on) noexcept {
  on.context.request_stop();
  on.streams.stop();
}

// --- the connection

void worker_loop::flush() {
  if (!connection_) return;  // after part(): of a thread that a task has left behind
  outbox_.retry(
      no_time, [this](core::out::send const& message) { return offer(*connection_, message.peer, message); },
      [this](core::out::send&& message) { refuse_frame(message.peer); });
  connection_->flush();
  turns_.flushed();
}

void worker_loop::turn(lock& held) {
  flush();
  bool const came = lanes_.empty() && look(*connection_, spin_, held);
  due_time_ = next_deadline();
  if (!came && connection_->arm(*poller_)) sleep(held);
  take_events();
  carry_out();
}

void worker_loop::sleep(lock& held) {
  auto const begin = now();
  auto const left = due_time_ == core::never ? -1 : std::max<core::duration>(0, due_time_ - begin);
  bool const reads_directly = connection_->can_wait() && lanes_.empty();
  held.unlock();
  reads_directly ? connection_->wait(left) : poller_->poll(left);
  held.lock();
  if (!reads_directly) poller_->dispatch();
  spin_.slept(now() - begin);
}

void worker_loop::take_events() {
  constexpr std::size_t most = 1024;
  connection_->receive(events_.items(), most);
  auto const time = now();
  events_.work_off([&](transport::event& event) { endurance_.once([&] { take_event(time, event); }); });
  if (due_time_ <= time) endurance_.once([&] { core_.tick(time, due_.items()); });
  flush_streams(time);
  flush_progress(time);
  flush_output(time);
  if (core_.lost_session() && (turns_.runs() || !service_.empty() || !lanes_.empty())) leaves_service_ = true;
  if (abandoned_.load()) exit({.clean = false, .reason = "abandoned"});
}

void worker_loop::take_event(std::int64_t time, transport::event& event) {
  using what = transport::event::kind;
  switch (event.what) {
    case what::connected: return core_.connected(time, event.peer, connection_->reliable(), due_.items());
    case what::received:
      heard_.store(true, std::memory_order_relaxed);
      return core_.receive(time, event.peer, std::move(event.message), due_.items());
    case what::revoked: return;  // of those who are listened for
    case what::lost: break;
  }
  outbox_.forget(event.peer);
  bool const final = event.unauthorized || connection_->reliable();
  core_.lost(time, event.peer, final, event.unauthorized ? errc::unauthorized : errc::disconnected,
             event.reason, due_.items());
}

void worker_loop::carry_out() {
  endurance_.once([this] { due_.work_off([this](core::output& output) { carry_out(output); }); });
}

void worker_loop::carry_out(core::output& output) {
  if (auto* const message = std::get_if<core::out::send>(&output)) {
    send(std::move(*message));
  } else if (auto* const work = std::get_if<core::out::run>(&output)) {
    turns_.asked_to_run(std::move(*work));
  } else if (auto* const stop = std::get_if<core::out::stop_requested>(&output)) {
    if (turns_.asked_to_stop(stop->key)) request_stop(stop->key);
  } else if (auto* const told = std::get_if<core::out::stream_allowed>(&output)) {
    carry_out(*told);
  } else if (auto* const came = std::get_if<core::out::stream_arrived>(&output)) {
    carry_out(std::move(*came));
  } else if (auto* const closed = std::get_if<core::out::close>(&output)) {
    outbox_.forget(closed->peer);
    if (connection_) connection_->close(closed->peer);
  } else if (auto* const why = std::get_if<core::out::exit>(&output)) {
    exit(std::move(*why));
  }
}

void worker_loop::send(core::out::send&& message) {
  if (!connection_) return;
  auto const peer = message.peer;
  auto const fate =
      outbox_.send(no_time, std::move(message), !connection_->reliable(),
                   [this](core::out::send const& one) { return offer(*connection_, one.peer, one); });
  if (fate == driver::outbox::fate::refused) refuse_frame(peer);
}

// Larger than the transport carries, though within the limits that both ends have told, or lost by a throw.
// Better a worker that ends in words than an answer that never comes.
void worker_loop::refuse_frame(core::peer_id peer) {
  core_.lost(now(), peer, true, errc::disconnected, "the transport to the hub could not take a frame",
             due_.items());
}

void worker_loop::exit(core::out::exit&& why) {
  if (turns_.asked_to_exit(std::move(why))) stop_running();
}

// --- the watchdog

void worker_loop::watch() {
  driver::watch watching;
  auto was_printed = false;
  lock held(mutex_);
  while (!stopping_) {
    auto const run = runs_.load(std::memory_order_relaxed);
    auto const act = watching.look(run);
    survive(held, [&] {
      drain_if_told();
      if (act == driver::watch::act::take_over) take_over(held, run);
    });
    watchdog_asleep_.store(act == driver::watch::act::sleep, std::memory_order_relaxed);
    // Once it was seen that something was printed, it is not looked for again before a tick.
    auto const printed = output_ && !was_printed ? output_->descriptor() : -1;
    held.unlock();
    was_printed = wait_for_work(was_printed ? driver::watch::act::tick : act, printed);
    held.lock();
    if (was_printed) survive(held, [&] { take_printed(); });
  }
}

// SIGTERM: the core says what is left to do. The thread that serves may sleep in a read, and not hear of it.
void worker_loop::drain_if_told() {
  if (!config_.own_process || !termination.requested.exchange(false)) return;
  told_to_end_ = true;
  auto const time = now();
  endurance_.once([&] {
    close_row(time);
    if (config_.elsewhere)
      core_.ends(time, time, due_.items());
    else
      core_.drain(time, due_.items());
  });
  carry_out();
  flush();
  if (dismissing_) return limit_exit();  // run() leaves when it has destroyed what it destroys
  if (turns_.leaves_now() && !leaving_) leave_process();
}

// A tick of the watchdog; the signals are let in, as the program may have blocked it everywhere else.
// True: something was printed.
bool worker_loop::wait_for_work(driver::watch::act how, int printed) {
  std::array<pollfd, 2> wake{{{watchdog_wakes_.descriptor(), POLLIN, 0}, {printed, POLLIN, 0}}};
  timespec const tick{0, driver::watch::patience};
  sigset_t set;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &set);
  if (config_.own_process) ::sigdelset(&set, SIGTERM);
  if (config_.own_process && termination.takes_notice) ::sigdelset(&set, SIGUSR1);
  if (::ppoll(wake.data(), wake.size(), how == driver::watch::act::sleep ? nullptr : &tick, &set) <= 0)
    return false;
  if (wake[0].revents != 0) watchdog_wakes_.clear();
  return wake[1].revents != 0;
}

// Reads the connection while task number `run` runs.
void worker_loop::take_over(lock& held, std::uint32_t run) {
  taken_over_ = true;
  while (runs_.load(std::memory_order_relaxed) == run && !stopping_) {
    survive(held, [&] { read_once(held); });
    if (turns_.leaves_now()) leave_process();
  }
  survive(held, [&] { flush(); });
  taken_over_ = false;
  given_back_.notify_one();
}

void worker_loop::read_once(lock& held) {
  constexpr auto longest = 100 * core::millisecond;
  endurance_.once([this] { close_row(now()); });
  carry_out();
  flush();
  due_time_ = next_deadline();
  auto const left = !connection_->arm(*poller_) ? 0
                    : due_time_ == core::never  ? longest
                                                : std::clamp<core::duration>(due_time_ - now(), 0, longest);
  held.unlock();
  poller_->poll(left);
  held.lock();
  poller_->dispatch();
  take_events();
  carry_out();
  drain_if_told();
}

// Ends the process around a task that still runs, or around the thread that reads: no destructor may wait for
// them.
void worker_loop::leave_process() noexcept {
  try {
    end_output(now());
    carry_out();
    flush();
    connection_->flush();
  } catch (std::exception const&) {  // the process ends, whatever is left unsent
  }
  if (!turns_.runs()) leave_service();
  if (turns_.exit()->clean && (told_to_end_ || is_used_up())) end_for_good();
  ::_exit(turns_.exit()->clean ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace runtime_detail
}  // namespace yonder
