// SPDX-License-Identifier: Apache-2.0
// What a hub says of calls and workers, to whom, and whose calls may be cancelled by whom.
#include "src/core/call_orders.hpp"
#include "tests/unit/core/three_callers.hpp"

namespace explained {

using namespace yonder;
using namespace yonder::core;
using namespace yonder::core::test;

namespace {

struct told : three_callers {
  text_rows rows(loopback::client_end& who, std::string_view what, std::string const& payload) {
    auto& answer = ask(who, what, payload);
    REQUIRE(answer.ok());
    text_rows found;
    REQUIRE(decode_rows(answer.value().payload(), found));
    return found;
  }
  // "" where it says nothing of that.
  std::string of(call_id call, std::string_view what) {
    for (auto const& row : rows(boss, explain_call, encode_call_id(call)))
      if (row.at(0) == what) return row.at(1);
    return {};
  }
};

}  // namespace

TEST_CASE("a call that waits is explained by its place and by what it waits for") {
  told t;
  auto const first = t.net.submit(t.caller, "first");
  CHECK(t.of(first, "state") == "queued");
  CHECK(t.of(first, "task") == "echo");
  CHECK(t.of(first, "why") == "none is connected");
  CHECK(t.of(first, "credential") == "key of a caller");
  auto& worker = t.net.add_worker();
  CHECK(t.of(first, "state") == "with a worker");
  CHECK(t.of(first, "worker").find("worker-") == 0);
  CHECK(t.of(first, "running for") == "0 s");
  std::vector<call_id> behind;
  for (int i = 0; i < 200; ++i)
    behind.push_back(t.net.submit(t.caller, "more", {.retries = 2, .deadline = 60 * second}));
  auto const last = behind.back();
  CHECK(t.of(last, "state") == "queued");
  CHECK(t.of(last, "why") == "the worker that has its task is busy");
  CHECK(t.of(last, "before it").find(" calls of its queue") != std::string::npos);
  CHECK(t.of(last, "deadline in") == "60 s");
  CHECK(t.of(last, "retries") == "2 left");
  CHECK(t.of(last, "attempt").empty());
  t.net.finish(worker, "done");
  CHECK(t.rows(t.boss, explain_call, encode_call_id(first)).empty());  // it has ended
}

TEST_CASE("a call that waits for its turn or for others' values is explained, too") {
  told t;
  auto& worker = t.net.add_worker();
  t.net.submit(t.caller, "first", call_turn{.order_key = "same"});
  auto const second = t.net.submit(t.caller, "second", call_turn{.order_key = "same"});
  (void)worker;
  CHECK(t.of(second, "state") == "waits for its turn");
  CHECK(t.of(second, "order key").find("same") != std::string::npos);
}

TEST_CASE(
    "promise 20: who has not made a call learns nothing of it and cancels nothing, unless he is an "
    "operator") {
  told t;
  auto const call = t.net.submit(t.caller, "a");
  auto const id = encode_call_id(call);
  CHECK(t.rows(t.other, explain_call, id).empty());
  CHECK(t.rows(t.other, cancel_call, id).empty());
  CHECK(t.rows(t.other, explain_call, encode_call_id({call.session, 999})).empty());  // looks alike
  CHECK(t.caller.outcomes.empty());
  CHECK_FALSE(t.rows(t.caller, explain_call, id).empty());
  for (auto* const who : {&t.caller, &t.other}) {
    auto& refused = t.ask(*who, list_workers, {});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == errc::unauthorized);
  }
  CHECK(t.rows(t.boss, cancel_call, id).size() == 1);
  REQUIRE(t.caller.outcomes.count(call.number) == 1);
  CHECK(t.caller.outcomes.at(call.number).error().code == errc::cancelled);
  CHECK(t.caller.outcomes.at(call.number).error().message == "the hub's operator cancelled the call");
  CHECK(t.rows(t.boss, cancel_call, id).empty());
}

TEST_CASE("a call that runs is cancelled from elsewhere: its task is told to stop, and its caller at once") {
  told t;
  auto& worker = t.net.add_worker();
  auto const call = t.net.submit(t.caller, "a");
  REQUIRE(worker.runs.size() == 1);
  CHECK(t.rows(t.caller, cancel_call, encode_call_id(call)).size() == 1);
  CHECK(worker.stops.size() == 1);
  CHECK(t.caller.outcomes.at(call.number).error().message == "the call was cancelled");
}

TEST_CASE("an operator sees who runs what") {
  told t;
  auto& worker = t.net.add_worker();
  t.net.add_worker();
  auto const call = t.net.submit(t.caller, "a");
  auto const seen = t.rows(t.boss, list_workers, {});
  REQUIRE(seen.size() == 2);
  for (auto const& row : seen) REQUIRE(row.size() == std::size(worker_columns));
  bool const first_runs = !worker.runs.empty();
  CHECK(seen[first_runs ? 0 : 1][2] == "runs");
  CHECK(seen[first_runs ? 0 : 1][3].size() == 32);
  CHECK(seen[first_runs ? 1 : 0][2] == "idle");
  (void)call;
}

TEST_CASE("what does not decode as a call's id, or as rows, is refused") {
  told t;
  for (auto const& payload : {std::string(), std::string(15, 'x'), std::string(17, 'x')}) {
    auto& refused = t.ask(t.boss, explain_call, payload);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == errc::protocol_violation);
  }
  text_rows const rows{{"a", ""}, {}, {std::string(70'000, 'x'), "b"}};
  auto const text = encode_rows(rows);
  text_rows read;
  REQUIRE(decode_rows(std::as_bytes(std::span(text)), read));
  REQUIRE(read.size() == 3);
  CHECK(read[2][0].size() == 65'535);
  for (std::size_t size = 1; size < 7; ++size) {
    text_rows cut;
    CHECK(decode_rows(std::as_bytes(std::span(text)).first(size), cut) == false);
  }
}

}  // namespace explained
