// SPDX-License-Identifier: Apache-2.0
#include "src/core/call_orders.hpp"
#include "src/core/pool_orders.hpp"
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

hub_config with_one_pool() {
  hub_config config;
  auto functions = loopback::offers();
  functions.push_back({"model", 5, "text -> ()"});
  config.pools = {{.functions = functions, .max_workers = 4, .scaledown_window = second}};
  return config;
}

struct tested_orders {
  loopback net;
  loopback::client_end& boss = net.add_client({}, "key of the hub", true);

  explicit tested_orders(hub_config config = with_one_pool()) : net(std::move(config)) {}

  outcome& say(loopback::client_end& who, std::string_view what, std::string const& payload) {
    auto const call = net.submit(who, payload, {.idempotent = true}, what, 0);
    REQUIRE(who.outcomes.count(call.number) == 1);
    return who.outcomes.at(call.number);
  }
  std::string refused(std::string_view what, pool_order const& order, errc code) {
    auto const& outcome = say(boss, what, encode_order(order));
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.error().code == code);
    return outcome.error().message;
  }
  std::vector<pool_census> pools(std::string_view asked = pools_and_why) {
    auto& outcome = say(boss, list_pools, std::string(asked));
    REQUIRE(outcome.ok());
    std::vector<pool_census> seen;
    REQUIRE(decode_pools(outcome.value().payload(), seen));
    return seen;
  }
  std::string model(std::string arguments) {
    return encode_requirements(
        {.service = "model", .service_signature = 5, .arguments = std::move(arguments)});
  }
};

}  // namespace

TEST_CASE("the operator of a hub changes its pools from elsewhere, and sees what they are") {
  tested_orders t;
  REQUIRE(
      t.say(t.boss, scale_pool, encode_order({.change = {.min_workers = 2, .scaledown_window = 5 * second}}))
          .ok());
  CHECK(t.net.starts.size() == 2);
  auto const seen = t.pools();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].name == "default");
  CHECK(seen[0].min_workers == 2);
  CHECK(seen[0].max_workers == 4);
  CHECK(seen[0].scaledown_window == 5 * second);
  CHECK(seen[0].starting == 2);
  REQUIRE(t.say(t.boss, warm_pool, encode_order({.name = "default", .count = 3})).ok());
  CHECK(t.net.starts.size() == 3);
}

TEST_CASE("a queue is as old as the call that has waited in it for longest") {
  tested_orders t;
  auto const now_and_then = [&] {
    auto const seen = t.net.hub().queues(t.net.now);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].task == "echo");
    CHECK(seen[0].pool == "default");
    return std::pair(seen[0].calls, seen[0].oldest / millisecond);
  };
  CHECK(t.net.hub().queues(t.net.now).empty());
  auto const first = t.net.submit(t.boss, "a");
  t.net.wait(300 * millisecond);
  t.net.submit(t.boss, "b", call_turn{.fairness_key = "another"});
  CHECK(now_and_then() == std::pair(std::size_t{2}, duration{300}));
  t.net.wait(100 * millisecond);
  t.net.cancel(t.boss, first);
  CHECK(now_and_then() == std::pair(std::size_t{1}, duration{100}));
  t.net.add_worker(loopback::offers(), t.net.starts.at(0));
  CHECK(now_and_then() == std::pair(std::size_t{0}, duration{0}));
}

TEST_CASE("workers that are wanted ahead of the first call are started as soon as they may be, each once") {
  auto config = with_one_pool();
  config.max_starts = 2;
  config.pools[0].max_workers = 5;
  config.pools[0].scaledown_window = 0;
  tested_orders t(std::move(config));
  auto const fail_start = [&](std::uint64_t start) {
    t.net.hub().worker_start_failed(t.net.now, start, "no such program", {}, t.net.scratch());
    t.net.carry_out_all();
  };
  auto const warm = [&](std::size_t count) {
    REQUIRE(t.say(t.boss, warm_pool, encode_order({.count = count})).ok());
  };
  SUBCASE("those past the most that are on their way at once, though others have gone meanwhile") {
    warm(9);
    warm(9);
    CHECK(t.net.starts.size() == 2);
    for (std::size_t i = 0; i < 5; ++i) {
      REQUIRE(t.net.starts.size() > i);
      t.net.lose(t.net.add_worker(loopback::offers(), t.net.starts[i]));
    }
    t.net.wait(second);
    CHECK(t.net.starts.size() == 5);
  }
  SUBCASE("after a start that failed") {
    warm(1);
    fail_start(t.net.starts.at(0));
    warm(1);
    CHECK(t.net.starts.size() == 1);
    t.net.wait(second);
    CHECK(t.net.starts.size() == 2);
  }
  SUBCASE("but not for ever") {
    warm(5);
    for (std::size_t i = 0; i < t.net.starts.size(); ++i) {
      fail_start(t.net.starts[i]);
      t.net.wait(10 * second);
    }
    CHECK(t.net.starts.size() == 4);  // three have failed in a row, and one was on its way
  }
}

TEST_CASE("whoever looks at a pool sees why its workers do not come, until they do") {
  tested_orders t;
  auto& client = t.net.add_client();
  CHECK(t.pools().at(0).why.empty());
  t.net.submit(client, "x");
  auto const first = t.net.starts.at(0);
  CHECK(t.pools().at(0).why.empty());  // it may come at once
  t.net.hub().worker_waits(first, "its job 17 waits: PENDING (Priority)");
  CHECK(t.pools().at(0).why == "one is being started: its job 17 waits: PENDING (Priority)");
  CHECK(t.pools("").at(0).why.empty());  // as earlier clients ask, which do not read it
  t.net.hub().worker_waits(first, "its job 17 waits: PENDING (Resources)");
  CHECK(t.pools().at(0).why == "one is being started: its job 17 waits: PENDING (Resources)");
  SUBCASE("and that it waits no more") {
    t.net.hub().worker_waits(first, "");
    CHECK(t.pools().at(0).why.empty());
  }
  SUBCASE("and what the last one failed of, also when its calls have ended, until one comes") {
    t.net.hub().worker_start_failed(t.net.now, first, "it was refused", "sbatch: error: no", t.net.scratch());
    t.net.carry_out_all();
    CHECK(t.pools().at(0).why == "the last start has failed: it was refused\nsbatch: error: no");
    t.net.wait(second);
    auto const next = t.net.starts.at(1);
    t.net.hub().worker_waits(next, "its job 18 waits: PENDING (Priority)");
    CHECK(t.pools().at(0).why ==
          "one is being started: its job 18 waits: PENDING (Priority)\n"
          "the last start has failed: it was refused\nsbatch: error: no");
    for (std::size_t i = 1; i < 3; ++i) {
      t.net.hub().worker_start_failed(t.net.now, t.net.starts.at(i), "it was refused", {}, t.net.scratch());
      t.net.carry_out_all();
      t.net.wait(second);
    }
    CHECK(t.net.hub().census().calls == 0);
    CHECK(t.pools().at(0).why == "3 starts in a row have failed; the last time it was refused");
    t.net.submit(client, "y");
    t.net.wait(10 * second);
    t.net.add_worker(loopback::offers(), t.net.starts.at(3));
    CHECK(t.pools().at(0).why.empty());
  }
}

TEST_CASE("a pool is found by what its workers need, by its name, and by its service's where that has one") {
  tested_orders t;
  REQUIRE(t.say(t.boss, warm_pool, encode_order({.needs = t.model("tiny"), .count = 1})).ok());
  CHECK(t.net.starts.size() == 1);
  auto const name = t.pools().at(1).name;
  CHECK(name.starts_with("model-"));
  REQUIRE(t.say(t.boss, scale_pool, encode_order({.name = "model", .change = {.max_workers = 2}})).ok());
  CHECK(t.pools().at(1).max_workers == 2);
  REQUIRE(t.say(t.boss, warm_pool, encode_order({.needs = t.model("large"), .count = 1})).ok());
  auto const several = t.refused(scale_pool, {.name = "model"}, errc::bad_configuration);
  CHECK(several.find("there are several pools of the service 'model'; there are: default, " + name) == 0);
  REQUIRE(t.say(t.boss, scale_pool, encode_order({.name = name, .change = {.max_workers = 3}})).ok());
  CHECK(t.pools().at(1).max_workers == 3);
  CHECK(t.refused(warm_pool, {.name = "modle"}, errc::bad_configuration).find("there is no pool 'modle'") ==
        0);
}

TEST_CASE("a pool whose size the operator has set gives way to no other one, however long nobody calls") {
  auto config = with_one_pool();
  config.max_pools = 1;
  auto const functions = config.pools[0].functions;
  tested_orders t(std::move(config));
  auto& client = t.net.add_client();
  auto const call = [&](std::string const& service) {
    return t.net.submit(client, "x", {}, "echo", 7, t.model(service));
  };
  call("tiny");
  auto& worker = t.net.add_worker(functions, t.net.starts.at(0));
  t.net.finish(worker, "");
  t.net.finish(worker, "x");
  REQUIRE(t.say(t.boss, scale_pool, encode_order({.name = "model", .change = {.min_workers = 1}})).ok());
  t.net.wait(600 * second);
  CHECK_FALSE(worker.exited);
  CHECK(client.outcomes.at(call("large").number).error().code == errc::unsatisfiable);
}

TEST_CASE("who is not a hub's operator neither sees nor changes its pools, and calls as before") {
  tested_orders t;
  auto& other = t.net.add_client({}, "key of another");
  for (auto const what : {scale_pool, warm_pool, list_pools}) {
    auto const& outcome = t.say(other, what, encode_order({.change = {.min_workers = 2}, .count = 2}));
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.error().code == errc::unauthorized);
    CHECK(outcome.error().message.find("server.key") != std::string::npos);
  }
  CHECK(t.net.starts.empty());
  auto const call = t.net.submit(other, "hello");
  t.net.finish(t.net.add_worker(loopback::offers(), t.net.starts.at(0)), "hello");
  CHECK(other.outcomes.at(call.number).ok());
}

TEST_CASE("an order, and what a hub answers, have the bytes that docs/protocol.md describes") {
  auto const is = [](std::string const& bytes, std::string_view digits) {
    return bytes == text_of(bytes_of_hex(digits));
  };
  CHECK(is(encode_order({.needs = "N",
                         .name = "ab",
                         .change = {.min_workers = 0, .max_workers = 4, .scaledown_window = 2 * microsecond},
                         .count = 3}),
           "0100000000000000050000000000000000000000000000000000000000000000"
           "03000000000000000000000000000000030000000000000002006162"
           "4e"));
  std::vector<pool_census> const pools{{.name = "ab",
                                        .needs = "c",
                                        .min_workers = 1,
                                        .max_workers = 2,
                                        .spare = 3,
                                        .max_queue = 4,
                                        .scaledown_window = 10 * microsecond,
                                        .park_window = 0,
                                        .workers = 5,
                                        .idle = 6,
                                        .starting = 7,
                                        .parked = 8,
                                        .queued = 9,
                                        .why = "no"}};
  CHECK(is(encode_pools(pools, false),
           "01000000020061620100630100000000000000020000000000000003000000000000000400000000000000"
           "05000000000000000600000000000000070000000000000008000000000000000900000000000000"
           "0b000000000000000100000000000000"));
  CHECK(encode_pools(pools, true) == encode_pools(pools, false) + std::string("\2\0no", 4));
}

TEST_CASE("what cannot be said of a pool is refused in words, and changes nothing") {
  tested_orders t;
  CHECK(t.refused(scale_pool, {.change = {.min_workers = 5}}, errc::bad_configuration)
            .find("max would be 4, min 5") == 0);
  CHECK(t.refused(scale_pool, {.needs = encode_requirements({.resources = {.gpu_memory = 1}})},
                  errc::bad_configuration)
            .find("gpu_memory is wanted, and no GPU") == 0);
  auto const whole = encode_order({.name = "default", .change = {.max_queue = 7}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto const& outcome = t.say(t.boss, scale_pool, whole.substr(0, size));
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.error().code == errc::protocol_violation);
  }
  constexpr std::size_t most = 0xffff'ffff;
  for (pool_order const& order : std::vector<pool_order>{{.change = {.max_queue = most + 1}},
                                                         {.change = {.max_workers = ~std::size_t{1}}},
                                                         {.count = most + 1}})
    t.refused(scale_pool, order, errc::protocol_violation);
  CHECK(t.pools().at(0).max_queue == 0);
  CHECK(t.pools().at(0).max_workers == 4);
  REQUIRE(t.say(t.boss, scale_pool, encode_order({.change = {.max_queue = most}})).ok());
  CHECK(t.pools().at(0).max_queue == most);
  std::vector<pool_census> read;
  auto const census = encode_pools(t.net.hub().pools(), true);
  auto const without = encode_pools(t.net.hub().pools(), false).size();
  for (std::size_t size = 0; size < census.size(); ++size) {
    read.clear();
    CHECK(decode_pools(std::as_bytes(std::span(census).first(size)), read) == (size == without));
  }
}

TEST_CASE("what a hub answers itself goes by itself, and no task is taken for that") {
  for (auto const order :
       {scale_pool, warm_pool, list_pools, list_usage, explain_call, cancel_call, list_workers, tell_journal,
        list_schedules, tell_schedule, read_logs, find_call, list_calls})
    CHECK_MESSAGE(is_hub_order(order), order);
  for (std::string_view const task : {"pools", " ", " pools ", "f"}) CHECK_FALSE(is_hub_order(task));
}
