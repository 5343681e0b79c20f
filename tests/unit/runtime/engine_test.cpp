// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/engine.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/core/hub.hpp"
#include "src/core/items.hpp"
#include "src/platform/process.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/runtime/thread_pool.hpp"
#include "yonder/task.hpp"
#include "yonder/when.hpp"

using namespace yonder;

namespace {

int same(int n) { return n; }
constexpr task<same, "engine_test.same"> same_task;

// A connection to a hub that fails so many times when it is read, and then says that the key is refused.
class failing final : public transport::endpoint {
 public:
  explicit failing(int times) : left_(times) {}
  void receive(std::vector<transport::event>& events, std::size_t) override {
    if (left_-- > 0) throw std::bad_alloc();
    transport::event refused;
    refused.what = transport::event::kind::lost;
    refused.unauthorized = true;
    events.push_back(std::move(refused));
  }
  bool poll_once() override { return true; }
  bool arm(transport::doorbell&) override { return false; }
  transport::send_status send(transport::peer_id, core::frame const&) override {
    return transport::send_status::gone;
  }
  void flush() override {}
  void detach() override {}
  void close(transport::peer_id) override {}
  bool reliable() const override { return false; }
  void on_ready(std::uint64_t, bool, bool) override {}

 private:
  int left_;
};

// A connection to a hub in memory, which gets frames when they are flushed, and never answers a call.
class distant final : public transport::endpoint {
 public:
  explicit distant(std::atomic<int>& calls) : calls_(calls), hub_(quiet(), core::second) {
    hub_.connected(core::second, 1, {.reliable = true, .start = 0}, out_);
  }
  void receive(std::vector<transport::event>& events, std::size_t) override {
    if (!std::exchange(greeted_, true)) add(transport::event::kind::connected, {});
    if (refuses_.exchange(false)) {
      add(transport::event::kind::lost, {});
      events_.back().unauthorized = true;
    }
    for (auto& one : std::exchange(events_, {})) events.push_back(std::move(one));
  }
  bool poll_once() override { return !events_.empty() || refuses_; }
  bool arm(transport::doorbell& bell) override {
    bell_ = &bell;
    armed_by_.add_this();
    return greeted_ && events_.empty() && !refuses_;
  }
  transport::send_status send(transport::peer_id, core::frame const& message) override {
    if (is_full && message.head.type == core::frame_type::call) return transport::send_status::full;
    if (std::any_of(message.buffers.begin(), message.buffers.end(),
                    [](auto const& one) { return one.borrowed(); }))
      borrowed_ = true;
    unsent_.push_back({message.head, message.body.duplicate(), message.buffers});
    return transport::send_status::sent;
  }
  void flush() override {
    flushed_by_.add_this();
    auto const is_call = [](core::frame const& one) { return one.head.type == core::frame_type::call; };
    if (fails_to_send && std::any_of(unsent_.begin(), unsent_.end(), is_call)) {
      fails_to_send = false;
      throw std::bad_alloc();
    }
    for (auto& message : std::exchange(unsent_, {})) {
      if (message.head.type == core::frame_type::call) {
        frames_.push_back(core::read_item_count(message));
        calls_ += static_cast<int>(frames_.back());
      }
      hub_.receive(core::second, 1, std::move(message), out_);
    }
    for (auto& output : std::exchange(out_, {}))
      if (auto* const answer = std::get_if<core::out::send>(&output))
        add(transport::event::kind::received, answer->take());
    if (auto* const bell = bell_.load(); !events_.empty() && bell != nullptr) bell->ring();
  }
  void detach() override { ++detached_; }
  void close(transport::peer_id) override {}
  bool reliable() const override { return true; }
  void on_ready(std::uint64_t, bool, bool) override {}
  // Any thread, once a thread of the engine's has armed this: the hub does not let it in any more.
  void refuse() {
    refuses_ = true;
    bell_.load()->ring();
  }
  bool was_armed_by(std::thread::id thread) const { return armed_by_.has(thread); }
  bool was_flushed_by(std::thread::id thread) const { return flushed_by_.has(thread); }
  int detached() const noexcept { return detached_; }
  // Whether a buffer that it was given belongs to the caller.
  bool was_lent_borrowed() const noexcept { return borrowed_; }
  std::atomic<bool> is_full = false;  // for calls
  // How many calls each frame of them held.
  std::vector<std::uint32_t> const& frames() const noexcept { return frames_; }
  std::atomic<bool> fails_to_send = false;  // a call, once

 private:
  class thread_set {
   public:
    void add_this() {
      std::lock_guard const held(mutex_);
      ids_.insert(std::this_thread::get_id());
    }
    bool has(std::thread::id thread) const {
      std::lock_guard const held(mutex_);
      return ids_.count(thread) != 0;
    }

   private:
    mutable std::mutex mutex_;
    std::set<std::thread::id> ids_;
  };

  // Nothing happens by itself.
  static core::hub_config quiet() {
    core::hub_config made;
    made.timing.heartbeat = 1'000 * core::second;
    return made;
  }
  void add(transport::event::kind what, core::frame&& message) {
    transport::event made;
    made.what = what;
    made.peer = 1;
    made.message = std::move(message);
    events_.push_back(std::move(made));
  }

  std::atomic<int>& calls_;
  core::hub hub_;
  core::outputs out_;
  std::vector<core::frame> unsent_;
  std::vector<std::uint32_t> frames_;
  std::atomic<int> detached_ = 0;
  std::atomic<bool> refuses_ = false;
  thread_set armed_by_, flushed_by_;
  std::atomic<bool> borrowed_ = false;
  std::vector<transport::event> events_;
  std::atomic<transport::doorbell*> bell_ = nullptr;
  bool greeted_ = false;
};

std::shared_ptr<detail::engine> engine_over(std::unique_ptr<transport::endpoint> uplink) {
  detail::engine_config config;
  config.max_call_bytes = 10'000;
  config.client.session = 7;
  auto made = std::make_shared<detail::engine>(std::move(config));
  made->set_uplink(std::move(uplink));
  made->start();
  return made;
}

detail::call_ref submit(detail::engine& engine, detail::departure when) {
  auto const& entry = same_task.entry();
  auto call = detail::begin_call(entry, {});
  detail::encode(call.content, 1);
  return engine.submit(entry, {}, std::move(call), when);
}

error_details outcome_with(int failures) {
  auto const engine = engine_over(std::make_unique<failing>(failures));
  auto const state = submit(*engine, detail::departure::awaited);
  engine->wait(*state);
  engine->stop();
  REQUIRE(state->failure != nullptr);
  return state->failure->details;
}

}  // namespace

TEST_CASE("a throw in a turn leaves the engine usable: the next one may lead, and calls end") {
  CHECK(outcome_with(0).code == errc::unauthorized);
  CHECK(outcome_with(3).code == errc::unauthorized);
}

TEST_CASE("where every turn throws, calls end in words instead of never") {
  auto const how = outcome_with(1'000'000);
  CHECK(how.code == errc::disconnected);
  CHECK(how.message == "the runtime cannot go on: std::bad_alloc");
}

TEST_CASE("calls that nobody waits for yet leave by themselves, also while the housekeeper sleeps") {
  std::atomic<int> arrived{0};
  auto const engine = engine_over(std::make_unique<distant>(arrived));
  for (int sent = 1; sent <= 50; ++sent) {
    auto const call = submit(*engine, detail::departure::gathered);
    while (arrived < sent) std::this_thread::yield();
  }
  engine->stop();
}

TEST_CASE("calls that gather leave at once where their caller says so") {
  std::atomic<int> arrived{0};
  auto const engine = engine_over(std::make_unique<distant>(arrived));
  submit(*engine, detail::departure::now);
  while (arrived < 1) std::this_thread::yield();  // the hub has said welcome
  for (int i = 0; i < 3; ++i) submit(*engine, detail::departure::gathered);
  engine->send_now();
  CHECK(arrived == 4);
  engine->stop();
}

TEST_CASE("a call whose sending threw leaves nevertheless, also while the housekeeper sleeps") {
  std::atomic<int> arrived{0};
  auto uplink = std::make_unique<distant>(arrived);
  auto& hub = *uplink;
  auto const engine = engine_over(std::move(uplink));
  for (int sent = 1; sent <= 5; ++sent) {
    submit(*engine, detail::departure::now);
    while (arrived < sent) std::this_thread::yield();
    hub.fails_to_send = true;
  }
  engine->stop();
}

namespace {

// The items of each frame, of calls that gather behind one that has left.
std::vector<std::uint32_t> frames_of_gathered() {
  std::atomic<int> arrived{0};
  auto uplink = std::make_unique<distant>(arrived);
  auto const& hub = *uplink;
  auto const engine = engine_over(std::move(uplink));
  submit(*engine, detail::departure::now);
  while (arrived < 1) std::this_thread::yield();
  auto const first = submit(*engine, detail::departure::gathered);
  auto const second = submit(*engine, detail::departure::gathered);
  auto const& entry = same_task.entry();
  options const other{.retries = 2};
  engine->submit(entry, other, detail::begin_call(entry, other), detail::departure::gathered);
  auto large = detail::begin_call(entry, other);
  large.content.head.append(std::string(driver::pack_size::most_item_bytes + 1, 'x').data(),
                            driver::pack_size::most_item_bytes + 1);
  engine->submit(entry, other, std::move(large), detail::departure::gathered);
  engine->send_now();
  CHECK(engine->id_of(*second).number == engine->id_of(*first).number + 1);
  auto frames = hub.frames();
  engine->stop();
  return frames;
}

}  // namespace

TEST_CASE(
    "calls that gather travel in one frame; larger ones, and those of another policy, do not join them") {
  // The housekeeper has turns of its own: what had gathered by then left with that.
  std::vector<std::uint32_t> const together{1, 2, 1, 1};
  std::vector<std::uint32_t> const parted{1, 1, 1, 1, 1};
  auto found = frames_of_gathered();
  for (int i = 0; i < 1000 && found == parted; ++i) found = frames_of_gathered();
  CHECK(found == together);
}

TEST_CASE("the number of a call that gathers is known when it is asked for, and its cancel finds it") {
  std::atomic<int> arrived{0};
  auto const engine = engine_over(std::make_unique<distant>(arrived));
  auto const first = submit(*engine, detail::departure::gathered);
  auto const second = submit(*engine, detail::departure::gathered);
  CHECK(engine->id_of(*second).number == 2);
  auto const third = submit(*engine, detail::departure::gathered);
  engine->cancel(*third);
  REQUIRE(third->failure != nullptr);
  CHECK(third->failure->details.code == errc::cancelled);
  CHECK_FALSE(first->done);
  engine->stop();
  CHECK(first->done);
}

namespace {

// A call whose arguments take so many bytes, and that many beside them.
detail::call_ref submit_of(detail::engine& engine, std::size_t bytes, std::size_t beside) {
  auto const& entry = same_task.entry();
  auto call = detail::begin_call(entry, {});
  REQUIRE(call.content.head.size() <= bytes);
  call.content.head.extend(bytes - call.content.head.size());
  if (beside != 0) call.content.buffers.push_back(detail::owned_copy(std::vector<std::byte>(beside)));
  return engine.submit(entry, {}, std::move(call), detail::departure::now);
}

}  // namespace

TEST_CASE(
    "a call past max_call_bytes is refused before it is sent, also for what lies beside its arguments") {
  std::atomic<int> arrived{0};
  auto const engine = engine_over(std::make_unique<distant>(arrived));
  for (auto const& call : {submit_of(*engine, 10'001, 0), submit_of(*engine, 1'000, 9'001)}) {
    REQUIRE(call->done);
    REQUIRE(call->failure != nullptr);
    CHECK(call->failure->details.code == errc::too_large);
    CHECK(call->failure->details.message ==
          "the arguments take 10001 bytes; the limit is 10000 (runtime_options::max_call_bytes)");
  }
  auto const alone = submit_of(*engine, 10'000, 0);
  auto const with_buffer = submit_of(*engine, 1'000, 9'000);
  while (arrived < 2) std::this_thread::yield();
  CHECK_FALSE(alone->done);
  CHECK_FALSE(with_buffer->done);
  engine->stop();
}

namespace {

detail::call_ref submit_borrowing(detail::engine& engine, std::vector<std::byte> const& from) {
  auto const& entry = same_task.entry();
  auto call = detail::begin_call(entry, {});
  call.content.buffers.push_back({from.data(), from.size(), nullptr});
  return engine.submit(entry, {}, std::move(call), detail::departure::now);
}

}  // namespace

TEST_CASE("a call that has ended leaves nothing of its caller's memory with the transport") {
  std::atomic<int> arrived{0};
  auto uplink = std::make_unique<distant>(arrived);
  auto const& hub = *uplink;
  auto const engine = engine_over(std::move(uplink));
  std::vector<std::byte> const memory(5'000);
  auto const owned = submit_of(*engine, 1'000, 5'000);
  auto const call = submit_borrowing(*engine, memory);
  while (arrived < 2) std::this_thread::yield();
  engine->cancel(*owned);
  CHECK(hub.detached() == 0);
  engine->cancel(*call);
  REQUIRE(call->done);
  CHECK(hub.detached() == 1);
  engine->stop();
}

TEST_CASE("what the transport did not take yet is copied when the call whose memory it is has ended") {
  std::atomic<int> arrived{0};
  auto uplink = std::make_unique<distant>(arrived);
  auto& hub = *uplink;
  auto const engine = engine_over(std::move(uplink));
  std::vector<std::byte> const memory(5'000);
  submit(*engine, detail::departure::now);
  while (arrived < 1) std::this_thread::yield();
  hub.is_full = true;
  auto const call = submit_borrowing(*engine, memory);
  engine->cancel(*call);
  REQUIRE(call->done);
  hub.is_full = false;
  submit(*engine, detail::departure::now);
  while (arrived < 3) std::this_thread::yield();
  CHECK_FALSE(hub.was_lent_borrowed());
  engine->stop();
}

TEST_CASE("where the thread that reads for all has what it waited for, another one that waits reads on") {
  std::atomic<int> arrived{0};
  auto uplink = std::make_unique<distant>(arrived);
  auto& hub = *uplink;
  auto const engine = engine_over(std::move(uplink));
  auto const first = submit(*engine, detail::departure::now);
  auto const second = submit(*engine, detail::departure::now);
  std::thread reads([&] { engine->wait(*first); });
  while (!hub.was_armed_by(reads.get_id())) std::this_thread::yield();
  bool has_ended = false;
  std::thread waits([&] { has_ended = engine->wait_until(*second, platform::now() + 20 * core::second); });
  while (!hub.was_flushed_by(waits.get_id())) std::this_thread::yield();
  engine->cancel(*first);  // comes in when the other one sleeps
  reads.join();
  hub.refuse();
  waits.join();
  CHECK(has_ended);
  engine->stop();
}

TEST_CASE("the end of a worker that is a thread is told once") {
  std::atomic<int> arrived{0};
  auto const engine = engine_over(std::make_unique<distant>(arrived));
  {
    runtime_detail::thread_pool pool({}, {}, 1 << 20, 1 << 20, *engine);
    pool.start({.start = 1});
    std::vector<runtime_detail::pool_event> happened;
    std::vector<transport::event> frames;
    while (happened.empty()) {
      pool.take(happened, frames);
      std::this_thread::yield();
    }
    pool.kill(happened[0].peer, "is not wanted");
    pool.kill(happened[0].peer, "is not wanted");
    pool.take(happened, frames);
    CHECK(happened.size() == 2);
    CHECK(pool.size() == 0);
  }
  engine->stop();
}

TEST_CASE("who waits for all of several calls does not go on when one of them has ended") {
  std::atomic<int> arrived{0};
  auto const engine = engine_over(std::make_unique<distant>(arrived));
  auto const goes_on = submit(*engine, detail::departure::gathered);
  auto const ended = submit(*engine, detail::departure::gathered);
  engine->cancel(*ended);
  REQUIRE(ended->done);
  REQUIRE_FALSE(goes_on->done);
  CHECK(detail::calls_awaiter({goes_on, ended}, 1).await_ready());
  detail::calls_awaiter const all({goes_on, ended}, 2);
  CHECK_FALSE(all.await_ready());
  engine->stop();
  CHECK(all.await_ready());
}

namespace {

// A hub to which nobody comes, and which says so soon.
detail::engine_config lonely(log_sink log) {
  detail::engine_config config;
  config.hub.emplace().wait_notice = core::millisecond;
  config.max_call_bytes = 1 << 20;
  config.log = std::move(log);
  return config;
}

std::string const told =
    "a call of 'engine_test.same' has waited 1 ms, and there is no worker that could take it: none is "
    "connected";

}  // namespace

TEST_CASE("what a runtime has to say goes to the log, on a thread that pumps nothing") {
  std::promise<std::pair<std::string, std::thread::id>> said;
  auto const engine = std::make_shared<detail::engine>(lonely([&said](std::string_view line) {
    said.set_value({std::string(line), std::this_thread::get_id()});
  }));
  engine->start();
  auto const& entry = same_task.entry();
  auto const call = engine->submit(entry, {}, detail::begin_call(entry, {}), detail::departure::now);
  auto const [line, thread] = said.get_future().get();
  CHECK(line == told);
  CHECK(thread != std::this_thread::get_id());
  engine->stop();
}

TEST_CASE("without a log it is one line on stderr") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  platform::unique_fd const before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  platform::unique_fd const readable(ends[0]);
  auto const engine = std::make_shared<detail::engine>(lonely({}));
  engine->start();
  auto const& entry = same_task.entry();
  auto const call = engine->submit(entry, {}, detail::begin_call(entry, {}), detail::departure::now);
  std::string line;
  for (char c = 0; ::read(readable.get(), &c, 1) == 1 && c != '\n';) line += c;
  ::dup2(before.get(), STDERR_FILENO);
  engine->stop();
  CHECK(line == "yonder: " + told);
}

// UndefinedBehaviorSanitizer needs descriptors itself.
TEST_CASE("a runtime that gets no descriptor says so, as an error of ours" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit const few{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  auto code = errc::failed;
  try {
    runtime const refused({.max = 1});
  } catch (error const& why) {
    code = why.code();
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(code == errc::unsatisfiable);
  runtime const here({.max = 1});
}
