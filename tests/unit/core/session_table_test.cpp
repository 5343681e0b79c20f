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
