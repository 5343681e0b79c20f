// SPDX-License-Identifier: Apache-2.0
//
// Memory that runs out: every allocation of a scenario is refused in turn. Whichever it is, every call ends.
#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "src/core/hub.hpp"
#include "src/runtime/engine.hpp"
#include "yonder/task.hpp"

namespace {

// Of this thread: how many allocations are granted before one is refused; negative: all are.
thread_local long granted = -1;

bool is_refused() noexcept { return granted >= 0 && granted-- == 0; }

}  // namespace

void* operator new(std::size_t size) {
  if (is_refused()) throw std::bad_alloc();
  if (auto* const memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
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
  silent_hub() : hub_(core::hub_config{}, core::second) {
    hub_.connected(core::second, 1, {.reliable = false}, out_);
  }
  void receive(std::vector<transport::event>& events, std::size_t) override {
    if (!std::exchange(greeted_, true)) events.push_back(transport::event::connected(1));
    for (auto& message : std::exchange(answers_, {}))
      events.push_back(transport::event::received(1, std::move(message)));
  }
  bool poll_once() override { return !answers_.empty(); }
  bool arm(transport::doorbell&) override { return greeted_ && answers_.empty(); }
  transport::send_status send(transport::peer_id, core::frame const& message) override {
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
  bool reliable() const override { return false; }
  void on_ready(std::uint64_t, bool, bool) override {}

 private:
  core::hub hub_;
  core::outputs out_;
  std::vector<core::frame> answers_;
  bool greeted_ = false;
};

struct scenario {
  std::shared_ptr<detail::engine> engine;
  std::vector<detail::call_ref> calls;
  std::size_t refused = 0;

  scenario() {
    (void)half_task.entry().signature();  // found once for all
    (void)size_task.entry().signature();
    detail::engine_config config;
    config.max_call_bytes = 1 << 20;
    config.client.session = 7;
    config.client.max_bytes = 150'000;
    config.own_thread = false;  // all that happens happens here
    engine = std::make_shared<detail::engine>(std::move(config));
    engine->set_uplink(std::make_unique<silent_hub>());
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
    whole = granted >= 0;
    tried.engine->stop();
    granted = -1;
    INFO("allocation " << which);
    for (auto const& call : tried.calls) CHECK((call->done && call->failure != nullptr));
    REQUIRE(which < 2'000);
  }
}
