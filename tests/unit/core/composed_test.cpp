// SPDX-License-Identifier: Apache-2.0
// Calls whose arguments are the values of other calls.
#include "src/core/composition.hpp"

#include "tests/unit/core/loopback.hpp"

#include <string>
#include <vector>

using namespace yonder::core;
using test::bytes_of;
using test::loopback;
using test::text_of;
using yonder::errc;

namespace {

struct composing {
  loopback net;
  loopback::client_end& caller;

  explicit composing(hub_config config = {}, bool reliable = true)
      : net(std::move(config), reliable), caller(net.add_client()) {}

  // "(" value of `of` ")", or more of them, each behind one more byte.
  call_id call_with(std::vector<call_id> const& of, bool sole = false, call_policy policy = {}) {
    std::vector<awaited_argument> arguments;
    for (auto const& one : of)
      arguments.push_back({one.number, static_cast<std::uint32_t>(arguments.size() + 1), 0, sole});
    return net.submit(caller, "(" + std::string(of.size(), ')'), policy, "echo", 7, {}, {}, nullptr, {}, {},
                      false, arguments);
  }
  std::string arguments_of(loopback::worker_end& by) {
    REQUIRE_FALSE(by.runs.empty());
    return text_of(by.runs.front().message.payload());
  }
  failure& failure_of(call_id id) {
    auto const found = caller.outcomes.find(id.number);
    REQUIRE(found != caller.outcomes.end());
    REQUIRE_FALSE(found->second.ok());
    return found->second.error();
  }
};

}  // namespace

TEST_CASE("a call waits in the hub for the value of another, which goes in at its place") {
  for (auto const reliable : {true, false}) {
    composing all({}, reliable);
    auto& worker = all.net.add_worker();
    auto const first = all.net.submit(all.caller, "x");
    auto const after_it = all.call_with({first});
    CHECK(worker.runs.size() == 1);
    all.net.finish(worker, "value");
    CHECK(all.arguments_of(worker) == "(value)");
    CHECK(text_of(all.caller.outcomes.at(first.number).value().payload()) == "value");
    all.net.finish(worker, "done");
    CHECK(text_of(all.caller.outcomes.at(after_it.number).value().payload()) == "done");
    all.net.wait(2 * yonder::core::second);
    CHECK(all.net.hub().census().calls == 0);
    CHECK(all.net.hub().census().bytes == 0);
  }
}

TEST_CASE("several arguments come in any order, one of them twice") {
  composing all;
  auto& one = all.net.add_worker();
  auto& two = all.net.add_worker();
  auto const a = all.net.submit(all.caller, "a");
  auto const b = all.net.submit(all.caller, "b");
  all.call_with({a, b, a});
  auto& runs_b = one.runs.front().key.call == b ? one : two;
  auto& runs_a = &runs_b == &one ? two : one;
  all.net.finish(runs_b, "B");
  CHECK(all.net.hub().census().calls == 2);
  all.net.finish(runs_a, "A");
  auto& last = one.runs.empty() ? two : one;
  CHECK(all.arguments_of(last) == "(A)B)A)");
}

TEST_CASE("a value that only another call wants does not come back to the caller") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  all.call_with({first}, true);
  all.net.finish(worker, "value");
  auto const& outcome = all.caller.outcomes.at(first.number);
  CHECK(outcome.ok());
  CHECK(outcome.value().payload().empty());
  CHECK((outcome.value().head.flags & flag_elsewhere) != 0);
  CHECK(all.arguments_of(worker) == "(value)");
}

TEST_CASE("what fails fails those that wait for it, and a cancel does") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  auto const after_it = all.call_with({first});
  auto const third = all.call_with({after_it});
  failure thrown;
  thrown.code = errc::failed;
  thrown.type_name = "std::domain_error";
  thrown.message = "no";
  all.net.finish(worker, std::move(thrown));
  CHECK(all.failure_of(after_it).code == errc::failed);
  CHECK(all.failure_of(after_it).type_name == "std::domain_error");
  CHECK(all.failure_of(third).message.find("an argument was not made") == 0);

  auto const other = all.net.submit(all.caller, "x");
  auto const waits = all.call_with({other});
  all.net.cancel(all.caller, other);
  CHECK(all.failure_of(waits).code == errc::cancelled);
  CHECK(all.net.hub().census().calls == 0);
}

TEST_CASE("a call that follows one which waited in vain is run") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const other = all.net.submit(all.caller, "x");
  auto const waits = all.call_with({other});
  all.net.cancel(all.caller, waits);
  all.net.finish(worker, "value");
  auto const next = all.net.submit(all.caller, "y");
  REQUIRE(worker.runs.size() == 1);
  all.net.finish(worker, "Y");
  CHECK(text_of(all.caller.outcomes.at(next.number).value().payload()) == "Y");
}

TEST_CASE("a call that waits for a value is cancelled, and its deadline passes, by itself") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  auto const cancelled = all.call_with({first});
  auto const late = all.call_with({first}, false, {.deadline = 10 * millisecond});
  all.net.cancel(all.caller, cancelled);
  all.net.wait(100 * millisecond);
  CHECK(all.failure_of(late).code == errc::deadline_exceeded);
  all.net.finish(worker, "value");
  CHECK(all.caller.outcomes.at(first.number).ok());
  CHECK(worker.runs.empty());
}

TEST_CASE("the value of a call that has ended is not in the hub") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  all.net.finish(worker, "value");
  CHECK(all.failure_of(all.call_with({first})).code == errc::argument_gone);
  CHECK(all.failure_of(all.call_with({{first.session, 4711}})).code == errc::argument_gone);
}

TEST_CASE("a value out of a batch goes to who waits for it") {
  composing all;
  auto& worker = all.net.add_worker();
  batch_spec spec;
  spec.function = "echo";
  spec.signature = 7;
  spec.metadata = {};
  begin_call(spec.metadata, "echo", {});
  for (int i = 0; i < 2; ++i) {
    spec.items.push_back({1, 0});
    spec.payloads.append("x", 1);
  }
  auto const first = all.caller.core->submit(all.net.now, spec, all.net.scratch());
  all.net.carry_out(all.caller);
  all.net.pump();
  all.call_with({{first.session, first.number + 1}});
  while (!worker.runs.empty() && worker.runs.front().key.call.number <= first.number + 1)
    all.net.finish(worker, "value" + std::to_string(worker.runs.front().key.call.number - first.number));
  all.net.wait(millisecond);
  CHECK(all.arguments_of(worker) == "(value1)");
}

namespace {

// One GiB is many tests' time.
hub_config small_credit() {
  hub_config config;
  config.max_client_bytes = 100'000;
  return config;
}

}  // namespace

TEST_CASE("values that calls wait with count, once each, and past the limit those calls fail") {
  composing all(small_credit());
  auto& worker = all.net.add_worker();
  auto const other_call = all.net.submit(all.caller, "runs on another");
  auto const first = all.net.submit(all.caller, "x");
  auto const second_value = all.net.submit(all.caller, "y");
  std::vector<call_id> of_both, of_second;
  for (int i = 0; i < 3; ++i) of_both.push_back(all.call_with({first, other_call}));
  for (int i = 0; i < 3; ++i) of_second.push_back(all.call_with({second_value, other_call}));
  auto& other = all.net.add_worker();
  auto& runs_first = worker.runs.front().key.call == first ? worker : other;
  REQUIRE(runs_first.runs.front().key.call == first);
  auto const before = all.net.hub().census().bytes;
  all.net.finish(runs_first, std::string(60'000, 'v'));
  auto const held = all.net.hub().census().bytes - before;
  CHECK(held > 59'000);
  CHECK(held < 61'000);
  for (auto const& one : of_both) CHECK_FALSE(all.caller.outcomes.contains(one.number));
  REQUIRE(runs_first.runs.front().key.call == second_value);
  all.net.finish(runs_first, std::string(60'000, 'w'));
  for (auto const& one : of_second) CHECK(all.failure_of(one).code == errc::overloaded);
  CHECK(all.caller.outcomes.at(second_value.number).ok());
  for (auto const& one : of_both) all.net.cancel(all.caller, one);
  all.net.cancel(all.caller, other_call);
  CHECK(all.net.hub().census().client_bytes == 0);
}

TEST_CASE("arguments are copied for each call that has them, and those count") {
  composing all(small_credit());
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  std::vector<call_id> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(all.call_with({first}));
  all.net.finish(worker, std::string(30'000, 'v'));
  std::size_t refused = 0;
  for (auto const& one : calls) {
    if (!all.caller.outcomes.contains(one.number)) continue;
    ++refused;
    CHECK(all.failure_of(one).code == errc::overloaded);
  }
  CHECK(refused == 3);
  while (!worker.runs.empty()) all.net.finish(worker, "done");
  CHECK(all.net.hub().census().calls == 0);
  CHECK(all.net.hub().census().bytes == 0);
}

TEST_CASE("a value's buffers are shared by the calls that have it, and count once") {
  composing all(small_credit());
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  std::vector<call_id> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(all.call_with({first}));
  frame value;
  value.buffers.push_back(yonder::detail::owned_copy(bytes_of(std::string(60'000, 'v'))));
  all.net.finish(worker, std::move(value));
  for (auto const& one : calls) CHECK_FALSE(all.caller.outcomes.contains(one.number));
  CHECK(all.net.hub().census().bytes > 60'000);
  CHECK(all.net.hub().census().bytes < 65'000);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    REQUIRE(worker.runs.front().message.buffers.size() == 1);
    all.net.finish(worker, "done");
  }
  CHECK(all.net.hub().census().bytes == 0);
}

TEST_CASE("what many wait for ends for all of them at once, and each may leave before") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  std::vector<call_id> waiting;
  for (int i = 0; i < 20'000; ++i) waiting.push_back(all.call_with({first, first}));
  for (std::size_t i = waiting.size() / 2; i < waiting.size(); ++i) all.net.cancel(all.caller, waiting[i]);
  all.net.finish(worker, failure{});
  CHECK(all.failure_of(waiting.front()).message.find("an argument was not made") == 0);
  CHECK(all.net.hub().census().calls == 0);
}

TEST_CASE("the end of a stream reaches its reader, although it is an argument of another call alone") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const stream = all.net.read(all.caller, {10, 1000});
  all.call_with({stream}, true);
  all.net.produce(worker, 0, {"a", "b"});
  all.net.finish_stream(worker, 2);
  CHECK(all.caller.outcomes.at(stream.number).ok());
  CHECK(all.arguments_of(worker) == "()");
  CHECK(all.caller.core->protocol_violations() == 0);
}

TEST_CASE("arguments that lie beside the call are refused") {
  composing all;
  auto& worker = all.net.add_worker();
  auto const first = all.net.submit(all.caller, "x");
  auto const bad = all.net.submit(all.caller, "()", {}, "echo", 7, {}, {}, nullptr, {}, {}, false,
                                  {{first.number, 3, 0, false}});
  CHECK(all.failure_of(bad).code == errc::protocol_violation);
  all.net.finish(worker, "value");
}

TEST_CASE("values go in among payload and buffers where they belong") {
  frame message;
  byte_buffer body;
  write_call(body, "f", {}, {});
  auto const plain = body.size();
  write_arguments(body, std::vector<awaited_argument>{{1, 1, 1, false}, {2, 2, 1, true}});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append("abc", 3);
  message.body = std::move(body);
  message.buffers = {yonder::detail::owned_copy(bytes_of("one")),
                     yonder::detail::owned_copy(bytes_of("two"))};
  auto const x = bytes_of("XX"), y = bytes_of("");
  std::vector<buffer> const beside{yonder::detail::owned_copy(bytes_of("mid"))};
  auto const made =
      compose(message, std::vector<argument_value>{{{1, 1, 1, false}, x, beside}, {{2, 2, 1, true}, y, {}}});
  CHECK(text_of(made.payload()) == "aXXbc");
  CHECK(made.head.metadata_size == plain);
  REQUIRE(made.buffers.size() == 3);
  CHECK(text_of(made.buffers[1].bytes()) == "mid");
}
