// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <algorithm>

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "src/platform/epoll_poller.hpp"
#include "transports/transport.hpp"

namespace yonder::testing {

using transport::endpoint;
using transport::event;
using transport::frame;
using transport::limits;
using transport::peer_id;
using transport::send_status;
using kind = transport::event::kind;

// Drives any number of endpoints in one thread, as a runtime's driver does, and keeps the events of each.
class world {
 public:
  platform::epoll_poller poller;

  void drive(endpoint& driven) { driven_.emplace_back(&driven, std::deque<event>()); }
  void forget(endpoint& gone) {
    std::erase_if(driven_, [&](auto const& each) { return each.first == &gone; });
  }

  // The events of one endpoint that no test has taken yet.
  std::deque<event>& events(endpoint& of) {
    for (auto& [each, events] : driven_) {
      if (each == &of) return events;
    }
    throw std::logic_error("this endpoint is not driven");
  }

  // One turn of each driver; sleeps up to `timeout_ns` if nothing is left to do.
  void turn(std::int64_t timeout_ns = 10'000'000) {
    bool busy = false;
    for (auto& [each, events] : driven_) {
      each->flush();
      std::vector<event> fresh;
      each->receive(fresh, 64);
      for (auto& one : fresh) events.push_back(std::move(one));
      busy = busy || !fresh.empty();
    }
    for (auto& [each, events] : driven_) {
      each->flush();
      busy = !each->arm(poller) || busy;
    }
    poller.wait(busy ? 0 : timeout_ns);
  }

  // Turns until `done()`, at most 30 s.
  void run_until(std::function<bool()> const& done) {
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      turn();
      REQUIRE_MESSAGE(std::chrono::steady_clock::now() < end, "nothing more happened");
    }
  }

  // The next event of `of`, which must be of this kind.
  event next(endpoint& of, kind what) {
    run_until([&] { return !events(of).empty(); });
    auto result = std::move(events(of).front());
    events(of).pop_front();
    INFO("reason: " << result.reason);
    REQUIRE(result.what == what);
    return result;
  }

  // Sends, driving everything while the queue is full.
  void send(endpoint& from, peer_id to, frame const& message) {
    auto status = send_status::full;
    run_until([&] { return (status = from.send(to, message)) != send_status::full; });
    REQUIRE(status == send_status::sent);
  }

 private:
  std::list<std::pair<endpoint*, std::deque<event>>> driven_;
};

inline detail::byte_buffer random_bytes(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  detail::byte_buffer bytes;
  bytes.extend(size);
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    auto const word = random();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  for (; at < size; ++at) bytes.data()[at] = static_cast<std::byte>(random());
  return bytes;
}

// A frame whose number, sizes and bytes can be told from its number and seed.
inline frame make_frame(std::uint64_t number, std::size_t body = 32,
                        std::vector<std::size_t> const& buffers = {}) {
  frame made;
  made.head.type = core::frame_type::call;
  made.head.call = {42, number};
  made.head.sequence = static_cast<std::uint32_t>(number);
  made.body = random_bytes(body, number);
  made.head.metadata_size = static_cast<std::uint32_t>(body / 3);
  for (auto const size : buffers)
    made.buffers.push_back(detail::owned_copy(random_bytes(size, number + made.buffers.size() + 1)));
  made.head.buffer_count = static_cast<std::uint32_t>(buffers.size());
  return made;
}

inline bool same_bytes(std::span<std::byte const> a, std::span<std::byte const> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

inline bool same(frame const& a, frame const& b) {
  if (a.head.call != b.head.call || a.head.type != b.head.type || a.head.sequence != b.head.sequence)
    return false;
  if (a.head.metadata_size != b.head.metadata_size || a.head.buffer_count != b.head.buffer_count)
    return false;
  if (!same_bytes(a.body, b.body) || a.buffers.size() != b.buffers.size()) return false;
  for (std::size_t i = 0; i < a.buffers.size(); ++i) {
    if (!same_bytes(a.buffers[i].bytes(), b.buffers[i].bytes())) return false;
  }
  return true;
}

}  // namespace yonder::testing
