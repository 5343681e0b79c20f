// SPDX-License-Identifier: Apache-2.0
// How much a credential may have at once, and starts elsewhere that there is no room for.
#include "src/core/call_orders.hpp"
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

namespace bounded {

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

hub_config with_pools_elsewhere() {
  hub_config config;
  config.pools = {{.id = 3,
                   .functions = loopback::offers(),
                   .max_workers = 8,
                   .scaledown_window = 100 * second,
                   .elsewhere = true}};
  return config;
}

struct bounded_hub {
  loopback net;
  loopback::client_end& boss;
  explicit bounded_hub(hub_config config = {})
      : net(std::move(config)), boss(net.add_client({}, "key of the hub", true)) {}

  loopback::client_end& come(std::string identity, std::uint32_t jobs, std::uint32_t gpus = 0) {
    net.max_jobs = jobs;
    net.max_gpus = gpus;
    auto& made = net.add_client({}, std::move(identity));
    net.max_jobs = net.max_gpus = 0;
    return made;
  }
  static std::string gpus(std::uint32_t count) {
    requirements needs;
    needs.resources.gpus = count;
    return encode_requirements(needs);
  }
  call_id submit(loopback::client_end& from, std::string_view payload, std::uint32_t of_gpus = 0) {
    return net.submit(from, payload, {}, "echo", 7, of_gpus == 0 ? std::string() : gpus(of_gpus));
  }
  std::string of(call_id call, std::string_view what) {
    auto const asked = net.submit(boss, encode_call_id(call), {.idempotent = true}, explain_call, 0);
    text_rows found;
    REQUIRE(decode_rows(boss.outcomes.at(asked.number).value().payload(), found));
    for (auto const& row : found)
      if (row.at(0) == what) return row.at(1);
    return {};
  }
  std::size_t queued() { return net.hub().census().queued; }
};

}  // namespace

TEST_CASE("past the calls that its key may have at once a call waits, and is told why; others go on") {
  bounded_hub t;
  auto& ada = t.come("key of ada", 2);
  auto& eve = t.come("key of eve", 0);
  t.submit(ada, "1");
  t.submit(ada, "2");
  auto const third = t.submit(ada, "3");
  auto const fourth = t.submit(ada, "4");
  auto const free = t.submit(eve, "5");
  CHECK(t.queued() == 3);
  CHECK(t.of(third, "state") == "waits for its turn among those of its key");
  CHECK(t.of(third, "why") ==
        "its key may have 2 calls at once that run or wait for a worker (max_jobs), and has 2");
  CHECK(t.of(fourth, "why").find("others of its key go first; of these, the next one: its key may have 2") ==
        0);
  auto& worker = t.net.add_worker();
  t.net.finish(worker, "done");
  CHECK(t.of(third, "state") != "waits for its turn among those of its key");
  CHECK(t.of(fourth, "state") == "waits for its turn among those of its key");
  for (int i = 0; i < 4; ++i) t.net.finish(worker, "done");
  CHECK(ada.outcomes.size() == 4);
  CHECK(eve.outcomes.contains(free.number));
  CHECK(t.net.hub().census().calls == 0);
}

TEST_CASE("the bound is of a key, not of a connection, and of each item of a map") {
  bounded_hub t;
  auto& one = t.come("key of ada", 2);
  auto& other = t.come("key of ada", 2);
  t.submit(one, "1");
  auto const second_one = t.submit(other, "2");
  t.submit(other, "3");
  CHECK(t.queued() == 2);
  t.net.cancel(other, second_one);
  CHECK(t.queued() == 2);   // the third is let in
  t.come("key of ada", 0);  // its line has no bound any more
  CHECK(t.queued() == 2);
}

TEST_CASE("a bound that is lifted lets in all that waited for it") {
  bounded_hub t;
  auto& ada = t.come("key of ada", 1);
  for (int i = 0; i < 5; ++i) t.submit(ada, "a");
  CHECK(t.queued() == 1);
  t.come("key of ada", 0);
  CHECK(t.queued() == 5);
}

TEST_CASE("what waits for its key can be cancelled, and passes its deadline, without a trace") {
  bounded_hub t;
  auto& ada = t.come("key of ada", 1);
  t.submit(ada, "1");
  auto const cancelled = t.submit(ada, "2");
  auto const late = t.net.submit(ada, "3", {.deadline = 5 * second});
  t.net.cancel(ada, cancelled);
  t.net.wait(6 * second);
  CHECK(ada.outcomes.at(late.number).error().code == errc::deadline_exceeded);
  auto& worker = t.net.add_worker();
  t.net.finish(worker, "done");
  CHECK(t.net.hub().census().calls == 0);
  t.submit(ada, "4");
  CHECK(worker.runs.size() == 1);
}

TEST_CASE("a call that is tried again keeps its turn, and a task's own calls need none") {
  bounded_hub t;
  auto& ada = t.come("key of ada", 1);
  auto const call = t.net.submit(ada, "1", {.retries = 1});
  auto& worker = t.net.add_worker();
  REQUIRE(worker.runs.size() == 1);
  t.net.lose(worker);
  auto const second_one = t.submit(ada, "2");
  t.net.wait(10 * second);
  auto& next = t.net.add_worker();
  REQUIRE(next.runs.size() == 1);
  CHECK(next.runs.front().key.call == call);
  auto& within = t.come("", 0);
  t.net.call_within(next, within, "nested");
  CHECK(t.queued() + next.runs.size() == 2);
  CHECK(t.of(second_one, "state") == "waits for its turn among those of its key");
}

TEST_CASE("the GPUs that a key's calls ask for are bounded, and no more workers are started for them") {
  bounded_hub t(with_pools_elsewhere());
  auto& ada = t.come("key of ada", 0, 3);
  auto const too_many = t.submit(ada, "0", 4);
  REQUIRE(ada.outcomes.contains(too_many.number));
  CHECK(ada.outcomes.at(too_many.number).error().code == errc::unsatisfiable);
  CHECK(ada.outcomes.at(too_many.number).error().message.find("it asks for 4 GPUs, and its key may have 3") ==
        0);
  t.submit(ada, "1", 2);
  auto const waits = t.submit(ada, "2", 2);
  CHECK(t.of(waits, "why") ==
        "it asks for 2 of the 3 GPUs that its key may have at once (max_gpus), and 2 are in use");
  t.net.wait(60 * second);
  CHECK(t.net.starts.size() == 1);
  auto& worker = t.net.add_worker(loopback::offers(), t.net.starts[0]);
  t.net.finish(worker, "done");
  CHECK(worker.runs.size() == 1);
}

TEST_CASE("a start that there is no room for is held, told of, and given up when nobody waits for it") {
  bounded_hub t(with_pools_elsewhere());
  auto& ada = t.come("key of ada", 0);
  auto const call = t.submit(ada, "1");
  REQUIRE(t.net.starts.size() == 1);
  t.net.hold(t.net.starts[0], "there are 4, and max_instances is 4");
  CHECK(t.of(call, "why").find("there is no room for one yet: there are 4, and max_instances is 4") !=
        std::string::npos);
  t.net.wait(1'000 * second);
  CHECK_FALSE(ada.outcomes.contains(call.number));
  CHECK(t.net.hub().census().starting == 1);
  t.net.cancel(ada, call);
  CHECK(t.net.hub().census().starting == 0);
  CHECK(t.net.hub().counters().start_failures == 0);
}

TEST_CASE("an idle worker makes room for one of another pool that comes by the same launcher, and only one") {
  bounded_hub t(with_pools_elsewhere());
  auto& ada = t.come("key of ada", 0);
  t.submit(ada, "1");
  t.net.wait(second);
  t.submit(ada, "2");
  t.net.wait(second);
  REQUIRE(t.net.starts.size() == 2);
  auto& first = t.net.add_worker(loopback::offers(), t.net.starts[0]);
  auto& second_one = t.net.add_worker(loopback::offers(), t.net.starts[1]);
  t.net.finish(first, "done");
  t.net.finish(second_one, "done");
  auto const call = t.submit(ada, "3", 1);
  REQUIRE(t.net.starts.size() == 3);
  CHECK(t.net.hub().census().workers == 2);
  t.net.hold(t.net.starts[2], "there are 2, and max_instances is 2");
  CHECK(t.net.hub().census().workers == 1);                            // after one of 100 s otherwise
  t.net.hold(t.net.starts[2], "there are 2, and max_instances is 2");  // that was not enough
  CHECK(t.net.hub().census().workers == 0);
  auto& third = t.net.add_worker(loopback::offers(), t.net.starts[2]);
  t.net.finish(third, "done");
  CHECK(ada.outcomes.contains(call.number));
}

}  // namespace bounded
