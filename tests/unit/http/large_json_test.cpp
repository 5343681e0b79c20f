// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>

#include "src/http/service.hpp"
#include "src/runtime/orders.hpp"
#include "tests/unit/http/desk.hpp"
#include "yonder/yonder.hpp"

// What is large is read and written beside the gateway's thread.
namespace http_tests {

extern std::counting_semaphore<> gate;

// Its text is read, or written, as JSON when somebody lets it: what is asked for by "read" and "write".
struct Held {
  std::string held_at;
  std::string text;
  void wait(std::string_view here) const {
    if (held_at != here) return;
    is_held.release();
    if (!gate.try_acquire_for(std::chrono::seconds(20))) held_up = true;  // those who would let it go on
  }
  static inline std::counting_semaphore<> is_held{0};
  static inline std::atomic<bool> held_up{false};
  template <class Archive>
  void save(Archive& to) const {
    if constexpr (std::is_same_v<Archive, yonder::http::detail::json_writer>) wait("write");
    to(CEREAL_NVP(held_at), CEREAL_NVP(text));
  }
  template <class Archive>
  void load(Archive& from) {
    from(CEREAL_NVP(held_at), CEREAL_NVP(text));
    if constexpr (std::is_same_v<Archive, yonder::http::detail::json_reader>) wait("read");
  }
};
// What is to be held when it is written comes small, and is large then.
Held pass_on(Held one) {
  if (one.held_at == "write") one.text.resize(100'000, 'x');
  return one;
}
std::uint64_t length_of(Held const& one) { return one.text.size(); }
std::string long_bytes() { return std::string(100'000, '\xff'); }
yonder::generator<int> count_on(Held one) {
  for (int i = 0;; ++i) co_yield i + static_cast<int>(one.text.size());
}

inline constexpr yonder::task<pass_on> pass_on_task;
inline constexpr yonder::task<length_of> length_of_task;
inline constexpr yonder::http::endpoint<length_of_task> length_of_over_http;
inline constexpr yonder::task<long_bytes> long_bytes_task;
inline constexpr yonder::http::endpoint<long_bytes_task> long_bytes_over_http;
inline constexpr yonder::http::endpoint<pass_on_task> pass_on_over_http;
inline constexpr yonder::task<count_on> count_on_task;
inline constexpr yonder::http::endpoint<count_on_task> count_on_over_http;

namespace {

// That the hub was given, or what has become of them.
std::uint64_t calls_of(std::string_view task,
                       std::uint64_t yonder::task_snapshot::*which = &yonder::task_snapshot::calls) {
  std::uint64_t found = 0;
  for (auto const& one : yonder::detail::snapshot_of(*yonder::detail::current_engine()).tasks)
    if (one.name == task) found += one.*which;
  return found;
}

// What is not read before somebody lets it.
std::string held_body(std::size_t size = 100'000) {
  return R"({"held_at":"read","text":")" + std::string(size, 'x') + "\"}";
}

}  // namespace
}  // namespace http_tests

using namespace http_tests;

TEST_CASE("while a large body is read, and a large result is written, others are answered") {
  desk at;
  std::string const text(100'000, 'x');
  auto const asked = [&](std::string_view held_at) {
    return json{{"held_at", held_at}, {"text", held_at == "write" ? "" : text}}.dump();
  };
  for (auto const* const held_at : {"read", "write"}) {
    CAPTURE(held_at);
    auto const one = at.begin("POST", "/v1/tasks/http_tests::pass_on", asked(held_at));
    auto const batch = at.begin("POST", "/v1/tasks/http_tests::pass_on/batch", "[" + asked(held_at) + "]");
    while (std::string_view(held_at) == "write" && at.work().running() != 0) at.turn();
    Held::is_held.acquire();
    CHECK(at.post("halve", "[4]")->body() == 2);
    CHECK_FALSE(one->got);
    CHECK_FALSE(batch->got);
    gate.release(2);
    at.finish(*one);
    at.finish(*batch);
    CHECK(one->body()["text"] == text);
    CHECK(batch->body()[0]["result"]["text"] == text);
    Held::is_held.acquire();  // the other one
    CHECK_FALSE(Held::held_up);
  }
  // What is wrong with it is said as of a small one.
  auto const wrong = at.post("pass_on", "[" + asked("") + ",1]");
  CHECK(wrong->got->status == 400);
  CHECK(wrong->body()["code"] == "bad_arguments");
  auto bad = json::array({json::parse(asked("")), {{"held_at", 7}, {"text", text}}});
  auto const bad_batch = at.ask("POST", "/v1/tasks/http_tests::pass_on/batch", bad.dump());
  CHECK(bad_batch->got->status == 400);
  CHECK(bad_batch->body()["pointer"].get<std::string>().starts_with("/1"));
}

TEST_CASE("a large request is forgotten when whoever made it has gone, and refused when the gateway ends") {
  desk at;
  auto const before = calls_of("http_tests::pass_on");
  auto const body = json{{"held_at", "read"}, {"text", std::string(100'000, 'x')}}.dump();
  auto const gone = at.begin("POST", "/v1/tasks/http_tests::pass_on", body);
  auto const late = at.begin("POST", "/v1/tasks/http_tests::pass_on/spawn", body);
  Held::is_held.acquire();
  at.work().abandon(*gone);
  at.work().drain();
  CHECK(at.work().waiting() == 2);
  gate.release();
  at.finish(*late);  // which is not read for that
  CHECK(late->got->status == 503);
  CHECK(late->body()["code"] == "draining");
  CHECK_FALSE(gone->got);
  CHECK(at.work().waiting() == 0);
  CHECK(calls_of("http_tests::pass_on") == before);
  CHECK_FALSE(Held::is_held.try_acquire());
}

TEST_CASE("a large request whose key is taken away, or may do less, while it is read begins nothing") {
  std::string const all = "0123456789abcdef anna call:*\n0123456789abcdeg bert call:http_tests::pass_on\n";
  desk at({}, all);
  auto const before = calls_of("http_tests::pass_on");
  auto const body = json{{"held_at", "read"}, {"text", std::string(100'000, 'x')}}.dump();
  auto const ask = [&](std::string const& key) {
    return at.begin("POST", "/v1/tasks/http_tests::pass_on/spawn", body,
                    {{"Authorization", "Bearer " + key}});
  };
  auto const gone = ask("0123456789abcdef"), less = ask("0123456789abcdeg");
  Held::is_held.acquire();
  at.write_keys("0123456789abcdeg bert call:http_tests::halve\n");
  at.pass(std::chrono::seconds(2));
  gate.release(2);
  for (auto const& one : {gone, less}) {
    at.finish(*one);
    CHECK(one->got->status == 401);
  }
  CHECK(calls_of("http_tests::pass_on") == before);
  Held::is_held.acquire();
}

TEST_CASE("a stream whose arguments were read while the gateway began to end does not go on") {
  desk at;
  auto const body = held_body();
  auto const late = at.begin("POST", "/v1/tasks/http_tests::count_on", body);
  Held::is_held.acquire();
  at.work().drain();
  gate.release();
  at.finish(*late);
  CHECK(late->got->status == 503);
  CHECK(late->body()["code"] == "draining");
  auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (calls_of("http_tests::count_on", &yonder::task_snapshot::cancelled) == 0 &&
         std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  CHECK(calls_of("http_tests::count_on") == 1);
  CHECK(calls_of("http_tests::count_on", &yonder::task_snapshot::cancelled) == 1);
}

TEST_CASE("large requests of one key do not stand before another's, and wait up to a number of bytes") {
  desk at({}, "0123456789abcdef anna call:*\n0123456789abcdeg bert call:*\n");
  auto const ask = [&](fields const& key, std::string const& body) {
    return at.begin("POST", "/v1/tasks/http_tests::length_of", body, key);
  };
  auto const anna = bearer("Bearer 0123456789abcdef"), bert = bearer("Bearer 0123456789abcdeg");
  auto const body = held_body();
  auto const first = ask(anna, body), second = ask(anna, body), third = ask(anna, body);
  auto const other =
      at.begin("POST", "/v1/tasks/http_tests::halve", json::array({std::string(100'000, 'x')}).dump(), bert);
  for (int i = 0; i < 2; ++i) {
    Held::is_held.acquire();
    gate.release();
  }
  Held::is_held.acquire();  // the third
  at.finish(*other);
  CHECK(other->got->status == 400);
  CHECK_FALSE(third->got);
  // What waits now is read no more: whoever sent it goes.
  auto const large = held_body(std::size_t{40} << 20);
  auto const one = ask(anna, large), two = ask(anna, large), three = ask(anna, large);
  CHECK_FALSE(three->got);
  auto const refused = ask(anna, large);
  REQUIRE(refused->got);
  CHECK(refused->got->status == 503);
  CHECK(refused->body()["code"] == "overloaded");
  CHECK(refused->field("Retry-After") == "1");
  auto const of_other = ask(bert, large);
  CHECK_FALSE(of_other->got);
  // A result that would wait, too, is kept.
  auto const full =
      at.ask("POST", "/v1/tasks/http_tests::pass_on", json{{"held_at", "write"}, {"text", ""}}.dump(), anna);
  CHECK(full->got->status == 503);
  CHECK(full->body()["code"] == "overloaded");
  auto const waiting = at.work().waiting();
  at.work().abandon(*two);
  CHECK(at.work().waiting() == waiting - 1);
  auto const again = ask(anna, large);
  CHECK_FALSE(again->got);
  for (auto const& gone : {one, three, again, of_other}) at.work().abandon(*gone);
  gate.release();
  for (auto const& answered : {first, second, third}) {
    at.finish(*answered);
    CHECK(answered->body() == 100'000);
  }
  auto const kept = at.begin("GET", full->field("Location"), "", anna);
  Held::is_held.acquire();
  gate.release();
  at.finish(*kept);
  CHECK(kept->body()["result"]["text"].get<std::string>().size() == 100'000);
  CHECK(at.work().waiting() == 0);
  CHECK_FALSE(Held::held_up);
}

TEST_CASE("a large result of a kept call is written beside, too, whoever asks for it and how") {
  desk at;
  auto const target = std::string("/v1/tasks/http_tests::pass_on/spawn");
  auto const body = json{{"held_at", "write"}, {"text", ""}}.dump();
  fields const once{{"Idempotency-Key", "one"}};
  auto const id = at.ask("POST", target, body, once)->body()["id"].get<std::string>();
  while (at.work().running() != 0) at.turn();
  // It is written once to know whether it can be, as it is not very large.
  Held::is_held.acquire();
  CHECK(at.post("halve", "[4]")->body() == 2);
  gate.release();
  while (at.work().waiting() != 0) at.turn();
  auto const call = "/v1/calls/" + id;
  struct {
    std::string method, target, body;
    fields more;
    unsigned status;
  } const requests[]{{"GET", call, "", {}, 200},
                     {"GET", call + "?wait=5", "", {}, 200},
                     {"DELETE", call, "", {}, 200},
                     {"POST", target, body, once, 202},
                     {"GET", call, "", {{"Accept", "text/event-stream"}}, 200}};
  for (auto const& one : requests) {
    CAPTURE(one.method);
    CAPTURE(one.target);
    auto const shown = at.begin(one.method, one.target, one.body, one.more);
    Held::is_held.acquire();
    CHECK(at.post("halve", "[4]")->body() == 2);
    CHECK_FALSE(shown->got);
    gate.release();
    at.finish(*shown);
    CHECK(shown->got->status == one.status);
    auto text = shown->got->body;
    if (text.starts_with("event: end\ndata: ")) text.erase(0, text.find('{'));
    auto const state = json::parse(text);
    CHECK(state["id"] == id);
    CHECK(state["state"] == "succeeded");
    CHECK(state["result"]["text"].get<std::string>().size() == 100'000);
  }
  // For who has gone it is not written.
  auto const first = at.begin("GET", call), gone = at.begin("DELETE", call);
  Held::is_held.acquire();
  at.work().abandon(*gone);
  gate.release();
  at.finish(*first);
  while (at.work().waiting() != 0) at.turn();
  CHECK_FALSE(gone->got);
  CHECK_FALSE(Held::is_held.try_acquire());
  CHECK_FALSE(Held::held_up);
  auto const unsaid = at.post("long_bytes", "[]");
  CHECK(unsaid->got->status == 500);
  CHECK(unsaid->body()["code"] == "undecodable");
  auto const text = at.ask("GET", "/metrics")->got->body;
  CHECK(text.find("yonder_http_calls_total{task=\"http_tests::long_bytes\",code=\"undecodable\"} 1\n") !=
        text.npos);
}

TEST_CASE("a large result that nobody asks for is a failure where it cannot be said") {
  desk at;
  at.post("long_bytes/spawn", "[]");
  while (at.work().running() + at.work().waiting() != 0) at.turn();
  auto const text = at.ask("GET", "/metrics")->got->body;
  CHECK(text.find("yonder_http_calls_total{task=\"http_tests::long_bytes\",code=\"undecodable\"} 1\n") !=
        text.npos);
}

TEST_CASE("bytes under an Idempotency-Key are hashed beside") {
  desk at;
  std::string const bytes(100'000, 'x');
  auto const ask = [&](std::string_view sent) {
    auto const one = at.begin("POST", "/v1/tasks/http_tests::reversed/spawn", sent,
                              {{"Content-Type", "application/octet-stream"}, {"Idempotency-Key", "bytes"}});
    CHECK_FALSE(one->got);
    at.finish(*one);
    return one;
  };
  auto const first = ask(bytes), second = ask(bytes);
  CHECK(first->got->status == 202);
  CHECK(second->got->status == 202);
  CHECK(second->body()["id"] == first->body()["id"]);
  CHECK(ask(bytes + "y")->got->status == 409);
  while (at.work().running() + at.work().waiting() != 0) at.turn();
}
