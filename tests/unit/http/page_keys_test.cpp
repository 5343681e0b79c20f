// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "src/http/page_sessions.hpp"
#include "src/http/service.hpp"
#include "tests/unit/http/desk.hpp"
#include "yonder/yonder.hpp"

// Who has come in by the page, and what ends with a key.
namespace http_tests {
namespace {

std::string const page_keys =
    "0123456789abcdef alice call:http_tests::halve\n0123456789abcdeg bob call:* metrics\n0123456789abcdeh "
    "root admin\n";

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
  auto const signed_in = at.ask("POST", "/v1/session", "key=0123456789abcdeg");
  CHECK(signed_in->got->status == 303);
  auto const set = signed_in->field("Set-Cookie");
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
  CHECK(at.post("halve", "[4]", {{"Cookie", value}, {"Yonder-Page", "1"}})->body() == 2);
  CHECK(at.ask("GET", "/v1/status", "", {{"Cookie", value}})->body()["tasks"].is_array());
  CHECK(at.ask("GET", "/v1/status", "", alice)->got->status == 403);
  CHECK(at.ask("DELETE", "/v1/session", "", {{"Cookie", value}, {"Yonder-Page", "1"}})
            ->field("Set-Cookie")
            .find("Max-Age=0") != std::string::npos);
  CHECK(at.ask("GET", "/", "", {{"Cookie", value}})->got->status == 401);  // a copy is worth nothing
}

TEST_CASE("a session of the page is its server's, and ends with its key, or when it is not used") {
  desk at({}, page_keys);
  auto const sign_in = [&](std::string_view key, std::string_view host) {
    auto const set =
        at.ask("POST", "/v1/session", "key=" + std::string(key), {{"Host", host}})->field("Set-Cookie");
    return set.substr(0, set.find(';'));
  };
  auto const status = [&](std::string const& cookie, std::string_view host) {
    return at.ask("GET", "/v1/tasks", "", {{"Host", host}, {"Cookie", cookie}})->got->status;
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
