// SPDX-License-Identifier: Apache-2.0
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;

requirements parking_with(resource_needs resources) {
  requirements needs;
  needs.resources = resources;
  needs.park_window = 60 * second;
  return needs;
}

requirements having(resource_needs resources) {
  requirements needs;
  needs.resources = resources;
  return needs;
}

// One GPU, and workers that are parked after a second.
struct tested_parking {
  loopback net;
  loopback::client_end& client;
  tested_parking() : net(config_of()), client(net.add_client()) {}

  static hub_config config_of() {
    hub_config config;
    config.pools = {{.functions = loopback::offers(), .max_workers = 2, .scaledown_window = second}};
    config.machine =
        machine{.gpus = {{"0", 80 * gibibyte}}, .cores = {0, 1}, .memory = 32 * gibibyte, .remark = {}};
    return config;
  }
  call_id submit(requirements const& needs) {
    return net.submit(client, "x", {}, "echo", 7, encode_requirements(needs));
  }
  loopback::worker_end& come() { return net.add_worker(loopback::offers(), net.starts.back()); }
  bool has(call_id call) const { return client.outcomes.count(call.number) != 0; }
  std::size_t parked() const { return const_cast<loopback&>(net).hub().census().parked_workers; }
  // What the worker is asked to do, and does.
  void obeys(loopback::worker_end& worker, std::string_view what) {
    REQUIRE(worker.runs.size() == 1);
    CHECK(worker.runs.front().function == what);
    CHECK(worker.runs.front().key.call.session == 0);
    net.finish(worker, "");
  }
  // One that has run a call, and has parked since.
  loopback::worker_end& parked_worker(requirements const& needs) {
    submit(needs);
    auto& worker = come();
    net.finish(worker, "done");
    net.wait(second);
    obeys(worker, park_worker);
    return worker;
  }
};

requirements const whole_gpu = parking_with({.gpus = 1});

failure hook_failed(std::string text) {
  failure error;
  error.type_name = "std::runtime_error";
  error.message = std::move(text);
  return error;
}

}  // namespace

TEST_CASE("a worker parks after its window, and the next call brings the same one back") {
  tested_parking t;
  auto& worker = t.parked_worker(whole_gpu);
  CHECK(t.parked() == 1);
  CHECK(t.net.hub().census().idle_workers == 0);
  auto const next = t.submit(whole_gpu);
  CHECK(t.parked() == 0);
  t.obeys(worker, unpark_worker);
  t.net.finish(worker, "again");
  CHECK(t.has(next));
  CHECK(t.net.starts.size() == 1);
}

TEST_CASE("what a parked worker had on its GPUs is others', and it comes back when they have left them") {
  tested_parking t;
  auto& parked = t.parked_worker(whole_gpu);
  auto const others = t.submit(having({.gpus = 1}));
  REQUIRE(t.net.grants.size() == 2);
  CHECK(t.net.grants[1].gpus == std::vector<std::string>{"0"});
  auto& other = t.come();
  auto const waits = t.submit(whole_gpu);
  t.net.wait(10 * millisecond);
  CHECK(parked.runs.empty());
  CHECK(t.net.starts.size() == 2);
  t.net.finish(other, "done");  // idle, it is in the way, and goes
  CHECK(t.has(others));
  CHECK(other.exited);
  t.net.lose(other);
  t.obeys(parked, unpark_worker);
  t.net.finish(parked, "done");
  CHECK(t.has(waits));
}

TEST_CASE("a parked worker is not given up for what another one has, and comes back when that has left") {
  tested_parking t;
  std::uint64_t memory = 0;
  SUBCASE("with memory for another one beside it") { memory = 10 * gibibyte; }
  SUBCASE("without") { memory = 20 * gibibyte; }
  auto const kept = parking_with({.gpus = 1, .memory = memory});
  auto& parked = t.parked_worker(kept);
  t.submit(having({.gpus = 1, .memory = 10 * gibibyte}));
  auto& other = t.come();
  auto const waits = t.submit(kept);
  t.net.finish(other, "done");
  CHECK_FALSE(parked.exited);
  REQUIRE(other.exited);
  t.net.lose(other);
  t.obeys(parked, unpark_worker);
  t.net.finish(parked, "done");
  CHECK(t.has(waits));
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("all of a pool's workers make room for another pool, the parked ones and those that are not") {
  tested_parking t;
  auto const small = parking_with({.memory = 12 * gibibyte});
  t.submit(small);
  t.submit(small);
  t.net.wait(10 * millisecond);
  REQUIRE(t.net.starts.size() == 2);
  auto& first = t.net.add_worker(loopback::offers(), t.net.starts[0]);
  auto& second_one = t.come();
  t.net.finish(first, "done");
  t.net.wait(second);
  t.obeys(first, park_worker);
  auto const large = t.submit(having({.memory = 30 * gibibyte}));
  CHECK_FALSE(first.exited);  // that alone would not do
  t.net.finish(second_one, "done");
  REQUIRE(first.exited);
  t.net.lose(first);
  t.obeys(second_one, park_worker);  // it keeps its memory
  REQUIRE(second_one.exited);
  t.net.lose(second_one);
  REQUIRE(t.net.starts.size() == 3);
  t.net.finish(t.come(), "done");
  CHECK(t.has(large));
}

TEST_CASE("workers that share a GPU park one by one") {
  tested_parking t;
  auto const half = parking_with({.gpus = 1, .gpu_memory = 40 * gibibyte});
  auto& parked = t.parked_worker(half);
  t.submit(having({.gpus = 1, .gpu_memory = 60 * gibibyte}));
  REQUIRE(t.net.starts.size() == 2);
  t.come();
  t.submit(half);
  CHECK(parked.runs.empty());  // 60 of 80 GiB are others'
}

TEST_CASE(
    "a parked worker goes after its park window, and from then on the pool is as if it had never been") {
  tested_parking t;
  auto& worker = t.parked_worker(whole_gpu);
  t.net.wait(59 * second);
  CHECK_FALSE(worker.exited);
  t.net.wait(2 * second);
  CHECK(worker.exited);
  t.net.lose(worker);
  CHECK(t.parked() == 0);
  CHECK(t.net.hub().census().workers == 0);
  CHECK(t.net.hub().pools().size() == 1);
  t.submit(having({.gpus = 1}));
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("a worker that cannot park is let go") {
  tested_parking t;
  t.submit(whole_gpu);
  auto& worker = t.come();
  t.net.finish(worker, "done");
  t.net.wait(second);
  t.net.finish(worker, hook_failed("no driver"));
  CHECK(worker.exited);
  CHECK(t.parked() == 0);
  t.net.lose(worker);
  t.submit(whole_gpu);
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("a worker that does not get back what it had is let go, and another is started for the call") {
  tested_parking t;
  auto& worker = t.parked_worker(whole_gpu);
  auto const call = t.submit(whole_gpu);
  t.net.finish(worker, hook_failed("the GPU is gone"));
  CHECK(worker.exited);
  t.net.lose(worker);
  t.net.wait(second);
  REQUIRE(t.net.starts.size() == 2);
  t.net.finish(t.come(), "done");
  CHECK(t.has(call));
}

TEST_CASE("a worker that hangs while it parks, or comes back, is killed in words") {
  tested_parking t;
  t.submit(whole_gpu);
  auto& worker = t.come();
  t.net.finish(worker, "done");
  t.net.wait(40 * second);
  REQUIRE(t.net.kills.size() == 1);
  CHECK(t.net.kills[0].reason == "did not release what it has on its GPUs in time");
  t.net.lose(worker);
  CHECK(t.parked() == 0);

  auto& next = t.parked_worker(whole_gpu);
  t.submit(whole_gpu);
  t.net.wait(40 * second);
  REQUIRE(t.net.kills.size() == 2);
  CHECK(t.net.kills[1].reason == "did not get back what it has on its GPUs in time");
  t.net.lose(next);
  t.net.wait(second);
  CHECK(t.net.starts.size() == 3);
}

TEST_CASE("a parked worker that ends, or is told to, is none any more") {
  tested_parking t;
  t.net.lose(t.parked_worker(whole_gpu));
  CHECK(t.parked() == 0);
  auto& drained = t.parked_worker(whole_gpu);
  t.net.drain(drained);
  t.net.lose(drained);
  auto const call = t.submit(whole_gpu);
  REQUIRE(t.net.starts.size() == 3);
  t.net.finish(t.come(), "done");
  CHECK(t.has(call));
}

TEST_CASE("memory that a parked worker keeps is given up when another worker needs it") {
  tested_parking t;
  auto& parked = t.parked_worker(parking_with({.gpus = 1, .memory = 30 * gibibyte}));
  t.submit(having({.memory = 8 * gibibyte}));
  CHECK(parked.exited);
  t.net.lose(parked);
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("no more processes are kept parked than a pool may have workers, and its change holds at once") {
  tested_parking t;
  auto& worker = t.parked_worker(whole_gpu);
  auto const change = [&](pool_change const& wanted) {
    CHECK_FALSE(t.net.hub().scale(t.net.now, {.needs = encode_requirements(whole_gpu), .change = wanted},
                                  t.net.scratch()));
    t.net.carry_out_all();
  };
  change({.park_window = 10 * second});
  t.net.wait(9 * second);
  CHECK_FALSE(worker.exited);
  change({.park_window = 0});
  CHECK(worker.exited);
}
