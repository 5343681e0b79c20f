// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <semaphore>
#include <string>
#include <utility>

#include "src/http/page_sessions.hpp"
#include "src/http/service.hpp"
#include "tests/unit/http/desk.hpp"
#include "yonder/yonder.hpp"

// Who has come in by the page, and what ends with a key.
namespace http_tests {

extern std::counting_semaphore<> gate;  // of wait_for_gate

namespace {

std::string const page_keys =
    "0123456789abcdef alice call:http_tests::halve\n0123456789abcdeg bob call:* metrics\n0123456789abcdeh "
    "root admin\n";

// What a browser keeps of a sign-in.
struct kept {
  std::string cookie;
  std::string word;
};
kept signed_in(desk& at, std::string_view key, fields more = {}) {
  auto const answer = at.ask("POST", "/v1/session", "key=" + std::string(key), std::move(more));
  auto const set = answer->field("Set-Cookie"), to = answer->field("Location");
  REQUIRE(to.starts_with("/#"));
  return {set.substr(0, set.find(';')), to.substr(2)};
}

}  // namespace
}  // namespace http_tests

using namespace http_tests;

TEST_CASE("the page asks for a key once, and keeps it where no script reads it") {
  desk at({}, page_keys);
  auto const sign_in = at.ask("GET", "/");
  CHECK(sign_in->got->status == 401);
  CHECK(sign_in->got->body.find("type=\"password\"") != std::string::npos);
  CHECK(at.ask("GET", "/page.js")->got->status == 401);
  CHECK(at.ask("POST", "/v1/session", "key=wrong")->got->status == 401);
  CHECK(at.ask("POST", "/v1/session", "key=0123456789abcdeg", {{"Origin", "https://evil.example"}})
            ->got->status == 403);
  auto const came_in = at.ask("POST", "/v1/session", "key=0123456789abcdeg");
  CHECK(came_in->got->status == 303);
  auto const set = came_in->field("Set-Cookie");
  auto const word = came_in->field("Location").substr(2);
  CHECK(came_in->field("Location") == "/#" + word);
  CHECK(word.size() == 64);
  CHECK(set.find(word) == std::string::npos);
  CHECK(set.find("; Path=/; HttpOnly; SameSite=Strict") != std::string::npos);
  // The key is not in it, nor in hexadecimal.
  for (auto const* const key : {"0123456789abcdeg", "3031323334353637"})
    CHECK(set.find(key) == std::string::npos);
  auto const value = "a=b; " + set.substr(0, set.find(';'));
  auto const page = at.ask("GET", "/", "", {{"Cookie", value}});
  CHECK(page->got->status == 200);
  CHECK(page->field("Content-Security-Policy").find("default-src 'none'") == 0);
  CHECK(at.ask("GET", "/page.js", "", {{"Cookie", value}})->got->type == "text/javascript; charset=utf-8");
  CHECK(at.post("halve", "[4]", {{"Cookie", value}})->got->status == 401);
  CHECK(at.post("halve", "[4]", {{"Cookie", value}, {"Yonder-Page", word}})->body() == 2);
  CHECK(at.ask("GET", "/v1/status", "", {{"Cookie", value}, {"Yonder-Page", word}})
            ->body()["tasks"]
            .is_array());
  // In another tab, or where the word is not known, one signs in again.
  CHECK(at.ask("GET", "/?sign_in", "", {{"Cookie", value}})->got->body.find("type=\"password\"") !=
        std::string::npos);
  CHECK(at.ask("GET", "/v1/status", "", alice)->got->status == 403);
  CHECK(at.ask("DELETE", "/v1/session", "", {{"Cookie", value}, {"Yonder-Page", word}})
            ->field("Set-Cookie")
            .find("Max-Age=0") != std::string::npos);
  CHECK(at.ask("GET", "/", "", {{"Cookie", value}})->got->status == 401);  // a copy is worth nothing
}

TEST_CASE("a session of the page is its server's, and ends with its key, or when it is not used") {
  desk at({}, page_keys);
  auto const sign_in = [&](std::string_view key, std::string_view host) {
    return signed_in(at, key, {{"Host", host}}).cookie;
  };
  auto const status = [&](std::string const& cookie, std::string_view host) {
    return at.ask("GET", "/page.js", "", {{"Host", host}, {"Cookie", cookie}})->got->status;
  };
  auto const here = sign_in("0123456789abcdeg", "localhost:8000");
  auto const there = sign_in("0123456789abcdeh", "localhost:9000");
  CHECK(here.starts_with("yonder_session_8000="));
  CHECK(there.starts_with("yonder_session_9000="));
  for (auto const& both : {here + "; " + there, there + "; " + here}) {
    CHECK(status(both, "localhost:8000") == 200);
    CHECK(status(both, "localhost:9000") == 200);
  }
  CHECK(status(there, "localhost:8000") == 401);
  CHECK(status("yonder_session_8000=; yonder_session_8000=0; " + here, "localhost:8000") == 200);
  CHECK(status(here, "localhost") == 401);
  CHECK(sign_in("0123456789abcdeg", "[::1]").starts_with("yonder_session="));
  CHECK(sign_in("0123456789abcdeg", "[::1]:80").starts_with("yonder_session_80="));
  at.write_keys("0123456789abcdeh root admin\n");
  at.pass(std::chrono::seconds(2));
  CHECK(status(here, "localhost:8000") == 401);
  CHECK(status(there, "localhost:9000") == 200);
  at.pass(std::chrono::hours(23));
  CHECK(status(there, "localhost:9000") == 200);
  at.pass(std::chrono::hours(24));
  CHECK(status(there, "localhost:9000") == 401);
  // Of one key's that are too many the first ones end.
  auto const first = sign_in("0123456789abcdeh", "localhost");
  at.pass(std::chrono::seconds(1));
  std::string second;
  for (std::size_t i = 0; i < page_sessions::most_of_key; ++i) {
    auto const last = sign_in("0123456789abcdeh", "localhost");
    if (i == 0) second = last;
  }
  CHECK(status(first, "localhost") == 401);
  CHECK(status(second, "localhost") == 200);
}

TEST_CASE("another server of the host, which is sent the page's cookie, learns and does nothing with it") {
  desk at({}, page_keys);
  auto const hers = signed_in(at, "0123456789abcdeh"), his = signed_in(at, "0123456789abcdeg");
  auto const status = [&](std::string_view method, std::string_view target, std::string_view word) {
    fields all{{"Cookie", hers.cookie}};
    if (!word.empty()) all.emplace_back("Yonder-Page", word);
    return at.ask(method, target, method == "POST" ? "[4]" : "", all)->got->status;
  };
  for (auto const& asked :
       {std::pair("GET", "/v1/status"), std::pair("GET", "/v1/calls"), std::pair("GET", "/metrics"),
        std::pair("HEAD", "/v1/workers"), std::pair("GET", "/openapi.json"),
        std::pair("POST", "/v1/tasks/http_tests::halve"), std::pair("DELETE", "/v1/session")}) {
    CAPTURE(asked.second);
    for (auto const& word : {std::string(), std::string("1"), his.word, hers.word + "0"})
      CHECK(status(asked.first, asked.second, word) == 401);
  }
  CHECK(status("POST", "/page.js", "1") == 401);
  CHECK(status("GET", "/v1/status", hers.word) == 200);
  CHECK(status("GET", "/", "") == 200);  // that the page is there it may see
}

TEST_CASE(
    "a further tab of the same browser signs in beside the others, and signing out is for all of them") {
  desk at({}, page_keys);
  auto const first = signed_in(at, "0123456789abcdeh");
  auto const status = [&](std::string_view method, std::string const& cookie, std::string const& word) {
    return at
        .ask(method, method == "GET" ? "/v1/status" : "/v1/session", "",
             {{"Cookie", cookie}, {"Yonder-Page", word}})
        ->got->status;
  };
  auto const second = signed_in(at, "0123456789abcdeh", {{"Cookie", first.cookie}});
  CHECK(second.cookie == first.cookie);
  CHECK(second.word != first.word);
  CHECK(status("GET", first.cookie, first.word) == 200);
  CHECK(status("GET", first.cookie, second.word) == 200);
  // Of another key it is another session.
  auto const other = signed_in(at, "0123456789abcdeg", {{"Cookie", first.cookie}});
  CHECK(other.cookie != first.cookie);
  CHECK(status("GET", other.cookie, first.word) == 401);
  CHECK(status("GET", first.cookie, other.word) == 401);
  // Of too many tabs the first one signs in again.
  for (std::size_t i = 1; i < page_sessions::most_tabs; ++i)
    signed_in(at, "0123456789abcdeh", {{"Cookie", first.cookie}});
  CHECK(status("GET", first.cookie, first.word) == 401);
  CHECK(status("GET", first.cookie, second.word) == 200);
  CHECK(status("DELETE", first.cookie, second.word) == 204);
  CHECK(status("GET", first.cookie, second.word) == 401);
}

TEST_CASE("a file of keys that becomes unusable is said, and is no fault of whoever asks") {
  desk at({}, page_keys);
  CHECK(at.post("halve", "[2]", bob)->got->status == 200);
  at.write_keys(page_keys + "a line that says nothing\n");
  at.pass(std::chrono::seconds(2));
  for (auto const& asked : {at.post("halve", "[2]", bob), at.ask("GET", "/"), at.ask("GET", "/readyz")}) {
    CHECK(asked->got->status == 503);
    CHECK(asked->body()["code"] == "keys_unusable");
    CHECK(asked->field("Retry-After") == "1");
    CHECK(asked->got->body.find(at.file_of_keys()) == std::string::npos);
  }
  CHECK(at.ask("GET", "/healthz")->got->status == 200);
  at.write_keys(page_keys);
  at.pass(std::chrono::seconds(2));
  CHECK(at.ask("GET", "/readyz")->got->status == 200);
  CHECK(at.post("halve", "[2]", bob)->got->status == 200);
}

TEST_CASE("what a key has open ends when the key has gone") {
  desk at({}, page_keys);
  auto const id =
      at.ask("POST", "/v1/tasks/http_tests::wait_for_stop/spawn", "[]", bob)->body()["id"].get<std::string>();
  auto events = bob;
  events.emplace_back("Accept", "text/event-stream");
  auto const polls = at.begin("GET", "/v1/calls/" + id + "?wait=60", "", bob);
  auto const others = at.begin("GET", "/v1/calls/" + id + "?wait=60", "", root);
  auto const watches = at.begin("GET", "/v1/calls/" + id, "", events);
  auto const reads = at.begin("GET", "/v1/calls/" + id + "/logs", "", events);
  while (!reads->next) at.turn();
  at.pass(std::chrono::seconds(16));
  CHECK_FALSE(watches->got);
  CHECK_FALSE(reads->got);
  at.write_keys("0123456789abcdeh root admin\n");
  at.pass(std::chrono::seconds(16));
  for (auto const& one : {watches, reads}) {
    while (!one->got) {
      if (one->next) std::exchange(one->next, nullptr)();
      at.pass(std::chrono::seconds(1));  // it looks again
    }
    CHECK(one->got->body.find("event: error\ndata: {\"title\":\"Unauthorized\",\"status\":401") !=
          std::string::npos);
  }
  CHECK(at.ask("DELETE", "/v1/calls/" + id, "", root)->got->status == 202);
  at.finish(*polls);
  CHECK(polls->got->status == 401);
  at.finish(*others);
  CHECK(others->body()["state"] == "cancelled");
}

TEST_CASE(
    "whoever waits for a call of his own is refused when his key has gone, and what nobody else waits for "
    "ends") {
  desk at({}, page_keys);
  std::string const task = "/v1/tasks/http_tests::wait_for_stop";
  auto keyed = bob;
  keyed.emplace_back("Idempotency-Key", "kept");
  auto const one = at.begin("POST", task, "[]", bob), others = at.begin("POST", task, "[]", root);
  auto const under_key = at.begin("POST", task, "[]", keyed), with_him = at.begin("POST", task, "[]", keyed);
  auto const batch = at.begin("POST", task + "/batch", "[[],[],[]]", bob);
  CHECK(at.work().running() == 6);
  at.pass(std::chrono::seconds(16));
  for (auto const& waits : {one, others, under_key, with_him, batch}) CHECK_FALSE(waits->got);
  at.write_keys("0123456789abcdeh root admin\n");
  at.pass(std::chrono::seconds(16));
  for (auto const& gone : {one, under_key, with_him, batch}) {
    REQUIRE(gone->got);
    CHECK(gone->got->status == 401);
    CHECK(gone->times == 1);
    CHECK(gone->waiters.empty());
  }
  CHECK_FALSE(others->got);
  // Those that nobody can find any more end; one under an idempotency key is found by it.
  while (at.work().running() != 2) at.turn();
  auto const list = at.ask("GET", "/v1/calls", "", root)->body();
  REQUIRE(list.size() == 1);
  CHECK(list[0]["state"] == "running");
  at.ask("DELETE", "/v1/calls/" + list[0]["id"].get<std::string>(), "", root);
  while (at.work().running() != 1) at.turn();
  CHECK_FALSE(others->got);
  at.pass(std::chrono::seconds(31));
  CHECK(others->got->status == 202);  // whose time is over
  at.ask("DELETE", others->field("Location"), "", root);
  while (at.work().running() != 0) at.turn();
}

TEST_CASE("a result is not told to whose key has gone while it came") {
  desk at({}, page_keys);
  auto const his = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate", "[]", bob);
  auto const hers = at.begin("POST", "/v1/tasks/http_tests::wait_for_gate", "[]", root);
  at.write_keys("0123456789abcdeh root admin\n");
  at.pass(std::chrono::seconds(5));
  gate.release(2);
  at.finish(*his);
  at.finish(*hers);
  CHECK(his->got->status == 401);
  CHECK(hers->got->status == 200);
}
