// SPDX-License-Identifier: Apache-2.0
//
// When calls are served: priorities, shares, order keys.
#include "tests/unit/core/loopback.hpp"

#include <algorithm>

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

// Workers are given one call at a time.
hub_config nothing_ahead() {
  hub_config config;
  config.max_prefetch = 1;
  return config;
}

struct crowded_hub {
  loopback net;
  loopback::client_end& client;
  loopback::worker_end& worker;
  explicit crowded_hub(hub_config config = nothing_ahead())
      : net(std::move(config)), client(net.add_client()), worker(net.add_worker()) {
    net.submit(client, "first");  // until it is finished, all others wait
  }

  // What is served, by the first words of the arguments, if each run ends at once.
  std::string serve(int runs) {
    std::string served;
    for (; runs != 0 && !worker.runs.empty(); --runs) {
      net.finish(worker, "done");
      if (worker.runs.empty()) break;
      served += text_of(worker.runs.front().message.payload());
    }
    return served;
  }
  std::string served_by(std::string const& served, char who) {
    return std::to_string(std::count(served.begin(), served.end(), who));
  }
  // Of calls that were made, in order.
  std::vector<call_id> submit(loopback::client_end& from, int count, std::string_view text,
                              call_turn const& turn) {
    std::vector<call_id> made;
    for (int i = 0; i < count; ++i) made.push_back(net.submit(from, text, turn));
    return made;
  }
  outcome& of(call_id call) { return client.outcomes.at(call.number); }
};

failure thrown_once() {
  failure error;
  error.message = "thrown";
  return error;
}

constexpr call_policy tried_twice{.retries = 1};

}  // namespace

TEST_CASE("of calls that wait, those of a higher priority are served first, and 4 is usual") {
  crowded_hub t;
  t.net.submit(t.client, "4", call_turn{});
  t.net.submit(t.client, "0", {.priority = 0});
  t.net.submit(t.client, "9", {.priority = 9});
  t.net.submit(t.client, "5", {.priority = 5}, {}, "other");
  t.net.submit(t.client, "3", {.priority = 3});
  t.net.submit(t.client, "4", {.priority = 4});
  CHECK(t.serve(10) == "954430");
}

TEST_CASE("a priority past 9, or a weight past 1000, is refused in words, and the next call works") {
  crowded_hub t;
  auto const high = t.net.submit(t.client, "x", {.priority = 10});
  auto const heavy = t.net.submit(t.client, "x", {.fairness_key = "a", .weight = 1'001});
  REQUIRE_FALSE(t.of(high).ok());
  CHECK(t.of(high).error().code == errc::bad_configuration);
  CHECK(t.of(high).error().message.find("the priority of this call is 10; there are 0 to 9") == 0);
  REQUIRE_FALSE(t.of(heavy).ok());
  CHECK(t.of(heavy).error().code == errc::bad_configuration);
  CHECK(t.of(heavy).error().message.find("1001; there are 1 to 1000") != std::string::npos);
  t.net.submit(t.client, "y", {.priority = 9});
  CHECK(t.serve(2) == "y");
}

TEST_CASE("a task's calls have the priority of the call that it runs, unless they say another") {
  crowded_hub t;
  t.serve(1);
  t.net.submit(t.client, "p", {.priority = 7});
  REQUIRE(t.worker.runs.size() == 1);
  auto const parent = t.worker.runs.front().key;
  t.net.submit(t.client, "6", {.priority = 6});
  t.net.submit(t.client, "8", {.priority = 8});
  t.net.submit(t.client, "c", call_turn{}, {}, "echo", parent);
  t.net.submit(t.client, "d", {.priority = 5}, {}, "echo", parent);
  t.net.add_worker();
  CHECK(text_of(t.net.workers.back()->runs.front().message.payload()) == "8");
  auto& other = *t.net.workers.back();
  t.net.finish(other, "done");
  CHECK(text_of(other.runs.front().message.payload()) == "c");
  t.net.finish(other, "done");
  CHECK(text_of(other.runs.front().message.payload()) == "6");
  t.net.finish(other, "done");
  CHECK(text_of(other.runs.front().message.payload()) == "d");
}

TEST_CASE("whatever one key has queued, another one is served in turn") {
  crowded_hub t;
  t.submit(t.client, 5'000, "a", {.fairness_key = "flood"});
  t.submit(t.client, 3, "b", {.fairness_key = "few"});
  CHECK(t.serve(8) == "abababaa");
  t.net.submit(t.client, "b", {.fairness_key = "few"});
  auto const later = t.serve(2);
  CHECK(later.find('b') != std::string::npos);  // having had less saves up nothing, and costs nothing
}

TEST_CASE("keys share by weight, and calls without a key are a key of their own") {
  crowded_hub t;
  t.submit(t.client, 100, "a", {.fairness_key = "a", .weight = 3});
  t.submit(t.client, 100, "b", {.fairness_key = "b"});
  t.submit(t.client, 100, "c", {});
  auto const served = t.serve(50);
  CHECK(t.served_by(served, 'a') == "30");
  CHECK(t.served_by(served, 'b') == "10");
  CHECK(t.served_by(served, 'c') == "10");
}

TEST_CASE("credentials share first, by the hub's weights, however many keys each has") {
  auto config = nothing_ahead();
  config.weights = {{"anna", 2}};
  crowded_hub t(std::move(config));
  auto& anna = t.net.add_client({}, "anna");
  auto& bert = t.net.add_client({}, "bert");
  auto& bert_again = t.net.add_client({}, "bert");
  t.submit(anna, 60, "a", {.fairness_key = "k"});
  for (auto const* key : {"k", "l", "m", "n"}) t.submit(bert, 60, "b", {.fairness_key = key});
  t.submit(bert_again, 60, "c", {.fairness_key = "k"});
  auto const served = t.serve(60);
  CHECK(t.served_by(served, 'a') == "40");
  auto const of_k = std::count(served.begin(), served.end(), 'c');
  CHECK(of_k <= 5);  // behind those of the first one: a key is its credential's, not its connection's
}

TEST_CASE("shares are of one priority: what is served there costs nothing in another") {
  crowded_hub t;
  t.submit(t.client, 10, "A", {.priority = 9, .fairness_key = "a"});
  t.submit(t.client, 10, "a", {.fairness_key = "a"});
  t.submit(t.client, 10, "b", {.fairness_key = "b"});
  CHECK(t.serve(16) == "AAAAAAAAAAababab");
}

TEST_CASE("past the number of keys that a credential may have, calls share with those without one") {
  auto config = nothing_ahead();
  config.max_keys = 3;  // and those without
  crowded_hub t(std::move(config));
  t.submit(t.client, 20, "a", {.fairness_key = "1"});
  t.submit(t.client, 20, "b", {.fairness_key = "2"});
  for (int i = 0; i < 20; ++i) {
    auto const key = "further " + std::to_string(i);
    t.net.submit(t.client, "c", {.fairness_key = key});
  }
  auto const served = t.serve(30);
  CHECK(t.served_by(served, 'a') == "10");
  CHECK(t.served_by(served, 'b') == "10");
  CHECK(t.served_by(served, 'c') == "10");
}

TEST_CASE("what came back before it was started is made good to its key, which is charged half meanwhile") {
  crowded_hub t(hub_config{});
  for (int i = 0; i < 8; ++i) {  // runs are short: many may wait in a worker
    t.net.now += 10 * microsecond;
    t.net.finish(t.worker, "done");
    t.net.submit(t.client, "first");
  }
  auto const before = t.submit(t.client, 64, "first", {});
  t.submit(t.client, 100, "a", {.fairness_key = "a"});
  auto const of_b = t.submit(t.client, 30, "b", {.fairness_key = "b"});
  for (auto const call : before) t.net.cancel(t.client, call);  // a and b are given in turn what they leave
  auto const given = [&](call_id call) {
    return std::any_of(t.net.log.begin(), t.net.log.end(), [&](log_entry const& one) {
      return one.head.type == frame_type::assign && one.head.call == call;
    });
  };
  REQUIRE(std::all_of(of_b.begin(), of_b.end(), given));
  for (auto const call : of_b) t.net.cancel(t.client, call);
  t.net.drain(t.worker);
  t.submit(t.client, 100, "b", {.fairness_key = "b"});
  auto& other = t.net.add_worker();
  std::string served;
  for (int i = 0; i < 160; ++i) {
    REQUIRE_FALSE(other.runs.empty());
    served += text_of(other.runs.front().message.payload());
    t.net.finish(other, "done");
  }
  CHECK(served.find("aaa") == std::string::npos);  // not at once: nobody waits for a row of them
  CHECK(std::stoi(t.served_by(served.substr(0, 90), 'a')) >= 59);
  CHECK(t.served_by(served.substr(100, 60), 'a') == "30");
}

TEST_CASE("a batch takes its items in fair order") {
  crowded_hub t;
  batch_policy const of_four{.max_items = 4, .max_wait = second};
  auto const submit = [&](std::string_view text, std::string_view key) {
    t.net.submit(t.client, text, {}, "other", 8, {}, {}, &of_four, {.fairness_key = key});
  };
  for (int i = 0; i < 3; ++i) submit("a", "many");
  submit("b", "few");
  t.net.finish(t.worker, "done");
  REQUIRE(t.worker.runs.size() == 1);
  CHECK(text_of(t.worker.runs.front().message.payload()) == "abaa");
}

TEST_CASE("a batch that still collects holds back no other function's calls") {
  crowded_hub t(hub_config{});
  // Its runs are short: the next calls may wait in the worker.
  for (int i = 0; i < 3; ++i) {
    t.net.finish(t.worker, "done");
    t.net.submit(t.client, "short");
  }
  batch_policy const of_four{.max_items = 4, .max_wait = second};
  t.net.submit(t.client, "b", {}, "other", 8, {}, {}, &of_four);
  auto const behind = t.net.submit(t.client, "x");
  auto const sent = std::any_of(t.net.log.begin(), t.net.log.end(), [&](log_entry const& one) {
    return one.head.type == frame_type::assign && one.head.call == behind;
  });
  CHECK(sent);
}

namespace {

// One worker, kept busy with runs so short that several may wait in it; `tick` makes them last a little.
struct busy_hub : crowded_hub {
  int next = 0;
  busy_hub() : crowded_hub(hub_config{}) {
    for (int i = 0; i < 8; ++i) turn();
    for (int i = 0; i < 3; ++i) t_submit();
  }
  void t_submit() { net.submit(client, "short"); }
  // One more comes as one ends: something always waits.
  void turn() {
    t_submit();
    REQUIRE_FALSE(worker.runs.empty());
    net.now += 10 * microsecond;
    net.finish(worker, "done");
  }
  call_id submit_batched(batch_policy const& policy, std::string_view function, std::uint64_t signature,
                         call_turn const& turn = {}) {
    return net.submit(client, "batched", {}, function, signature, {}, {}, &policy, turn);
  }
  // Whether it is given to the worker within some turns.
  bool is_served(call_id call) {
    auto const sent = [&](log_entry const& one) {
      return one.head.type == frame_type::assign && one.head.call == call;
    };
    for (int i = 0; i < 30; ++i) turn();
    return std::any_of(net.log.begin(), net.log.end(), sent);
  }
};

}  // namespace

TEST_CASE("a batch that is due is not overtaken for ever by short calls behind it") {
  busy_hub t;
  batch_policy const of_four{.max_items = 4, .max_wait = 100 * microsecond};
  auto const call = t.submit_batched(of_four, "other", 8, {.priority = 9});
  CHECK(t.is_served(call));
}

TEST_CASE("a batch that may collect for hours is not overtaken for as long by short calls behind it") {
  busy_hub t;
  auto const call = t.submit_batched({.max_items = 4, .max_wait = 3'600 * second}, "other", 8);
  for (int i = 0; i < 100; ++i) t.turn();  // one millisecond
  CHECK(t.is_served(call));
}

TEST_CASE("a batch that is due is given to a worker also behind one of another function that collects") {
  busy_hub t;
  t.net.lose(t.worker, {});
  auto& worker = t.net.add_worker({{"echo", 7, ""}, {"other", 8, ""}, {"third", 9, ""}});
  t.net.submit(t.client, "busy");
  for (; t.net.hub().census().queued != 0 || worker.runs.size() > 1;) t.net.finish(worker, "done");
  REQUIRE(worker.runs.size() == 1);
  t.submit_batched({.max_items = 4, .max_wait = 1000 * second}, "other", 8);
  auto const due = t.submit_batched({.max_items = 1, .max_wait = 1000 * second}, "third", 9);
  auto const sent = std::any_of(t.net.log.begin(), t.net.log.end(), [&](log_entry const& one) {
    return one.head.type == frame_type::assign && one.head.call == due;
  });
  CHECK(sent);
}

TEST_CASE("calls of one order key run one after the other, in the order in which they came") {
  crowded_hub t;
  auto& other = t.net.add_worker();
  t.net.submit(t.client, "1", {.order_key = "k"});
  t.net.submit(t.client, "2", {.order_key = "k"}, {}, "other");
  t.net.submit(t.client, "x", call_turn{});
  t.net.submit(t.client, "3", {.priority = 9, .order_key = "k"});
  CHECK(text_of(other.runs.front().message.payload()) == "1");
  t.net.finish(t.worker, "done");
  CHECK(text_of(t.worker.runs.front().message.payload()) == "x");
  t.net.finish(t.worker, "done");
  CHECK(t.worker.runs.empty());  // nothing is behind the key's first
  t.net.finish(other, "done");
  auto& next = t.worker.runs.empty() ? other : t.worker;
  CHECK(text_of(next.runs.front().message.payload()) == "2");
  CHECK(t.worker.runs.size() + other.runs.size() == 1);
  t.net.finish(next, "done");
  auto& third = t.worker.runs.empty() ? other : t.worker;
  CHECK(text_of(third.runs.front().message.payload()) == "3");
}

TEST_CASE("an order key stays closed while its first call waits to be tried again") {
  crowded_hub t;
  auto const one = t.net.submit(t.client, "1", {.order_key = "k"}, tried_twice);
  auto const two = t.net.submit(t.client, "2", {.order_key = "k"});
  t.serve(1);
  t.net.finish(t.worker, thrown_once());
  CHECK(t.worker.runs.empty());
  t.net.wait(second);
  REQUIRE(t.worker.runs.size() == 1);
  CHECK(text_of(t.worker.runs.front().message.payload()) == "1");
  t.net.finish(t.worker, thrown_once());
  CHECK_FALSE(t.of(one).ok());
  CHECK(text_of(t.worker.runs.front().message.payload()) == "2");
  t.net.finish(t.worker, "done");
  CHECK(t.of(two).ok());
}

TEST_CASE("an order key stays closed while an attempt runs that nobody wants any more") {
  crowded_hub t;
  auto& other = t.net.add_worker();
  auto const one = t.net.submit(t.client, "1", {.order_key = "k"});
  t.net.submit(t.client, "2", {.order_key = "k"});
  t.net.finish(t.worker, "done");
  REQUIRE(other.runs.size() == 1);
  t.net.cancel(t.client, one);
  CHECK(t.of(one).error().code == errc::cancelled);
  CHECK(t.worker.runs.empty());
  t.net.finish(other, "too late");
  CHECK(t.worker.runs.size() + other.runs.size() == 1);
}

TEST_CASE("an order key opens when the worker of its first call is lost") {
  crowded_hub t;
  auto& other = t.net.add_worker();
  auto const one = t.net.submit(t.client, "1", {.order_key = "k"});
  t.net.submit(t.client, "2", {.order_key = "k"});
  t.net.finish(t.worker, "done");
  t.net.lose(other, {.signal = 11});
  CHECK(t.of(one).error().code == errc::worker_lost);
  REQUIRE(t.worker.runs.size() == 1);
  CHECK(text_of(t.worker.runs.front().message.payload()) == "2");
}

TEST_CASE("calls of one order key that came in one frame run one after the other, too") {
  crowded_hub t;
  auto& other = t.net.add_worker();
  batch_spec spec;
  spec.function = "echo";
  spec.signature = 7;
  begin_call(spec.metadata, "echo", {});
  write_turn(spec.metadata, {.order_key = "k"});
  for (char const one : {'1', '2', '3'}) {
    spec.items.push_back({1, 0});
    spec.payloads.append(&one, 1);
  }
  t.client.core->submit(t.net.now, spec, t.net.scratch());
  t.net.carry_out(t.client);
  t.net.pump();
  for (auto const* expected : {"1", "2", "3"}) {
    REQUIRE(other.runs.size() == 1);
    CHECK(text_of(other.runs.front().message.payload()) == expected);
    t.net.finish(other, "done");
  }
  CHECK(t.client.outcomes.size() == 3);
}

TEST_CASE("order keys are their credential's") {
  crowded_hub t;
  auto& anna = t.net.add_client({}, "anna");
  auto& other = t.net.add_worker();
  t.net.finish(t.worker, "done");
  t.net.submit(t.client, "1", {.order_key = "k"});
  t.net.submit(anna, "2", {.order_key = "k"});
  CHECK(t.worker.runs.size() + other.runs.size() == 2);
}

TEST_CASE("what a task calls has the keys of its caller's credential, whoever runs it") {
  loopback net(nothing_ahead());
  auto& alice = net.add_client({}, "alice");
  auto& bob = net.add_client({}, "bob");
  auto& tasks = net.add_client();
  auto& first = net.add_worker();
  auto& second_one = net.add_worker();
  SUBCASE("the next one of an order key") {
    auto& third = net.add_worker();
    net.submit(alice, "first", {.order_key = "k"});
    net.submit(alice, "parent");
    auto& ordered = *std::find_if(net.workers.begin(), net.workers.end(), [](auto const& one) {
                       return !one->runs.empty() && text_of(one->runs.front().message.payload()) == "first";
                     })->get();
    auto& parent = *std::find_if(net.workers.begin(), net.workers.end(), [](auto const& one) {
                      return !one->runs.empty() && text_of(one->runs.front().message.payload()) == "parent";
                    })->get();
    net.submit(tasks, "nested", {.order_key = "k"}, {}, "echo", parent.runs.front().key);
    CHECK(first.runs.size() + second_one.runs.size() + third.runs.size() == 2);
    net.finish(ordered, "done");
    CHECK(first.runs.size() + second_one.runs.size() + third.runs.size() == 2);
    REQUIRE_FALSE(ordered.runs.empty());
    CHECK(text_of(ordered.runs.front().message.payload()) == "nested");
  }
  SUBCASE("shares") {
    net.submit(alice, "of alice");
    net.submit(bob, "of bob");
    auto& of_alice = text_of(first.runs.front().message.payload()) == "of alice" ? first : second_one;
    auto& of_bob = &of_alice == &first ? second_one : first;
    for (auto const* key : {"1", "2", "3"})
      for (int i = 0; i < 4; ++i)
        net.submit(tasks, "a", {.fairness_key = key}, {}, "echo", of_alice.runs.front().key);
    for (int i = 0; i < 4; ++i)
      net.submit(tasks, "b", {.fairness_key = "1"}, {}, "echo", of_bob.runs.front().key);
    auto& runs_all = net.add_worker();
    std::string served;
    for (int i = 0; i < 8; ++i) {
      REQUIRE_FALSE(runs_all.runs.empty());
      served += text_of(runs_all.runs.front().message.payload());
      net.finish(runs_all, "done");
    }
    CHECK(std::count(served.begin(), served.end(), 'b') == 4);
  }
}

TEST_CASE("a call of the same order key as the one that makes it fails instead of waiting for ever") {
  crowded_hub t;
  t.serve(1);
  t.net.submit(t.client, "p", {.order_key = "k"});
  REQUIRE(t.worker.runs.size() == 1);
  auto const parent = t.worker.runs.front().key;
  auto const child = t.net.submit(t.client, "c", {.order_key = "k"}, {}, "echo", parent);
  REQUIRE_FALSE(t.of(child).ok());
  CHECK(t.of(child).error().code == errc::would_deadlock);
  t.net.finish(t.worker, "done");
  t.net.submit(t.client, "n", {.order_key = "k"});
  CHECK(t.worker.runs.size() == 1);
}
