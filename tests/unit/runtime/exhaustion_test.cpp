// SPDX-License-Identifier: Apache-2.0
//
// Memory that runs out: every allocation of a scenario is refused in turn. Whichever it is, every call ends.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "src/core/check.hpp"
#include "src/core/hub.hpp"
#include "src/platform/epoll_poller.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/process_pool.hpp"
#include "tests/unit/transports/world.hpp"
#include "transports/inproc/inproc_endpoint.hpp"
#include "transports/local/channel.hpp"
#include "transports/local/local_endpoint.hpp"
#include "yonder/call.hpp"
#include "yonder/task.hpp"
#include "yonder/when.hpp"

namespace {

// Of this thread: how many allocations are granted before one is refused; negative: all are.
thread_local long granted = -1;
// And before all are.
thread_local bool for_good = false;

bool is_refused() noexcept {
  if (granted < 0) return false;
  if (granted > 0) return --granted < 0;
  if (!for_good) granted = -1;
  return true;
}

}  // namespace

#if defined(__GLIBC__) && !YONDER_IS_SANITIZED
// What holds bytes is not made by new.
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* __libc_realloc(void* memory, std::size_t size);
extern "C" void* malloc(std::size_t size) { return is_refused() ? nullptr : __libc_malloc(size); }
extern "C" void* __libc_calloc(std::size_t count, std::size_t size);
extern "C" void* calloc(std::size_t count, std::size_t size) {
  return is_refused() ? nullptr : __libc_calloc(count, size);
}
extern "C" void* realloc(void* memory, std::size_t size) {
  return is_refused() ? nullptr : __libc_realloc(memory, size);
}
#endif

void* operator new(std::size_t size) {
#if !defined(__GLIBC__) || YONDER_IS_SANITIZED
  if (is_refused()) throw std::bad_alloc();
#endif
  if (auto* const memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept try {
  return ::operator new(size);
} catch (std::bad_alloc const&) {
  return nullptr;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace yonder;

namespace {

int half(int n) { return n / 2; }
constexpr task<half, "exhaustion_test.half"> half_task;

std::size_t size_of(std::vector<char> const& block) { return block.size(); }
constexpr task<size_of, "exhaustion_test.size_of"> size_task;

// A hub in memory that has no workers; what it is sent costs the client's thread no memory of the hub's.
class silent_hub final : public transport::endpoint {
 public:
  explicit silent_hub(core::hub_config config, bool reliable = false)
      : hub_(std::move(config), core::second), reliable_(reliable) {
    hub_.connected(core::second, 1, {.reliable = reliable}, out_);
  }
  void receive(std::vector<transport::event>& events, std::size_t) override {
    if (!std::exchange(greeted_, true)) events.push_back(transport::event::connected(1));
    for (auto& message : std::exchange(answers_, {}))
      events.push_back(transport::event::received(1, std::move(message)));
  }
  bool poll_once() override { return !answers_.empty(); }
  bool arm(transport::doorbell&) override { return greeted_ && answers_.empty(); }
  transport::send_status send(transport::peer_id, core::frame const& message) override {
    if (is_full) return transport::send_status::full;
    auto const left = std::exchange(granted, -1);
    hub_.receive(core::second, 1, {message.head, message.body.duplicate(), message.buffers}, out_);
    for (auto& output : std::exchange(out_, {}))
      if (auto* const answer = std::get_if<core::out::send>(&output)) answers_.push_back(answer->take());
    granted = left;
    return transport::send_status::sent;
  }
  void flush() override {}
  void detach() override {}
  void close(transport::peer_id) override {}
  bool reliable() const override { return reliable_; }
  void on_ready(std::uint64_t, bool, bool) override {}

  bool is_full = false;  // it takes nothing

 private:
  core::hub hub_;
  bool reliable_;
  core::outputs out_;
  std::vector<core::frame> answers_;
  bool greeted_ = false;
};

struct scenario {
  std::shared_ptr<detail::engine> engine;
  std::vector<detail::call_ref> calls;
  std::size_t refused = 0;
  silent_hub* hub = nullptr;

  explicit scenario(core::hub_config config_of_hub = {}, bool reliable = false) {
    (void)half_task.entry().signature();  // found once for all
    (void)size_task.entry().signature();
    detail::engine_config config;
    config.max_call_bytes = 1 << 20;
    config.client.session = 7;
    config.client.max_bytes = 150'000;
    config.own_thread = false;  // all that happens happens here
    engine = std::make_shared<detail::engine>(std::move(config));
    auto made = std::make_unique<silent_hub>(std::move(config_of_hub), reliable);
    hub = made.get();
    engine->set_uplink(std::move(made));
    engine->start();
    for (int i = 0; i < 3; ++i) engine->drive();
  }

  // As a caller who goes on without what he got no memory for.
  template <class Make>
  void attempt(Make make) {
    try {
      make();
    } catch (std::bad_alloc const&) {
      ++refused;
    }
  }

  void submit(detail::task_entry const& task, detail::departure when, auto const& argument) {
    attempt([&] {
      auto call = detail::begin_call(task, {});
      detail::encode(call.content, argument);
      calls.reserve(16);
      calls.push_back(engine->submit(task, {}, std::move(call), when));
    });
  }

  // Of the value of the call that was made last.
  void submit_composed() {
    attempt([&] {
      auto call = detail::begin_call(half_task.entry(), {});
      std::vector<detail::awaited_value> arguments;
      arguments.push_back({calls.back(), 0, 0, false});
      calls.push_back(engine->submit_composed(half_task.entry(), {}, std::move(call), std::move(arguments)));
    });
  }
};

}  // namespace

TEST_CASE("whichever allocation is refused, every call that was taken ends") {
  std::vector<char> const large(100'000, 'x');
  auto whole = false;
  for (long which = 0; !whole; ++which) {
    scenario tried;
    tried.calls.reserve(16);
    granted = which;
    for (int i = 0; i < 5; ++i) tried.submit(half_task.entry(), detail::departure::gathered, i);
    tried.submit(size_task.entry(), detail::departure::now, large);
    tried.submit(half_task.entry(), detail::departure::gathered, 6);
    tried.attempt([&] { tried.engine->send_now(); });
    tried.attempt([&] { tried.engine->drive(); });
    if (!tried.calls.empty()) tried.attempt([&] { tried.engine->cancel(*tried.calls.front()); });
    whole = granted > 0;
    tried.engine->stop();
    granted = -1;
    INFO("allocation " << which);
    for (auto const& call : tried.calls) CHECK((call->done && call->failure != nullptr));
    REQUIRE(which < 2'000);
  }
}

// The hub has no room for the first one, and so does not know of whose values the others are to be made.
TEST_CASE("so it is for calls that wait here for the outcomes of others") {
  core::hub_config config;
  config.max_bytes = 50'000;
  std::vector<char> const large(100'000, 'x');
  auto whole = false;
  for (long which = 0; !whole; ++which) {
    scenario tried(config);
    tried.calls.reserve(16);
    tried.submit(size_task.entry(), detail::departure::now, large);
    tried.submit(half_task.entry(), detail::departure::now, 1);
    granted = which;
    for (int i = 0; i < 3; ++i) tried.submit_composed();
    std::swap(tried.calls.front(), tried.calls.back());
    tried.submit_composed();
    tried.attempt([&] { tried.engine->drive(); });
    tried.attempt([&] { tried.engine->drive(); });
    tried.attempt([&] { tried.engine->cancel(*tried.calls.back()); });
    whole = granted >= 0;
    tried.engine->stop();
    granted = -1;
    INFO("allocation " << which);
    for (auto const& call : tried.calls) CHECK((call->done && call->failure != nullptr));
    REQUIRE(which < 2'000);
  }
}

TEST_CASE("a call whose caller's buffers there is no memory to copy ends nevertheless") {
  std::vector<char> const large(100'000, 'x');
  auto whole = false;
  for (long which = 0; !whole; ++which) {
    scenario tried({}, true);
    tried.hub->is_full = true;
    tried.submit(size_task.entry(), detail::departure::now, large);
    REQUIRE(tried.calls.back()->borrows);
    granted = which;
    tried.attempt([&] { tried.engine->cancel(*tried.calls.back()); });
    whole = granted >= 0;
    granted = -1;
    INFO("allocation " << which);
    auto const& call = *tried.calls.back();
    REQUIRE((call.done && call.failure != nullptr));
    tried.engine->stop();
    REQUIRE(which < 200);
  }
}

TEST_CASE("a thread that gives memory back for the first time takes none for it") {
  std::thread([] {
    auto bytes = core::byte_buffer::copy_of(std::as_bytes(std::span("some")));
    granted = 0;
    for_good = true;
    bytes = {};
    granted = -1;
  }).join();
}

// --- transports

namespace {

using testing::kind;
using testing::make_frame;
using testing::same;
using transport::event;
using transport::peer_id;
using transport::send_status;

// One end that is refused an allocation now and then, and does again what threw.
class starving {
 public:
  explicit starving(long which) : left_(which) {}

  // True: it was done; false: memory ran out.
  template <class Step>
  bool attempt(Step step) {
    granted = left_;
    bool done = false;
    try {
      step();
      done = true;
    } catch (std::bad_alloc const&) {
    }
    left_ = std::exchange(granted, -1);
    return done;
  }
  template <class Step>
  void until_done(Step step) {
    while (!attempt(step)) {
    }
  }
  bool was_refused_nothing() const { return left_ > 0; }

 private:
  long left_;
};

// Back to whom it came from.
void send_starving(starving& memory, transport::endpoint& from, event const& one) {
  auto status = send_status::gone;
  memory.until_done([&] { status = from.send(one.peer, one.message); });
  REQUIRE(status == send_status::sent);
}

std::pair<platform::unique_fd, platform::unique_fd> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  return {platform::unique_fd(ends[0]), platform::unique_fd(ends[1])};
}

// What each of two peers sends to an end that starves: small frames, one that is read piece by piece, one
// with buffers.
std::vector<transport::frame> frames_of(std::uint64_t peer) {
  std::vector<transport::frame> frames;
  for (std::uint64_t i = 0; i < 4; ++i) frames.push_back(make_frame(100 * peer + i, 40 * i));
  frames.push_back(make_frame(100 * peer + 4, 400'000));
  frames.push_back(make_frame(100 * peer + 5, 300, {50'000, 0, 20'000}));
  frames.push_back(make_frame(100 * peer + 6));
  return frames;
}

// Both peers are added, send, get everything back, and go; whatever was refused meanwhile.
void check_starving_end(bool with_memory, starving& memory) {
  platform::epoll_poller far_poller, poller;
  transport::local_endpoint far(far_poller), near(poller);
  std::vector<peer_id> at_far, at_near;
  std::vector<std::vector<transport::frame>> sent;
  while (at_near.size() < 2) {
    auto ends = socket_pair();
    auto made = with_memory ? transport::channel::make() : transport::channel::made{};
    memory.attempt([&] { at_near.push_back(near.add(std::move(ends.first), std::move(made.ours))); });
    if (at_far.size() == at_near.size()) continue;
    at_far.push_back(far.add(std::move(ends.second),
                             with_memory ? transport::channel::join(std::move(made.theirs)) : nullptr));
    sent.push_back(frames_of(at_far.size()));
  }
  for (std::size_t i = 0; i < 2; ++i)
    for (auto const& one : sent[i]) REQUIRE(far.send(at_far[i], one) == send_status::sent);

  std::vector<event> got, back;
  std::size_t answered = 0, returned = 0, lost = 0;
  bool closed = false;
  for (int turn = 0; lost < 2; ++turn) {
    REQUIRE(turn < 2'000);
    memory.until_done([&] { near.flush(); });
    memory.until_done([&] {
      if (poller.poll(near.arm(poller) ? 1'000'000 : 0)) poller.dispatch();
    });
    memory.until_done([&] { near.receive(got, 3); });
    for (; answered < got.size(); ++answered) {
      auto const& one = got[answered];
      if (one.what == kind::lost) ++lost;
      if (one.what != kind::received) continue;
      send_starving(memory, near, one);
    }
    far.flush();
    far_poller.wait(0);
    far.receive(back, 100);
    (void)far.arm(far_poller);
    returned = static_cast<std::size_t>(
        std::count_if(back.begin(), back.end(), [](auto const& one) { return one.what == kind::received; }));
    if (returned == 2 * sent[0].size() && !std::exchange(closed, true))
      for (auto const peer : at_far) far.close(peer);
  }

  for (auto const* const side : {&got, &back}) {
    auto const& peers = side == &got ? at_near : at_far;
    for (std::size_t i = 0; i < 2; ++i) {
      std::vector<event const*> of_peer;
      for (auto const& one : *side)
        if (one.peer == peers[i]) of_peer.push_back(&one);
      REQUIRE(of_peer.size() == sent[i].size() + (side == &got ? 2 : 1));
      CHECK(of_peer[0]->what == kind::connected);
      for (std::size_t k = 0; k < sent[i].size(); ++k) CHECK(same(of_peer[k + 1]->message, sent[i][k]));
    }
  }
}

}  // namespace

TEST_CASE("whichever allocation a local endpoint is refused, it loses no peer, no frame and no end") {
  for (bool const with_memory : {false, true}) {
    CAPTURE(with_memory);
    for (long which = 0;; ++which) {
      CAPTURE(which);
      starving memory(which);
      check_starving_end(with_memory, memory);
      if (memory.was_refused_nothing()) break;
      REQUIRE(which < 2'000);
    }
  }
}

TEST_CASE("whichever allocation an endpoint of threads is refused, it loses no peer, no frame and no end") {
  for (long which = 0;; ++which) {
    CAPTURE(which);
    starving memory(which);
    transport::inproc_endpoint near, far;
    auto const to_near = far.connect(near.where());
    auto const sent = frames_of(1);
    for (auto const& one : sent) REQUIRE(far.send(to_near, one) == send_status::sent);
    std::vector<event> got, back;
    memory.until_done([&] { near.receive(got, 100); });
    for (auto const& one : got)
      if (one.what == kind::received) send_starving(memory, near, one);
    far.receive(back, 100);
    far.close(to_near);
    memory.until_done([&] { near.receive(got, 100); });
    REQUIRE(got.size() == sent.size() + 2);
    REQUIRE(back.size() == sent.size() + 1);
    for (std::size_t i = 0; i < sent.size(); ++i)
      CHECK((same(got[i + 1].message, sent[i]) && same(back[i + 1].message, sent[i])));
    CHECK(got.back().what == kind::lost);
    if (memory.was_refused_nothing()) break;
    REQUIRE(which < 200);
  }
}

TEST_CASE(
    "whichever allocation a pool is refused when a worker ends, it tells so once, with what it printed") {
  for (long which = 0;; ++which) {
    CAPTURE(which);
    starving memory(which);
    auto const poller = platform::make_poller();
    runtime_detail::process_pool pool(*poller,
                                      {.limits = {}, .command = {"sh", "-c", "echo last words; exit 3"}});
    pool.start({.start = 7});
    std::vector<runtime_detail::pool_event> happened;
    std::vector<event> frames;
    while (pool.size() != 0) {
      poller->poll(-1);
      memory.until_done([&] { poller->dispatch(); });
      memory.until_done([&] { pool.take(happened, frames); });
    }
    REQUIRE(happened.size() == 1);
    CHECK(happened[0].what == runtime_detail::pool_event::kind::start_failed);
    CHECK(happened[0].start == 7);
    CHECK(happened[0].text.find("exited with status 3") != std::string::npos);
    CHECK(happened[0].loss.stderr_tail == "last words\n");
    CHECK(frames.empty());
    if (memory.was_refused_nothing()) break;
    REQUIRE(which < 200);
  }
}

TEST_CASE("whichever allocation the start of a runtime is refused, that is an error of ours, or it stands") {
  for (long which = 0;; ++which) {
    CAPTURE(which);
    auto code = errc::unsatisfiable;
    runtime_options const options{.max = 1, .in_process = true, .is_current = false};
    granted = which;
    try {
      runtime const here(options);
      if (std::exchange(granted, -1) > 0) break;
    } catch (error const& refused) {
      code = refused.code();
    }
    granted = -1;
    CHECK(code == errc::unsatisfiable);
    REQUIRE(which < 500);
  }
}

// --- a runtime that cannot go on

namespace {

// A connection that cannot be relied on, from a given moment on; so many allocations are granted from then.
class broken_hub final : public transport::endpoint {
 public:
  void receive(std::vector<event>& events, std::size_t) override {
    if (!std::exchange(greeted_, true)) events.push_back(event::connected(1));
    if (!breaks) return;
    granted = std::exchange(granted_then, -1);
    throw broken_;
  }
  bool poll_once() override { return true; }
  bool arm(transport::doorbell&) override { return false; }
  send_status send(peer_id, core::frame const&) override { return send_status::sent; }
  void flush() override {}
  void detach() override {}
  void close(peer_id) override {}
  bool reliable() const override { return false; }
  void on_ready(std::uint64_t, bool, bool) override {}

  bool breaks = false;
  long granted_then = -1;

 private:
  core::broken_invariant const broken_{"the hub is out of its mind"};
  bool greeted_ = false;
};

std::shared_ptr<detail::engine> engine_of(std::unique_ptr<transport::endpoint> uplink, bool own_thread) {
  detail::engine_config config;
  config.max_call_bytes = 1 << 20;
  config.client.session = 7;
  config.own_thread = own_thread;
  auto made = std::make_shared<detail::engine>(std::move(config));
  made->set_uplink(std::move(uplink));
  made->start();
  return made;
}

detail::call_ref call_of(detail::engine& engine) {
  auto const& task = half_task.entry();
  auto call = detail::begin_call(task, {});
  detail::encode(call.content, 1);
  return engine.submit(task, {}, std::move(call), detail::departure::now);
}

}  // namespace

TEST_CASE("a runtime that cannot go on ends every call, and says why where there is memory for it") {
  for (bool const none_comes_back : {false, true}) {
    CAPTURE(none_comes_back);
    for (long which = 0;; ++which) {
      CAPTURE(which);
      auto made = std::make_unique<broken_hub>();
      auto& hub = *made;
      auto const engine = engine_of(std::move(made), false);
      engine->drive();
      std::vector<detail::call_ref> calls;
      for (int i = 0; i < 5; ++i) calls.push_back(call_of(*engine));
      int resumed = 0;
      auto const resume = [](void* count) { ++*static_cast<int*>(count); };
      REQUIRE(detail::resume_when_done(*calls.back(), resume, &resumed));
      hub.granted_then = which;
      hub.breaks = true;
      for_good = none_comes_back;
      engine->drive();
      bool const whole = std::exchange(granted, -1) > 0;
      for_good = false;
      for (auto const& call : calls) {
        REQUIRE((call->done && call->failure != nullptr));
        CHECK(call->failure->details.code == errc::disconnected);
        auto const& why = call->failure->details.message;
        if (call->failure.get() != detail::failure_of_broken_runtime())
          CHECK(why.find("the hub is out of its mind") != std::string::npos);
      }
      auto const late = call_of(*engine);
      REQUIRE(late->failure != nullptr);
      CHECK(late->failure->details.message.find("the hub is out of its mind") != std::string::npos);
      engine->stop();
      CHECK(resumed == 1);
      if (whole) break;
      REQUIRE(which < 200);
    }
  }
}

TEST_CASE("a thread that waits takes no memory for it: none is counted that has gone") {
  auto const engine = engine_of(std::make_unique<broken_hub>(), true);
  auto const call = call_of(*engine);
  std::thread leader([&] { engine->wait(*call); });
  for (int i = 0; i < 100; ++i) {
    auto const soon = std::chrono::steady_clock::now() + std::chrono::microseconds(200);
    granted = 0;
    CHECK_FALSE(detail::wait_until(*call, soon));
    granted = -1;
  }
  engine->stop();
  leader.join();
  CHECK(call->failure != nullptr);
}

TEST_CASE("a wait for calls of several runtimes that gets no memory leaves nobody who would tell it") {
  auto const one = engine_of(std::make_unique<broken_hub>(), false);
  auto const other = engine_of(std::make_unique<broken_hub>(), false);
  std::vector<detail::call_ref> const calls{call_of(*one), call_of(*other)};
  for (long which = 0; which < 3; ++which) {
    CAPTURE(which);
    granted = which;
    CHECK_THROWS_AS(detail::wait_for_any(calls), std::bad_alloc);
    granted = -1;
    for (auto const& call : calls) CHECK((call->extras == nullptr || call->extras->resumptions.empty()));
    calls[0]->extras.reset();
    calls[1]->extras.reset();
  }
  one->stop();
  other->stop();
}
