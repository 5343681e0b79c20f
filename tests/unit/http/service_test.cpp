// SPDX-License-Identifier: Apache-2.0
#include "src/http/service.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "tests/unit/http/desk.hpp"
#include "yonder/yonder.hpp"

namespace http_tests {

struct Point {
  int x;
  std::string label;
};

std::counting_semaphore<> gate(0);
std::atomic<int> shouts{0};

std::string shout(std::string const& text, int times) {
  ++shouts;
  for (std::string const loud = text + "!"; times > 0; --times) return loud;
  return text;
}
Point move_point(Point const& at) { return {at.x + 1, at.label}; }
int halve(int number) {
  if (number % 2 != 0) throw std::domain_error("an odd number");
  return number / 2;
}
std::vector<unsigned char> reversed(std::vector<unsigned char> const& bytes) {
  return {bytes.rbegin(), bytes.rend()};
}
double third(double number) { return number / 3; }
void wait_for_gate() { gate.acquire(); }
std::string trace_of_call() { return yonder::this_call::trace(); }
bool wait_for_stop() {
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
  return true;
}
std::string not_text() { return "\xff"; }
struct Unwritable {
  int value = 0;
  template <class Archive>
  void save(Archive& to) const {
    // On its way to the gateway it travels; as JSON it does not.
    if constexpr (!std::is_same_v<Archive, yonder::http::detail::json_writer>)
      to(value);
    else
      throw std::runtime_error("not to be written");
  }
  template <class Archive>
  void load(Archive& from) {
    from(value);
  }
};
Unwritable unwritable() { return {}; }
struct Unreadable {
  int value = 0;
  template <class Archive>
  void save(Archive& to) const {
    to(CEREAL_NVP(value));
  }
  template <class Archive>
  void load(Archive& from) {
    from(CEREAL_NVP(value));
    throw std::runtime_error("not to be read");
  }
};
int unreadable(Unreadable const& one) { return one.value; }
int too_late(int number) { return number; }
int unserved(int number) { return number; }

inline constexpr yonder::task<shout> shout_task;
inline constexpr yonder::task<move_point> move_task;
inline constexpr yonder::task<halve> halve_task;
inline constexpr yonder::task<third> third_task;
inline constexpr yonder::http::endpoint<third_task> third_over_http;
inline constexpr yonder::task<reversed> reversed_task;
inline constexpr yonder::task<wait_for_gate> gate_task;
inline constexpr yonder::task<wait_for_stop> stop_task;
inline constexpr yonder::task<not_text> not_text_task;
inline constexpr yonder::task<unwritable> unwritable_task;
inline constexpr yonder::task<unreadable> unreadable_task;
inline constexpr yonder::task<trace_of_call> trace_task;
inline constexpr yonder::http::endpoint<trace_task> trace_over_http;
inline constexpr yonder::task<too_late> too_late_task{{.deadline = std::chrono::nanoseconds(0)}};
inline constexpr yonder::http::endpoint<too_late_task> too_late_over_http;
inline constexpr yonder::task<unserved> unserved_task;
inline constexpr yonder::http::endpoint<shout_task, "text", "times"> shout_over_http;
inline constexpr yonder::http::endpoint<move_task> move_over_http;
inline constexpr yonder::http::endpoint<halve_task> halve_over_http;
inline constexpr yonder::http::endpoint<reversed_task> reversed_over_http;
inline constexpr yonder::http::endpoint<gate_task> gate_over_http;
inline constexpr yonder::http::endpoint<stop_task> stop_over_http;
inline constexpr yonder::http::endpoint<not_text_task> not_text_over_http;
inline constexpr yonder::http::endpoint<unwritable_task> unwritable_over_http;
inline constexpr yonder::http::endpoint<unreadable_task> unreadable_over_http;

}  // namespace http_tests

namespace {

using namespace yonder::http;
using namespace http_tests;

}  // namespace

TEST_CASE("a task is called with named arguments, with a list, or with an object that is its only one") {
  desk at;
  auto const named = at.post("shout", R"({"times":1,"text":"good"})");
  CHECK(named->got->status == 200);
  CHECK(named->body() == "good!");
  CHECK(named->field("Yonder-Call").size() == 32);
  CHECK(at.post("shout", R"(["good",0])")->body() == "good");
  CHECK(at.post("move_point", R"({"x":1,"label":"p"})")->body() == json::parse(R"({"x":2,"label":"p"})"));
  CHECK(at.post("move_point", R"([{"x":1,"label":"p"}])")->got->status == 200);
}

TEST_CASE("bad arguments are refused before anything runs") {
  desk at;
  auto const before = http_tests::shouts.load();
  for (char const* bad : {"", "{", "[]", R"({"text":1,"times":1})", R"({"text":"a","times":1,"more":2})",
                          R"(["a",1,2])", "7", R"({"text":"a","times":99999999999})"}) {
    auto const refused = at.post("shout", bad, {{"Content-Type", "application/json"}});
    CHECK(refused->got->status == 400);
    CHECK(refused->got->type == "application/problem+json");
    CHECK(refused->body()["code"] == "bad_arguments");
  }
  CHECK(at.post("shout", R"({"text":1,"times":1})")->body()["pointer"] == "/text");
  CHECK(at.post("shout", R"(["a",1])", {{"Content-Type", "text/plain"}})->got->status == 415);
  CHECK(http_tests::shouts.load() == before);
}

TEST_CASE("what a task throws, and a result without a form in JSON, are told with their code") {
  desk at;
  auto const failed = at.post("halve", "[3]");
  CHECK(failed->got->status == 500);
  CHECK(failed->body()["code"] == "failed");
  CHECK(failed->body()["detail"] == "an odd number");
  CHECK(failed->body()["exception"] == "std::domain_error");
  CHECK(at.post("not_text", "")->body()["code"] == "undecodable");
}

TEST_CASE("a call whose result has no form in JSON has failed, wherever it is told") {
  desk at;
  auto const count_of = [&](std::string const& code) {
    auto const text = at.ask("GET", "/metrics")->got->body;
    auto const line = "yonder_http_calls_total{task=\"http_tests::not_text\",code=\"" + code + "\"} ";
    auto const place = text.find(line);
    return place == text.npos ? 0 : std::stoi(text.substr(place + line.size()));
  };
  at.post("not_text", "");
  CHECK(count_of("undecodable") == 1);
  auto const id = at.ask("POST", "/v1/tasks/http_tests::not_text/spawn")->body()["id"].get<std::string>();
  at.turn();
  auto const listed = at.ask("GET", "/v1/calls")->body();
  REQUIRE(listed.size() == 1);
  CHECK(listed[0]["state"] == "failed");
  auto const state = at.ask("GET", "/v1/calls/" + id)->body();
  CHECK(state["state"] == "failed");
  CHECK(state["error"]["code"] == "undecodable");
  CHECK_FALSE(state.contains("result"));
  at.ask("POST", "/v1/tasks/http_tests::not_text/batch", "[[],[]]");
  CHECK(count_of("undecodable") == 4);
  CHECK(count_of("ok") == 0);
}

TEST_CASE("octets are bytes as they are, both ways") {
  desk at;
  auto const back =
      at.post("reversed", "abc",
              {{"Content-Type", "application/octet-stream"}, {"Accept", "application/octet-stream"}});
  CHECK(back->got->status == 200);
  CHECK(back->got->type == "application/octet-stream");
  CHECK(back->got->body == "cba");
  CHECK(at.post("reversed", "abc", {{"Content-Type", "application/octet-stream"}})->body() == "Y2Jh");
  CHECK(at.post("halve", "abc", {{"Content-Type", "application/octet-stream"}})->got->status == 415);
}

TEST_CASE("what is no path, no task, no method or not served is told apart") {
  desk at;
  CHECK(at.ask("GET", "/nothing")->got->status == 404);
  CHECK(at.ask("GET", "/v1/../healthz")->got->status == 400);
  CHECK(at.post("unserved", "[1]")->got->status == 404);
  auto const wrong = at.ask("GET", "/v1/tasks/http_tests::halve");
  CHECK(wrong->got->status == 405);
  CHECK(wrong->field("Allow") == "POST, OPTIONS");
  CHECK(at.ask("GET", "/healthz")->got->status == 200);
  CHECK(at.ask("GET", "/readyz")->got->status == 200);
  at.work().drain();
  CHECK(at.ask("GET", "/readyz")->got->status == 503);
}

TEST_CASE("a spawned call is found by its id, waited for and cancelled") {
  desk at;
  auto const begun = at.ask("POST", "/v1/tasks/http_tests::wait_for_gate/spawn");
  CHECK(begun->got->status == 202);
  auto const id = begun->body()["id"].get<std::string>();
  CHECK(begun->field("Location") == "/v1/calls/" + id);
  CHECK(at.ask("GET", "/v1/calls/" + id)->body()["state"] == "running");
  auto const waiting = at.begin("GET", "/v1/calls/" + id + "?wait=30");
  CHECK_FALSE(waiting->got);
  http_tests::gate.release();
  while (!waiting->got) at.turn();
  CHECK(waiting->body()["state"] == "succeeded");
  CHECK(waiting->body()["result"] == nullptr);

  auto const other =
      at.ask("POST", "/v1/tasks/http_tests::wait_for_stop/spawn")->body()["id"].get<std::string>();
  CHECK(at.ask("DELETE", "/v1/calls/" + other)->got->status == 202);
  CHECK(at.ask("GET", "/v1/calls/" + other + "?wait=30")->body()["state"] == "cancelled");
  CHECK(at.ask("GET", "/v1/calls/0123")->got->status == 404);
}

TEST_CASE("a request is held for as long as it says, and then told where to ask") {
  desk at;
  auto const held = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate?wait=10");
  at.pass(std::chrono::seconds(9));
  CHECK_FALSE(held->got);
  at.pass(std::chrono::seconds(1));
  REQUIRE(held->got);
  CHECK(held->got->status == 202);
  http_tests::gate.release();
  CHECK(at.ask("GET", held->field("Location") + "?wait=30")->body()["state"] == "succeeded");
  CHECK(held->times == 1);

  auto const at_once = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate?wait=0");
  CHECK(at_once->got->status == 202);
  http_tests::gate.release();
  CHECK(at.ask("GET", at_once->field("Location") + "?wait=30")->body()["state"] == "succeeded");
  CHECK(at.ask("GET", at_once->field("Location") + "?wait=x")->got->status == 400);
}

TEST_CASE("a batch is held for as long as a request, and then says of each call where to ask") {
  desk at;
  auto const held = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate/batch?wait=10", "[[],[]]");
  http_tests::gate.release();
  at.turn();
  CHECK_FALSE(held->got);
  at.pass(std::chrono::seconds(10));
  REQUIRE(held->got);
  CHECK(held->got->status == 202);
  auto const body = held->body();
  bool const first_goes_on = body[0].contains("call");
  CHECK(body[first_goes_on ? 1 : 0].contains("result"));
  auto const id = body[first_goes_on ? 0 : 1]["call"]["id"].get<std::string>();
  http_tests::gate.release();
  CHECK(at.ask("GET", "/v1/calls/" + id + "?wait=30")->body()["state"] == "succeeded");
  CHECK(at.work().waiting() == 0);
}

TEST_CASE(
    "promise 11: while the gateway ends no call is begun, and whoever waits for one that ends with it is "
    "told so") {
  desk at;
  auto const held = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate");
  auto const batch = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate/batch", "[[]]");
  at.work().drain();
  for (char const* what : {"halve", "halve/spawn", "halve/batch"}) {
    auto const late = at.begin("POST", "/v1/tasks/http_tests::" + std::string(what), "[2]");
    REQUIRE(late->got);
    CHECK(late->got->status == 503);
    CHECK(late->body()["code"] == "draining");
    CHECK(late->field("Retry-After") == "1");
  }
  CHECK(at.begin("GET", "/v1/calls")->got->status == 200);
  CHECK_FALSE(held->got);
  at.work().let_go();
  REQUIRE(held->got);
  CHECK(held->got->status == 503);
  CHECK(held->body()["code"] == "draining");
  REQUIRE(batch->got);
  CHECK(batch->body()[0]["error"]["code"] == "draining");
  CHECK(at.work().waiting() == 0);
  http_tests::gate.release(2);
  at.turn();
}

TEST_CASE("an answer for which there is no room beside others' is kept to be asked for") {
  desk at;
  at.has_room = false;
  auto const full = at.post("halve", "[2]");
  CHECK(full->got->status == 503);
  CHECK(full->body()["code"] == "overloaded");
  CHECK(full->field("Retry-After") == "1");
  CHECK(at.ask("GET", full->field("Location"))->got->status == 503);
  at.has_room = true;
  CHECK(at.ask("GET", full->field("Location"))->body()["result"] == 1.0);
}

TEST_CASE("a class that throws as it is written or read fails its own request") {
  desk at;
  auto const written = at.post("unwritable", "[]");
  CHECK(written->got->status == 500);
  CHECK(written->body()["detail"].get<std::string>().find("not to be written") != std::string::npos);
  auto const read = at.post("unreadable", "[{\"value\":1}]");
  CHECK(read->got->status == 400);
  CHECK(read->body()["detail"].get<std::string>().find("not to be read") != std::string::npos);
  CHECK(at.post("halve", "[2]")->body() == 1);
}

TEST_CASE("a result is kept for ten minutes") {
  desk at;
  auto const id = at.ask("POST", "/v1/tasks/http_tests::halve/spawn", "[4]")->body()["id"].get<std::string>();
  CHECK(at.ask("GET", "/v1/calls/" + id + "?wait=30")->body()["result"] == 2);
  at.pass(std::chrono::seconds(599));
  CHECK(at.ask("GET", "/v1/calls/" + id)->got->status == 200);
  at.pass(std::chrono::seconds(1));
  CHECK(at.ask("GET", "/v1/calls/" + id)->got->status == 404);
}

TEST_CASE("a call that nobody waits for any more is cancelled") {
  desk at;
  auto const held = at.begin("POST", "/v1/tasks/http_tests::wait_for_stop");
  CHECK(at.work().waiting() == 1);
  at.work().abandon(*held);
  CHECK(at.work().waiting() == 0);
  at.turn();  // it has ended
  CHECK_FALSE(held->got);
}

TEST_CASE("the deadline of a request ends its call") {
  desk at;
  auto const late = at.post("wait_for_stop", "", {{"Yonder-Deadline", "0.05"}});
  CHECK((late->got->status == 503 || late->got->status == 504));
  CHECK(late->body()["code"] == "deadline_exceeded");
  if (late->got->status == 503) CHECK(late->field("Retry-After") == "1");
  CHECK(at.post("halve", "[2]", {{"Yonder-Deadline", "soon"}})->got->status == 400);
}

TEST_CASE("a request gets no more time than the program gives the task") {
  desk at;
  CHECK(at.post("too_late", "[2]")->body()["code"] == "deadline_exceeded");
  CHECK(at.post("too_late", "[2]", {{"Yonder-Deadline", "3600"}})->body()["code"] == "deadline_exceeded");
}

TEST_CASE(
    "a request's traceparent is the trace of its call, and one that is none is as if it were not there") {
  desk at;
  std::string const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  auto const given = at.post("trace_of_call", "", {{"traceparent", trace}})->got->body;
  CHECK(given.substr(1, 35) == trace.substr(0, 35));
  CHECK(given.substr(53, 3) == "-01");
  auto const own = at.post("trace_of_call", "", {{"traceparent", "00-not-a-trace"}});
  CHECK(own->got->status == 200);
  CHECK(own->got->body.size() == trace.size() + 2);
  CHECK(own->got->body.substr(53, 3) == "-00");
}

TEST_CASE("the same idempotency key is the same call, and with other arguments a conflict") {
  desk at;
  auto const before = http_tests::shouts.load();
  fields const key{{"Idempotency-Key", "k-1"}};
  auto const first = at.post("shout", R"(["a",1])", key);
  auto const again = at.post("shout", R"(["a",1])", key);
  CHECK(again->got->body == first->got->body);
  CHECK(again->field("Yonder-Call") == first->field("Yonder-Call"));
  CHECK(http_tests::shouts.load() == before + 1);
  CHECK(at.post("shout", R"(["b",1])", key)->got->status == 409);
  CHECK(at.post("halve", "[2]", key)->got->status == 409);
  CHECK(at.post("halve", "[2]", {{"Idempotency-Key", "a b"}})->got->status == 400);
  at.pass(std::chrono::minutes(10));
  CHECK(at.post("shout", R"(["b",1])", key)->got->status == 200);
}

TEST_CASE("promise 4: where the hub's keys outlive the gateway, so do those of its callers") {
  auto const before = http_tests::shouts.load();
  fields const key{{"Idempotency-Key", "k-2"}};
  std::string first;
  {
    desk at;
    at.use_keys_of_hub();
    first = at.post("shout", R"(["a",1])", key)->got->body;
  }
  desk next;
  next.use_keys_of_hub();
  CHECK(next.post("shout", R"(["a",1])", key)->got->body == first);
  CHECK(http_tests::shouts.load() == before + 1);
  desk other;
  other.use_keys_of_hub();
  auto const refused = other.post("shout", R"(["b",1])", key);
  CHECK(refused->got->status == 409);
  CHECK(refused->body()["code"] == "idempotency_key_reused");
}

TEST_CASE("a batch says of each call what became of it") {
  desk at;
  auto const url = "/v1/tasks/http_tests::halve/batch";
  auto const all = at.ask("POST", url, "[[2],[3],[8]]");
  CHECK(all->body()[0] == json::parse(R"({"result":1})"));
  CHECK(all->body()[1]["error"]["detail"] == "an odd number");
  CHECK(all->body()[2]["result"] == 4);
  CHECK(at.ask("POST", url, "[]")->body() == json::array());
  auto const refused = at.ask("POST", url, R"([[2],["x"]])");
  CHECK(refused->got->status == 400);
  CHECK(refused->body()["pointer"] == "/1/0");
  CHECK(at.ask("POST", url, "{}")->got->status == 400);
}

namespace {

std::string const two_keys =
    "0123456789abcdef alice call:http_tests::halve\n0123456789abcdeg bob call:* metrics\n0123456789abcdeh "
    "root admin\n";

}  // namespace

TEST_CASE("nobody gets in without a key, and nobody further than his key says") {
  desk at({}, two_keys);
  auto const none = at.post("halve", "[2]");
  CHECK(none->got->status == 401);
  CHECK(none->field("WWW-Authenticate") == "Bearer");
  for (char const* bad :
       {"", "Bearer", "Bearer ", "Basic 0123456789abcdef", "Bearer 0123456789abcdex", "0123456789abcdef"})
    CHECK_MESSAGE(at.post("halve", "[2]", bearer(bad))->got->status == 401, bad);
  CHECK(at.ask("GET", "/openapi.json")->got->status == 401);
  CHECK(at.ask("GET", "/nothing")->got->status == 401);
  CHECK(at.ask("GET", "/healthz")->got->status == 200);
  CHECK(at.post("halve", "[2]", alice)->got->status == 200);
  CHECK(at.post("shout", R"(["a",1])", alice)->got->status == 403);
  CHECK(at.post("nowhere", "[]", alice)->got->status == 403);
  CHECK(at.ask("GET", "/metrics", "", alice)->got->status == 403);
  CHECK(at.ask("GET", "/metrics", "", bob)->got->status == 200);
  CHECK(at.ask("GET", "/v1/tasks", "", alice)->body() == json::parse(R"({"tasks":["http_tests::halve"]})"));
}

TEST_CASE("a call belongs to the key that began it, and to an admin") {
  desk at({}, two_keys);
  auto const id =
      at.ask("POST", "/v1/tasks/http_tests::halve/spawn", "[4]", alice)->body()["id"].get<std::string>();
  CHECK(at.ask("GET", "/v1/calls/" + id + "?wait=30", "", alice)->got->status == 200);
  CHECK(at.ask("GET", "/v1/calls/" + id, "", bob)->got->status == 404);
  CHECK(at.ask("DELETE", "/v1/calls/" + id, "", bob)->got->status == 404);
  CHECK(at.ask("GET", "/v1/calls/" + id, "", root)->got->status == 200);
  auto with_key = alice;
  with_key.emplace_back("Idempotency-Key", "k");
  auto other_key = bob;
  other_key.emplace_back("Idempotency-Key", "k");
  CHECK(at.post("halve", "[4]", with_key)->got->status == 200);
  CHECK(at.post("halve", "[6]", other_key)->got->status == 200);  // another account
}

TEST_CASE("pages of other origins may not ask, nor those that made their name ours") {
  desk at({.without_keys = true, .origins = {"https://let.in"}});
  CHECK(at.post("halve", "[2]", {{"Origin", "https://evil.example"}})->got->status == 403);
  CHECK(at.post("halve", "[2]", {{"Origin", "null"}})->got->status == 403);
  for (auto const* const host : {"evil.example", "127.evil.example:8000", "127.0.0.1.evil.example", "127.1"})
    CHECK(at.post("halve", "[2]", {{"Host", host}})->got->status == 403);
  CHECK(at.post("halve", "[2]", {{"Host", "127.0.0.1:8000"}})->got->status == 200);
  CHECK(at.post("halve", "[2]", {{"Origin", "http://localhost:8000"}})->got->status == 200);
  auto const allowed = at.post("halve", "[2]", {{"Origin", "https://let.in"}});
  CHECK(allowed->got->status == 200);
  CHECK(allowed->field("Access-Control-Allow-Origin") == "https://let.in");
  CHECK(allowed->field("Vary") == "Origin");
  CHECK(allowed->field("Access-Control-Expose-Headers") == "Yonder-Call, Location, Retry-After");
  auto const before = at.ask("OPTIONS", "/v1/tasks/http_tests::halve", "", {{"Origin", "https://let.in"}});
  CHECK(before->got->status == 204);
  CHECK(before->field("Access-Control-Allow-Methods") == "POST, OPTIONS");
}

TEST_CASE("a key that asks too often is told to wait") {
  desk at({.requests_per_second = 2}, two_keys);
  CHECK(at.post("halve", "[2]", alice)->got->status == 200);
  CHECK(at.post("halve", "[2]", alice)->got->status == 200);
  CHECK(at.post("halve", "[2]", alice)->got->status == 429);
  CHECK(at.post("halve", "[2]", bob)->got->status == 200);
  at.pass(std::chrono::seconds(1));
  CHECK(at.post("halve", "[2]", alice)->got->status == 200);
}

TEST_CASE("the OpenAPI document describes what a key may call") {
  desk at;
  auto const document = at.ask("GET", "/openapi.json")->body();
  CHECK(document["openapi"] == "3.1.0");
  auto const& shout = document["paths"]["/v1/tasks/http_tests::shout"]["post"];
  auto const& arguments = shout["requestBody"]["content"]["application/json"]["schema"]["anyOf"];
  CHECK(arguments[0]["required"] == json::parse(R"(["text","times"])"));
  CHECK(arguments[1]["prefixItems"].size() == 2);
  CHECK(shout["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "string");
  CHECK(document["components"]["schemas"].contains("http_tests.Point"));
  CHECK(document["paths"]["/v1/tasks/http_tests::reversed"]["post"]["requestBody"]["content"].contains(
      "application/octet-stream"));
  CHECK_FALSE(document["paths"].contains("/v1/tasks/http_tests::unserved"));
}

TEST_CASE("the OpenAPI document has what is taken and answered besides") {
  desk at;
  auto const document = at.ask("GET", "/openapi.json")->body();
  auto const& paths = document["paths"];
  // JSON has no number for some values of floating-point types.
  auto const& any = paths["/v1/tasks/http_tests::third"]["post"];
  auto const number = json::parse(
      R"({"anyOf": [{"type": "number", "format": "double"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})");
  CHECK(any["responses"]["200"]["content"]["application/json"]["schema"] == number);
  CHECK(at.post("third", R"(["-Infinity"])")->body() == "-Infinity");
  auto const& batch = paths["/v1/tasks/http_tests::halve/batch"]["post"];
  CHECK(batch["parameters"][0]["name"] == "wait");
  auto const& later = batch["responses"]["202"]["content"]["application/json"]["schema"]["items"];
  CHECK(later["properties"]["call"]["$ref"] == "#/components/schemas/Call");
  CHECK_FALSE(
      batch["responses"]["200"]["content"]["application/json"]["schema"]["items"]["properties"].contains(
          "call"));
  for (auto const* const path : {"/v1/calls/{id}", "/v1/calls/{id}/logs"})
    CHECK(paths[path]["get"]["responses"]["200"]["content"].contains("text/event-stream"));
  auto const& pool =
      paths["/v1/pools"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"];
  auto const pools = at.ask("GET", "/v1/pools")->body();
  REQUIRE_FALSE(pools.empty());
  for (auto one = pools[0].begin(); one != pools[0].end(); ++one)
    CHECK_MESSAGE(pool["properties"].contains(one.key()), one.key());
  CHECK(paths["/metrics"]["get"]["responses"]["200"]["content"].contains("text/plain"));
  CHECK(paths["/v1/session"]["post"]["responses"].contains("303"));
  CHECK(paths["/v1/session"]["delete"]["responses"].contains("204"));
  CHECK(paths.contains("/v1/models"));
}

TEST_CASE("a runtime counts what became of each task's calls, whoever made them") {
  auto const of_halve = [] {
    for (auto const& task : yonder::detail::snapshot_of(*yonder::detail::current_engine()).tasks)
      if (task.name == "http_tests::halve") return task;
    return yonder::task_snapshot();
  };
  auto const before = of_halve();
  CHECK(http_tests::halve_task.remote(4) == 2);
  CHECK_THROWS(http_tests::halve_task.remote(5));
  auto const after = of_halve();
  CHECK(after.calls == before.calls + 2);
  CHECK(after.succeeded == before.succeeded + 1);
  auto const failures = [](yonder::task_snapshot const& of) {
    std::uint64_t found = 0;
    for (auto const& [code, count] : of.failed) found += code == yonder::errc::failed ? count : 0;
    return found;
  };
  CHECK(failures(after) == failures(before) + 1);
  CHECK(after.ended() == after.calls);
  auto const sum = [](std::vector<std::uint64_t> const& counts) {
    std::uint64_t all = 0;
    for (auto const count : counts) all += count;
    return all;
  };
  CHECK(sum(after.runs) == sum(before.runs) + 1);
  desk at;
  auto const text = at.ask("GET", "/metrics")->got->body;
  CHECK(text.find("yonder_task_calls_total{task=\"http_tests::halve\",pool=\"default\",code=\"ok\"} " +
                  std::to_string(after.succeeded) + "\n") != text.npos);
  CHECK(sum(after.frames) == sum(before.frames) + 2);  // a frame each
  CHECK(text.find("yonder_task_queue_age_seconds{task=\"http_tests::halve\",pool=\"default\"} 0\n") !=
        text.npos);
  CHECK(text.find("yonder_pool_workers{pool=\"default\",state=\"idle\"} ") != text.npos);
}

TEST_CASE("calls are listed to whoever made them, the newest first") {
  desk at({}, two_keys);
  auto const first = at.ask("POST", "/v1/tasks/http_tests::halve/spawn", "[4]", alice)->body()["id"];
  at.pass(std::chrono::seconds(1));
  auto const second = at.ask("POST", "/v1/tasks/http_tests::halve/spawn", "[6]", alice)->body()["id"];
  auto const list = at.ask("GET", "/v1/calls", "", alice)->body();
  REQUIRE(list.size() == 2);
  CHECK(list[0]["id"] == second);
  CHECK(list[1]["id"] == first);
  CHECK_FALSE(list[1].contains("result"));
  CHECK(at.ask("GET", "/v1/calls", "", bob)->body().empty());
  CHECK(at.ask("GET", "/v1/calls", "", root)->body().size() == 2);
}

TEST_CASE("where a call is, and who runs what, is told to those who may know") {
  desk at({}, two_keys);
  auto const id = at.ask("POST", "/v1/tasks/http_tests::halve/spawn", "[4]", alice)->body()["id"];
  auto const target = "/v1/calls/" + id.get<std::string>() + "/explain";
  auto const said = at.ask("GET", target, "", alice)->body();
  CHECK(said["call"] == id);
  CHECK_FALSE(said["state"].get<std::string>().empty());
  CHECK(at.ask("GET", target, "", bob)->got->status == 404);
  CHECK(at.ask("GET", "/v1/pools", "", alice)->got->status == 403);
  auto const pools = at.ask("GET", "/v1/pools", "", root)->body();
  REQUIRE_FALSE(pools.empty());
  CHECK(pools[0]["name"] == "default");
  CHECK(pools[0]["max"].is_number_integer());
  CHECK(pools[0]["why"] == "");
  CHECK(at.ask("GET", "/v1/workers", "", alice)->got->status == 403);
  auto const workers = at.ask("GET", "/v1/workers", "", root)->body();
  REQUIRE_FALSE(workers.empty());
  for (auto const* const name : {"name", "pool", "state", "calls", "gpus"}) CHECK(workers[0].contains(name));
}

TEST_CASE("what runs is counted by day, task and key, for those who may see it") {
  auto const& carol = alice;  // her key
  desk at({}, "0123456789abcdef carol call:*\n0123456789abcdeh root admin\n");
  CHECK(at.post("halve", "[4]", carol)->got->status == 200);
  CHECK(at.ask("GET", "/v1/usage", "", carol)->got->status == 403);
  auto const rows = at.ask("GET", "/v1/usage", "", root)->body();
  auto const own = std::find_if(rows.begin(), rows.end(), [](auto const& one) {
    return one["task"] == "http_tests::halve" && one["key"] == "carol";
  });
  REQUIRE(own != rows.end());
  CHECK((*own)["attempts"] == 1);
  CHECK((*own)["worker_seconds"].is_number());
  CHECK((*own)["day"].get<std::string>().size() == 10);
}
