// SPDX-License-Identifier: Apache-2.0
//
// Services whose workers are of a program of their own: their pool is asked for what that one has, and no
// other pool's program.
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

requirements const counter = [] {
  requirements needs;
  needs.service = "Counter";
  needs.service_signature = 5;
  needs.enter_timeout = 30 * second;
  needs.scaledown_window = second;
  return needs;
}();

std::vector<function_info> program_of_counter() {
  return {{"Counter", 5, "counter"}, {"Counter::next", 7, "() -> number"}};
}

// Elsewhere, of which nothing is known before the first worker of it has come.
hub_config with_counter(bool elsewhere = true) {
  hub_config config;
  config.services = {{"Counter", {.id = 2, .max_workers = 2, .elsewhere = elsewhere}}};
  config.start_failures = 2;
  return config;
}

struct planned_hub {
  loopback net;
  loopback::client_end& client;
  explicit planned_hub(hub_config config = with_counter())
      : net(std::move(config)), client(net.add_client()) {}

  call_id call(std::string_view function = "Counter::next", requirements const& needs = counter,
               std::uint64_t signature = 7) {
    return net.submit(client, "x", {}, function, signature, encode_requirements(needs));
  }
  // The worker of the last start, which has made its service.
  loopback::worker_end& come(std::vector<function_info> functions = program_of_counter()) {
    auto& worker = net.add_worker(std::move(functions), net.starts.back());
    net.finish(worker, "");
    return worker;
  }
  failure const& failed(call_id call) { return client.outcomes.at(call.number).error(); }
  bool waits(call_id call) const { return !client.outcomes.contains(call.number); }
};

}  // namespace

TEST_CASE("a hub with pools of services only starts their workers") {
  for (auto const elsewhere : {true, false}) {
    auto config = with_counter(elsewhere);
    if (!elsewhere) config.services[0].second.functions = program_of_counter();
    planned_hub t(std::move(config));
    auto const call = t.call();
    REQUIRE(t.net.starts.size() == 1);
    CHECK(t.net.grants.back().pool == 2);
    t.net.finish(t.come(), "done");
    CHECK(t.client.outcomes.at(call.number).ok());
  }
}

TEST_CASE("a service of another program is served whatever the first pool's program has") {
  for (auto const first_has_come : {false, true}) {
    auto config = with_counter();
    config.pools = {
        {.id = 1, .functions = loopback::offers(), .max_workers = 1, .elsewhere = first_has_come}};
    if (first_has_come) config.pools[0].functions.clear();
    planned_hub t(std::move(config));
    if (first_has_come) {
      t.net.submit(t.client, "x");
      t.net.finish(t.net.add_worker(loopback::offers(), t.net.starts.back()), "x");
    }
    auto const call = t.call();
    REQUIRE(t.net.grants.back().pool == 2);
    t.net.finish(t.come(), "done");
    CHECK(t.client.outcomes.at(call.number).ok());
  }
}

TEST_CASE("what waits for what no pool of the plan is for is told which pools there are") {
  planned_hub t;
  t.net.submit(t.client, "x");
  auto other = counter;
  other.service = "Cuonter";
  t.call("Cuonter::next", other);
  t.net.wait(6 * second);
  CHECK(t.net.starts.empty());
  std::string const only =
      ", and the hub starts workers for 'Counter' only (its plan has no pool 'default', which would be for "
      "all "
      "others)";
  REQUIRE(t.net.notices.size() == 2);
  CHECK(t.net.notices[1].ends_with(": none is connected" + only));
  CHECK(t.net.notices[0].ends_with(": none has come that has it" + only));
}

TEST_CASE("what a service's own program has not is unknown once that is known, in its own words") {
  planned_hub t;
  auto const unknown = t.call("Counter::back");
  CHECK(t.waits(unknown));
  REQUIRE(t.net.starts.size() == 1);
  auto& worker = t.come();
  CHECK(t.failed(unknown).code == errc::unknown_function);
  CHECK(t.failed(unknown).message.find("they have: Counter::next, Counter;") != std::string::npos);
  CHECK(t.failed(t.call("Counter::back")).code == errc::unknown_function);
  CHECK(t.failed(t.call("Counter::next", counter, 8)).message.find("theirs: () -> number") !=
        std::string::npos);
  CHECK(t.net.starts.size() == 1);
  t.net.wait(2 * second);
  REQUIRE(worker.exited);
  t.net.lose(worker, {.exit_status = 0});
  CHECK(t.waits(t.call("Counter::back")));  // the file there may be another one by now
  CHECK(t.net.starts.size() == 2);
}

TEST_CASE("of a service whose program is known from the start nothing is started for what it has not") {
  auto config = with_counter(false);
  config.services[0].second.functions = program_of_counter();
  config.pools = {{.id = 1, .functions = loopback::offers(), .max_workers = 1}};
  planned_hub t(std::move(config));
  CHECK(t.failed(t.call("echo")).message.find("they have: Counter, Counter::next;") != std::string::npos);
  auto other = counter;
  other.service_signature = 6;
  CHECK(t.failed(t.call("Counter::next", other)).code == errc::signature_mismatch);
  CHECK(t.net.starts.empty());
}

TEST_CASE("a further program of a service's has calls of its own tasks") {
  planned_hub t;
  auto large = counter;
  large.arguments = "large";
  t.call();
  t.net.finish(t.come(), "done");
  t.call("Counter::next", large);
  auto newer = program_of_counter();
  newer.push_back({"Counter::back", 7, ""});
  t.net.finish(t.come(newer), "done");
  REQUIRE(t.net.starts.size() == 2);
  auto needs = large;
  auto const first = t.call("Counter::back", needs);
  auto const second_one = t.call("Counter::back", needs);
  t.net.wait(10 * millisecond);
  CHECK(t.net.starts.size() == 3);  // as two of them wait for one worker
  CHECK(t.waits(first));
  CHECK(t.waits(second_one));
}

TEST_CASE("workers of a service's own program say nothing of those that come by themselves") {
  planned_hub t;
  auto const before = t.net.submit(t.client, "x");
  t.call();
  t.net.finish(t.come(), "done");
  auto const behind = t.net.submit(t.client, "x");
  auto of_others = counter;
  of_others.service = "Adder";
  auto const service_of_others = t.call("Adder::add", of_others);
  CHECK(t.waits(before));
  CHECK(t.waits(behind));
  CHECK(t.waits(service_of_others));
  t.net.add_worker({{"Adder", 5, ""}, {"Adder::add", 7, ""}});
  CHECK(t.failed(before).code == errc::unknown_function);
  CHECK(t.waits(service_of_others));
}
