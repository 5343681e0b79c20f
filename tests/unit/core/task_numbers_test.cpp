// SPDX-License-Identifier: Apache-2.0
//
// What is counted of tasks by their pools stays within bounds, and is never less than it was.
#include "src/core/task_numbers.hpp"
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

using place = task_tally::place;

}  // namespace

TEST_CASE("what was counted for a pool that is no more is counted for all of its kind") {
  task_tally tally;
  for (char const* const pool : {"needs-1", "needs-2"}) {
    auto& counted = tally.hold("f", pool);
    counted.calls = counted.succeeded = 3;
    counted.frames.count(3);
    counted.count_runs(5 * microsecond, 3);
    counted.count_failure(errc::timed_out);
    task_tally::let_go(counted);
  }
  auto& never_given = tally.hold("some name", "needs-2");
  never_given.calls = 1;
  task_tally::let_go(never_given);
  tally.pool_is_gone("needs-1", "needs");
  tally.pool_is_gone("needs-2", "needs");
  tally.pool_is_gone("needs-3", "needs");
  REQUIRE(tally.tasks().size() == 2);
  auto const& all = tally.tasks().at({"f", "needs"});
  CHECK(all.calls == 6);
  CHECK(all.succeeded == 6);
  CHECK(all.frames.calls == 6);
  CHECK(all.frames.counts[2] == 2);
  CHECK(all.run_microseconds == 30);
  CHECK(all.runs[3] == 6);
  CHECK(all.failed[static_cast<std::size_t>(errc::timed_out)] == 2);
  CHECK(tally.tasks().at({"", ""}).calls == 1);
}

TEST_CASE("what a pool of the same name still counts stays until that is no more, too") {
  task_tally tally;
  auto& counted = tally.hold("f", "needs-1");
  counted.frames.count(1);
  tally.pool_is_gone("needs-1", "needs");
  counted.calls = 1;
  REQUIRE(tally.tasks().contains({"f", "needs-1"}));
  task_tally::let_go(counted);
  tally.pool_is_gone("needs-1", "needs");
  REQUIRE(tally.tasks().size() == 1);
  CHECK(tally.tasks().at({"f", "needs"}).calls == 1);
}

TEST_CASE("pools that were made for calls leave no rows behind when they are forgotten") {
  hub_config config;
  config.pools = {{.functions = loopback::offers(), .max_workers = 4, .scaledown_window = second}};
  config.machine.emplace();
  config.machine->memory = std::uint64_t{1} << 40U;
  loopback net(std::move(config));
  auto& client = net.add_client();
  for (std::uint64_t memory = 1; memory <= 5; ++memory) {
    requirements needs;
    needs.resources.memory = memory << 20U;
    auto const call = net.submit(client, "x", {}, "echo", 7, encode_requirements(needs));
    auto& worker = net.add_worker(loopback::offers(), net.starts.back());
    net.finish(worker, "x");
    CHECK(client.outcomes.at(call.number).ok());
    net.wait(2 * second);
    REQUIRE(worker.exited);
    net.lose(worker, {.exit_status = 0});
  }
  net.wait(20 * second);  // for which functions of workers that went are remembered
  REQUIRE(net.hub().pools().size() == 1);
  auto const& tasks = net.hub().tasks();
  REQUIRE(tasks.size() == 1);
  CHECK(tasks.at({"echo", "needs"}).succeeded == 5);
}

TEST_CASE("callers who say ever other needs, and cancel, make no rows that stay") {
  hub_config config;
  config.pools = {{.functions = loopback::offers(), .max_workers = 4}};
  loopback net(std::move(config));
  auto& client = net.add_client();
  for (std::uint64_t memory = 1; memory <= 50; ++memory) {
    requirements needs;
    needs.resources.memory = memory << 20U;  // of a machine of which nothing is known yet
    net.cancel(client, net.submit(client, "x", {}, "echo", 7, encode_requirements(needs)));
  }
  net.wait(second);
  REQUIRE(net.hub().pools().size() == 1);
  auto const& tasks = net.hub().tasks();
  REQUIRE(tasks.size() == 1);
  CHECK(tasks.at({"", ""}).calls == 50);
  CHECK(tasks.at({"", ""}).cancelled == 50);
}
