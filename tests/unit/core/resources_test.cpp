// SPDX-License-Identifier: Apache-2.0
#include "src/core/resources.hpp"

#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

#include <algorithm>

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

machine two_gpus() {
  return {
      .gpus = {{"0", 80 * gib}, {"1", 80 * gib}}, .cores = {0, 1, 2, 5}, .memory = 32 * gib, .remark = {}};
}

struct tested_machine {
  loopback net;
  loopback::client_end& client;
  explicit tested_machine(std::optional<machine> has = two_gpus(), std::size_t starts = 64,
                          std::size_t demanded = 1'024)
      : net(config_of(std::move(has), starts, demanded)), client(net.add_client()) {}

  static hub_config config_of(std::optional<machine> has, std::size_t starts, std::size_t demanded) {
    hub_config config;
    config.max_demanded = demanded;
    config.max_starts = starts;
    config.pools = {{.functions = loopback::offers(), .max_workers = 4, .scaledown_window = second}};
    config.machine = std::move(has);
    return config;
  }
  call_id submit(requirements const& needs, std::string_view payload = "x", attempt_key const& parent = {}) {
    return net.submit(client, payload, {}, "echo", 7, encode_requirements(needs), parent);
  }
  loopback::worker_end& come(std::size_t start) {
    return net.add_worker(loopback::offers(), net.starts.at(start));
  }
  std::string refused(requirements const& needs, errc code) {
    auto const call = submit(needs);
    REQUIRE(client.outcomes.count(call.number) == 1);
    auto const& outcome = client.outcomes.at(call.number);
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.error().code == code);
    return outcome.error().message;
  }
};

requirements with(resource_needs resources) {
  requirements needs;
  needs.resources = resources;
  return needs;
}

std::vector<std::uint32_t> const none;

}  // namespace

TEST_CASE("a whole GPU is one worker's, in the order of their numbers") {
  resource_ledger ledger(two_gpus());
  auto const first = ledger.take({.gpus = 1});
  auto const other = ledger.take({.gpus = 1});
  REQUIRE((first && other));
  CHECK(first->gpus == std::vector<std::uint32_t>{0});
  CHECK(other->gpus == std::vector<std::uint32_t>{1});
  CHECK_FALSE(ledger.take({.gpus = 1}));
  ledger.give_back(*first);
  CHECK(ledger.take({.gpus = 1})->gpus == std::vector<std::uint32_t>{0});
}

TEST_CASE("several workers share a GPU where they say how much of its memory they need") {
  resource_ledger ledger(two_gpus());
  resource_needs const third{.gpus = 1, .gpu_memory = 30 * gib};
  CHECK(ledger.take(third)->gpus == std::vector<std::uint32_t>{0});
  CHECK(ledger.take(third)->gpus == std::vector<std::uint32_t>{0});
  CHECK(ledger.take({.gpus = 1})->gpus == std::vector<std::uint32_t>{1});  // it stayed whole
  CHECK_FALSE(ledger.take(third));
  CHECK(ledger.take({.gpus = 1, .gpu_memory = 20 * gib})->gpus == std::vector<std::uint32_t>{0});
}

TEST_CASE("of each GPU whose memory is known it is told how much workers were given") {
  auto has = two_gpus();
  has.gpus.push_back({"2", 0});
  resource_ledger ledger(has);
  auto const shared = ledger.take({.gpus = 1, .gpu_memory = 30 * gib});
  auto whole = ledger.take({.gpus = 1});
  REQUIRE((shared && whole));
  auto const leased = [&] {
    auto const seen = ledger.gpus();
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].id == "0");
    CHECK(seen[1].memory == 80 * gib);
    return std::pair(seen[0].leased / gib, seen[1].leased / gib);
  };
  CHECK(leased() == std::pair(std::uint64_t{30}, std::uint64_t{80}));
  ledger.set_aside(*whole);  // parked
  CHECK(leased() == std::pair(std::uint64_t{30}, std::uint64_t{0}));
  ledger.give_back(*shared);
  CHECK(leased() == std::pair(std::uint64_t{0}, std::uint64_t{0}));
}

TEST_CASE("cores are leased by their numbers, memory by the byte") {
  resource_ledger ledger(two_gpus());
  auto three = ledger.take({.cores = 3, .memory = 30 * gib});
  REQUIRE(three);
  CHECK(three->cores == std::vector<std::uint32_t>{0, 1, 2});
  CHECK_FALSE(ledger.fits({.cores = 2}));
  CHECK_FALSE(ledger.fits({.memory = 3 * gib}));
  CHECK(ledger.take({.cores = 1, .memory = 2 * gib})->cores == std::vector<std::uint32_t>{5});
  ledger.give_back_cores(*three);  // its task waits
  CHECK(ledger.fits({.cores = 3}));
  CHECK_FALSE(ledger.fits({.cores = 3, .memory = 1}));
  ledger.take_back_cores(*three);
  CHECK_FALSE(ledger.fits({.cores = 1}));
  ledger.give_back(*three);
  CHECK(ledger.fits({.cores = 3, .memory = 30 * gib}));
}

TEST_CASE("what can never fit is told with what there is") {
  resource_ledger const ledger(two_gpus());
  CHECK(ledger.unsatisfiable({.gpus = 2, .cores = 4, .memory = 32 * gib}).empty());
  auto const there = std::string("; there are 2 GPUs (0: 80 GiB, 1: 80 GiB), 4 cores and 32 GiB of memory");
  CHECK(ledger.unsatisfiable({.gpus = 3}) == "each worker is to have gpu = 3" + there);
  CHECK(ledger.unsatisfiable({.gpus = 1, .gpu_memory = 81 * gib}) ==
        "each worker is to have gpu_memory = 81 GiB of gpu = 1" + there);
  CHECK(ledger.unsatisfiable({.cores = 5}) == "each worker is to have cpu = 5" + there);
  CHECK(ledger.unsatisfiable({.memory = 33 * gib}) == "each worker is to have memory = 33 GiB" + there);
  machine bare{.gpus = {}, .cores = {0}, .memory = gib + gib / 2, .remark = "nothing is plugged in"};
  CHECK(resource_ledger(bare).unsatisfiable({.gpus = 1}) ==
        "each worker is to have gpu = 1; there are no GPUs, 1 core and 1.5 GiB of memory; nothing is plugged "
        "in");
}

TEST_CASE("a worker is started with what was leased for it, and others wait until it is given back") {
  tested_machine t;
  t.submit(with({.gpus = 2, .cores = 2}), "1");
  REQUIRE(t.net.grants.size() == 1);
  CHECK(t.net.grants[0].gpus == std::vector<std::string>{"0", "1"});
  CHECK(t.net.grants[0].cores == std::vector<std::uint32_t>{0, 1});
  t.submit(with({.gpus = 1}), "2");
  t.net.wait(100 * millisecond);
  CHECK(t.net.grants.size() == 1);
  auto& worker = t.come(0);
  t.net.finish(worker, "done");  // it is idle, and in the way
  REQUIRE(worker.exited);
  t.net.lose(worker, {.exit_status = 0});
  REQUIRE(t.net.grants.size() == 2);
  CHECK(t.net.grants[1].gpus == std::vector<std::string>{"0"});
  CHECK(t.net.grants[1].cores == none);
}

TEST_CASE("calls without needs, and their workers, have nothing leased") {
  tested_machine t;
  t.net.submit(t.client, "x");
  REQUIRE(t.net.grants.size() == 1);
  CHECK(t.net.grants[0].gpus.empty());
  CHECK(t.net.grants[0].cores.empty());
}

TEST_CASE("what a start that failed was to have is given back") {
  tested_machine t;
  t.submit(with({.gpus = 2}));
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(t.net.starts.size() == i + 1);
    t.net.hub().worker_start_failed(t.net.now, t.net.starts.back(), "no such program", {}, t.net.scratch());
    t.net.carry_out_all();
    t.net.wait(second);
  }
  CHECK(t.client.outcomes.size() == 1);
  t.submit(with({.gpus = 2}));
  CHECK(t.net.grants.back().gpus.size() == 2);
}

TEST_CASE("what no worker can ever have fails at once, and the next call works") {
  tested_machine t;
  CHECK(t.refused(with({.gpus = 3}), errc::unsatisfiable).find("gpu = 3; there are 2 GPUs") !=
        std::string::npos);
  CHECK(t.refused(with({.gpu_memory = 1}), errc::bad_configuration).find("no GPU") != std::string::npos);
  t.submit(with({.gpus = 2}));
  CHECK(t.net.grants.size() == 1);
}

TEST_CASE("what there is is asked for when it must be known, and not before") {
  tested_machine t(std::nullopt);
  t.net.submit(t.client, "x");
  CHECK(t.net.observations == 0);
  auto const impossible = t.submit(with({.gpus = 1}));
  auto const possible = t.submit(with({.cores = 1}));
  CHECK(t.net.observations == 1);
  CHECK(t.net.grants.size() == 1);
  t.net.hub().observed(t.net.now, {.gpus = {}, .cores = {3}, .memory = gib, .remark = {}}, t.net.scratch());
  t.net.carry_out_all();
  CHECK(t.client.outcomes.at(impossible.number).error().code == errc::unsatisfiable);
  CHECK(t.client.outcomes.count(possible.number) == 0);
  REQUIRE(t.net.grants.size() == 2);
  CHECK(t.net.grants[1].cores == std::vector<std::uint32_t>{3});
  t.refused(with({.cores = 2}), errc::unsatisfiable);
  CHECK(t.net.observations == 1);
}

namespace {

machine without_gpus() { return {.gpus = {}, .cores = {3}, .memory = gib, .remark = {}}; }

}  // namespace

TEST_CASE(
    "what turns out never to be fails whatever waits for it, also behind others, and whatever comes later") {
  tested_machine t(std::nullopt);
  auto needs = with({.gpus = 1});
  needs.min_workers = 1;  // which keeps the pool, if it can be
  auto const bytes = encode_requirements(needs);
  auto const submit = [&](std::string_view key, std::vector<awaited_argument> const& arguments = {}) {
    return t.net.submit(t.client, "x", {}, "echo", 7, bytes, {}, nullptr, {.order_key = key}, {}, false,
                        arguments);
  };
  auto const early = t.net.submit(t.client, "value");
  std::vector<call_id> const doomed{submit("k"), submit("k"), submit("k"),
                                    submit({}, {{.number = early.number}})};
  t.net.hub().observed(t.net.now, without_gpus(), t.net.scratch());
  t.net.carry_out_all();
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(t.client.outcomes.count(doomed[i].number) == 1);
    CHECK(t.client.outcomes.at(doomed[i].number).error().code == errc::unsatisfiable);
  }
  t.net.finish(t.come(0), "value");
  REQUIRE(t.client.outcomes.count(doomed[3].number) == 1);
  CHECK(t.client.outcomes.at(doomed[3].number).error().code == errc::unsatisfiable);
  CHECK(t.refused(needs, errc::unsatisfiable).find("gpu = 1; there are no GPUs") != std::string::npos);
  CHECK(t.net.starts.size() == 1);
  CHECK(t.net.hub().census().functions == 2);  // nothing is left of it
}

TEST_CASE("a pool that somebody has sized before it was known that it cannot be refuses its calls, too") {
  tested_machine t(std::nullopt);
  auto const needs = with({.gpus = 1});
  CHECK_FALSE(t.net.hub().scale(
      t.net.now, {.needs = encode_requirements(needs), .change = {.min_workers = 1}}, t.net.scratch()));
  t.net.carry_out_all();
  t.net.hub().observed(t.net.now, without_gpus(), t.net.scratch());
  t.net.carry_out_all();
  t.refused(needs, errc::unsatisfiable);
  t.refused(needs, errc::unsatisfiable);
  CHECK(t.net.starts.empty());
}

TEST_CASE("a worker that waits lends its cores, and keeps its GPUs") {
  tested_machine t;
  t.submit(with({.gpus = 2, .cores = 4}), "parent");
  auto& worker = t.come(0);
  REQUIRE(worker.runs.size() == 1);
  auto const parent = worker.runs.front().key;
  auto& tasks = t.net.add_client();
  auto const child =
      t.net.submit(tasks, "child", {}, "echo", 7, encode_requirements(with({.cores = 4})), parent);
  auto const stuck =
      t.net.submit(tasks, "stuck", {}, "echo", 7, encode_requirements(with({.gpus = 1})), parent);
  CHECK(t.net.grants.size() == 1);
  t.net.wait_within(worker, tasks);
  REQUIRE(t.net.grants.size() == 2);
  CHECK(t.net.grants[1].cores.size() == 4);
  CHECK(tasks.outcomes.empty());  // it may need one of them only
  t.net.finish(t.come(1), "done");
  CHECK(tasks.outcomes.at(child.number).ok());
  t.net.wait_within(worker, tasks);  // for the other one
  REQUIRE(tasks.outcomes.count(stuck.number) == 1);
  CHECK(tasks.outcomes.at(stuck.number).error().code == errc::would_deadlock);
}

TEST_CASE("a service that runs several calls at once keeps its GPU for one of them that waits") {
  auto one_gpu = two_gpus();
  one_gpu.gpus.pop_back();
  tested_machine t(one_gpu);
  auto needs = with({.gpus = 1});
  needs.service = "other";
  needs.service_signature = 8;
  needs.concurrency = 2;
  t.submit(needs, "parent");
  auto& worker = t.come(0);
  t.net.finish(worker, "made");
  REQUIRE(worker.runs.size() == 1);
  auto& tasks = t.net.add_client();
  auto const child = t.net.submit(tasks, "child", {}, "echo", 7, encode_requirements(with({.gpus = 1})),
                                  worker.runs.front().key);
  CHECK(tasks.outcomes.empty());
  t.net.wait_within(worker, tasks);
  REQUIRE(tasks.outcomes.count(child.number) == 1);
  CHECK(tasks.outcomes.at(child.number).error().code == errc::would_deadlock);
}

TEST_CASE("what is reserved nobody else is given, as far as it is there") {
  resource_ledger ledger(two_gpus());
  auto const one = ledger.take({.gpus = 1});
  REQUIRE(one);
  auto kept = ledger;
  kept.reserve({.gpus = 2, .cores = 3, .memory = 40 * gib});
  CHECK_FALSE(kept.fits({.gpus = 1}));
  CHECK_FALSE(kept.fits({.memory = 1}));
  CHECK_FALSE(kept.fits({.cores = 2}));
  CHECK(kept.fits({.cores = 1}));
  kept = ledger;
  kept.reserve({.gpus = 1, .gpu_memory = 60 * gib});
  CHECK_FALSE(kept.fits({.gpus = 1, .gpu_memory = gib}));
}

namespace {

// Calls that need one GPU keep both busy; what `wanted` says is called once.
struct busy_gpus {
  tested_machine t;
  std::size_t calls = 0;
  busy_gpus() {
    requirements one = with({.gpus = 1});
    one.max_workers = 2;
    for (; calls < 600; ++calls) t.submit(one, "one GPU");
    t.net.wait(5 * millisecond);
    REQUIRE(t.net.starts.size() == 2);
    t.come(0);
    t.come(1);
    turn(100 * millisecond);
  }
  // Whoever runs something ends it, and workers that are asked for come.
  void turn(duration time) {
    t.net.wait(time);
    for (std::size_t i = 0; i < t.net.workers.size(); ++i) {
      auto& worker = *t.net.workers[i];
      if (worker.connected && !worker.runs.empty()) t.net.finish(worker, "done");
      if (worker.connected && worker.exited) t.net.lose(worker, {.exit_status = 0});
    }
    while (t.net.workers.size() < t.net.starts.size()) t.come(t.net.workers.size());
  }
};

}  // namespace

TEST_CASE("a pool that needs more than each of those that are busy for ever has its turn") {
  busy_gpus all;
  auto const wide = all.t.submit(with({.gpus = 2}), "two GPUs");
  duration waited = 0;
  for (; !all.t.client.outcomes.contains(wide.number); waited += 100 * millisecond) {
    REQUIRE(waited < 30 * second);
    all.turn(100 * millisecond);
  }
  CHECK(waited >= 10 * second);  // not at once: it costs others their workers
  CHECK(waited < 12 * second);
  auto const ended = all.t.client.outcomes.size();
  for (int i = 0; i < 40; ++i) all.turn(100 * millisecond);
  CHECK(all.t.client.outcomes.size() > ended + 10);  // and then they go on
}

TEST_CASE("a worker of a pool that has as few as the one that waits is left to it") {
  tested_machine t;
  auto const small = with({.gpus = 1, .gpu_memory = 41 * gib});
  auto const other = with({.gpus = 1, .gpu_memory = 42 * gib});
  t.submit(small);
  t.submit(other);
  REQUIRE(t.net.starts.size() == 2);
  t.come(0);
  t.come(1);
  t.submit(small);  // would have a second one
  t.submit(other);
  t.net.wait(60 * second);
  CHECK(t.net.starts.size() == 2);
  for (auto const& worker : t.net.workers) CHECK(worker->runs.size() == 1);
}

TEST_CASE("what a pool waits for is kept for it, and not given to one that came later") {
  tested_machine t;
  t.submit(with({.gpus = 1}), "busy");
  auto& busy = t.come(0);
  auto const wide = t.submit(with({.gpus = 2}), "two GPUs");
  t.submit(with({.gpus = 1, .gpu_memory = gib}), "would fit beside it");
  t.net.wait(second);
  CHECK(t.net.starts.size() == 1);
  t.net.finish(busy, "done");
  t.net.lose(busy, {.exit_status = 0});
  t.net.wait(second);
  REQUIRE(t.net.grants.size() == 2);
  CHECK(t.net.grants[1].gpus.size() == 2);
  t.net.finish(t.come(1), "done");
  CHECK(t.client.outcomes.at(wide.number).ok());
}

TEST_CASE("what a pool could not have while a task waits is kept for nobody") {
  tested_machine t;
  t.submit(with({.gpus = 1}), "parent");
  auto& worker = t.come(0);
  t.submit(with({.gpus = 2}), "two GPUs");
  auto& tasks = t.net.add_client();
  t.net.submit(tasks, "child", {}, "echo", 7, encode_requirements(with({.gpus = 1, .gpu_memory = gib})),
               worker.runs.front().key);
  t.net.wait(second);
  CHECK(t.net.starts.size() == 1);
  t.net.wait_within(worker, tasks);
  CHECK(t.net.starts.size() == 2);
  CHECK(tasks.outcomes.empty());
}

TEST_CASE("calls that ask for any number of workers get no more than the hub starts for such calls") {
  tested_machine t(two_gpus(), 2'000);
  requirements greedy;
  greedy.min_workers = 0xffff'ffff;
  CHECK(t.refused(greedy, errc::unsatisfiable).find("4294967295 workers are wanted at least") == 0);
  greedy.min_workers = 1'000;
  greedy.max_workers = 0xffff'ffff;
  t.submit(greedy);
  CHECK(t.net.starts.size() == 1'000);
  greedy.max_workers = 1'001;  // another pool
  t.submit(greedy);
  t.net.wait(second);
  CHECK(t.net.starts.size() == 1'024);
  auto const before = t.net.starts.size();
  t.net.submit(t.client, "of the hub's own pool");
  CHECK(t.net.starts.size() == before + 1);
  t.net.hub().worker_start_failed(t.net.now, t.net.starts.front(), "gone", {}, t.net.scratch());
  t.net.carry_out_all();
  t.net.wait(second);
  CHECK(t.net.starts.size() == before + 2);  // in its place
}

TEST_CASE("a nested call waits for the place of a worker that goes some time, and fails where none does") {
  tested_machine t(two_gpus(), 64, 2);
  auto other = with({.memory = 1});
  auto stays = false;
  SUBCASE("one that goes") {}
  SUBCASE("one that stays") { stays = true; }
  other.min_workers = stays ? 1 : 0;
  t.submit(other);
  t.net.finish(t.come(0), "done");
  t.submit(with({.memory = 2}), "parent");
  auto& worker = t.come(1);
  REQUIRE(worker.runs.size() == 1);
  auto& tasks = t.net.add_client();
  auto const child = t.net.submit(tasks, "child", {}, "echo", 7, encode_requirements(with({.memory = 3})),
                                  worker.runs.front().key);
  t.net.wait_within(worker, tasks);
  REQUIRE(tasks.outcomes.count(child.number) == (stays ? 1 : 0));
  if (stays) {
    CHECK(tasks.outcomes.at(child.number).error().code == errc::would_deadlock);
    return;
  }
  t.net.wait(second);
  REQUIRE(t.net.workers.front()->exited);
  t.net.lose(*t.net.workers.front(), {.exit_status = 0});
  REQUIRE(t.net.starts.size() == 3);
  t.net.finish(t.come(2), "done");
  CHECK(tasks.outcomes.at(child.number).ok());
}

TEST_CASE("an isolated call has a worker of its own, which goes with it") {
  tested_machine t;
  requirements alone;
  alone.isolate = true;
  auto const one = t.submit(alone, "1");
  t.submit(alone, "2");
  auto& first = t.come(0);
  REQUIRE(first.runs.size() == 1);
  t.net.finish(first, "done");
  CHECK(t.client.outcomes.at(one.number).ok());
  CHECK(first.exited);
  CHECK(t.net.workers.size() == 1);
  t.net.lose(first, {.exit_status = 0});
  t.net.wait(10 * millisecond);
  REQUIRE(t.net.starts.size() == 2);
  auto& next = t.come(1);
  REQUIRE(next.runs.size() == 1);
  CHECK(text_of(next.runs.front().message.payload()) == "2");
}

TEST_CASE("an idle worker makes room though another one, which runs its last call, will at some time") {
  tested_machine t;
  auto alone = with({.gpus = 1});
  alone.isolate = true;
  t.submit(alone, "for hours");
  auto& isolated = t.come(0);
  REQUIRE(isolated.runs.size() == 1);
  auto kept = with({.gpus = 1, .memory = 1});
  kept.scaledown_window = 3'600 * second;
  t.submit(kept, "short");
  auto& idle = t.come(1);
  t.net.finish(idle, "done");
  CHECK_FALSE(idle.exited);
  t.submit(with({.gpus = 1}), "next");
  CHECK(idle.exited);
  t.net.lose(idle, {.exit_status = 0});
  REQUIRE(t.net.grants.size() == 3);
  CHECK(t.net.grants[2].gpus == std::vector<std::string>{"1"});
}

TEST_CASE("no worker is let go that has some of what is needed, but nothing of what is short") {
  tested_machine t;
  auto const idle_with = [&](resource_needs resources) -> loopback::worker_end& {
    auto needs = with(resources);
    needs.scaledown_window = 3'600 * second;
    t.submit(needs);
    auto& worker = t.come(t.net.starts.size() - 1);
    t.net.finish(worker, "done");
    t.net.wait(millisecond);
    return worker;
  };
  auto& longest_idle = idle_with({.memory = gib});
  auto& with_gpus = idle_with({.gpus = 2});
  t.submit(with({.gpus = 1, .memory = gib}));
  CHECK(with_gpus.exited);
  CHECK_FALSE(longest_idle.exited);
}

TEST_CASE("no worker is let go for one that no call waits for") {
  tested_machine t;
  auto kept = with({.gpus = 1});
  kept.scaledown_window = 3'600 * second;
  t.submit(kept);
  auto& idle = t.come(0);
  t.net.finish(idle, "done");
  auto const needs = encode_requirements(with({.gpus = 1, .memory = 1}));
  CHECK_FALSE(t.net.hub().warm(t.net.now, {.needs = needs, .count = 2}, t.net.scratch()));
  t.net.carry_out_all();
  CHECK(t.net.starts.size() == 2);
  CHECK_FALSE(idle.exited);
  t.net.wait(second);
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("no worker is let go for room that a pool's least workers keep anyway") {
  auto three_gpus = two_gpus();
  three_gpus.gpus.push_back({"2", 80 * gib});
  tested_machine t(three_gpus);
  auto kept = with({.gpus = 1});
  kept.min_workers = 2;
  kept.scaledown_window = 3'600 * second;
  for (int i = 0; i < 3; ++i) t.submit(kept);
  t.net.wait(10 * millisecond);
  REQUIRE(t.net.starts.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) t.come(i);
  for (auto const& worker : t.net.workers) t.net.finish(*worker, "done");
  auto const gone = [&] {
    return std::count_if(t.net.workers.begin(), t.net.workers.end(),
                         [](auto const& worker) { return worker->exited.has_value(); });
  };
  t.submit(with({.gpus = 2}));
  CHECK(gone() == 0);
  t.submit(with({.gpus = 1, .memory = 1}));  // for which one is enough
  CHECK(gone() == 1);
}

TEST_CASE("of isolated calls no more run at once than the pool may have workers") {
  tested_machine t;
  requirements alone;
  alone.isolate = true;
  alone.max_workers = 2;
  for (int i = 0; i < 5; ++i) t.submit(alone);
  t.net.wait(100 * millisecond);
  CHECK(t.net.starts.size() == 2);
  t.come(0);
  t.come(1);
  t.net.wait(100 * millisecond);
  CHECK(t.net.starts.size() == 2);
  t.net.finish(*t.net.workers[0], "done");
  t.net.lose(*t.net.workers[0], {.exit_status = 0});
  t.net.wait(100 * millisecond);
  CHECK(t.net.starts.size() == 3);
}

TEST_CASE("pools change their size while they live") {
  tested_machine t;
  auto& hub = t.net.hub();
  auto const change = [&](pool_change const& wanted, std::string const& needs = {}) {
    auto refused = hub.scale(t.net.now, {.needs = needs, .change = wanted}, t.net.scratch());
    t.net.carry_out_all();
    return refused ? refused->message : std::string();
  };
  CHECK(change({.min_workers = 2}).empty());
  CHECK(t.net.starts.size() == 2);
  t.come(0);
  t.come(1);
  t.net.wait(10 * second);
  CHECK(hub.census().workers == 2);
  CHECK(change({.min_workers = 5}).find("max would be 4, min 5") == 0);
  CHECK(change({.max_workers = 0}).find("max is 0") == 0);
  CHECK(change({.min_workers = 0, .max_workers = 1, .scaledown_window = 60 * second}).empty());
  CHECK(t.net.workers[0]->exited.has_value() + t.net.workers[1]->exited.has_value() == 1);
  auto const gpu = encode_requirements(with({.gpus = 1}));
  CHECK(change({.min_workers = 1, .scaledown_window = 0}, gpu).empty());
  REQUIRE(t.net.grants.size() == 3);
  CHECK(t.net.grants[2].gpus.size() == 1);
  CHECK(change({.min_workers = 1}, encode_requirements(with({.gpus = 9}))).find("gpu = 9") !=
        std::string::npos);
}

TEST_CASE("a warmed pool has its workers ahead of the first call, and loses them after the window") {
  tested_machine t;
  auto const gpu = encode_requirements(with({.gpus = 1}));
  CHECK_FALSE(t.net.hub().warm(t.net.now, {.needs = gpu, .count = 2}, t.net.scratch()));
  t.net.carry_out_all();
  REQUIRE(t.net.grants.size() == 2);
  auto& first = t.come(0);
  auto& second_one = t.come(1);
  auto const call = t.submit(with({.gpus = 1}));
  CHECK(first.runs.size() + second_one.runs.size() == 1);
  t.net.finish(first.runs.empty() ? second_one : first, "done");
  CHECK(t.client.outcomes.at(call.number).ok());
  t.net.wait(3 * second);
  CHECK(first.exited);
  CHECK(second_one.exited);
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("a task's calls are counted by the pool that they are for, and its workers' GPUs are told by it") {
  tested_machine t;
  t.submit(with({.gpus = 1, .gpu_memory = 30 * gib}));
  t.net.submit(t.client, "x");
  t.net.submit(t.client, "x");
  auto& worker = t.come(0);
  t.net.finish(worker, "a value");
  auto const pools = t.net.hub().pools();
  REQUIRE(pools.size() == 2);
  CHECK(pools[0].gpu_memory == 0);
  CHECK(pools[1].gpu_memory == 30 * gib);
  auto const& tasks = t.net.hub().tasks();
  REQUIRE(tasks.size() == 2);
  auto const& plain = tasks.at({"echo", "default"});
  auto const& of_gpu = tasks.at({"echo", pools[1].name});
  CHECK(plain.calls == 2);
  CHECK(plain.succeeded == 0);
  CHECK(plain.result_bytes == 0);
  CHECK(of_gpu.calls == 1);
  CHECK(of_gpu.succeeded == 1);
  CHECK(of_gpu.argument_bytes > 0);
  CHECK(plain.argument_bytes < 2 * of_gpu.argument_bytes);  // which says what it needs, too
  CHECK(of_gpu.result_bytes >= std::string_view("a value").size());
}
