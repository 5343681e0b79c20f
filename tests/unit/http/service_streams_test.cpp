// SPDX-License-Identifier: Apache-2.0
//
// Over HTTP: services, batched functions, and tasks that stream.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <semaphore>
#include <span>
#include <string>
#include <thread>

#include "src/http/endpoints.hpp"
#include "tests/unit/http/desk.hpp"
#include "yonder/http.hpp"
#include "yonder/http/json_writer.hpp"
#include "yonder/yonder.hpp"

namespace http_tests {
std::vector<std::string> louder(std::span<std::string const> texts) {
  std::vector<std::string> all;
  for (auto const& text : texts) all.push_back(text + std::string(texts.size(), '!'));
  return all;
}
// A service, whose methods are served for one instance each.
class Greeter {
 public:
  explicit Greeter(std::string word) : word_(std::move(word)) {}
  std::string greet(std::string const& whom) const { return word_ + ", " + whom; }
  std::vector<std::string> greet_all(std::span<std::string const> all) const {
    std::vector<std::string> greetings;
    for (auto const& whom : all) greetings.push_back(greet(whom));
    return greetings;
  }
  yonder::generator<std::string> letters() const {
    for (char const letter : word_) co_yield std::string(1, letter);
  }

 private:
  std::string word_;
};
yonder::generator<int> count_to(int last) {
  for (int i = 1; i <= last; ++i) {
    if (i == 13) throw std::range_error("thirteen");
    co_yield i;
  }
}
// Whose objects take long to be made.
std::counting_semaphore<> slow_gate(0);
class Slow {
 public:
  Slow() { slow_gate.acquire(); }
  int answer() const { return 42; }
};
// Says how far it is, and waits.
std::counting_semaphore<> progress_gate(0);
int in_steps(int steps) {
  for (int i = 1; i <= steps; ++i) {
    yonder::this_call::report_progress(i / 4., "step " + std::to_string(i));
    progress_gate.acquire();
  }
  if (steps == 3) throw std::range_error("three");
  return steps;
}
yonder::generator<int> steps_and_items(int steps) {
  for (int i = 1; i <= steps; ++i) {
    yonder::this_call::report_progress(i / 4.);
    progress_gate.acquire();
    co_yield i;
  }
}
std::atomic<int> made{0};
yonder::generator<int> endless() {
  for (;;) co_yield ++made;
}
yonder::generator<int> silent() {
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
  co_yield 0;
}
// What cannot be said in JSON, for reasons of its own.
struct Mute {
  int is_a = 0;  // 0: it speaks; 1: what it throws is an exception; 2: it is none
  template <class Archive>
  void save(Archive& archive) const {
    archive(cereal::make_nvp("is_a", is_a));
    if constexpr (std::is_same_v<Archive, yonder::http::detail::json_writer>) {
      if (is_a == 1) throw std::runtime_error("mute");
      if (is_a == 2) throw 2;
    }
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(cereal::make_nvp("is_a", is_a));
  }
};
yonder::generator<Mute> mutes(int is_a) {
  co_yield Mute{0};
  co_yield Mute{is_a};
}
Mute mute(int is_a) { return {is_a}; }
// Goes on behind an item that cannot be said in JSON, whatever it is told.
std::counting_semaphore<> stubborn_gate(0);
yonder::generator<std::string> stubborn() {
  co_yield "\xff";
  stubborn_gate.acquire();
}
yonder::generator<std::string> half_text() {
  co_yield "text";
  co_yield "\xff";
}

inline constexpr yonder::batched<louder> louder_task;
inline constexpr yonder::http::endpoint<louder_task, "text"> louder_over_http;
inline constexpr yonder::service<Greeter(std::string)> greeter{{.max = 1}};
inline constexpr yonder::method<&Greeter::greet> greet;
inline constexpr yonder::batched<&Greeter::greet_all> greet_all;
inline constexpr yonder::method<&Greeter::letters> letters;
inline auto const english = greet.on(greeter("hello"));
inline auto const german = greet.on(greeter("hallo"));
inline auto const all_in_german = greet_all.on(greeter("hallo"));
inline auto const german_letters = letters.on(greeter("hallo"));
inline constexpr yonder::http::endpoint<english, "whom"> english_over_http;
inline constexpr yonder::http::named_endpoint<"http_tests::german", german, "whom"> german_over_http;
inline constexpr yonder::http::endpoint<all_in_german> all_in_german_over_http;
inline constexpr yonder::http::endpoint<german_letters> german_letters_over_http;
inline constexpr yonder::service<Slow()> slow_service{{.max = 1}};
inline constexpr yonder::method<&Slow::answer> slow_answer;
inline auto const slow = slow_answer.on(slow_service());
inline constexpr yonder::http::endpoint<slow> slow_over_http;
inline constexpr yonder::task<count_to> count_task;
inline constexpr yonder::task<endless> endless_task;
inline constexpr yonder::task<half_text> half_text_task;
inline constexpr yonder::task<silent> silent_task;
inline constexpr yonder::task<mutes> mutes_task;
inline constexpr yonder::task<mute> mute_task;
inline constexpr yonder::task<stubborn> stubborn_task;
inline constexpr yonder::task<in_steps> in_steps_task;
inline constexpr yonder::task<steps_and_items> steps_and_items_task;
inline constexpr yonder::http::endpoint<in_steps_task> in_steps_over_http;
inline constexpr yonder::http::endpoint<steps_and_items_task> steps_and_items_over_http;
inline constexpr yonder::http::endpoint<mutes_task> mutes_over_http;
inline constexpr yonder::http::endpoint<mute_task> mute_over_http;
inline constexpr yonder::http::endpoint<stubborn_task> stubborn_over_http;
inline constexpr yonder::http::endpoint<silent_task> silent_over_http;
inline constexpr yonder::http::endpoint<count_task, "last"> count_over_http;
inline constexpr yonder::http::endpoint<endless_task> endless_over_http;
inline constexpr yonder::http::endpoint<half_text_task> half_text_over_http;

}  // namespace http_tests

using namespace http_tests;

TEST_CASE("batched functions and methods of services are called as tasks are") {
  desk at;
  CHECK(at.post("louder", R"({"text":"a"})")->body() == "a!");
  CHECK(at.post("Greeter::greet", R"({"whom":"you"})")->body() == "hello, you");
  CHECK(at.post("german", R"(["du"])")->body() == "hallo, du");
  CHECK(at.post("Greeter::greet_all", R"(["ihr"])")->body() == "hallo, ihr");
  CHECK(at.ask("POST", "/v1/tasks/http_tests::german/batch", R"([["a"],["b"]])")->body()[1]["result"] ==
        "hallo, b");
  CHECK(at.post("german", R"([1])")->body()["pointer"] == "/0");
  auto const names = at.ask("GET", "/v1/tasks")->body()["tasks"];
  CHECK(std::count(names.begin(), names.end(), "http_tests::german") == 1);
}

TEST_CASE("two endpoints of one name are refused where they are served, but for those of two images") {
  using yonder::http::detail::endpoint_entry;
  using yonder::http::detail::endpoint_registration;
  auto const all = all_endpoints();
  auto const own =
      std::find_if(all.begin(), all.end(), [](auto* one) { return one->name == "http_tests::german"; });
  REQUIRE(own != all.end());
  endpoint_entry twin = **own;
  {
    endpoint_registration const registered(twin);
    CHECK_THROWS_WITH_AS(desk(), doctest::Contains("two endpoints are named 'http_tests::german'"),
                         yonder::usage_error);
  }
  yonder::detail::task_entry elsewhere = *twin.task;
  elsewhere.image = &elsewhere;
  twin.task = &elsewhere;
  {
    endpoint_registration const registered(twin);
    CHECK(all_endpoints().size() == all.size());
  }
  twin.needs = [] { return std::string_view("another"); };
  endpoint_registration const registered(twin);
  CHECK_THROWS_AS(desk(), yonder::usage_error);
}

TEST_CASE("a request is held while its service's first worker is made, and then told to ask again") {
  desk at;
  auto const late = at.post("Slow::answer", "[]", {{"Yonder-Deadline", "0.05"}});
  CHECK(late->got->status == 503);
  CHECK(late->field("Retry-After") == "1");
  CHECK(late->body()["code"] == "deadline_exceeded");
  auto const accepted = at.ask("POST", "/v1/tasks/http_tests::Slow::answer?wait=0", "[]");
  CHECK(accepted->got->status == 202);
  auto const held = at.begin("POST", "/v1/tasks/http_tests::Slow::answer", "[]");
  CHECK_FALSE(held->got);
  slow_gate.release(8);  // however many were begun
  at.finish(*held);
  CHECK(held->body() == 42);
  CHECK(at.ask("GET", accepted->field("Location") + "?wait=30")->body()["result"] == 42);
}

TEST_CASE("a stream's items are events, and its end is one") {
  desk at;
  auto const all = at.post("count_to", R"({"last":3})");
  CHECK(all->got->status == 200);
  CHECK(all->got->type == "text/event-stream; charset=utf-8");
  CHECK(all->got->body == "data: 1\n\ndata: 2\n\ndata: 3\n\nevent: end\ndata: null\n\n");
  CHECK(all->field("Yonder-Call").size() == 32);
  CHECK(at.post("count_to", "[0]")->got->body == "event: end\ndata: null\n\n");
  CHECK(at.post("Greeter::letters", "[]")->got->body.find("data: \"h\"\n\ndata: \"a\"\n\n") == 0);
  CHECK(at.work().waiting() == 0);
}

TEST_CASE("what ends a stream early is told as an event, before its first item as the status") {
  desk at;
  auto const thirteen = at.post("count_to", "[20]")->got->body;
  CHECK(thirteen.find("data: 12\n\nevent: error\ndata: {") != thirteen.npos);
  CHECK(thirteen.find("\"detail\":\"thirteen\"") != thirteen.npos);
  auto const text = at.post("half_text", "[]")->got->body;
  CHECK(text.find("data: \"text\"\n\nevent: error\ndata: {") == 0);
  CHECK(text.find("not be said in JSON") != text.npos);
  auto const late = at.post("silent", "[]", {{"Yonder-Deadline", "0.05"}});
  CHECK((late->got->status == 503 || late->got->status == 504));
  CHECK(late->body()["code"] == "deadline_exceeded");
  CHECK(at.post("count_to", R"(["x"])")->got->status == 400);
  CHECK(at.post("count_to", "[3]", {{"Accept", "application/json"}})->got->status == 406);
  CHECK(at.post("count_to", "[3]", {{"Idempotency-Key", "k"}})->got->status == 400);
  CHECK(at.ask("POST", "/v1/tasks/http_tests::count_to/spawn", "[3]")->got->status == 404);
  CHECK(at.ask("POST", "/v1/tasks/http_tests::count_to/batch", "[[3]]")->got->status == 404);
}

TEST_CASE(
    "whatever an item's class throws as it is written, whole events are sent and an error is the last") {
  desk at;
  for (auto const* const why : {"mute", "not derived from std::exception"}) {
    auto const is_a = std::string_view(why) == "mute" ? "[1]" : "[2]";
    auto const events = at.post("mutes", is_a)->got->body;
    std::string const before = "data: {\"is_a\":0}\n\nevent: error\ndata: ";
    REQUIRE(events.find(before) == 0);
    auto const error = json::parse(events.substr(before.size()));
    CHECK(error["detail"] == std::string("an item cannot be said in JSON: ") + why);
    auto const result = at.post("mute", is_a)->body();
    CHECK(result["code"] == "undecodable");
    CHECK(result["detail"] == std::string("the result cannot be said in JSON: ") + why);
  }
  CHECK(at.post("mute", "[0]")->body()["is_a"] == 0);
}

TEST_CASE("a stream that has been ended leaves its connection's next request alone") {
  desk at;
  auto const from = at.post("stubborn", "[]");
  CHECK(from->got->body.find("event: error\ndata: {") == 0);
  CHECK(from->waiters.empty());
  CHECK(at.work().waiting() == 1);  // it goes on
  from->waiters = {12345};          // of the next one
  stubborn_gate.release();
  while (at.work().waiting() != 0) at.turn();
  CHECK(from->waiters == std::vector<std::uint64_t>{12345});
}

TEST_CASE("a slow reader stops the task that streams to it") {
  desk at;
  constexpr int window = 1024;  // items
  auto const reading = at.begin("POST", "/v1/tasks/http_tests::endless", "[]");
  while (!reading->next) at.turn();
  auto const first = reading->parts;
  while (made < window) std::this_thread::yield();
  at.work().take_told(std::chrono::steady_clock::now());
  CHECK(reading->parts == first);  // what follows waits for what is being written
  CHECK(made <= 2 * window);
  auto const last = std::stoi(first.substr(first.rfind("data: ") + 6));
  std::exchange(reading->next, nullptr)();
  while (!reading->next) at.turn();
  CHECK(reading->parts.find("data: " + std::to_string(last + 1) + "\n\n") == first.size());
  at.work().abandon(*reading);
  reading->next = nullptr;
  while (at.work().waiting() != 0) at.turn();
  CHECK_FALSE(reading->got);
}

TEST_CASE("a stream that is quiet says that it goes on, and is ended with its gateway") {
  desk at;
  auto const quiet = at.begin("POST", "/v1/tasks/http_tests::silent");
  at.pass(std::chrono::seconds(15));
  REQUIRE(quiet->head_of_parts);
  CHECK(quiet->parts == ":\n\n");
  at.work().drain();
  at.work().let_go();
  CHECK_FALSE(quiet->got);  // the comment is being written
  std::exchange(quiet->next, nullptr)();
  REQUIRE(quiet->got);
  CHECK(quiet->got->body.find("event: error\ndata: {\"title\":\"Service Unavailable\"") != std::string::npos);
  while (at.work().waiting() != 0) at.turn();
}

TEST_CASE("a stream ends when the key of whoever reads it has gone, and its call with it") {
  desk at({}, "0123456789abcdef alice call:*\n0123456789abcdeh root admin\n");
  auto const reads = at.begin("POST", "/v1/tasks/http_tests::silent", "", alice);
  at.pass(std::chrono::seconds(15));
  REQUIRE(reads->next);
  std::exchange(reads->next, nullptr)();
  at.write_keys("0123456789abcdeh root admin\n");
  at.pass(std::chrono::seconds(15));
  REQUIRE(reads->got);
  CHECK(reads->got->body.find("event: error\ndata: {\"title\":\"Unauthorized\"") != std::string::npos);
  while (at.work().waiting() != 0) at.turn();  // it was cancelled
}

TEST_CASE("the OpenAPI document says what a stream's items are") {
  desk at;
  auto const document = at.ask("GET", "/openapi.json")->body();
  auto const& stream = document["paths"]["/v1/tasks/http_tests::count_to"]["post"]["responses"]["200"];
  CHECK(stream["content"]["text/event-stream"]["x-item-schema"]["type"] == "integer");
  CHECK_FALSE(document["paths"].contains("/v1/tasks/http_tests::count_to/spawn"));
}

TEST_CASE("whoever watches a call is told how far it is, and then what became of it") {
  desk at;
  for (auto const& each : {std::pair("[2]", "succeeded"), std::pair("[3]", "failed")}) {
    auto const call = at.ask("POST", "/v1/tasks/http_tests::in_steps/spawn", each.first)->body();
    auto const path = "/v1/calls/" + call["id"].get<std::string>();
    auto const first = at.begin("GET", path, "", {{"Accept", "text/event-stream"}});
    auto const second = at.begin("GET", path, "", {{"Accept", "text/event-stream"}});
    while (!first->next || !second->next) at.turn();
    CHECK(first->parts == "event: progress\ndata: {\"fraction\":0.25,\"text\":\"step 1\"}\n\n");
    CHECK(second->parts == first->parts);
    auto const shown = at.ask("GET", path)->body();
    CHECK(shown["state"] == "running");
    CHECK(shown["progress"]["text"] == "step 1");
    CHECK(at.ask("GET", "/v1/calls")->body()[0]["progress"]["fraction"] == 0.25);
    at.work().abandon(*second);  // it hangs up, and the call goes on
    second->next = nullptr;      // as its connection does
    progress_gate.release();
    std::exchange(first->next, nullptr)();
    while (!first->next) at.turn();
    CHECK(first->parts.ends_with("data: {\"fraction\":0.5,\"text\":\"step 2\"}\n\n"));
    progress_gate.release(2);
    at.finish(*first);
    CHECK(first->got->type == "text/event-stream; charset=utf-8");
    auto const& body = first->got->body;
    auto const end = json::parse(body.substr(body.find("event: end\ndata: ") + 17));
    CHECK(end["state"] == each.second);
    CHECK((end.contains("result") ? end["result"] == 2 : end["error"]["detail"] == "three"));
    CHECK_FALSE(at.ask("GET", path)->body().contains("progress"));
    auto const late = at.ask("GET", path, "", {{"Accept", "text/event-stream"}});
    CHECK(late->got->body.starts_with("event: end\ndata: {"));
    while (progress_gate.try_acquire()) {
    }
  }
}

TEST_CASE("what a task that streams says of its progress stands between its items") {
  desk at;
  auto const from = at.begin("POST", "/v1/tasks/http_tests::steps_and_items", "[2]");
  while (!from->next) at.turn();
  CHECK(from->parts == "event: progress\ndata: {\"fraction\":0.25,\"text\":\"\"}\n\n");
  progress_gate.release(2);
  at.finish(*from);
  CHECK(from->got->body.find("data: 1\n\n") != std::string::npos);
  CHECK(from->got->body.ends_with("event: end\ndata: null\n\n"));
}
