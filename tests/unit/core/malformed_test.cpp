// SPDX-License-Identifier: Apache-2.0
// What peers send that they should not. Nothing of it crashes or harms anybody else.
#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace yonder::core;
using test::bytes_of;
using test::loopback;

namespace {

frame hello_of(peer_role role, std::uint64_t session) {
  hello_message said;
  said.role = role;
  said.session = session;
  auto message = make_hello(said);
  message.head.attempt = 1;
  return message;
}

bool was_closed(loopback& net, peer_id peer) {
  for (auto const& one : net.closes) {
    if (one.peer == peer) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a frame before hello closes a reliable connection, and asks for a hello on another") {
  for (auto const reliable : {true, false}) {
    loopback net({}, reliable);
    net.hub().connected(net.now, 50, {reliable, 0}, net.scratch());
    net.inject(50, make_control(frame_type::call));
    CHECK(was_closed(net, 50) == reliable);
    REQUIRE_FALSE(net.log.empty());
    CHECK(net.log.back().head.type == frame_type::bye);
    CHECK((net.log.back().head.flags & flag_rejoin) == (reliable ? 0 : flag_rejoin));
  }
}

TEST_CASE("an undecodable hello, and one of another protocol version, are refused in words") {
  loopback net;
  net.hub().connected(net.now, 50, {true, 0}, net.scratch());
  net.inject(50, make_control(frame_type::hello));
  CHECK(was_closed(net, 50));
  CHECK(net.hub().counters().protocol_violations == 1);
  net.hub().connected(net.now, 51, {true, 0}, net.scratch());
  hello_message said;
  said.role = peer_role::client;
  said.session = 3;
  said.lowest_version = 7;
  said.highest_version = 9;
  net.inject(51, make_hello(said));
  CHECK(was_closed(net, 51));
  CHECK(net.hub().census().peers == 0);
}

TEST_CASE("no hello in time closes the connection") {
  loopback net;
  net.hub().connected(net.now, 50, {true, 0}, net.scratch());
  net.wait(11 * second);
  CHECK(was_closed(net, 50));
  CHECK(net.hub().census().peers == 0);
}

TEST_CASE("frames of the wrong role, and answers to nothing, end the session and no other") {
  for (auto const type : {frame_type::result, frame_type::assign, frame_type::welcome, frame_type::drain}) {
    loopback net;
    auto& good = net.add_client();
    auto& worker = net.add_worker();
    auto& bad = net.add_client();
    auto message = make_control(type);
    message.head.epoch = net.log.back().head.epoch;
    net.inject(bad.peer, std::move(message));
    CHECK(net.hub().counters().protocol_violations == 1);
    CHECK(was_closed(net, bad.peer));
    auto const call = net.submit(good, "x");
    net.finish(worker, "y");
    CHECK(good.outcomes.at(call.number).ok());
  }
}

TEST_CASE("a worker that answers what it was not asked is ended, its call is not") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  call_policy policy;
  policy.retries = 1;
  auto const call = net.submit(client, "x", policy);
  auto result = make_control(frame_type::result);
  result.head.epoch = worker.runs[0].key.epoch;
  result.head.call = call;
  result.head.attempt = 99;
  net.inject(worker.peer, std::move(result));
  CHECK(net.hub().counters().protocol_violations == 1);
  CHECK(client.outcomes.empty());
  auto& other = net.add_worker();
  net.wait(2 * second);
  REQUIRE(other.runs.size() == 1);
}

TEST_CASE("a call that does not decode is answered, one under a number that is in flight ends the session") {
  loopback net;
  auto& client = net.add_client();
  auto const epoch = net.log.back().head.epoch;
  auto const first = net.submit(client, "x");
  auto bad = make_control(frame_type::call);
  bad.head.epoch = epoch;
  bad.head.call = {first.session, 5};
  bad.body = bytes_of("\xff\xff\xff");
  bad.head.metadata_size = 3;
  net.inject(client.peer, std::move(bad));
  CHECK(net.hub().census().clients == 1);
  CHECK(net.hub().counters().protocol_violations == 1);
  auto again = make_control(frame_type::call);
  again.head.epoch = epoch;
  again.head.call = first;
  net.inject(client.peer, std::move(again));
  CHECK(net.hub().census().clients == 0);
}

TEST_CASE("frames of another epoch change nothing") {
  loopback net;
  auto& client = net.add_client();
  auto& worker = net.add_worker();
  auto const call = net.submit(client, "x");
  auto stale = make_control(frame_type::result);
  stale.head.call = call;
  stale.head.attempt = 1;
  stale.head.epoch = worker.runs[0].key.epoch - 1;
  net.inject(worker.peer, std::move(stale));
  CHECK(client.outcomes.empty());
  CHECK(net.hub().counters().stale == 1);
}

TEST_CASE("more connections than allowed are closed") {
  hub_config config;
  config.max_peers = 2;
  loopback net(std::move(config));
  for (peer_id peer = 50; peer < 53; ++peer) net.hub().connected(net.now, peer, {true, 0}, net.scratch());
  net.tick();
  CHECK(was_closed(net, 52));
  CHECK(net.hub().census().peers == 2);
}

TEST_CASE("frames of random content never crash a core, and leave the hub with nothing") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    loopback net({}, round % 2 == 0);
    auto& client = net.add_client();
    auto& worker = net.add_worker();
    auto const epoch = net.log.back().head.epoch;
    auto const session = net.submit(client, "x").session;
    for (int i = 0; i < 30; ++i) {
      frame message = random() % 4 == 0
                          ? hello_of(static_cast<peer_role>(1 + random() % 2), 100 + random() % 5)
                          : frame{};
      if (message.body.empty())
        message.head.type = static_cast<frame_type>(1 + random() % static_cast<unsigned>(last_frame_type));
      message.head.epoch = epoch - static_cast<std::uint32_t>(random() % 3);
      message.head.call = {session, random() % 4};
      message.head.attempt = static_cast<std::uint32_t>(random() % 3);
      message.head.sequence = static_cast<std::uint32_t>(random() % 6);
      message.head.flags = static_cast<std::uint8_t>(random());
      message.head.remaining_us = random() % 2 == 0 ? 0 : random();
      auto body = byte_buffer::copy_of(message.body);
      while (body.size() < random() % 40) *body.extend(1) = static_cast<std::byte>(random() % 8);
      message.body = std::move(body);
      message.head.metadata_size = static_cast<std::uint32_t>(random() % (message.body.size() + 1));
      frame copy{message.head, byte_buffer::copy_of(message.body), {}};
      frame another{message.head, byte_buffer::copy_of(message.body), {}};
      net.inject(random() % 2 == 0 ? client.peer : worker.peer, std::move(message));
      client.core->receive(net.now, client.peer, std::move(copy), net.scratch());
      net.scratch().clear();
      worker.core->receive(net.now, worker.peer, std::move(another), net.scratch());
      net.scratch().clear();
    }
    net.wait(30 * second);
  }
}
