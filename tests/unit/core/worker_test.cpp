// SPDX-License-Identifier: Apache-2.0
#include "src/core/worker.hpp"

#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using test::loopback;
using yonder::errc;

TEST_CASE("a worker runs one attempt at a time, and publishes a rising sequence") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "warm up");
  auto const first = worker.runs[0].mark;
  net.finish(worker, "");
  for (int i = 0; i < 3; ++i) net.submit(client, "x");
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.core->queued() == 2);
  CHECK(worker.runs[0].mark > first);
  CHECK(worker.runs[0].function == "echo");
  CHECK(worker.runs[0].signature == 7);
}

TEST_CASE("finished() for what does not run is ignored") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "x");
  net.log.clear();
  worker.core->finished(net.now, {{1, 2}, 3, 4}, frame{}, net.scratch());
  CHECK(net.scratch().empty());
  CHECK_FALSE(worker.core->idle());
}

TEST_CASE("a worker exits when its hub is gone for good, also in the middle of a run") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "x");
  worker.core->lost(net.now, worker.peer, true, errc::disconnected, "", net.scratch());
  REQUIRE(net.scratch().size() == 1);
  CHECK_FALSE(std::get<out::exit>(net.scratch()[0]).clean);
  CHECK(worker.core->next_deadline() == never);
}

TEST_CASE("a worker that finds no hub gives up") {
  worker_config config;
  config.hub_timeout = 5 * second;
  worker core(std::move(config), second);
  outputs out;
  CHECK(core.next_deadline() == 6 * second);
  core.tick(6 * second, out);
  REQUIRE(out.size() == 1);
  CHECK(std::get<out::exit>(out[0]).code == errc::hub_unreachable);
}

TEST_CASE("an attempt of a session that ended must stop, or the worker exits") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  net.submit(client, "x");
  worker.connected = false;
  net.wait(6 * second);
  worker.connected = true;
  net.wait(1'500 * millisecond);
  CHECK(worker.stops.size() == 1);
  CHECK_FALSE(worker.exited.has_value());
  net.wait(3 * second);
  REQUIRE(worker.exited.has_value());
  CHECK_FALSE(worker.exited->clean);
}

TEST_CASE("a worker that is told to end before it has found a hub ends") {
  worker core({}, 0);
  outputs out;
  core.drain(0, out);
  REQUIRE(out.size() == 1);
  CHECK(std::get<out::exit>(out[0]).clean);
}

TEST_CASE("a drained worker stays until its last result is acknowledged") {
  loopback net({}, false);
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  net.drain(worker);
  net.finish(worker, "value");
  CHECK_FALSE(worker.exited.has_value());
  net.wait(200 * millisecond);
  REQUIRE(worker.exited.has_value());
  CHECK(worker.exited->clean);
  CHECK(client.outcomes.at(call.number).ok());
}
