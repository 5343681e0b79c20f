// SPDX-License-Identifier: Apache-2.0
//
// What a hub of its own process costs, between a caller and a worker, against the worker directly; how many
// calls pass it; and what its core takes of each, however many wait and however many workers there are.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "src/core/hub.hpp"
#include "src/core/items.hpp"
#include "src/core/metadata.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"
#include "tests/bench/workload.hpp"

namespace bench {
namespace {

// --- its core alone

using namespace yonder::core;

// A hub's core, a caller that always has so many calls there, and workers that answer one after the other.
class driven_hub {
 public:
  driven_hub(std::size_t workers, std::size_t queued) : hub_({}, now_) {
    for (std::size_t i = 0; i < workers; ++i) join(2 + i, peer_role::worker);
    join(1, peer_role::client);
    for (std::size_t i = 0; i < queued; ++i) call();
  }

  // One call is made, and one answered.
  void step() {
    call();
    auto const assigned = assigned_.front();
    assigned_.pop_front();
    frame message;
    message.head.type = frame_type::result;
    message.head.call = assigned.call;
    message.head.attempt = assigned.attempt;
    byte_buffer body;
    body.extend(size);
    message.body = std::move(body);
    say(assigned.peer, std::move(message));
  }

 private:
  static constexpr std::size_t size = 16;
  struct assignment {
    peer_id peer = 0;
    call_id call;
    std::uint32_t attempt = 0;
  };
  struct spoken {
    std::uint32_t epoch = 0, sequence = 0;
  };

  void join(peer_id peer, peer_role role) {
    hub_.connected(now_, peer, {.reliable = true}, out_);
    hello_message said;
    said.role = role;
    said.session = 1'000 + peer;
    said.name = "bench";
    if (role == peer_role::worker) said.functions = {{"f", 7, ""}};
    auto message = make_hello(said);
    message.head.attempt = 1;
    if (peers_.size() <= peer) peers_.resize(peer + 1);
    hub_.receive(now_, peer, std::move(message), out_);
    take();
  }
  void call() {
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {1'001, ++last_};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", {}, {});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    body.extend(size);
    message.body = std::move(body);
    say(1, std::move(message));
  }
  void say(peer_id peer, frame&& message) {
    auto& said = peers_[peer];
    message.head.epoch = said.epoch;
    message.head.sequence = ++said.sequence;
    now_ += microsecond;
    hub_.receive(now_, peer, std::move(message), out_);
    if (hub_.next_deadline() <= now_) hub_.tick(now_, out_);
    take();
  }
  void take() {
    for (auto& one : out_) {
      auto* const sent = std::get_if<out::send>(&one);
      if (sent == nullptr) continue;
      if (sent->head.type == frame_type::welcome) {
        peers_[sent->peer] = {sent->head.epoch, 0};
      } else if (sent->head.type == frame_type::assign) {
        packed_items items;
        read_items(sent->message(), items);
        for (std::uint32_t i = 0; i < items.count; ++i)
          assigned_.push_back(
              {sent->peer, {sent->head.call.session, sent->head.call.number + i}, sent->head.attempt});
      }
    }
    out_.clear();
  }

  time_point now_ = 1'000 * second;
  hub hub_;
  outputs out_;
  std::vector<spoken> peers_;
  std::deque<assignment> assigned_;
  std::uint64_t last_ = 0;
};

double step_time(driven_hub& of) {
  constexpr std::size_t steps = 1'000;
  return time_per_call(steps, [&] {
    for (std::size_t i = 0; i < steps; ++i) of.step();
  });
}

void measure_core(report& to) {
  driven_hub plain(1, 1);
  for (std::size_t const queued : {1'000U, 1'000'000U}) {
    driven_hub full(1, queued);
    to.add({"the hub's core for a call, " + std::to_string(queued) + " queued", "ns", "1 queued",
            ratio_at_most(1.5)},
           compare([&] { return step_time(full); }, [&] { return step_time(plain); }));
  }
  for (std::size_t const workers : {100U, 1'000U}) {
    driven_hub wide(workers, workers);
    to.add({"the hub's core for a call, " + std::to_string(workers) + " workers", "ns", "1 worker",
            ratio_at_most(1.5)},
           compare([&] { return step_time(wide); }, [&] { return step_time(plain); }));
  }
}

#ifdef YONDER_HAS_ZMQ

// --- on its way

constexpr std::size_t message_size = 64;
constexpr std::size_t window = 256;

// A hub in a process of its own, that workers and callers come to.
class hub_process {
 public:
  explicit hub_process(std::string const& address)
      : address_(address), process_([&] { serve_hub(address); }) {}
  std::string const& address() const { return address_; }

 private:
  static void serve_hub(std::string const& address) {
    yonder::runtime_options options;
    options.max = 0;
    options.bind = {address};
    options.max_calls = 4'000'000;
    options.is_current = false;
    yonder::runtime const here(options);
    here.serve();
  }
  std::string address_;
  peer_process process_;
};

// Calls that cannot travel together: two tasks by turns.
double rate_by_turns(std::string const& message, yonder::runtime& by) {
  struct pair {
    yonder::call<std::string> one;
    yonder::call<int> other;
  };
  std::deque<pair> calls;
  auto const echoing = echo_task.on(by);
  auto const doubling = twice_task.on(by);
  auto const rate = rate_of(window, [&] {
    for (std::size_t i = 0; i < window / 2; ++i) {
      if (calls.size() >= window / 2) {
        calls.front().one.get();
        calls.front().other.get();
        calls.pop_front();
      }
      calls.push_back({echoing.spawn(message), doubling.spawn(1)});
    }
  });
  for (auto& each : calls) {
    each.one.get();
    each.other.get();
  }
  return rate;
}

void measure_ways(report& to) {
  pinned const here;
  temporary_folder const folder;
  hub_process const between("ipc://" + folder.path() + "/between/hub");
  auto const message = random_text(message_size);
  yonder::runtime_options own;
  own.max = 0;
  own.bind = {"ipc://" + folder.path() + "/direct/hub"};
  own.is_current = false;
  yonder::runtime direct(own);
  yonder::runtime_options elsewhere;
  elsewhere.hub = between.address();
  elsewhere.connect_timeout = std::chrono::minutes(1);
  elsewhere.max_calls = 4'000'000;
  elsewhere.is_current = false;
  yonder::runtime through(elsewhere);
  program const near_worker({own_path(), "--yonder-worker", direct.addresses().front()});
  program const far_worker({own_path(), "--yonder-worker", between.address()});
  echo_task.on(direct).remote(message);
  echo_task.on(through).remote(message);
  auto const latency = compare_latency([&] { echo_task.on(through).remote(message); },
                                       [&] { echo_task.on(direct).remote(message); });
  to.add({"remote() p50 through a hub elsewhere, ZeroMQ ipc, one core", "µs", "to the worker directly",
          ratio_at_most(2.1)},
         latency.p50, 1e3);
  std::vector<int> numbers(20'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto const map = [&](yonder::runtime& by) {
    return rate_of(numbers.size(), [&] { twice_task.on(by).for_each(numbers); });
  };
  to.add({"map of int(int) through a hub elsewhere, packed, one core", "calls/s", "to the worker directly",
          at_least(1e6)},
         compare([&] { return map(through); }, [&] { return map(direct); }));
  to.add({"spawn/get through a hub elsewhere, not packed, one core", "calls/s", "to the worker directly",
          at_least(500e3)},
         compare([&] { return rate_by_turns(message, through); },
                 [&] { return rate_by_turns(message, direct); }));
}

#endif

}  // namespace

void measure_hub(report& to) {
#ifdef YONDER_HAS_ZMQ
  measure_ways(to);  // first: it starts a process while this one has one thread
#endif
  measure_core(to);
  measure_durable_calls(to);
}

}  // namespace bench
