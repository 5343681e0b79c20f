// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/core/values.hpp"
#include "src/core/worker.hpp"
#include "src/driver/agenda.hpp"
#include "src/driver/leadership.hpp"
#include "src/driver/outbox.hpp"
#include "src/driver/serving.hpp"
#include "src/driver/spinning.hpp"
#include "src/platform/event_counter.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/poller.hpp"
#include "src/runtime/attempt_streams.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/endurance.hpp"
#include "src/runtime/printed_text.hpp"
#include "src/runtime/row.hpp"
#include "transports/transport.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/detail/service_slot.hpp"

namespace yonder::runtime_detail {

struct worker_loop_config {
  core::worker_config core;
  std::size_t max_result_bytes = std::size_t{256} << 20;
  std::size_t max_decoded_bytes = 0;              // of arguments
  std::atomic<std::uint64_t>* started = nullptr;  // where a supervisor reads what was started; may be null
  std::atomic<std::uint32_t>* epoch = nullptr;    // of `started`, where that may change; may be null
  std::function<detail::engine_ref()> reach;      // for what its tasks call: see call_context
  detail::engine const* host = nullptr;           // likewise
  bool own_process =
      false;  // may end the process: drains on SIGTERM, and leaves a running task when told to exit
  bool elsewhere = false;  // what ends it then ends its machine, or its allocation
  // Of an own process that reads itself what is printed in it; -1: of others.
  platform::unique_fd printed{}, relay{};
  std::atomic<std::uint32_t>* reads_printed = nullptr;  // where it says so; may be null
  text_in_hand* in_hand = nullptr;                      // where it reads it; null: in memory of its own
};

// Serves one hub: runs each call on the thread that read it. A watchdog takes over the connection when a call
// outlasts about a millisecond, so that heartbeats and cancellations go on; it handles SIGTERM too. What is
// decided is decided by src/core and src/driver; this carries it out.
//
// Where a service takes several calls at once, each runs on a thread of its own, in a lane, and run()'s only
// reads.
//
// Threads: run() and the watchdog share the state under one lock, which is not held in a task nor while
// asleep. One of the two reads the connection at a time.
class worker_loop : private attempt_streams::host, private transport::ready_handler {
 public:
  explicit worker_loop(worker_loop_config config);
  virtual ~worker_loop();
  worker_loop(worker_loop const&) = delete;
  worker_loop& operator=(worker_loop const&) = delete;

  transport::poller& poller() noexcept { return *poller_; }

  // The connection to the hub; to be made with poller(). Before run().
  void attach(std::unique_ptr<transport::endpoint> connection) { connection_ = std::move(connection); }

  // Serves until the hub lets this worker go or is gone. Returns why.
  core::out::exit run();

  // After run(), and nothing else follows: what was said last leaves before the process ends, for which it
  // waits as long as the transport does.
  void part();

  // After run(): whether SIGTERM had asked for the end. A worker that ends of its own will, as where its
  // service is not healthy any more, is replaced by whoever watches it.
  bool told_to_end() const noexcept { return told_to_end_; }

  // Any thread: whether the hub has ever said anything.
  bool heard() const noexcept { return heard_.load(std::memory_order_relaxed); }

  // Any thread: why no hub was reached, the last time; empty once one was.
  std::string trouble();

  // Any thread: as if the hub had gone.
  void abandon() noexcept;

 private:
  using lock = std::unique_lock<std::mutex>;

  void index_tasks();
  template <class Step>
  void survive(lock& held, Step&& step) {
    endurance_.survive(
        held, step, [this](char const* what) { give_up(what); }, [this] { poller_->ring(); });
  }
  void give_up(char const* what) noexcept;
  struct lane;
  void run_next(lock& held);
  void serve(lock& held, core::out::run const& work);
  void run_task(lane& on, core::out::run const& work);
  void serve_row(lock& held, core::out::run const& work);
  void run_row(core::out::run const& work);
  void close_row(std::int64_t time);
  detail::task_entry const* find(std::string_view function) const;
  void end_if_fork(bool returned) const noexcept;
  void execute(lane& on, core::out::run const& work);
  void execute_batch(lane& on, detail::task_entry const& task, core::out::run const& work);
  void report_items(lane& on, std::int64_t time, std::span<core::out::run::item const> items);
  void settle(lane& on, std::int64_t time, core::out::run const& work);
  void report(lane& on, std::int64_t time, core::attempt_key const& key,
              std::span<core::out::run::item const> items) noexcept;
  void report_value(lane const& on, detail::encoded&& result, std::int64_t time,
                    core::attempt_key const& key);
  void publish(core::out::run const& work) noexcept;
  void request_stop(core::attempt_key const& key) noexcept;
  void stop_running() noexcept;
  static void stop(lane& on) noexcept;

  void entered(core::out::run const& work);
  void start_lanes(std::uint32_t size);
  void hand_over(core::out::run&& work);
  void run_lane(lane& own);
  void end_lanes(lock& held);
  void dismiss(lock& held);

  // worker_values.cpp
  static std::optional<core::frame> with_values(lane& on, core::out::run const& work);
  void note_references(lane& on, core::attempt_key const& key, std::span<core::out::run::item const> items,
                       bool streams) noexcept;

  // worker_service.cpp
  bool obey(std::string_view function);
  void release_gpus();
  void restore_gpus();
  void leave_service() noexcept;
  void limit_exit() noexcept;

  void refuse(core::out::run const& work);
  void take_back(lock& held);
  void sleep(lock& held);
  void turn(lock& held);
  void take_events();
  void take_event(std::int64_t time, transport::event& event);
  void carry_out();
  void carry_out(core::output& output);
  void send(core::out::send&& message);
  void refuse_frame(core::peer_id peer);
  void flush();
  void exit(core::out::exit&& why);
  std::int64_t next_deadline();

  // worker_streams.cpp
  std::mutex& guard() noexcept override { return mutex_; }
  bool send_items(core::attempt_key const& key, std::uint64_t first, std::span<std::uint32_t const> sizes,
                  std::span<std::byte const> values, std::vector<detail::buffer> buffers) override;
  void send_credit(core::attempt_key const& key, core::stream_level const& level) override;
  void say_that_waits(core::attempt_key const& key, std::uint64_t items) override;
  void send_from_task();
  void look_again() noexcept override { poller_->ring(); }
  std::size_t most_bytes() const noexcept override { return config_.max_result_bytes; }
  std::size_t most_decoded() const noexcept override { return config_.max_decoded_bytes; }
  attempt_streams* streams_of(core::attempt_key const& key) noexcept;
  void carry_out(core::out::stream_allowed const& told);
  void carry_out(core::out::stream_arrived&& came);
  void flush_streams(std::int64_t time);
  void flush_progress(std::int64_t time);

  // worker_output.cpp
  void begin_output();
  void finish_lines() const noexcept;
  printed_text::owner row_in_hand() const noexcept;
  printed_text::owner who_prints() const noexcept;
  static printed_text::owner owner_of(core::out::run const& work) noexcept;
  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void look_at_output(std::int64_t time);
  void tell_output(std::int64_t time, bool all);
  void end_output(std::int64_t time);
  void flush_output(std::int64_t time);
  void take_printed();

  template <class Visit>
  void each_lane(Visit&& visit) {
    visit(own_);
    for (auto& one : lanes_) visit(*one);
  }

  void watch();
  bool wait_for_work(driver::watch::act how, int printed);
  void take_over(lock& held, std::uint32_t run);
  void read_once(lock& held);
  void drain_if_told();
  void stop_watching();
  void wake_watchdog() { watchdog_wakes_.add(); }
  void leave_process() noexcept;

  worker_loop_config config_;
  std::unique_ptr<platform::poller> poller_ = platform::make_poller();
  std::unordered_map<std::string_view, detail::task_entry const*> tasks_;
  std::mutex mutex_;
  core::worker core_;
  driver::agenda<core::output> due_;
  std::int64_t due_time_ = 0;  // when the core is to be told the time, as of the last sleep
  driver::serving turns_;
  core::time_point served_ = 0;  // when the last attempt of this thread's ended
  driver::outbox outbox_;
  driver::spinning spin_;
  endurance endurance_;
  driver::agenda<transport::event> events_;
  std::unique_ptr<transport::endpoint> connection_;

  // One attempt at a time: on the thread that serves, or on one of its own.
  struct lane {
    explicit lane(worker_loop& owner)
        : context(owner.config_.reach, owner.config_.host, &owner.service_, &streams),
          streams(owner, context) {
      context.on_progress([&owner] { owner.look_again(); });
    }
    call_context context;
    attempt_streams streams;
    detail::encoded result;                   // of the task that ran last
    std::vector<detail::batch_item> items;    // of a batch that did
    std::optional<core::failure> error;       // why it has none
    std::vector<core::value_key> references;  // in it
    std::optional<core::out::run> work;       // of a thread of its own: what it runs
    std::condition_variable wakes;
    std::thread thread;
  };
  detail::service_slot service_;
  core::duration exit_timeout_ = 0;  // of it; 0: none
  bool frozen_ = false;              // the driver has taken its GPUs from this process
  lane own_{*this};
  std::vector<std::unique_ptr<lane>> lanes_;  // where a service takes several calls at once
  bool lanes_end_ = false;
  bool leaves_service_ = false;  // what is left of one goes as soon as nothing runs
  row row_;
  bool row_runs_ = false;
  printed_text::owner serves_;          // what own_ runs, but for a row
  std::optional<printed_text> output_;  // nothing: somebody else reads what is printed
  bool output_is_ready_ = false;
  bool left_behind_ = false;  // the last item of the row that began: its outcome is in own_

  std::atomic<std::uint32_t> runs_{0};  // odd while a task runs
  std::atomic<bool> watchdog_asleep_{false};
  std::atomic<bool> abandoned_{false};
  std::atomic<bool> heard_{false};
  bool told_to_end_ = false;
  bool leaving_ = false;     // run() is behind its last task
  bool dismissing_ = false;  // run() destroys a service, and goes on
  bool stopping_ = false;    // the watchdog
  bool taken_over_ = false;  // the watchdog reads the connection
  std::condition_variable given_back_;
  platform::event_counter watchdog_wakes_;
  platform::process_mark mark_;
  std::thread watchdog_;
};

// Makes SIGTERM wait until a loop of an own process runs. To be called in main's thread, before others start.
void block_termination() noexcept;

}  // namespace yonder::runtime_detail
