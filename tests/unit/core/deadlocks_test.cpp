// SPDX-License-Identifier: Apache-2.0
// Tasks that wait for each other: by the values of calls, by streams, by order keys, by what workers hold.
#include "src/core/requirements.hpp"

#include "tests/unit/core/loopback.hpp"

#include <string>
#include <vector>

using namespace yonder::core;
using test::loopback;
using yonder::errc;

namespace {

hub_config one_at_a_time() {
  hub_config config;
  config.max_prefetch = 1;  // so that a test sees at once who runs what
  return config;
}

// Workers of one task each, so that a test says where a call runs; their tasks' calls come over one
// connection.
struct tasks_at_work {
  loopback net{one_at_a_time()};
  loopback::client_end& caller = net.add_client();
  loopback::client_end& tasks = net.add_client();
  loopback::worker_end& echoes = net.add_worker({{"echo", 7, ""}});
  loopback::worker_end& others = net.add_worker({{"other", 8, ""}});

  attempt_key running(loopback::worker_end& by) {
    REQUIRE_FALSE(by.runs.empty());
    return by.runs.front().key;
  }
  call_id call(loopback::client_end& from, std::string_view function, attempt_key const& parent = {},
               call_turn const& turn = {}, std::vector<awaited_argument> const& arguments = {}) {
    return net.submit(from, arguments.empty() ? "x" : "()", {}, function, function == "echo" ? 7 : 8, {},
                      parent, nullptr, turn, {}, false, arguments);
  }
  call_id call_of(loopback::worker_end& by, std::string_view function, call_turn const& turn = {}) {
    return call(tasks, function, running(by), turn);
  }
  call_id call_with(call_id value, loopback::worker_end& by, std::string_view function) {
    return call(tasks, function, running(by), {}, {{value.number, 1, 0, true}});
  }
  bool has_ended(call_id id) const { return tasks.outcomes.contains(id.number); }
  errc code_of(call_id id) {
    REQUIRE(has_ended(id));
    REQUIRE_FALSE(tasks.outcomes.at(id.number).ok());
    return tasks.outcomes.at(id.number).error().code;
  }
};

}  // namespace

TEST_CASE("a task that waits for a call which waits for a value that nobody can make is in a deadlock") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  auto const value = t.call_of(t.echoes, "echo");  // only its own worker could
  auto last = value;
  for (int i = 0; i < 3; ++i) last = t.call_with(last, t.echoes, "other");
  CHECK_FALSE(t.has_ended(last));
  t.net.wait_within(t.echoes, t.tasks);
  CHECK(t.code_of(last) == errc::would_deadlock);
  t.net.finish(t.echoes, "without it");
  CHECK(t.caller.outcomes.size() == 1);
  CHECK(t.net.hub().census().calls == 0);
}

TEST_CASE("a task that waits for a call which waits for a value that is computed is in none") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  auto const stuck = t.call_of(t.echoes, "echo");
  auto const computed = t.call_of(t.echoes, "other");
  auto const both = t.call(t.tasks, "other", t.running(t.echoes), {},
                           {{stuck.number, 1, 0, true}, {computed.number, 1, 0, true}});
  t.net.wait_within(t.echoes, t.tasks);
  CHECK_FALSE(t.has_ended(both));
  t.net.finish(t.others, "value");
  t.net.wait_within(t.echoes, t.tasks);
  CHECK(t.code_of(both) == errc::would_deadlock);  // and now nobody can end it
}

TEST_CASE("the last value that a call of no waiting task has makes is looked after") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  auto const computed = t.call(t.tasks, "other");  // of a thread that runs no task
  auto const stuck = t.call(t.tasks, "echo");
  auto const both = t.call(t.tasks, "other", t.running(t.echoes), {},
                           {{computed.number, 1, 0, true}, {stuck.number, 1, 0, true}});
  t.net.wait_within(t.echoes, t.tasks);
  CHECK_FALSE(t.has_ended(both));
  t.net.finish(t.others, "value");
  CHECK(t.code_of(both) == errc::would_deadlock);
}

TEST_CASE("tasks that take two order keys in opposite order are in a deadlock, and the youngest call fails") {
  tasks_at_work t;
  t.net.submit(t.caller, "a", {.order_key = "a"}, {}, "echo");
  t.net.submit(t.caller, "b", {.order_key = "b"}, {}, "other");
  auto const a_to_b = t.call_of(t.echoes, "other", {.order_key = "b"});
  t.net.wait_within(t.echoes, t.tasks);
  CHECK_FALSE(t.has_ended(a_to_b));  // its turn comes
  auto const b_to_a = t.call_of(t.others, "echo", {.order_key = "a"});
  CHECK_FALSE(t.has_ended(b_to_a));
  t.net.wait_within(t.others, t.tasks);
  CHECK(t.code_of(b_to_a) == errc::would_deadlock);
  CHECK(t.tasks.outcomes.at(b_to_a.number).error().message.find("order_key") != std::string::npos);
  CHECK_FALSE(t.has_ended(a_to_b));
  t.net.finish(t.others, "without it");
  t.net.finish(t.others, "in its turn");
  CHECK(t.tasks.outcomes.at(a_to_b.number).ok());
  t.net.finish(t.echoes, "done");
  CHECK(t.caller.outcomes.size() == 2);
}

TEST_CASE("a nested call behind one of its order key that nobody can take fails, whoever made that one") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  t.net.submit(t.caller, "first", {.order_key = "k"}, {}, "echo");  // the worker that has it waits
  auto const behind = t.call_of(t.echoes, "other", {.order_key = "k"});
  CHECK_FALSE(t.has_ended(behind));
  t.net.wait_within(t.echoes, t.tasks);
  CHECK(t.code_of(behind) == errc::would_deadlock);
}

TEST_CASE("so it does where that one's turn comes while the task waits") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  t.net.submit(t.caller, "first", {.order_key = "k"}, {}, "other");
  t.net.submit(t.caller, "second", {.order_key = "k"}, {}, "echo");
  auto const behind = t.call_of(t.echoes, "other", {.order_key = "k"});
  t.net.wait_within(t.echoes, t.tasks);
  CHECK_FALSE(t.has_ended(behind));
  t.net.finish(t.others, "done");
  CHECK(t.code_of(behind) == errc::would_deadlock);
}

TEST_CASE("a task whose stream has just brought an item is in no deadlock, whatever else it has called") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  t.net.submit(t.tasks, "", {}, "other", 8, {}, t.running(t.echoes), nullptr, {},
               stream_terms{{1, 1000}, {}});
  auto const stuck = t.call_of(t.echoes, "echo");
  t.net.wait_within(t.echoes, t.tasks);
  CHECK_FALSE(t.has_ended(stuck));  // its producer computes
  t.net.produce(t.others, 0, {"a"});
  CHECK(t.net.hub().census().waiting_workers == 1);  // the producer; its reader has something to do
  CHECK_FALSE(t.has_ended(stuck));
  t.net.wait_within(t.echoes, t.tasks);  // it waits for the other one, and reads no more
  CHECK(t.code_of(stuck) == errc::would_deadlock);
}

TEST_CASE("a wait is known although a stream was cancelled while its items were on their way") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  auto const stream = t.net.submit(t.tasks, "", {}, "other", 8, {}, t.running(t.echoes), nullptr, {},
                                   stream_terms{{9, 1000}, {}});
  t.net.produce(t.others, 0, {"a"});
  t.tasks.connected = false;  // what it says is not heard for now
  t.tasks.core->cancel(t.net.now, stream, t.net.scratch());
  auto cancelled = std::exchange(t.net.scratch(), {});
  t.tasks.connected = true;
  t.net.produce(t.others, 1, {"b"});
  t.net.scratch() = std::move(cancelled);
  t.net.carry_out(t.tasks);
  t.net.pump();
  auto const next = t.call_of(t.echoes, "echo");
  t.net.wait_within(t.echoes, t.tasks);
  CHECK(t.code_of(next) == errc::would_deadlock);
}

TEST_CASE("a task that feeds a call and waits for it is told of the credit before it counts as waiting") {
  tasks_at_work t;
  t.call(t.caller, "echo");
  auto const fed = t.net.submit(t.tasks, "", {}, "other", 8, {}, t.running(t.echoes), nullptr, {}, {}, true);
  auto const stuck = t.call_of(t.echoes, "echo");
  t.net.wait_within(t.echoes, t.tasks);
  t.net.take_input(t.others, {1, 1000});
  t.net.wait_for_input(t.others, 0);
  CHECK_FALSE(t.has_ended(stuck));
  CHECK(t.net.feed(t.tasks, fed, "a"));
  t.net.wait_within(t.echoes, t.tasks);
  CHECK_FALSE(t.has_ended(stuck));  // the other task computes
  t.net.wait_for_input(t.others, 1);
  CHECK(t.code_of(stuck) == errc::would_deadlock);  // which waits for this one's next item
}

TEST_CASE("a service that only a worker could hold whose task waits for it is in a deadlock") {
  loopback net(one_at_a_time());
  auto& caller = net.add_client();
  auto& tasks = net.add_client();
  auto& worker = net.add_worker();
  net.submit(caller, "outer");
  requirements needs;
  needs.service = "other";
  needs.service_signature = 8;
  auto const method =
      net.submit(tasks, "method", {}, "echo", 7, encode_requirements(needs), worker.runs.front().key);
  CHECK(tasks.outcomes.empty());
  net.wait_within(worker, tasks);
  REQUIRE(tasks.outcomes.contains(method.number));
  CHECK(tasks.outcomes.at(method.number).error().code == errc::would_deadlock);
}

TEST_CASE("a worker that is idle, or will be, makes the service that a waiting task calls") {
  loopback net(one_at_a_time());
  auto& caller = net.add_client();
  auto& tasks = net.add_client();
  auto& one = net.add_worker();
  auto& other = net.add_worker();
  net.submit(caller, "outer");
  net.submit(caller, "computes");
  requirements needs;
  needs.service = "other";
  needs.service_signature = 8;
  net.submit(tasks, "method", {}, "echo", 7, encode_requirements(needs), one.runs.front().key);
  net.wait_within(one, tasks);
  CHECK(tasks.outcomes.empty());
  net.finish(other, "done");
  CHECK(other.runs.size() == 1);
}
