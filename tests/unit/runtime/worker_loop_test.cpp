// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/worker_loop.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "src/core/client.hpp"
#include "src/core/items.hpp"
#include "src/platform/process.hpp"
#include "yonder/batched.hpp"
#include "yonder/task.hpp"
#include "yonder/this_call.hpp"

using namespace yonder;

namespace {

// What the tasks below see and wait for.
struct {
  std::atomic<int> begun = 0;
  std::atomic<bool> released = false;
  std::atomic<bool> was_stopped = false;
} seen_by_tasks;

int hold_until_released() {
  ++seen_by_tasks.begun;
  while (!seen_by_tasks.released) std::this_thread::yield();
  seen_by_tasks.was_stopped = this_call::stop_requested();
  return 0;
}

std::vector<int> count_together(std::span<int const> items) {
  seen_by_tasks.begun += static_cast<int>(items.size());
  return {items.begin(), items.end()};
}

constexpr core::duration brief = 500 * core::microsecond;
constexpr int long_one = 20;

// That one outlasts a deadline that was `brief` away before it began.
int outlast() {
  if (++seen_by_tasks.begun != long_one) return 0;
  for (auto const begin = platform::now(); platform::now() - begin <= brief;) continue;
  return 0;
}

constexpr task<hold_until_released, "worker_loop_test.holds"> holding;
constexpr batched<count_together, "worker_loop_test.together"> together;
constexpr task<outlast, "worker_loop_test.outlasts"> outlasting;

// A hub that says what the test has it say, several frames in one turn, and keeps what it is told.
class scripted_hub final : public transport::endpoint {
 public:
  void receive(std::vector<transport::event>& events, std::size_t) override {
    std::lock_guard const held(mutex_);
    std::move(to_worker_.begin(), to_worker_.end(), std::back_inserter(events));
    to_worker_.clear();
  }
  bool poll_once() override { return has_something(); }
  bool arm(transport::doorbell& bell) override {
    std::lock_guard const held(mutex_);
    bell_ = &bell;
    return to_worker_.empty();
  }
  transport::send_status send(transport::peer_id, core::frame const& message) override {
    std::lock_guard const held(mutex_);
    told_.push_back({message.head, message.body.duplicate(), message.buffers});
    changed_.notify_all();
    return transport::send_status::sent;
  }
  void flush() override {}
  void detach() override {}
  void close(transport::peer_id) override {}
  bool reliable() const override { return true; }
  void on_ready(std::uint64_t, bool, bool) override {}

  // --- the test's thread
  template <class... Event>
  void say(Event... events) {
    std::lock_guard const held(mutex_);
    (to_worker_.push_back(std::move(events)), ...);
    if (bell_ != nullptr) bell_->ring();
  }
  // Outcomes of so many calls; fewer only where no more come.
  std::vector<core::frame> outcomes(std::uint32_t calls) {
    std::unique_lock held(mutex_);
    changed_.wait_for(held, std::chrono::seconds(10), [&] { return outcomes_told() >= calls; });
    std::vector<core::frame> found;
    for (auto& one : std::exchange(told_, {}))
      if (is_outcome(one)) found.push_back(std::move(one));
    return found;
  }

 private:
  static bool is_outcome(core::frame const& one) {
    return one.head.type == core::frame_type::result || one.head.type == core::frame_type::error;
  }
  std::uint32_t outcomes_told() const {
    std::uint32_t calls = 0;
    for (auto const& one : told_)
      if (is_outcome(one)) calls += core::read_item_count(one);
    return calls;
  }
  bool has_something() {
    std::lock_guard const held(mutex_);
    return !to_worker_.empty();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<transport::event> to_worker_;
  std::vector<core::frame> told_;
  transport::doorbell* bell_ = nullptr;
};

// A worker of this test's tasks that is a thread, with its hub.
class scripted_worker {
 public:
  explicit scripted_worker(std::uint32_t concurrency = 1) : loop_(config_of(concurrency)) {
    auto made = std::make_unique<scripted_hub>();
    hub = made.get();
    loop_.attach(std::move(made));
    auto welcome = core::make_welcome({core::protocol_version, 1'000 * core::second, {10, 10}, {}});
    welcome.head.attempt = 1;
    hub->say(transport::event::connected(peer), received(std::move(welcome)));
    thread_ = std::thread([this] { loop_.run(); });
    seen_by_tasks.begun = 0;
    seen_by_tasks.released = seen_by_tasks.was_stopped = false;
  }
  scripted_worker(scripted_worker const&) = delete;
  scripted_worker& operator=(scripted_worker const&) = delete;
  ~scripted_worker() {
    hub->say(transport::event::lost(peer));
    thread_.join();
  }

  // So many calls from `number` on, which run as one where `as_one`.
  transport::event assign(std::uint64_t number, std::string_view function, std::uint32_t calls = 1,
                          bool as_one = false, core::duration remaining = 0) {
    core::frame message;
    message.head.type = core::frame_type::assign;
    message.head.attempt = 1;
    message.head.call = {9, number};
    message.head.sequence = ++sequence_;
    message.head.remaining_us = static_cast<std::uint64_t>(remaining / core::microsecond);
    core::byte_buffer body;
    core::begin_call(body, function, {});
    if (as_one) core::write_batching(body, {.max_items = calls});
    detail::encoded argument;
    if (as_one) detail::encode(argument, 1);
    if (calls > 1)
      core::write_items(body,
                        std::vector<std::uint32_t>(calls, static_cast<std::uint32_t>(argument.head.size())));
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    for (std::uint32_t i = 0; i < calls; ++i) body.append(argument.head.data(), argument.head.size());
    message.body = std::move(body);
    return received(std::move(message));
  }
  transport::event cancel(std::uint64_t number, std::uint32_t calls, std::uint8_t flags = 0) {
    auto message = core::make_control(core::frame_type::cancel);
    core::set_item_count(message, calls);
    message.head.call = {9, number};
    message.head.attempt = 1;
    message.head.flags = flags;
    return received(std::move(message));
  }

  scripted_hub* hub;

 private:
  static constexpr transport::peer_id peer = 3;
  static runtime_detail::worker_loop_config config_of(std::uint32_t concurrency) {
    runtime_detail::worker_loop_config made;
    made.core.session = 1;
    made.core.concurrency = concurrency;
    for (auto const name : {holding.name, together.name, outlasting.name})
      made.core.functions.push_back({std::string(name), 1, ""});
    return made;
  }
  static transport::event received(core::frame&& message) {
    message.head.epoch = 5;
    return transport::event::received(peer, std::move(message));
  }

  runtime_detail::worker_loop loop_;
  std::uint32_t sequence_ = 0;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a stop for an attempt that has not begun leaves the one that runs alone") {
  scripted_worker worker(2);
  worker.hub->say(worker.assign(20, holding.name));
  while (seen_by_tasks.begun != 1) std::this_thread::yield();
  // What is called back from behind them is answered once the stop was taken.
  worker.hub->say(worker.assign(30, holding.name), worker.cancel(30, 1), worker.assign(40, holding.name),
                  worker.cancel(40, 1, core::flag_recall));
  auto const called_back = worker.hub->outcomes(1);
  REQUIRE(called_back.size() == 1);
  CHECK(called_back[0].head.call.number == 40);
  seen_by_tasks.released = true;
  auto const ended = worker.hub->outcomes(2);
  REQUIRE(ended.size() == 2);
  CHECK(ended[0].head.type == core::frame_type::result);
  CHECK(ended[1].head.type == core::frame_type::error);
  CHECK(seen_by_tasks.begun == 1);
  CHECK_FALSE(seen_by_tasks.was_stopped);
}

TEST_CASE("each call of a batch that is stopped before it begins is told so, and none is run") {
  scripted_worker worker;
  worker.hub->say(worker.assign(20, together.name, 3, true), worker.cancel(20, 3));
  auto const ended = worker.hub->outcomes(3);
  REQUIRE(ended.size() == 3);
  for (std::size_t i = 0; i < ended.size(); ++i) {
    core::failure why;
    REQUIRE(core::read_error(ended[i], why));
    CHECK(why.code == errc::cancelled);
    CHECK(ended[i].head.call.number == 20 + i);
  }
  CHECK(seen_by_tasks.begun == 0);
}

TEST_CASE("what waits in a row behind a call that outlasts their deadline is not begun") {
  scripted_worker worker;
  // In some rounds they run in no row, or none is begun in time.
  for (std::uint64_t round = 0; round < 50; ++round) {
    seen_by_tasks.begun = 0;
    worker.hub->say(worker.assign(100 * round + 1, outlasting.name, 2 * long_one, false, brief));
    REQUIRE_FALSE(worker.hub->outcomes(2 * long_one).empty());
    CHECK(seen_by_tasks.begun <= long_one);
  }
}
