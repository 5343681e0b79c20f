// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/transports/hub_place.hpp"

// What every transport between processes that were not started by each other promises beside the conformance
// of all: how connections begin and end, and what does not disturb them.
namespace yonder::testing {

// A connection to where a hub listens that says what it is told to, and speaks no protocol.
inline platform::unique_fd bare_connection(std::string const& address) {
  auto const rest = address.substr(address.find("://") + 3);
  if (rest.front() == '/') {
    platform::unique_fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    rest.copy(where.sun_path, sizeof where.sun_path - 1);
    REQUIRE(::connect(made.get(), reinterpret_cast<sockaddr const*>(&where), sizeof where) == 0);
    return made;
  }
  platform::unique_fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(static_cast<std::uint16_t>(std::stoi(rest.substr(rest.rfind(':') + 1))));
  REQUIRE(::connect(made.get(), reinterpret_cast<sockaddr const*>(&where), sizeof where) == 0);
  return made;
}

TEST_CASE_TEMPLATE_DEFINE("a client waits for a hub that is not there, and connects once it is", Way,
                          absent_hub_cases) {
  hub_place<Way> here;
  auto const client = here.client();
  for (int i = 0; i < 20; ++i) here.w.turn(1'000'000);
  CHECK(here.w.events(*client).empty());
  here.start();
  CHECK(here.w.next(*client, kind::connected).peer != 0);
}

TEST_CASE_TEMPLATE_DEFINE(
    "a client whose hub comes back is connected again, as another peer, and nothing of before reaches it",
    Way, reconnect_cases) {
  hub_place<Way> here;
  here.start();
  auto const client = here.client();
  auto const before = here.w.next(*client, kind::connected).peer;
  here.w.send(*client, before, make_frame(1));
  here.w.next(*here.server, kind::connected);
  here.w.next(*here.server, kind::received);
  // A sleep in the very read ends in time, on each connection.
  auto const sleeps = [&] {
    if (client->can_wait()) CHECK_FALSE(client->wait(20'000'000));
  };
  sleeps();
  for (std::uint64_t round = 2; round < 8; round += 2) {
    here.stop();
    auto const lost = here.w.next(*client, kind::lost);
    CHECK_FALSE(lost.unauthorized);
    CHECK(client->send(before, make_frame(round)) == send_status::gone);
    here.start();
    auto const after = here.w.next(*client, kind::connected).peer;
    CHECK(after != before);
    sleeps();
    CHECK(client->send(before, make_frame(round)) == send_status::gone);
    here.w.send(*client, after, make_frame(round + 1));
    here.w.next(*here.server, kind::connected);
    CHECK(same(here.w.next(*here.server, kind::received).message, make_frame(round + 1)));
  }
}

TEST_CASE_TEMPLATE_DEFINE("a hub that ends says its last frames first", Way, last_frames_cases) {
  hub_place<Way> here;
  here.start();
  auto const one = here.connected();
  for (std::uint64_t i = 0; i < 100; ++i)
    REQUIRE(here.server->send(one.at_server, make_frame(i, 1000)) == send_status::sent);
  here.stop();
  for (std::uint64_t i = 0; i < 100; ++i)
    CHECK(same(here.w.next(*one.client, kind::received).message, make_frame(i, 1000)));
  here.w.next(*one.client, kind::lost);
}

TEST_CASE_TEMPLATE_DEFINE(
    "a client that connects anew under its session is a new peer; the old one, half open, is lost first", Way,
    half_open_cases) {
  hub_place<Way> here;
  here.start();
  auto const second = here.client(77);
  here.w.next(*second, kind::connected);
  here.stop();
  here.w.next(*second, kind::lost);
  here.w.forget(*second);
  here.start();
  auto const first = here.connected(77);  // as one that came before, whose end nobody was told of
  here.w.forget(*first.client);           // it stands, and neither says nor hears anything
  here.w.drive(*second);
  here.w.send(*second, here.w.next(*second, kind::connected).peer, make_frame(2));
  CHECK(here.w.next(*here.server, kind::lost).peer == first.at_server);
  auto const after = here.w.next(*here.server, kind::connected).peer;
  CHECK(after != first.at_server);
  CHECK(same(here.w.next(*here.server, kind::received).message, make_frame(2)));
  CHECK(here.server->send(first.at_server, make_frame(3)) == send_status::gone);
  here.w.send(*here.server, after, make_frame(3));
  CHECK(same(here.w.next(*second, kind::received).message, make_frame(3)));
}

TEST_CASE_TEMPLATE_DEFINE("sessions of two clients do not disturb each other", Way, sessions_cases) {
  hub_place<Way> here;
  here.start();
  auto const first = here.connected(1);
  auto const second = here.connected(2);
  here.w.send(*first.client, first.at_client, make_frame(10));
  auto const got = here.w.next(*here.server, kind::received);
  CHECK(got.peer == first.at_server);
  CHECK(second.at_server != first.at_server);
  CHECK(here.w.events(*here.server).empty());
}

TEST_CASE_TEMPLATE_DEFINE(
    "a client that the hub has closed connects again, and what it says before is ignored", Way,
    closed_by_hub_cases) {
  hub_place<Way> here;
  here.start();
  auto const one = here.connected();
  here.server->close(one.at_server);
  one.client->send(one.at_client, make_frame(2));
  CHECK(here.w.next(*one.client, kind::lost).peer == one.at_client);
  auto const after = here.w.next(*one.client, kind::connected).peer;
  here.w.send(*one.client, after, make_frame(3));
  CHECK(here.w.next(*here.server, kind::connected).peer != one.at_server);
  CHECK(same(here.w.next(*here.server, kind::received).message, make_frame(3)));
}

TEST_CASE_TEMPLATE_DEFINE("close() of the client ends its connection for good, after what it had sent", Way,
                          closed_by_client_cases) {
  hub_place<Way> here;
  here.start();
  auto const one = here.connected();
  for (std::uint64_t i = 0; i < 50; ++i)
    REQUIRE(one.client->send(one.at_client, make_frame(i)) == send_status::sent);
  one.client->close(one.at_client);
  for (std::uint64_t i = 0; i < 50; ++i)
    CHECK(same(here.w.next(*here.server, kind::received).message, make_frame(i)));
  here.w.next(*here.server, kind::lost);
  for (int i = 0; i < 20; ++i) here.w.turn(1'000'000);
  CHECK(here.w.events(*one.client).empty());
  CHECK(here.w.events(*here.server).empty());
  CHECK_FALSE(one.client->poll_once());
}

TEST_CASE_TEMPLATE_DEFINE("signals that a handler takes change nothing", Way, signal_cases) {
  hub_place<Way> here;
  here.start();
  signal_storm const storm(::pthread_self());
  for (std::uint64_t session = 1; session <= 3; ++session) {
    auto client = here.client(session);
    auto const to = here.w.next(*client, kind::connected).peer;
    for (std::uint64_t i = 0; i < 500; ++i) {
      auto const sent = make_frame(i, 100, {i % 50 == 0 ? std::size_t{100'000} : 0});
      here.w.send(*client, to, sent);
      if (i == 0) here.w.next(*here.server, kind::connected);
      auto const got = here.w.next(*here.server, kind::received);
      REQUIRE(same(got.message, sent));
      here.w.send(*here.server, got.peer, got.message);
      REQUIRE(same(here.w.next(*client, kind::received).message, sent));
    }
    here.w.forget(*client);
    client.reset();
    here.w.next(*here.server, kind::lost);
  }
}

TEST_CASE_TEMPLATE_DEFINE("whoever only connects, or talks nonsense, is nobody, and disturbs nobody", Way,
                          nonsense_cases) {
  hub_place<Way> here;
  here.start();
  auto const good = here.connected();
  std::vector<platform::unique_fd> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(bare_connection(here.address));
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    auto const stranger = bare_connection(here.address);
    auto bytes = random_bytes(1 + seed * seed * 7 % 3000, seed);
    // As TLS begins, as our own greeting does, as ZeroMQ does.
    constexpr std::string_view beginnings[]{
        "", std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "YNDS\x01",
        std::string_view("\xff\0\0\0\0\0\0\0\x01\x7f", 10)};
    auto const begin = beginnings[seed % std::size(beginnings)].substr(0, bytes.size());
    std::memcpy(bytes.data(), begin.data(), begin.size());
    [[maybe_unused]] auto const written =
        ::send(stranger.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    here.w.send(*good.client, good.at_client, make_frame(seed));
    auto const got = here.w.next(*here.server, kind::received);
    REQUIRE(got.peer == good.at_server);
    REQUIRE(same(got.message, make_frame(seed)));
  }
  CHECK(here.w.events(*here.server).empty());
  auto const late = here.connected(2);
  CHECK(late.at_server != good.at_server);
}

// As a runtime's threads do: one lock, and who sleeps has not got it.
TEST_CASE_TEMPLATE_DEFINE("what other threads send while the one that receives sleeps arrives, both ways",
                          Way, threads_cases) {
  hub_place<Way> here;
  here.start();
  auto const one = here.connected();
  constexpr std::uint64_t count = 400;
  std::mutex driver;
  std::atomic<bool> failed{false};
  auto const send_all = [&](endpoint& from, peer_id to) {
    for (std::uint64_t i = 0; i < count && !failed;) {
      std::unique_lock held(driver);
      auto const size = i % 40 == 7 ? std::size_t{300'000} : std::size_t{50};
      auto const status = from.send(to, make_frame(i, size));
      from.flush();
      held.unlock();
      here.w.poller.ring();
      if (status == send_status::sent) ++i;
      if (status != send_status::sent && status != send_status::full) failed = true;
      if (i % 7 == 0) std::this_thread::yield();
    }
  };
  std::thread at_client([&] { send_all(*one.client, one.at_client); });
  std::thread at_server([&] { send_all(*here.server, one.at_server); });
  endpoint* const ends[2] = {one.client.get(), here.server.get()};
  std::uint64_t received[2] = {};
  bool all_same = true, woken = true;
  std::unique_lock held(driver);
  while (all_same && woken && !failed) {
    bool sleeps = true;
    for (int side = 0; side < 2; ++side) {
      std::vector<event> events;
      ends[side]->receive(events, 64);
      for (auto const& got : events) {
        auto const i = received[side]++;
        all_same = all_same && got.what == kind::received &&
                   same(got.message, make_frame(i, i % 40 == 7 ? std::size_t{300'000} : std::size_t{50}));
      }
      ends[side]->flush();
    }
    for (auto* const end : ends) sleeps = end->arm(here.w.poller) && sleeps;
    if (received[0] == count && received[1] == count) break;
    held.unlock();
    woken = here.w.poller.poll(sleeps ? 30'000'000'000 : 0) || !sleeps;
    held.lock();
    here.w.poller.dispatch();
  }
  held.unlock();
  if (!all_same || !woken) failed = true;
  at_client.join();
  at_server.join();
  CHECK(all_same);
  CHECK(woken);
  CHECK_FALSE(failed);
}

TEST_CASE_TEMPLATE_DEFINE("a thread that sleeps in its own reading hears what comes, while another one sends",
                          Way, wait_cases) {
  hub_place<Way> here;
  here.start();
  world other;  // the client's driver
  auto const client = here.client_of(other);
  other.drive(*client);
  here.w.run_until([&] {
    other.turn(0);
    return !other.events(*client).empty();
  });
  auto const to = other.next(*client, kind::connected).peer;
  while (!client->arm(other.poller)) other.turn(0);
  if (!client->can_wait()) return;  // it does not promise that
  constexpr std::uint64_t count = 200;
  std::mutex driver;
  std::atomic<std::uint64_t> heard{0};
  std::atomic<bool> all_same{true};
  std::thread reader([&] {
    std::vector<event> events;
    while (heard < count && all_same) {
      std::unique_lock held(driver);
      events.clear();
      client->receive(events, 64);
      for (auto const& got : events) {
        if (got.what != kind::received || !same(got.message, make_frame(heard, 40 + heard * 97 % 30'000)))
          all_same = false;
        ++heard;
      }
      bool const sleeps = events.empty() && client->arm(other.poller) && client->can_wait();
      held.unlock();
      if (sleeps) client->wait(100'000'000);
    }
  });
  for (std::uint64_t i = 0; i < count; ++i) {
    {
      std::lock_guard const held(driver);
      REQUIRE(client->send(to, make_frame(i, 40 + i * 97 % 30'000)) == send_status::sent);
      client->flush();
    }
    if (i == 0) here.w.next(*here.server, kind::connected);
    auto const got = here.w.next(*here.server, kind::received);
    here.w.send(*here.server, got.peer, got.message);
  }
  here.w.run_until([&] { return heard == count || !all_same; });
  reader.join();
  CHECK(all_same);
}

// ThreadSanitizer and AddressSanitizer have threads of their own, which a fork has not.
TEST_CASE_TEMPLATE_DEFINE(
    "a client that is killed at any moment leaves whole frames, in order, and then its end" *
        doctest::skip(YONDER_IS_SANITIZED),
    Way, kill_cases) {
  hub_place<Way> here;
  here.start();
  auto const size_of = [](std::uint64_t i) {
    return i % 5 == 3 ? std::size_t{200'000} + i * 1009 % 50'000 : i * 31 % 900;
  };
  for (std::uint64_t const frames : {0, 1, 2, 3, 5, 8, 13, 40, 77, 150, 151, 152}) {
    auto const child = ::fork();
    if (child == 0) {
      try {
        world own;
        auto const client = here.client_of(own, 5);
        own.drive(*client);
        auto const to = own.next(*client, kind::connected).peer;
        for (std::uint64_t i = 0;; ++i) {
          own.send(*client, to, make_frame(i, size_of(i)));
          own.turn(0);
        }
      } catch (...) {
      }
      ::_exit(1);
    }
    REQUIRE(child > 0);
    here.w.next(*here.server, kind::connected);
    std::uint64_t got = 0;
    for (; got < frames; ++got)
      REQUIRE(same(here.w.next(*here.server, kind::received).message, make_frame(got, size_of(got))));
    REQUIRE(::kill(child, SIGKILL) == 0);
    for (bool is_over = false; !is_over;) {
      here.w.run_until([&] { return !here.w.events(*here.server).empty(); });
      auto const next = std::move(here.w.events(*here.server).front());
      here.w.events(*here.server).pop_front();
      is_over = next.what == kind::lost;
      if (!is_over) REQUIRE(same(next.message, make_frame(got, size_of(got))));
      ++got;
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
  }
  here.connected(9);
}

TEST_CASE_TEMPLATE_DEFINE("a fork that ends, and says nothing, disturbs no connection" *
                              doctest::skip(YONDER_IS_SANITIZED),
                          Way, fork_cases) {
  hub_place<Way> here;
  here.start();
  auto const one = here.connected();
  for (std::uint64_t i = 0; i < 10; ++i) {
    REQUIRE(one.client->send(one.at_client, make_frame(i, 10, {100'000})) == send_status::sent);
    auto const child = ::fork();
    if (child == 0) ::_exit(0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(same(here.w.next(*here.server, kind::received).message, make_frame(i, 10, {100'000})));
    here.w.send(*here.server, one.at_server, make_frame(i));
    REQUIRE(same(here.w.next(*one.client, kind::received).message, make_frame(i)));
  }
}

#define YONDER_TEST_REMOTE_TRANSPORT(...)                         \
  TEST_CASE_TEMPLATE_INVOKE(absent_hub_cases, __VA_ARGS__);       \
  TEST_CASE_TEMPLATE_INVOKE(reconnect_cases, __VA_ARGS__);        \
  TEST_CASE_TEMPLATE_INVOKE(last_frames_cases, __VA_ARGS__);      \
  TEST_CASE_TEMPLATE_INVOKE(half_open_cases, __VA_ARGS__);        \
  TEST_CASE_TEMPLATE_INVOKE(sessions_cases, __VA_ARGS__);         \
  TEST_CASE_TEMPLATE_INVOKE(closed_by_hub_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(closed_by_client_cases, __VA_ARGS__); \
  TEST_CASE_TEMPLATE_INVOKE(signal_cases, __VA_ARGS__);           \
  TEST_CASE_TEMPLATE_INVOKE(nonsense_cases, __VA_ARGS__);         \
  TEST_CASE_TEMPLATE_INVOKE(threads_cases, __VA_ARGS__);          \
  TEST_CASE_TEMPLATE_INVOKE(wait_cases, __VA_ARGS__);             \
  TEST_CASE_TEMPLATE_INVOKE(kill_cases, __VA_ARGS__);             \
  TEST_CASE_TEMPLATE_INVOKE(fork_cases, __VA_ARGS__)

}  // namespace yonder::testing
