// SPDX-License-Identifier: Apache-2.0
#include "src/core/session_table.hpp"

#include <doctest/doctest.h>

using namespace yonder::core;
using greeting = session_table::greeting;

namespace {

struct tested_sessions {
  random_source random{1};
  timer_wheel timers{0};
  session_table sessions{
      {.peers = 4, .hello_bytes = 2'000, .table_bytes = 3'000, .hello_timeout = second}, random, timers};
  hello_message said;

  frame hello(std::uint64_t session, std::uint32_t number, std::uint32_t epoch = 0,
              std::vector<function_info> functions = {}) {
    hello_message message;
    message.role = peer_role::client;
    message.session = session;
    message.functions = std::move(functions);
    auto made = make_hello(message);
    made.head.attempt = number;
    made.head.epoch = epoch;
    return made;
  }

  greeting judge(peer_record const& peer, frame const& message) {
    said = {};
    return sessions.judge(peer, message, said).what;
  }

  client_session& begin(peer_record& peer, std::uint64_t session) {
    REQUIRE(judge(peer, hello(session, 1)) == greeting::begins);
    return sessions.begin_client(0, peer, said, 1);
  }
};

}  // namespace

TEST_CASE("a session goes on over a connection of the same identity, whatever became of the last one") {
  tested_sessions t;
  auto& before = *t.sessions.connect(0, 1, {.identity = "key"});
  auto& client = t.begin(before, 100);
  auto& after = *t.sessions.connect(0, 2, {.identity = "key"});
  CHECK(t.judge(after, t.hello(100, 2, client.conn.epoch())) == greeting::resumes);
  t.sessions.rebind(client, after);
  CHECK(client.peer == &after);
  client.hello = 2;
  CHECK(t.judge(before, t.hello(100, 1)) == greeting::stale);
  CHECK(t.judge(after, t.hello(100, 3)) == greeting::begins);
}

TEST_CASE("nobody of another identity goes on with a session") {
  tested_sessions t;
  auto& owner = *t.sessions.connect(0, 1, {.identity = "key"});
  auto& client = t.begin(owner, 100);
  auto& thief = *t.sessions.connect(0, 2, {.identity = "another"});
  CHECK(t.judge(thief, t.hello(100, 9, client.conn.epoch())) == greeting::violation);
  t.sessions.detach(client);
  CHECK(t.judge(thief, t.hello(100, 9, client.conn.epoch())) == greeting::violation);
}

TEST_CASE("without identities a session stays with its connection until that has ended") {
  tested_sessions t;
  auto& owner = *t.sessions.connect(0, 1, {});
  auto& client = t.begin(owner, 100);
  auto& other = *t.sessions.connect(0, 2, {});
  CHECK(t.judge(other, t.hello(100, 9, client.conn.epoch())) == greeting::untimely);
  t.sessions.detach(client);
  t.sessions.forget(owner);
  CHECK(t.judge(other, t.hello(100, 9, client.conn.epoch())) == greeting::resumes);
}

TEST_CASE("who comes over an unreliable connection proves that a session is its own, seen before or never") {
  random_source random{1};
  timer_wheel timers{0};
  session_table sessions{
      {.peers = 4, .hello_bytes = 2'000, .table_bytes = 3'000, .proves_sessions = true}, random, timers};
  hello_message said;
  said.role = peer_role::client;
  session_secret const secret{7, 8};
  auto const judge = [&](peer_record const& peer) {
    auto message = make_hello(said);
    message.head.attempt = 1;
    hello_message read;
    return sessions.judge(peer, message, read).what;
  };
  auto& elsewhere = *sessions.connect(0, 1, {.identity = "key"});
  auto& inherited = *sessions.connect(0, 2, {.reliable = true});
  said.session = session_of(secret);  // which calls tell everybody
  CHECK(judge(elsewhere) == greeting::violation);
  CHECK(judge(inherited) == greeting::begins);
  said.secret = {7, 9};
  CHECK(judge(elsewhere) == greeting::violation);
  said.secret = secret;
  CHECK(judge(elsewhere) == greeting::begins);
}

TEST_CASE("the hash of a secret is SHA-256's") {
  auto const hash = [](std::string_view text) {
    std::vector<std::uint8_t> const bytes(text.begin(), text.end());
    std::string digits;
    for (auto const byte : sha256(bytes))
      for (auto const half : {byte >> 4, byte & 15}) digits += "0123456789abcdef"[half];
    return digits;
  };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hash(std::string(1'000, 'a')) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

TEST_CASE("a message in pieces has the hash that it has at once") {
  std::vector<std::uint8_t> message(300);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i);
  for (std::size_t const size : {0u, 55u, 56u, 63u, 64u, 65u, 128u, 300u})
    for (std::size_t const piece : {1u, 7u, 63u, 64u, 65u, 300u}) {
      auto const all = std::span<std::uint8_t const>(message).first(size);
      sha256_state hash;
      for (auto left = all; !left.empty(); left = left.subspan(std::min(piece, left.size())))
        hash.add(left.first(std::min(piece, left.size())));
      CHECK(hash.digest() == sha256(all));
    }
}

TEST_CASE("what hellos say is bounded in bytes, one by one and in all") {
  tested_sessions t;
  auto& peer = *t.sessions.connect(0, 1, {});
  auto& other = *t.sessions.connect(0, 2, {});
  std::vector<function_info> const table_of_1500{{"f", 1, std::string(1'500, 's')}};
  CHECK(t.judge(peer, t.hello(1, 1, 0, {{"f", 1, std::string(2'000, 's')}})) == greeting::refused);
  CHECK(t.judge(peer, t.hello(1, 1, 0, table_of_1500)) == greeting::begins);
  auto& client = t.sessions.begin_client(0, peer, t.said, 1);
  CHECK(t.judge(other, t.hello(2, 1, 0, table_of_1500)) == greeting::refused);
  t.sessions.end(0, client);
  t.sessions.remove(client);
  CHECK(t.judge(other, t.hello(2, 1, 0, table_of_1500)) == greeting::begins);
}

TEST_CASE("connections are bounded, and known by their number alone") {
  tested_sessions t;
  for (peer_id id = 1; id <= 4; ++id) CHECK(t.sessions.connect(0, id, {}) != nullptr);
  CHECK(t.sessions.connect(0, 5, {}) == nullptr);
  t.sessions.forget(*t.sessions.find_peer(1));
  CHECK(t.sessions.connect(0, 2, {}) == nullptr);
  CHECK(t.sessions.connect(0, 5, {}) != nullptr);
  CHECK(t.sessions.find_peer(1) == nullptr);
}
