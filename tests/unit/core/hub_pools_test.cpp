// SPDX-License-Identifier: Apache-2.0
#include "src/core/requirements.hpp"
#include "tests/unit/core/loopback.hpp"

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

std::vector<function_info> offers_with_service() {
  auto made = loopback::offers();
  made.push_back({"model", 5, "text -> ()"});
  return made;
}

hub_config with_pool(std::size_t most = 4) {
  hub_config config;
  config.pools = {{.functions = offers_with_service(), .max_workers = most, .scaledown_window = second}};
  config.start_failures = 2;
  return config;
}

requirements model_of(std::string arguments) {
  return {.service = "model",
          .service_signature = 5,
          .enter_timeout = 30 * second,
          .exit_timeout = 3 * second,
          .arguments = std::move(arguments)};
}

struct tested_hub {
  loopback net;
  loopback::client_end& client;
  explicit tested_hub(hub_config config = with_pool()) : net(std::move(config)), client(net.add_client()) {}

  call_id submit(requirements const& needs, std::string_view payload, std::string_view function = "echo") {
    return net.submit(client, payload, {}, function, function == "echo" ? 7 : 9, encode_requirements(needs));
  }
  loopback::worker_end& come() { return net.add_worker(offers_with_service(), net.starts.back()); }
  outcome& of(call_id call) { return client.outcomes.at(call.number); }
};

failure not_made(std::string text) {
  failure error;
  error.type_name = "std::runtime_error";
  error.message = std::move(text);
  return error;
}

}  // namespace

TEST_CASE("requirements come back from their bytes, and others are refused") {
  requirements needs = model_of("tiny");
  needs.min_workers = 1;
  needs.max_workers = 3;
  needs.spare = 2;
  needs.max_queue = 9;
  needs.scaledown_window = 0;
  needs.concurrency = 8;
  auto const bytes = encode_requirements(needs);
  requirements read;
  REQUIRE(decode_requirements(std::as_bytes(std::span(bytes)), read));
  CHECK(encode_requirements(read) == bytes);
  CHECK(read.scaledown_window == 0);
  CHECK(read.exit_timeout == 3 * second);
  CHECK(read.arguments == "tiny");
  auto const head = bytes.size() - 4;  // the arguments may be cut, nothing before them
  for (std::size_t size = 0; size < head; ++size) {
    requirements cut;
    CHECK(decode_requirements(std::as_bytes(std::span(bytes).first(size)), cut) == (size == 60));
  }
}

TEST_CASE("a worker of a service makes it before its first call, and the next one finds it made") {
  tested_hub t;
  auto const first = t.submit(model_of("tiny"), "hello");
  REQUIRE(t.net.starts.size() == 1);
  auto& worker = t.come();
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs.front().function == "model");
  CHECK(worker.runs.front().key.call.session == 0);
  CHECK(text_of(worker.runs.front().message.payload()) == "tiny");
  t.net.finish(worker, "");
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs.front().function == "echo");
  t.net.finish(worker, "hello");
  CHECK(text_of(t.of(first).value().payload()) == "hello");
  t.submit(model_of("tiny"), "again");
  CHECK(worker.runs.size() == 1);
  CHECK(t.net.starts.size() == 1);
}

TEST_CASE("other parameters have other workers, and calls without any have theirs") {
  tested_hub t;
  t.submit(model_of("tiny"), "a");
  auto& tiny = t.come();
  t.net.finish(tiny, "");
  t.net.finish(tiny, "a");
  t.submit(model_of("large"), "b");
  REQUIRE(t.net.starts.size() == 2);
  CHECK(tiny.runs.empty());
  auto& large = t.come();
  CHECK(text_of(large.runs.front().message.payload()) == "large");
  t.net.finish(large, "");
  CHECK(text_of(large.runs.front().message.payload()) == "b");
  t.net.submit(t.client, "plain");
  REQUIRE(t.net.starts.size() == 3);
  auto& plain = t.come();
  CHECK(plain.runs.front().function == "echo");
}

TEST_CASE(
    "a service that cannot be made fails the calls that wait for it, after some attempts, in its words") {
  tested_hub t;
  auto const call = t.submit(model_of("huge"), "a");
  t.net.finish(t.come(), not_made("no such folder"));
  CHECK(t.client.outcomes.empty());
  t.net.wait(second);
  REQUIRE(t.net.starts.size() == 2);
  t.net.finish(t.come(), not_made("no such folder"));
  auto& error = t.of(call).error();
  CHECK(error.code == errc::worker_start_failed);
  CHECK(error.message ==
        "no worker could be started, 2 times in a row; the last time its service 'model' was not made: "
        "std::runtime_error: no such folder");
  t.net.wait(20 * second);  // nothing is left of it
  CHECK(t.net.starts.size() == 2);
  CHECK(t.net.workers[0]->exited);
  CHECK(t.net.hub().census().functions == 3);  // of the pool that the hub was made with
}

TEST_CASE("a service that could not be made is not tried again at once for the next call") {
  tested_hub t;
  t.submit(model_of("huge"), "a");
  t.net.finish(t.come(), not_made("no such folder"));
  t.net.wait(second);
  t.net.finish(t.come(), not_made("no such folder"));
  t.submit(model_of("huge"), "b");
  CHECK(t.net.starts.size() == 2);
  t.net.wait(150 * millisecond);
  CHECK(t.net.starts.size() == 2);
  t.net.wait(second);
  CHECK(t.net.starts.size() == 3);
}

TEST_CASE("a worker that ends, or hangs, while it makes its service is a failed start") {
  tested_hub t;
  auto const call = t.submit(model_of("tiny"), "a");
  t.net.lose(t.come(), {.signal = 11});
  t.net.wait(second);
  REQUIRE(t.net.starts.size() == 2);
  auto& hangs = t.come();
  t.net.wait(29 * second);
  CHECK(t.net.kills.empty());
  t.net.wait(2 * second);
  REQUIRE(t.net.kills.size() == 1);
  t.net.lose(hangs, {.reason = t.net.kills[0].reason});
  CHECK(t.of(call).error().message.find("the worker took longer than 30 s to make its service 'model'") !=
        std::string::npos);
}

TEST_CASE("a worker of a service is let go after its own window, with its own time to end") {
  tested_hub t;
  auto needs = model_of("tiny");
  needs.scaledown_window = 5 * second;
  t.submit(needs, "a");
  auto& worker = t.come();
  t.net.finish(worker, "");
  t.net.finish(worker, "a");
  t.net.wait(5 * second - millisecond);
  CHECK_FALSE(worker.exited);
  t.net.wait(millisecond);
  REQUIRE(worker.exited);
  CHECK(worker.exited->clean);
}

TEST_CASE("at least min and at most max workers, and spare ones while there is work") {
  tested_hub t(with_pool(8));
  auto needs = model_of("tiny");
  needs.min_workers = 1;
  needs.max_workers = 3;
  needs.spare = 1;
  t.submit(needs, "a");
  REQUIRE(t.net.starts.size() >= 1);
  auto const starts = t.net.starts;
  for (auto const start : starts) {
    auto& worker = t.net.add_worker(offers_with_service(), start);
    t.net.finish(worker, "");
  }
  t.net.wait(second / 2);
  CHECK(t.net.starts.size() == 2);  // the one that runs, and a spare one
  for (int i = 0; i < 5; ++i) t.submit(needs, "more");
  t.net.wait(second / 2);
  CHECK(t.net.starts.size() == 3);
}

TEST_CASE("calls past the queue's limit are refused once there are workers") {
  tested_hub t(with_pool(1));
  auto needs = model_of("tiny");
  needs.max_queue = 1;
  t.submit(needs, "a");
  auto& worker = t.come();
  t.net.finish(worker, "");
  REQUIRE(worker.runs.size() == 1);
  auto const waits = t.submit(needs, "b");
  auto const refused = t.submit(needs, "c");
  CHECK_FALSE(t.client.outcomes.contains(waits.number));
  CHECK(t.of(refused).error().code == errc::overloaded);
}

TEST_CASE("what can never be satisfied fails at once, in words") {
  tested_hub t;
  auto unknown = model_of("tiny");
  unknown.service = "other model";
  CHECK(t.of(t.submit(unknown, "a"))
            .error()
            .message.find("no worker has a task named \"other model\"; they have: ") == 0);
  auto other = model_of("tiny");
  other.service_signature = 6;
  CHECK(t.of(t.submit(other, "a")).error().code == errc::signature_mismatch);
  CHECK(t.of(t.submit(model_of("tiny"), "a", "no method")).error().code == errc::unknown_function);
  auto contradicts = model_of("tiny");
  contradicts.min_workers = 2;
  contradicts.max_workers = 1;
  CHECK(t.of(t.submit(contradicts, "a")).error().code == errc::bad_configuration);
  CHECK(t.net.starts.empty());

  tested_hub none{hub_config{}};
  none.net.add_worker(offers_with_service());
  auto needs = model_of("tiny");
  needs.resources.gpus = 1;
  auto& error = none.of(none.submit(needs, "a")).error();
  CHECK(error.code == errc::unsatisfiable);
  CHECK(error.message.find("the hub starts no workers of its own") == 0);
}

namespace {

// A hub that starts none, and workers that came by themselves.
struct visited_hub : tested_hub {
  visited_hub() : tested_hub(patient()) {}
  static hub_config patient() {
    hub_config config;
    config.start_failures = 2;
    return config;
  }
  loopback::worker_end& visit() { return net.add_worker(offers_with_service()); }
};

requirements brief_model_of(std::string arguments) {
  auto needs = model_of(std::move(arguments));
  needs.scaledown_window = second;
  return needs;
}

}  // namespace

TEST_CASE(
    "a worker that came by itself makes a service when calls wait for one, and goes back after the window") {
  visited_hub t;
  auto& worker = t.visit();
  auto const call = t.submit(brief_model_of("tiny"), "hello");
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs.front().function == "model");
  CHECK(text_of(worker.runs.front().message.payload()) == "tiny");
  t.net.finish(worker, "");
  REQUIRE(worker.runs.size() == 1);
  CHECK(text_of(worker.runs.front().message.payload()) == "hello");
  t.net.finish(worker, "world");
  CHECK(t.of(call).ok());
  CHECK(worker.runs.empty());
  t.net.wait(2 * second);
  REQUIRE(worker.runs.size() == 1);
  CHECK(worker.runs.front().function == leave_service);
  auto const plain = t.net.submit(t.client, "plain");  // waits: the only worker is not back yet
  CHECK(worker.runs.size() == 1);
  t.net.finish(worker, "");
  REQUIRE(worker.runs.size() == 1);
  CHECK(text_of(worker.runs.front().message.payload()) == "plain");
  t.net.finish(worker, "done");
  CHECK(t.of(plain).ok());
  CHECK_FALSE(worker.exited);
  t.submit(brief_model_of("large"), "again");
  CHECK(text_of(worker.runs.front().message.payload()) == "large");
}

namespace {

// One worker that came by itself, and holds a service for an hour that nothing is asked of.
struct lending_hub : visited_hub {
  loopback::worker_end& worker;
  explicit lending_hub(std::uint32_t least = 0) : worker(visit()) {
    auto needs = model_of("tiny");
    needs.scaledown_window = 3'600 * second;
    needs.min_workers = least;
    submit(needs, "hello");
    net.finish(worker, "");
    net.finish(worker, "world");
    REQUIRE(worker.runs.empty());
  }
  // Its first run: what of it.
  std::string runs() {
    return worker.runs.empty() ? "nothing" : text_of(worker.runs.front().message.payload());
  }
};

}  // namespace

TEST_CASE(
    "a worker that came by itself and has nothing to do ends its service for a call that nobody else takes") {
  lending_hub t;
  auto const plain = t.net.submit(t.client, "plain");
  REQUIRE(t.worker.runs.size() == 1);
  CHECK(t.worker.runs.front().function == leave_service);
  t.net.finish(t.worker, "");
  CHECK(t.runs() == "plain");
  t.net.finish(t.worker, "done");
  CHECK(t.of(plain).ok());
}

TEST_CASE("a worker that came by itself ends one service for another one that has no worker so far") {
  lending_hub t;
  t.submit(model_of("other"), "first");
  REQUIRE(t.worker.runs.size() == 1);
  CHECK(t.worker.runs.front().function == leave_service);
  t.net.finish(t.worker, "");
  CHECK(t.runs() == "other");
  t.net.finish(t.worker, "");
  CHECK(t.runs() == "first");
}

TEST_CASE(
    "an idle service is not ended for calls that others take, nor below its least workers, nor twice for "
    "one") {
  {
    lending_hub t;
    auto& other = t.visit();
    t.net.submit(t.client, "1");
    t.net.submit(t.client, "2");  // waits behind that
    t.net.wait(second);
    CHECK(other.runs.size() == 1);
    CHECK(t.runs() == "nothing");
  }
  {
    lending_hub t(1);
    t.net.submit(t.client, "plain");
    t.net.wait(second);
    CHECK(t.runs() == "nothing");
  }
  lending_hub t;
  auto& other = t.visit();
  auto needs = model_of("other");
  needs.scaledown_window = 3'600 * second;
  t.submit(needs, "hello");
  t.net.finish(other, "");
  t.net.finish(other, "world");
  t.net.submit(t.client, "plain");
  t.net.wait(second);
  CHECK(t.worker.runs.size() + other.runs.size() == 1);
}

namespace {

// One worker that came by itself and always has a next call of what it does.
struct kept_busy_hub : visited_hub {
  loopback::worker_end& worker = visit();
  std::vector<std::string> seen{};  // what it ran, in turns: each once

  std::string runs() {
    return worker.runs.empty() ? "nothing" : text_of(worker.runs.front().message.payload());
  }
  // For so long: it ends a call every second, and another one has come meanwhile.
  template <class Submit>
  void go_on(int seconds, Submit submit) {
    for (int i = 0; i < seconds; ++i) {
      submit();
      net.wait(second);
      auto now = worker.runs.front().function == leave_service ? "leaves" : runs();
      if (seen.empty() || seen.back() != now) seen.push_back(std::move(now));
      net.finish(worker, "");
    }
  }
};

}  // namespace

TEST_CASE("two services that keep the only worker busy, which came by itself, have it in turn") {
  kept_busy_hub t;
  t.submit(model_of("one"), "1");
  t.go_on(40, [&] {
    t.submit(model_of("one"), "1");
    t.submit(model_of("two"), "2");
  });
  std::vector<std::string> const expected{"one", "1", "leaves", "two", "2", "leaves", "one", "1"};
  REQUIRE(t.seen.size() >= expected.size());
  t.seen.resize(expected.size());
  CHECK(t.seen == expected);
}

TEST_CASE("a service and tasks that keep the only worker busy, which came by itself, have it in turn") {
  kept_busy_hub t;
  t.submit(model_of("one"), "1");
  t.go_on(40, [&] {
    t.submit(model_of("one"), "1");
    t.net.submit(t.client, "plain");
  });
  std::vector<std::string> const expected{"one", "1", "leaves", "plain", "one", "1", "leaves", "plain"};
  REQUIRE(t.seen.size() >= expected.size());
  t.seen.resize(expected.size());
  CHECK(t.seen == expected);
  CHECK(t.net.notices.at(0).find("it gets one of them in its turn") != std::string::npos);
}

TEST_CASE("nobody ends a service, or waits for one, for what has waited for less than the patience") {
  kept_busy_hub t;
  t.submit(model_of("one"), "1");
  auto other = call_id{};
  t.go_on(9, [&] {
    t.submit(model_of("one"), "1");
    if (other.number == 0) other = t.submit(model_of("two"), "2");
  });
  CHECK(t.seen == std::vector<std::string>{"one", "1"});
  t.net.wait(0);
  CHECK_FALSE(t.client.outcomes.contains(other.number));
}

TEST_CASE("a worker that gives way to others which wait no more goes on with what it held") {
  kept_busy_hub t;
  t.submit(model_of("one"), "1");
  t.net.finish(t.worker, "");
  auto const other = t.submit(model_of("two"), "2");
  t.net.wait(11 * second);  // it is to give way when it has ended its call
  auto const next = t.submit(model_of("one"), "3");
  t.net.cancel(t.client, other);
  t.net.finish(t.worker, "");
  CHECK(t.runs() == "3");
  t.net.finish(t.worker, "done");
  CHECK(t.of(next).ok());
}

TEST_CASE("a service that waits for workers that came by themselves takes those that come, or become idle") {
  visited_hub t;
  auto const call = t.submit(brief_model_of("tiny"), "hello");
  t.net.wait(100 * millisecond);
  auto& first = t.visit();
  REQUIRE(first.runs.size() == 1);
  CHECK(first.runs.front().function == "model");
  auto const other = t.submit(brief_model_of("other"), "hello");
  t.net.wait(100 * millisecond);
  CHECK(t.client.outcomes.empty());
  t.net.lose(first, {.signal = 11});
  auto& second_one = t.visit();
  auto& third = t.visit();
  t.net.wait(second);  // after a failure there is a pause
  CHECK(second_one.runs.size() + third.runs.size() == 2);
  for (auto* one : {&second_one, &third}) {
    t.net.finish(*one, "");
    REQUIRE(one->runs.size() == 1);
    t.net.finish(*one, "done");
  }
  CHECK(t.of(call).ok());
  CHECK(t.of(other).ok());
}

TEST_CASE("a constructor that throws on workers that came by themselves costs none of them") {
  visited_hub t;
  auto& worker = t.visit();
  auto const call = t.submit(brief_model_of("broken"), "hello");
  for (int i = 0; i < 2; ++i) {
    REQUIRE(worker.runs.size() == 1);
    t.net.finish(worker, not_made("no weights"));
    t.net.wait(second);
  }
  REQUIRE_FALSE(t.of(call).ok());
  CHECK(t.of(call).error().code == errc::worker_start_failed);
  CHECK(t.of(call).error().message.find("no weights") != std::string::npos);
  CHECK_FALSE(worker.exited);
  auto const plain = t.net.submit(t.client, "plain");
  t.net.finish(worker, "done");
  CHECK(t.of(plain).ok());
}

TEST_CASE("a service that no worker that came by itself has is unknown, in words") {
  visited_hub t;
  t.net.add_worker();
  auto& error = t.of(t.submit(brief_model_of("tiny"), "a")).error();
  CHECK(error.code == errc::unknown_function);
  CHECK(error.message.find("no worker has a task named \"model\"") == 0);
}

TEST_CASE("a service that nobody can make any more fails all that wait for it, also behind others") {
  visited_hub t;
  auto& worker = t.visit();
  auto const needs = encode_requirements(brief_model_of("tiny"));
  std::vector<call_id> calls;
  for (int i = 0; i < 3; ++i)
    calls.push_back(t.net.submit(t.client, "x", {}, "echo", 7, needs, {}, nullptr, {.order_key = "k"}));
  t.net.finish(worker, "");
  REQUIRE(worker.runs.size() == 1);
  t.net.add_worker();
  t.net.lose(worker, {.signal = 11});
  REQUIRE(t.client.outcomes.size() == 3);
  CHECK(t.of(calls[0]).error().code == errc::worker_lost);
  CHECK(t.of(calls[1]).error().code == errc::unknown_function);
  CHECK(t.of(calls[2]).error().code == errc::unknown_function);
}

TEST_CASE("the end of a hub leaves workers that came by themselves, and hold a service, to the next one") {
  visited_hub t;
  auto& worker = t.visit();
  t.submit(brief_model_of("tiny"), "hello");
  t.net.finish(worker, "");
  t.net.finish(worker, "world");
  t.net.restart_hub();
  CHECK_FALSE(worker.exited);
}

TEST_CASE("past max_queue a call of the hub's own pool fails, if a worker is there; items of packs count") {
  auto config = with_pool(1);
  config.pools[0].max_queue = 3;
  tested_hub t(std::move(config));
  t.net.submit(t.client, "1");
  t.net.submit(t.client, "2");
  t.come();
  batch_spec spec;
  spec.function = "echo";
  spec.signature = 7;
  begin_call(spec.metadata, "echo", {});
  spec.items.assign(2, {1, 0});
  spec.payloads.append("ab", 2);
  t.client.core->submit(t.net.now, spec, t.net.scratch());
  t.net.carry_out(t.client);
  t.net.pump();
  auto const past = t.net.submit(t.client, "5");
  REQUIRE_FALSE(t.of(past).ok());
  CHECK(t.of(past).error().code == errc::overloaded);
  CHECK(t.of(past).error().message.find("3 calls wait for this pool, and it takes 3 (max_queue)") !=
        std::string::npos);
  t.net.finish(*t.net.workers.back(), "1");
  t.net.submit(t.client, "6");
  CHECK(t.client.outcomes.size() == 2);
}

TEST_CASE("of a pack so many calls are taken as the queue has places, and the others are told") {
  auto config = with_pool(1);
  config.pools[0].max_queue = 3;
  tested_hub t(std::move(config));
  auto const pack_of = [&](std::size_t count) {
    batch_spec spec;
    spec.function = "echo";
    spec.signature = 7;
    begin_call(spec.metadata, "echo", {});
    spec.items.assign(count, {1, 0});
    spec.payloads.append("abcdefgh", count);
    auto const first = t.client.core->submit(t.net.now, spec, t.net.scratch());
    t.net.carry_out(t.client);
    t.net.pump();
    return first;
  };
  t.net.submit(t.client, "1");
  auto& worker = t.come();
  t.net.finish(worker, "1");
  auto const first = pack_of(8);  // one for the idle worker, three that wait
  CHECK(worker.runs.size() == 1);
  CHECK(t.net.hub().census().calls == 4);
  for (std::uint64_t i = 4; i < 8; ++i) {
    REQUIRE(t.client.outcomes.contains(first.number + i));
    CHECK(t.client.outcomes.at(first.number + i).error().code == errc::overloaded);
  }
  for (auto const* text : {"a", "b", "c", "d"}) {
    REQUIRE(worker.runs.size() != 0);
    CHECK(text_of(worker.runs.front().message.payload()) == text);
    t.net.finish(worker, text);
  }
  CHECK(t.client.outcomes.size() == 9);
  CHECK(t.net.hub().census().calls == 0);
}

TEST_CASE("calls that wait for the turn of their order key count against max_queue") {
  auto config = with_pool(2);
  config.pools[0].max_queue = 2;
  tested_hub t(std::move(config));
  auto const submit = [&] { return t.net.submit(t.client, "x", {.order_key = "k"}); };
  submit();
  auto& worker = t.come();
  REQUIRE(worker.runs.size() == 1);
  submit();
  auto const last = submit();
  auto const past = submit();
  REQUIRE(t.client.outcomes.contains(past.number));
  CHECK(t.of(past).error().message.find("2 calls wait for this pool, and it takes 2") == 0);
  t.net.cancel(t.client, last);
  submit();
  for (int i = 0; i < 3; ++i) t.net.finish(worker, "x");
  CHECK(t.net.hub().census().calls == 0);
  submit();
  submit();
  CHECK(t.net.hub().census().calls == 2);
}

TEST_CASE(
    "a pool that had no call for long gives way to another one, the least used first, though it has a min") {
  auto config = with_pool();
  config.max_pools = 2;
  tested_hub t(std::move(config));
  auto const call = [&](std::string const& of) {
    auto needs = model_of(of);
    needs.min_workers = 1;
    return t.submit(needs, "x");
  };
  auto const serve = [&](std::string const& of) -> loopback::worker_end& {
    call(of);
    auto& worker = t.come();
    t.net.finish(worker, "");
    t.net.finish(worker, "x");
    return worker;
  };
  auto& first = serve("first");
  auto& other = serve("other");
  CHECK(t.of(call("third")).error().code == errc::unsatisfiable);
  t.net.wait(300 * second);
  call("first");
  t.net.finish(first, "x");
  t.net.wait(299 * second);
  CHECK(t.of(call("third")).error().code == errc::unsatisfiable);
  CHECK_FALSE(other.exited);
  t.net.wait(second);
  CHECK(other.exited);
  CHECK_FALSE(first.exited);
  t.net.lose(other, {.exit_status = 0});
  auto& third = serve("third");
  CHECK_FALSE(third.exited);
  t.net.wait(299 * second);
  CHECK_FALSE(first.exited);
  t.net.wait(second);
  CHECK(first.exited);
  t.net.wait(3'600 * second);
  CHECK_FALSE(third.exited);  // nobody wants its place
}

TEST_CASE("a pool that was to give way stays when it is called in time") {
  auto config = with_pool();
  config.max_pools = 1;
  tested_hub t(std::move(config));
  auto needs = model_of("tiny");
  needs.min_workers = 1;
  t.submit(needs, "x");
  auto& worker = t.come();
  t.net.finish(worker, "");
  t.net.finish(worker, "x");
  t.net.wait(600 * second);
  REQUIRE(worker.exited);
  t.submit(needs, "again");  // before that worker is gone
  t.net.lose(worker, {.exit_status = 0});
  auto& next = t.come();
  t.net.finish(next, "");
  CHECK(text_of(next.runs.front().message.payload()) == "again");
}

TEST_CASE("no more workers of one pool are on their way at once than some, however many are wanted") {
  auto config = with_pool(1'000);
  config.pools[0].min_workers = 1'000;
  config.max_starts = 3;
  tested_hub t(std::move(config));
  CHECK(t.net.starts.size() == 3);
  t.net.wait(second);
  CHECK(t.net.starts.size() == 3);
  t.come();
  CHECK(t.net.starts.size() == 4);
}

TEST_CASE("where two pools have a function, the second starts workers when the first cannot") {
  hub_config config;
  config.pools = {{.id = 1, .functions = loopback::offers(), .max_workers = 1},
                  {.id = 2, .functions = loopback::offers(), .max_workers = 1}};
  config.start_failures = 2;
  tested_hub t(std::move(config));
  auto const call = t.net.submit(t.client, "x");
  for (int i = 0; i < 2; ++i) {
    CHECK(t.net.grants.back().pool == 1);
    t.net.hub().worker_start_failed(t.net.now, t.net.starts.back(), "no such program", {}, t.net.scratch());
    t.net.carry_out_all();
    t.net.wait(second);
  }
  REQUIRE(t.client.outcomes.empty());
  CHECK(t.net.grants.back().pool == 2);
  t.net.finish(t.net.add_worker(loopback::offers(), t.net.starts.back()), "done");
  CHECK(t.of(call).ok());
}

TEST_CASE("the hub's own pool keeps spare workers while others work") {
  auto config = with_pool(4);
  config.pools[0].spare = 2;
  tested_hub t(std::move(config));
  t.net.submit(t.client, "1");
  CHECK(t.net.starts.size() == 2);
  t.come();
  CHECK(t.net.starts.size() == 3);
}
