// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>

#include "tests/unit/transports/world.hpp"

// What every transport promises. A `Link` is one serving endpoint and clients that are connected to it:
//   Link(world&, limits);  endpoint& server();  endpoint& client(i);  void connect();  // adds client(i),
//   both driven void destroy(i);  // client(i), without a farewell
namespace yonder::testing {

// A link with `count` clients whose connection both sides know. peer_at_server[i] speaks with client i.
template <class Link>
struct connected_link {
  explicit connected_link(world& w, std::size_t count = 1, limits const& bounds = {}) : link(w, bounds) {
    for (std::size_t i = 0; i < count; ++i) {
      link.connect();
      auto const greeting = make_frame(1'000'000 + i, 8);
      peer_at_client.push_back(w.next(link.client(i), kind::connected).peer);
      w.send(link.client(i), peer_at_client[i], greeting);
      peer_at_server.push_back(w.next(link.server(), kind::connected).peer);
      auto const received = w.next(link.server(), kind::received);
      REQUIRE(received.peer == peer_at_server[i]);
      REQUIRE(same(received.message, greeting));
    }
  }

  Link link;
  std::vector<peer_id> peer_at_client, peer_at_server;
};

TEST_CASE_TEMPLATE_DEFINE("frames arrive whole and in order, both ways", Link, order_cases) {
  world w;
  connected_link<Link> c(w);
  for (std::uint64_t i = 0; i < 100; ++i) {
    w.send(c.link.client(0), c.peer_at_client[0], make_frame(i, i));
    w.send(c.link.server(), c.peer_at_server[0], make_frame(1000 + i, 3 * i));
  }
  for (std::uint64_t i = 0; i < 100; ++i) {
    CHECK(same(w.next(c.link.server(), kind::received).message, make_frame(i, i)));
    CHECK(same(w.next(c.link.client(0), kind::received).message, make_frame(1000 + i, 3 * i)));
  }
}

TEST_CASE_TEMPLATE_DEFINE("each of many peers keeps its own order and gets its own answers", Link,
                          peers_cases) {
  world w;
  constexpr std::size_t peers = 20;
  connected_link<Link> c(w, peers);
  for (std::uint64_t i = 0; i < 50; ++i) {
    for (std::size_t p = 0; p < peers; ++p)
      w.send(c.link.client(p), c.peer_at_client[p], make_frame(p * 1000 + i));
  }
  std::map<peer_id, std::uint64_t> expected;
  for (std::size_t p = 0; p < peers; ++p) expected[c.peer_at_server[p]] = p * 1000;
  CHECK(expected.size() == peers);
  for (std::uint64_t i = 0; i < 50 * peers; ++i) {
    auto const got = w.next(c.link.server(), kind::received);
    CHECK(same(got.message, make_frame(expected.at(got.peer)++)));
    w.send(c.link.server(), got.peer, got.message);
  }
  for (std::size_t p = 0; p < peers; ++p) {
    for (std::uint64_t i = 0; i < 50; ++i)
      CHECK(same(w.next(c.link.client(p), kind::received).message, make_frame(p * 1000 + i)));
  }
}

TEST_CASE_TEMPLATE_DEFINE("large buffers of any size arrive as parts of their own", Link, buffer_cases) {
  world w;
  connected_link<Link> c(w);
  std::size_t constexpr mib = std::size_t{1} << (YONDER_IS_SANITIZED ? 18 : 20);
  std::vector<std::vector<std::size_t>> const shapes{{0},
                                                     {1},
                                                     {0, 0, 0},
                                                     {8 * mib},
                                                     {1, 8 * mib, 0, 70'000, 8 * mib + 1},
                                                     std::vector<std::size_t>(300, 20'001)};
  std::uint64_t number = 0;
  for (auto const& shape : shapes) {
    for (std::size_t const body : {std::size_t{0}, std::size_t{100}, std::size_t{100'000}, 3 * mib}) {
      auto const sent = make_frame(++number, body, shape);
      w.send(c.link.client(0), c.peer_at_client[0], sent);
      CHECK(same(w.next(c.link.server(), kind::received).message, sent));
      w.send(c.link.server(), c.peer_at_server[0], sent);
      CHECK(same(w.next(c.link.client(0), kind::received).message, sent));
    }
  }
}

TEST_CASE_TEMPLATE_DEFINE("many frames of random sizes cross in both directions", Link, volume_cases) {
  world w;
  connected_link<Link> c(w);
  std::mt19937_64 random(7);
  constexpr std::uint64_t count = YONDER_IS_SANITIZED ? 20'000 : 100'000;
  auto const size_of = [](std::uint64_t number) {
    return number % 1009 == 0 ? 40'000 + number % 30'000 : number * number % 300;
  };
  std::uint64_t sent[2] = {}, received[2] = {};
  endpoint* const ends[2] = {&c.link.client(0), &c.link.server()};
  peer_id const peers[2] = {c.peer_at_client[0], c.peer_at_server[0]};
  bool all_same = true;
  w.run_until([&] {
    for (int side = 0; side < 2; ++side) {
      for (auto burst = random() % 200; burst != 0 && sent[side] < count; --burst) {
        if (ends[side]->send(peers[side], make_frame(sent[side], size_of(sent[side]))) != send_status::sent)
          break;
        ++sent[side];
      }
      auto& got = w.events(*ends[1 - side]);
      for (; !got.empty(); got.pop_front(), ++received[side])
        all_same = all_same && same(got.front().message, make_frame(received[side], size_of(received[side])));
    }
    return received[0] == count && received[1] == count;
  });
  CHECK(all_same);
}

TEST_CASE_TEMPLATE_DEFINE("past the queue limit send() says full, and what it took arrives", Link,
                          full_cases) {
  world w;
  limits bounds;
  bounds.max_queue_bytes = 1 << 20;
  connected_link<Link> c(w, 1, bounds);
  auto const size = [](std::uint64_t number) {
    return number % 2 == 0 ? std::size_t{100} : std::size_t{50'000};
  };
  auto const frame_of = [&](std::uint64_t i) {
    return i % 3 == 0 ? make_frame(i, 10, {size(i)}) : make_frame(i, size(i));
  };
  auto const check = [&](endpoint& from, peer_id to, endpoint& reader) {
    std::uint64_t taken = 0;
    auto status = send_status::sent;
    while ((status = from.send(to, frame_of(taken))) == send_status::sent) {
      ++taken;
      REQUIRE(taken < 20'000);
    }
    CHECK(status == send_status::full);
    CHECK(taken > 10);
    for (std::uint64_t i = 0; i < taken; ++i) {
      auto const got = w.next(reader, kind::received);
      REQUIRE(same(got.message, frame_of(i)));
    }
    w.send(from, to, make_frame(taken));  // there is room again
    CHECK(same(w.next(reader, kind::received).message, make_frame(taken)));
  };
  check(c.link.client(0), c.peer_at_client[0], c.link.server());
  check(c.link.server(), c.peer_at_server[0], c.link.client(0));
}

TEST_CASE_TEMPLATE_DEFINE("a frame larger than the queue limit is taken when nothing waits", Link,
                          oversize_cases) {
  world w;
  limits bounds;
  bounds.max_queue_bytes = 10'000;
  connected_link<Link> c(w, 1, bounds);
  auto const sent = make_frame(5, 1000, {3'000'000});
  w.send(c.link.client(0), c.peer_at_client[0], sent);
  CHECK(same(w.next(c.link.server(), kind::received).message, sent));
}

TEST_CASE_TEMPLATE_DEFINE("a frame past the limits is refused where it is sent", Link, limit_cases) {
  world w;
  limits bounds;
  bounds.max_frame_bytes = 100'000;
  bounds.max_buffers = 3;
  connected_link<Link> c(w, 1, bounds);
  auto& client = c.link.client(0);
  CHECK(client.send(c.peer_at_client[0], make_frame(1, 100'000 - 63)) == send_status::too_large);
  CHECK(client.send(c.peer_at_client[0], make_frame(1, 0, {1, 1, 1, 1})) == send_status::too_large);
  CHECK(client.send(c.peer_at_client[0], make_frame(1, 0, {50'000, 50'000})) == send_status::too_large);
  auto const largest = make_frame(2, 36, {50'000, 49'900, 0});
  w.send(client, c.peer_at_client[0], largest);
  CHECK(same(w.next(c.link.server(), kind::received).message, largest));
}

TEST_CASE_TEMPLATE_DEFINE("after detach() a borrowed buffer may go, and still arrives", Link, detach_cases) {
  world w;
  connected_link<Link> c(w);
  auto const expected = make_frame(1, 10, {6'000'000});
  auto lent =
      std::make_unique<detail::byte_buffer>(detail::byte_buffer::copy_of(expected.buffers[0].bytes()));
  auto borrowing = make_frame(1, 10, {6'000'000});
  borrowing.buffers[0] = {lent->data(), lent->size(), nullptr};
  REQUIRE(c.link.client(0).send(c.peer_at_client[0], borrowing) == send_status::sent);
  c.link.client(0).flush();
  c.link.client(0).detach();
  std::fill_n(lent->data(), lent->size(), std::byte{0xee});
  lent.reset();
  CHECK(same(w.next(c.link.server(), kind::received).message, expected));
}

TEST_CASE_TEMPLATE_DEFINE("a body may change as soon as send() has returned", Link, body_cases) {
  world w;
  connected_link<Link> c(w);
  for (std::size_t const size : {100, 20'000, 5'000'000}) {
    auto sent = make_frame(size, size);
    w.send(c.link.client(0), c.peer_at_client[0], sent);
    std::fill_n(const_cast<std::byte*>(sent.body.data()), sent.body.size(), std::byte{0xee});
    CHECK(same(w.next(c.link.server(), kind::received).message, make_frame(size, size)));
  }
}

TEST_CASE_TEMPLATE_DEFINE("a body that others own is kept alive for as long as it is needed, and arrives",
                          Link, owner_cases) {
  world w;
  connected_link<Link> c(w);
  for (std::size_t const size : {100, 20'000, 5'000'000}) {
    auto sent = make_frame(size, size);
    auto owner = std::make_shared<detail::byte_buffer>(detail::byte_buffer::copy_of(sent.body));
    std::weak_ptr<detail::byte_buffer> const watch = owner;
    sent.body = {owner->bytes(), owner};
    w.send(c.link.client(0), c.peer_at_client[0], sent);
    sent = {};
    owner.reset();
    {
      auto const got = w.next(c.link.server(), kind::received);
      CHECK(same(got.message, make_frame(size, size)));
      CHECK(same_bytes(got.message.body.duplicate(), got.message.body));
    }
    w.run_until([&] { return watch.expired(); });
  }
}

TEST_CASE_TEMPLATE_DEFINE("without any poller, poll_once() finds what comes", Link, poll_cases) {
  world w;
  connected_link<Link> c(w);
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::uint64_t i = 0; i < 20; ++i) {
    auto const sent = make_frame(i, i % 2 == 0 ? 50 : 700'000, {i % 3 == 0 ? std::size_t{300'000} : 0});
    REQUIRE(c.link.client(0).send(c.peer_at_client[0], sent) == send_status::sent);
    std::vector<event> events;
    while (events.empty()) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      c.link.client(0).flush();
      c.link.client(0).poll_once();
      w.poller.wait(0);  // for the sender, whose socket may be full
      if (c.link.server().poll_once()) c.link.server().receive(events, 10);
    }
    REQUIRE(events.size() == 1);
    CHECK(same(events[0].message, sent));
  }
}

TEST_CASE_TEMPLATE_DEFINE("what comes after arm() ends the sleep, what came before lets nobody sleep", Link,
                          arm_cases) {
  world w;
  connected_link<Link> c(w);
  for (std::uint64_t i = 0; i < 200; ++i) {
    bool const armed_before = i % 2 == 0;
    std::vector<event> events;
    if (armed_before) (void)c.link.server().arm(w.poller);
    REQUIRE(c.link.client(0).send(c.peer_at_client[0], make_frame(i)) == send_status::sent);
    c.link.client(0).flush();
    if (armed_before) REQUIRE(w.poller.wait(30'000'000'000) > 0);
    for (; events.empty(); c.link.server().receive(events, 10)) {
      if (c.link.server().arm(w.poller)) REQUIRE(w.poller.wait(30'000'000'000) > 0);
    }
    REQUIRE(events.size() == 1);
    CHECK(same(events[0].message, make_frame(i)));
  }
}

TEST_CASE_TEMPLATE_DEFINE("close() ends a connection for both: silently here, as lost there", Link,
                          close_cases) {
  world w;
  connected_link<Link> c(w, 2);
  c.link.server().close(c.peer_at_server[0]);
  CHECK(w.next(c.link.client(0), kind::lost).peer == c.peer_at_client[0]);
  CHECK(c.link.server().send(c.peer_at_server[0], make_frame(1)) == send_status::gone);
  CHECK(c.link.client(0).send(c.peer_at_client[0], make_frame(1)) == send_status::gone);

  c.link.client(1).close(c.peer_at_client[1]);
  CHECK(w.next(c.link.server(), kind::lost).peer == c.peer_at_server[1]);
  CHECK(c.link.client(1).send(c.peer_at_client[1], make_frame(1)) == send_status::gone);
  CHECK(c.link.server().send(c.peer_at_server[1], make_frame(1)) == send_status::gone);
  CHECK(w.events(c.link.client(1)).empty());
  c.link.server().close(c.peer_at_server[1]);  // of a peer that is gone: nothing happens
}

TEST_CASE_TEMPLATE_DEFINE("when a peer goes, what it had sent comes first, then lost; the others stay", Link,
                          death_cases) {
  world w;
  connected_link<Link> c(w, 3);
  for (std::uint64_t i = 0; i < 40; ++i) {
    w.send(c.link.client(1), c.peer_at_client[1], make_frame(i, 200));
    c.link.client(1).flush();
  }
  c.link.destroy(1);
  for (std::uint64_t i = 0; i < 40; ++i) {
    auto const got = w.next(c.link.server(), kind::received);
    CHECK(got.peer == c.peer_at_server[1]);
    CHECK(same(got.message, make_frame(i, 200)));
  }
  auto const lost = w.next(c.link.server(), kind::lost);
  CHECK(lost.peer == c.peer_at_server[1]);
  CHECK_FALSE(lost.unauthorized);
  CHECK(c.link.server().send(c.peer_at_server[1], make_frame(1)) == send_status::gone);
  for (std::size_t const other : {0, 2}) {
    w.send(c.link.server(), c.peer_at_server[other], make_frame(other));
    CHECK(same(w.next(c.link.client(other), kind::received).message, make_frame(other)));
  }
}

TEST_CASE_TEMPLATE_DEFINE("a frame of another protocol version is handed on, for the core to refuse in words",
                          Link, version_cases) {
  world w;
  connected_link<Link> c(w);
  auto other = make_frame(9);
  other.head.version = core::protocol_version + 1;
  w.send(c.link.client(0), c.peer_at_client[0], other);
  auto const got = w.next(c.link.server(), kind::received);
  CHECK(got.message.head.version == core::protocol_version + 1);
  CHECK(same(got.message, other));
}

#define YONDER_TEST_TRANSPORT(...)                        \
  TEST_CASE_TEMPLATE_INVOKE(order_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(peers_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(buffer_cases, __VA_ARGS__);   \
  TEST_CASE_TEMPLATE_INVOKE(volume_cases, __VA_ARGS__);   \
  TEST_CASE_TEMPLATE_INVOKE(full_cases, __VA_ARGS__);     \
  TEST_CASE_TEMPLATE_INVOKE(oversize_cases, __VA_ARGS__); \
  TEST_CASE_TEMPLATE_INVOKE(limit_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(detach_cases, __VA_ARGS__);   \
  TEST_CASE_TEMPLATE_INVOKE(body_cases, __VA_ARGS__);     \
  TEST_CASE_TEMPLATE_INVOKE(owner_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(poll_cases, __VA_ARGS__);     \
  TEST_CASE_TEMPLATE_INVOKE(arm_cases, __VA_ARGS__);      \
  TEST_CASE_TEMPLATE_INVOKE(close_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(death_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(version_cases, __VA_ARGS__)

}  // namespace yonder::testing
