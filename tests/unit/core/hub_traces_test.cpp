// SPDX-License-Identifier: Apache-2.0
// When what happened to calls, as a hub tells whoever traces them.
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace yonder::core;
using test::loopback;
using yonder::errc;

namespace {

constexpr auto sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr auto unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

hub_config tracing() {
  hub_config config;
  config.traces = true;
  config.backoff_first = 0;
  return config;
}

// One line each: the call's number, which attempt or "call", how long each part took in ms, why without a
// value.
std::string in_short(std::vector<out::traced> const& all) {
  std::string text;
  auto const ms = [](duration time) { return std::to_string(time / millisecond); };
  for (auto const& one : all) {
    text += (text.empty() ? "" : ", ") + std::to_string(one.call.number);
    if (one.items > 1) text += "-" + std::to_string(one.call.number + one.items - 1);
    if (one.attempt == 0)
      text += " call " + ms(one.ended - one.since);
    else
      text += " #" + std::to_string(one.attempt) + " " + ms(one.assigned - one.since) + "+" +
              ms(one.began - one.assigned) + "+" + ms(one.ended - one.began);
    if (one.code != errc{}) text += " " + std::string(to_string(one.code));
  }
  return text;
}

}  // namespace

TEST_CASE("a call that waits and then runs is told with its attempt, and how long each part took") {
  loopback net(tracing());
  auto& caller = net.add_client();
  net.traceparent = sampled;
  net.submit(caller, "a");
  net.wait(20 * millisecond);
  auto& worker = net.add_worker();
  net.wait(30 * millisecond);
  net.finish(worker, "done");
  CHECK(in_short(net.traced) == "1 #1 20+0+30, 1 call 50");
  CHECK(net.traced[0].traceparent == sampled);
  CHECK(net.traced[0].function == "echo");
  CHECK(net.traced[0].worker.starts_with("worker-"));
}

TEST_CASE("a call that is tried again has an attempt for each, and why the first one failed") {
  loopback net(tracing());
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "a", {.retries = 1});
  net.wait(5 * millisecond);
  failure thrown;
  thrown.message = "not yet";
  net.finish(worker, std::move(thrown));
  net.wait(7 * millisecond);
  net.finish(worker, "done");
  CHECK(in_short(net.traced) == "1 #1 0+0+5 failed, 1 #2 0+0+6, 1 call 12");  // a tick later
}

TEST_CASE("a lost worker, a timeout and a cancel are why an attempt ended") {
  loopback net(tracing());
  auto& caller = net.add_client();
  net.submit(caller, "a");
  auto& first = net.add_worker();
  net.lose(first);
  CHECK(in_short(net.traced) == "1 #1 0+0+0 worker_lost, 1 call 0 worker_lost");
  net.traced.clear();
  auto& later = net.add_worker();
  net.submit(caller, "b", {.timeout = 10 * millisecond});
  net.wait(11 * millisecond);
  CHECK(in_short(net.traced) == "2 #1 0+0+10 timed_out, 2 call 10 timed_out");
  net.finish(later, "late");
  net.traced.clear();
  auto const third = net.submit(caller, "c");
  net.cancel(caller, third);
  CHECK(in_short(net.traced) == "3 #1 0+0+0 cancelled, 3 call 0 cancelled");
}

TEST_CASE("what was never started has no attempt") {
  loopback net(tracing());
  auto& caller = net.add_client();
  net.submit(caller, "waits");
  net.cancel(caller, {101, 1});
  CHECK(in_short(net.traced) == "1 call 0 cancelled");
  net.traced.clear();
  net.submit(caller, "handed back");
  auto& worker = net.add_worker();
  net.drain(worker);  // what runs goes on, what waits does not
  net.lose(worker, {.started = 0});
  CHECK(in_short(net.traced).empty());
  auto& other = net.add_worker();
  net.finish(other, "done");
  CHECK(in_short(net.traced) == "2 #2 0+0+0, 2 call 0");
}

TEST_CASE("a caller who keeps no trace is not traced, nor what his call's task calls; others are") {
  loopback net(tracing());
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  auto& inner = net.add_client();
  auto& helper = net.add_worker();
  auto const call_each = [&](std::string const& outer, std::string const& within) {
    net.traceparent = outer;
    net.submit(caller, "outer");
    auto& runs = worker.runs.empty() ? helper : worker;
    auto& idle = worker.runs.empty() ? worker : helper;
    net.traceparent = within;
    net.call_within(runs, inner, "inner");
    net.finish(idle, "done");
    net.finish(runs, "done");
  };
  call_each(unsampled, sampled);
  CHECK(net.traced.empty());
  call_each(sampled, unsampled);  // as what it hands on may say
  CHECK(net.traced.size() == 4);
}

TEST_CASE("a hub that nobody asks tells nothing") {
  loopback net;
  auto& caller = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "a");
  net.finish(worker, "done");
  CHECK(net.traced.empty());
}
